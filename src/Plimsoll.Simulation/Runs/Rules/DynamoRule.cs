using Plimsoll.Simulation.Rivals.Dynamo;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>
/// Dynamo's planner over one deployment whose engines prefill and decode. It sees their iterations and queues, and the traffic at
/// its frontend.
/// </summary>
internal sealed class DynamoRule : IScalingRule
{
    private readonly DynamoSettings _settings;
    private readonly int _room;
    private readonly CounterWindow _means = new(TimeSpan.FromMinutes(5));
    private readonly Dictionary<string, ((long, double) Prompt, (int, long, double) Decode)> _last = new(StringComparer.Ordinal);
    private DynamoState _state;
    private DateTimeOffset? _nextThroughput;
    private (DateTimeOffset At, long Arrived, long Requests, double Prompts, double Answers) _interval;

    public DynamoRule(SimulatedModel model, DynamoSettings settings, RivalKnobs knobs)
    {
        var (spec, variant) = (model.Spec, model.Spec.Variants[0]);
        var limits = model.Profiles[variant.Id].Limits;
        var gpus = Math.Max(1, variant.Needs.Devices);
        _room = (int)Math.Min(int.MaxValue, limits.Blocks * limits.BlockTokens);
        _settings = settings with
        {
            FirstTokenTarget = (spec.Slo.TimeToFirstToken?.TotalMilliseconds ?? settings.FirstTokenTarget) * (knobs.Target ?? 1),
            TokenTarget = (spec.Slo.TimePerOutputToken?.TotalMilliseconds ?? settings.TokenTarget) * (knobs.Target ?? 1),
            DecodeGpus = gpus,
            MaxGpuBudget = spec.MaxReplicas * gpus,
            MinEndpoint = Math.Min(spec.MaxReplicas, Math.Max(Math.Max(1, spec.MinReplicas), knobs.MinReplicas ?? 1)),
            MaxBatchedTokens = limits.StepTokens,
            MaxSequences = Math.Min(limits.Sequences, variant.Concurrency),
            MaxKvTokens = _room,
        };
        _state = DynamoState.Fresh(settings.Predictor);
    }

    public TimeSpan Period => _settings.LoadInterval;

    /// <summary>What its planner remembers.</summary>
    public DynamoState State => _state;

    public ScalingWish Desired(ModelView seen)
    {
        _means.Look(seen);
        Observe(seen);
        if (_nextThroughput is null) (_nextThroughput, _interval) = (seen.Now + _settings.ThroughputInterval, (seen.Now, 0, 0, 0, 0));
        var replicas = Math.Max(seen.Spec, _settings.Least.Decode);
        if (seen.Now >= _nextThroughput)
        {
            _nextThroughput = seen.Now + _settings.ThroughputInterval;
            var (slow, state) = DynamoPlanner.DecideAggregatedThroughput(_settings, _state, Traffic(seen), replicas);
            _state = state;
            if (slow.Decision is { } step) return step.Decode;
        }

        var engines = seen.Pods.Where(pod => pod.Ready).ToList();
        if (engines.Count == 0) return replicas;
        var (prompt, answer) = (_means.MeanPrompt, _means.MeanAnswer);
        var fast = DynamoPlanner.DecideAggregatedLoad(
            _settings, _state,
            new DynamoPool(engines.Count, replicas, [.. engines.Select(pod => new DynamoEngine(seen.WaitingIn(pod) * prompt, pod.TokensHeld, 0))]),
            _room, new DynamoAverages(prompt, prompt + answer / 2, engines.Average(pod => pod.Running)));
        return fast.Decision?.Decode ?? replicas;
    }

    // Engines report every iteration; a look takes the last of each kind that it has not seen yet.
    private void Observe(ModelView seen)
    {
        List<DynamoSample> prefill = [], decode = [];
        foreach (var pod in seen.Pods.Where(pod => pod.Ready))
        {
            var last = _last.GetValueOrDefault(pod.Name);
            _last[pod.Name] = (pod.LastPrompt, pod.LastDecode);
            if (pod.LastPrompt.Seconds > 0 && pod.LastPrompt != last.Prompt) prefill.Add(new DynamoSample(0, pod.LastPrompt.Tokens, pod.LastPrompt.Seconds));
            if (pod.LastDecode.Seconds > 0 && pod.LastDecode != last.Decode) decode.Add(new DynamoSample(pod.LastDecode.Sequences, pod.LastDecode.Context, pod.LastDecode.Seconds));
        }

        _state = DynamoPlanner.Observe(_state, prefill, decode);
    }

    // Where metrics were away for longer than an interval, at the mean rate of the time since the last one.
    private DynamoTraffic? Traffic(ModelView seen)
    {
        var before = _interval;
        _interval = (seen.Now, seen.Arrived, seen.Served.Requests, seen.Served.Prompts, seen.Served.Answers);
        var served = seen.Served.Requests - before.Requests;
        return served == 0 ? null : new DynamoTraffic(
            (seen.Arrived - before.Arrived) * (_settings.ThroughputInterval / (seen.Now - before.At)), (seen.Served.Prompts - before.Prompts) / served, (seen.Served.Answers - before.Answers) / served);
    }
}
