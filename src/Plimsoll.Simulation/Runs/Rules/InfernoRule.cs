using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Inferno;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// WVA with inferno: each minute the cheapest accelerator and its replicas by the queue model, unlimited as its documents say it
/// runs, and the HPAs that follow. Its parameters are fitted to predicted step times, as its users fit them to a benchmark.
/// </summary>
internal sealed class InfernoRule : IScalingRule
{
    private const double LatencyToFirstToken = 0.1;

    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(60);

    private readonly SimulatedModel _model;
    private readonly ImmutableArray<InfernoFit?> _fits;
    private readonly ImmutableArray<double?> _costs;
    private readonly double _objectives;
    private readonly int _least;
    private readonly GaugeAutoscalers _followers;
    private readonly CounterWindow _minute = new(Interval);
    private InfernoAllocation? _current;
    private int[] _gauges;
    private DateTimeOffset _nextPass;

    public InfernoRule(SimulatedModel model, ImmutableArray<double?> costs, RivalKnobs knobs)
    {
        (_model, _costs, _objectives) = (model, costs, knobs.Target ?? 1);
        _least = Math.Min(Math.Max(Math.Max(1, model.Spec.MinReplicas), knobs.MinReplicas ?? 1), model.Spec.MaxReplicas);
        _fits = [.. model.Spec.Variants.Select(variant => model.Profiles.GetValueOrDefault(variant.Id) is { } profile ? InfernoFit.Of(profile) : null)];
        _followers = new GaugeAutoscalers(model.Spec, knobs, 0);
        _gauges = [.. model.Spec.Variants.Select((_, i) => i == 0 ? _least : 0)];
    }

    public TimeSpan Period => _followers.Period;

    public ScalingWish Desired(ModelView seen)
    {
        _minute.Look(seen);
        if (seen.Now >= _nextPass)
        {
            _nextPass = seen.Now + Interval;
            Solve();
        }

        return _followers.Follow(seen, _gauges);
    }

    private void Solve()
    {
        var slo = _model.Spec.Slo;
        var (prompt, answer) = (_minute.MeanPrompt, _minute.MeanAnswer);
        // Who states a latency alone types in targets that a mean request keeps it with: a tenth of it to the first token.
        var (first, each) = slo is { TimeToFirstToken: null, TimePerOutputToken: null }
            ? (slo.Latency * LatencyToFirstToken, answer > 0 ? slo.Latency * (1 - LatencyToFirstToken) / answer : TimeSpan.Zero)
            : (slo.TimeToFirstToken ?? TimeSpan.Zero, slo.TimePerOutputToken ?? TimeSpan.Zero);
        // Before anything was answered nothing is known of lengths, and it keeps what there is.
        var candidates = _model.Spec.Variants.Select((variant, i) => _fits[i] is not { } fit ? null : InfernoAllocation.For(variant.Id.Value, new InfernoDemand(
                new InfernoService(fit.Alpha, fit.Beta, fit.Gamma, prompt, answer), variant.Concurrency, _minute.ArrivalsPerSecond * 60,
                first.TotalMilliseconds * _objectives, each.TotalMilliseconds * _objectives, 0,
                _costs[i] ?? 1, 1, _least)))
            .OfType<InfernoAllocation>().Select(one => one.From(_current)).ToImmutableArray();
        var solved = InfernoSolver.Unlimited([new InfernoServer(_model.Spec.Id.Value, 1, candidates, ImmutableDictionary<string, int>.Empty)]);
        if (!solved.TryGetValue(_model.Spec.Id.Value, out var chosen)) return;
        _current = chosen;
        _gauges = [.. _model.Spec.Variants.Select(variant => variant.Id.Value == chosen.Accelerator ? chosen.Replicas : 0)];
    }
}

/// <summary>Inferno's parameters, ms: of an iteration, of a token computed, of a token of context read.</summary>
internal sealed record InfernoFit(double Alpha, double Beta, double Gamma)
{
    /// <summary>Least squares of relative errors over steps of prompts and of sequences, no parameter below zero.</summary>
    public static InfernoFit Of(ReplicaProfile profile)
    {
        List<(double Tokens, double Context, double Milliseconds)> steps = [];
        foreach (var tokens in (ReadOnlySpan<double>)[128, 512, 1024, 2048])
            steps.Add((tokens, tokens, 1000 * profile.StepSeconds(StepBatch.Prefill(1, tokens))));
        for (var sequences = 1; sequences <= profile.Limits.Sequences; sequences *= 4)
            foreach (var context in (ReadOnlySpan<double>)[256, 1024, 4096])
                steps.Add((sequences, sequences * context, 1000 * profile.StepSeconds(StepBatch.Decode(sequences, context))));

        // Coordinate descent: three parameters of a convex error, each to its best while the others stay.
        double[] fitted = [0, 0, 0];
        for (var round = 0; round < 2000; round++)
        {
            for (var i = 0; i < 3; i++)
            {
                var (over, under) = (0.0, 0.0);
                foreach (var step in steps)
                {
                    double[] x = [1, step.Tokens, step.Context];
                    var others = step.Milliseconds - fitted[0] * x[0] - fitted[1] * x[1] - fitted[2] * x[2] + fitted[i] * x[i];
                    var weight = 1 / (step.Milliseconds * step.Milliseconds);
                    (over, under) = (over + weight * x[i] * others, under + weight * x[i] * x[i]);
                }

                fitted[i] = Math.Max(0, over / under);
            }
        }

        return new InfernoFit(fitted[0], fitted[1], fitted[2]);
    }
}
