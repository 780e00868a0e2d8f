using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Wva;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// llm-d's WVA over the variants of one model, and the HPAs that follow its gauges. While none serves, requests wait at the
/// endpoint picker, whose queue it polls; while some do, they wait in the engines.
/// </summary>
internal sealed class WvaRule : IScalingRule
{
    private static readonly TimeSpan FromZeroPoll = TimeSpan.FromSeconds(1);

    private readonly WvaSettings _settings;
    private readonly bool _tokens;
    private readonly ModelSpec _model;
    private readonly ImmutableArray<WvaEngineArguments?> _arguments;
    private readonly ImmutableArray<double?> _costs;
    private readonly GaugeAutoscalers _followers;
    private readonly CounterWindow _means = new(TimeSpan.FromMinutes(5));
    private readonly CounterWindow _retention;
    private WvaState _state = WvaState.Fresh;
    private int[] _gauges;
    private DateTimeOffset _nextPass;
    private bool _atZero;

    /// <param name="tokens">V2, by tokens; otherwise V1, by percentages.</param>
    public WvaRule(WvaSettings settings, bool tokens, SimulatedModel model, ImmutableArray<double?> costs, RivalKnobs knobs)
    {
        (_settings, _tokens, _model, _costs) = (settings, tokens, model.Spec, costs);
        _arguments = [.. model.Spec.Variants.Select(variant => model.Profiles.GetValueOrDefault(variant.Id) is { } profile
            ? new WvaEngineArguments(profile.Limits.StepTokens, profile.Limits.Sequences, GpuCount: variant.Needs.Devices, TensorParallel: variant.TensorParallel)
            : null)];
        var least = Math.Max(model.Spec.MinReplicas, knobs.MinReplicas ?? (settings.ScaleToZero ? 0 : 1));
        _followers = new GaugeAutoscalers(model.Spec, knobs, Math.Min(least, model.Spec.MaxReplicas));
        _gauges = [.. model.Spec.Variants.Select((_, i) => i == 0 ? least : 0)];
        _retention = new CounterWindow(settings.RetentionPeriod);
    }

    public TimeSpan Period => _atZero ? FromZeroPoll : _followers.Period;

    public ScalingWish Desired(ModelView seen)
    {
        _means.Look(seen);
        _retention.Look(seen);
        var observed = Observe(seen);
        if (_atZero && seen.Spec == 0)
        {
            var woken = WvaEngine.FromZero(observed);
            ImmutableArray<int> counts = [.. _model.Variants.Select(variant => woken[variant.Id.Value])];
            _atZero = counts.Sum() == 0;
            if (!_atZero) _gauges = [.. counts];
            return ScalingWish.Of(counts);
        }

        if (seen.Now >= _nextPass)
        {
            _nextPass = seen.Now + _settings.PollInterval;
            var decision = _tokens ? WvaEngine.DecideV2(_settings, _state, observed) : WvaEngine.DecideV1(_settings, _state, observed);
            _state = decision.State;
            _gauges = [.. _model.Variants.Select(variant => decision.Targets[variant.Id.Value])];
        }

        var wish = _followers.Follow(seen, _gauges);
        _atZero = wish.Total == 0;
        return wish;
    }

    private WvaObservation Observe(ModelView seen)
    {
        var (prompt, answer) = (_means.MeanPrompt, _means.MeanAnswer);
        return new WvaObservation(
            [.. seen.Pods.Where(pod => pod.Ready).Select(pod => new WvaReplica(
                _model.Variants[pod.Variant].Id.Value, pod.TokensHeld, pod.TokenRoom, pod.CacheUse, (int)Math.Round(seen.WaitingIn(pod)), prompt, answer))],
            [.. _model.Variants.Select((variant, i) =>
            {
                var pods = seen.Pods.Where(pod => pod.Variant == i).ToList();
                return new WvaVariant(variant.Id.Value, variant.DeviceKind ?? "cpu", pods.Count, pods.Count(pod => !pod.Ready), _gauges[i], _costs[i], _arguments[i]);
            })],
            _retention.IsFull ? _retention.Arrived : null,
            seen.Ready == 0 ? seen.Held : 0);
    }
}
