using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Aibrix;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// AIBrix' GPU optimiser over the variants of one model, and a PodAutoscaler of strategy KPA for each, which reads its hundredths
/// of a GPU as an external metric with a target of 100.
/// </summary>
internal sealed class AibrixOptimizerRule : IScalingRule
{
    // Its gateway counts requests in tenths of a power of two.
    private const double SizesPerOctave = 10;
    private const double Target = 100;

    private readonly AibrixOptimizerSettings _settings = new();
    private readonly AibrixProfile _profile;
    private readonly ModelSpec _model;
    private readonly ImmutableArray<AibrixSettings> _scalers;
    private readonly AibrixState[] _states;
    private readonly AibrixWindow[] _stable;
    private readonly AibrixWindow[] _panic;
    private readonly Queue<AibrixRequest> _requests = new();
    private readonly ImmutableSortedDictionary<string, int> _least;
    private ImmutableSortedDictionary<string, int>? _answer;
    private DateTimeOffset? _since;
    private (DateTimeOffset? At, long Arrived) _last;

    public AibrixOptimizerRule(SimulatedModel model, ImmutableArray<double?> costs, RivalKnobs knobs)
    {
        _model = model.Spec;
        ImmutableArray<double> inputs = [.. Enumerable.Range(4, 11).Select(power => (double)power)];
        ImmutableArray<double> outputs = [.. Enumerable.Range(2, 10).Select(power => (double)power)];
        _profile = new AibrixProfile(inputs, outputs, [.. model.Spec.Variants.Select((variant, i) => new AibrixGpuProfile(
            variant.Id.Value, costs[i] ?? 1,
            [.. outputs.Select(output => inputs.Select(input => (knobs.Target ?? 1)
                * ProfiledRate.PerSecond(model.Profiles[variant.Id], variant.Concurrency, model.Spec.Slo, Math.Pow(2, input), Math.Pow(2, output))).ToImmutableArray())]))]);
        var least = Math.Min(model.Spec.MaxReplicas, Math.Max(model.Spec.MinReplicas, knobs.MinReplicas ?? 1));
        _scalers = [.. model.Spec.Variants.Select((_, i) => RequestRules.Aibrix(model.Spec, knobs) with { Strategy = AibrixStrategy.Kpa, MinReplicas = i == 0 ? least : 0 })];
        _least = model.Spec.Variants.Select((variant, i) => KeyValuePair.Create(variant.Id.Value, i == 0 ? least : 0)).ToImmutableSortedDictionary(StringComparer.Ordinal);
        _states = [.. _scalers.Select(_ => AibrixState.Fresh)];
        _stable = [.. _scalers.Select(one => new AibrixWindow(one.StableWindow))];
        _panic = [.. _scalers.Select(one => new AibrixWindow(one.PanicWindow))];
    }

    public TimeSpan Period => _settings.Interval;

    public bool ReadsRequests => true;

    public ScalingWish Desired(ModelView seen)
    {
        _since ??= seen.Now;
        foreach (var (at, prompt, answer) in seen.Answered) _requests.Enqueue(new AibrixRequest(at, Counted(prompt), Counted(answer)));
        while (_requests.TryPeek(out var oldest) && oldest.At < seen.Now - _settings.Window) _requests.Dequeue();
        var latest = (seen.Arrived - _last.Arrived) / (_last.At is { } last && last < seen.Now ? seen.Now - last : _settings.Interval).TotalSeconds;
        _last = (seen.Now, seen.Arrived);
        _answer = AibrixOptimizer.Decide(_settings, _profile, new AibrixOptimizerObservation(seen.Now, _since.Value, [.. _requests], latest), _answer, _least);
        var spec = seen.SpecByVariant.IsDefault ? [.. _scalers.Select((_, i) => i == 0 ? seen.Spec : 0)] : seen.SpecByVariant;
        var counts = ImmutableArray.CreateBuilder<int>(_scalers.Length);
        for (var i = 0; i < _scalers.Length; i++)
        {
            var wanted = _answer.GetValueOrDefault(_model.Variants[i].Id.Value);
            _stable[i].Record(seen.Now, wanted);
            _panic[i].Record(seen.Now, wanted);
            var decision = AibrixAutoscaler.Decide(_scalers[i], _states[i], new AibrixObservation(
                seen.Now, Math.Max(spec[i], _scalers[i].MinReplicas), [new AibrixMetric(Target, _stable[i].Mean(seen.Now), _panic[i].Mean(seen.Now))]));
            _states[i] = decision.State;
            counts.Add(decision.Replicas);
        }

        return ScalingWish.Of(counts.MoveToImmutable());
    }

    private static int Counted(int tokens) =>
        Math.Max(1, (int)Math.Round(Math.Pow(2, Math.Round(Math.Log2(Math.Max(1, tokens)) * SizesPerOctave) / SizesPerOctave)));
}
