using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>What the planner remembers.</summary>
/// <param name="Floors">Set by the slow loop, kept by the fast one.</param>
/// <param name="HitRate">The last known share of prompts in the cache.</param>
public sealed record DynamoState(
    DynamoForecast Requests, DynamoForecast Input, DynamoForecast Output, DynamoRegression Prefill, DynamoRegression Decode,
    DynamoCorrection Correction, DynamoPair Floors, double HitRate)
{
    public static DynamoState Fresh(DynamoPredictor predictor) => new(
        DynamoForecast.Fresh(predictor), DynamoForecast.Fresh(predictor), DynamoForecast.Fresh(predictor), DynamoRegression.Empty,
        DynamoRegression.Empty, new(1, 1), default, 0);
}

/// <summary>
/// Both loops over a deployment whose prefill and decode are apart, and the fast one over one where they are not. The slow loop's
/// rates for the latter, which a native model gives, are not published.
/// </summary>
public static class DynamoPlanner
{
    /// <summary>Iterations that engines reported since the last call.</summary>
    public static DynamoState Observe(DynamoState state, IEnumerable<DynamoSample> prefill, IEnumerable<DynamoSample> decode)
    {
        ArgumentNullException.ThrowIfNull(state);
        return state with
        {
            Prefill = prefill.Aggregate(state.Prefill, (model, sample) => model.Observe(sample)),
            Decode = decode.Aggregate(state.Decode, (model, sample) => model.Observe(sample)),
        };
    }

    /// <summary>Every 180 s. The third generation is sized by the second's regressions, as its native model is not published.</summary>
    /// <param name="traffic">Of the interval; null or without requests: nothing is predicted from it.</param>
    /// <param name="profile">For the first generation only.</param>
    public static (DynamoDecision Decision, DynamoState State) DecideThroughput(
        DynamoSettings settings, DynamoState state, DynamoTraffic? traffic, DynamoPair current, DynamoProfile? profile = null,
        DynamoObservedLatency? latency = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        if (!settings.EnableThroughput) return (new(null, null, "disabled"), state);
        if (traffic is null || !(traffic.Requests > 0)) return (new(null, null, "no_traffic_data"), state);
        state = Predicting(state, traffic);
        var next = new DynamoTraffic(state.Requests.Next, state.Input.Next, state.Output.Next, traffic.HitRate);
        (int? prefill, int? decode) = (null, null);
        if (settings.Generation == DynamoGeneration.First && profile is not null)
        {
            if (latency is not null)
                state = state with { Correction = DynamoInterpolation.Correct(settings, profile, state.Correction, traffic, latency, current.Decode) };
            (prefill, decode) = DynamoInterpolation.Replicas(settings, profile, state.Correction, next) is var pair ? (pair.Prefill, pair.Decode) : default;
        }
        else if (state.Prefill.Fit() is { } prefillTime && state.Decode.Fit() is { } decodeTime)
        {
            var demand = next.Requests / settings.ThroughputInterval.TotalSeconds;
            prefill = DynamoCapacity.PrefillReplicas(
                settings, DynamoCapacity.Prefill(settings, prefillTime, next.InputTokens, next.HitRate), demand);
            decode = DynamoCapacity.DecodeReplicas(
                settings, DynamoCapacity.Decode(settings, decodeTime, next.InputTokens, next.OutputTokens), demand);
        }

        var decision = DynamoThroughput.Decide(settings, current, prefill, decode);
        return (decision, decision.Floors is { } floors ? state with { Floors = floors } : state);
    }

    /// <summary>
    /// The slow loop over one pool that prefills and decodes. The peer's rates of such engines come from a model that is not published:
    /// here an engine's time is shared between the two by the second generation's regressions, so replicas are the demand times an
    /// engine's time for a request's prefill and for its tokens.
    /// </summary>
    public static (DynamoDecision Decision, DynamoState State) DecideAggregatedThroughput(
        DynamoSettings settings, DynamoState state, DynamoTraffic? traffic, int current)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        if (!settings.EnableThroughput) return (new(null, null, "disabled"), state);
        if (traffic is null || !(traffic.Requests > 0)) return (new(null, null, "no_traffic_data"), state);
        state = Predicting(state, traffic);
        int? wanted = null;
        if (state.Prefill.Fit() is { } prefillTime && state.Decode.Fit() is { } decodeTime)
        {
            var (input, output) = (state.Input.Next, Math.Max(1, state.Output.Next));
            var prefill = DynamoCapacity.Prefill(settings, prefillTime, input, traffic.HitRate);
            var decode = DynamoCapacity.Decode(settings, decodeTime, input, output);
            var demand = Math.Max(0, state.Requests.Next) / settings.ThroughputInterval.TotalSeconds;
            wanted = WholeReplicas.Ceiling(demand * (1 / prefill.PerSecond + 1 / decode.PerSecond));
        }

        var alone = Alone(settings);
        var decision = DynamoThroughput.Decide(alone, new(0, current), wanted is null ? null : 0, wanted);
        return (decision, decision.Floors is { } floors ? state with { Floors = floors } : state);
    }

    /// <summary>Every 5 s.</summary>
    /// <param name="contextLength">Tokens of the longest context, for the ratios of queued prompts.</param>
    /// <param name="averages">For the target of latency; without them it holds.</param>
    public static DynamoDecision DecideLoad(
        DynamoSettings settings, DynamoState state, DynamoPool prefill, DynamoPool decode, double contextLength, DynamoAverages? averages = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(prefill);
        ArgumentNullException.ThrowIfNull(decode);
        if (!settings.EnableLoad) return new(null, null, "disabled");
        if (prefill.Engines.IsEmpty && decode.Engines.IsEmpty) return new(null, null, "no_fpm_data");
        if (Mismatch(prefill) || Mismatch(decode)) return new(null, null, "worker_count_mismatch");

        var current = new DynamoPair(prefill.Ready, decode.Ready);
        var wish = new DynamoPair(
            prefill.Engines.IsEmpty ? current.Prefill : Prefill(settings, state, prefill.Engines, contextLength, averages) ?? current.Prefill,
            decode.Engines.IsEmpty ? current.Decode : Decode(settings, state, decode.Engines, averages) ?? current.Decode);
        var floors = settings.EnableThroughput ? state.Floors : default;
        wish = new(
            Math.Max(Math.Max(wish.Prefill, floors.Prefill), settings.Least.Prefill),
            Math.Max(Math.Max(wish.Decode, floors.Decode), settings.Least.Decode));
        var (pair, reason) = Budgeted(settings, current, wish);
        return pair == current ? new(null, null, reason ?? "no_change") : new(pair, null, reason ?? "scale");
    }

    /// <summary>One pool that prefills and decodes; held while scaling is under way.</summary>
    public static DynamoDecision DecideAggregatedLoad(DynamoSettings settings, DynamoState state, DynamoPool pool, double contextLength, DynamoAverages? averages = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(pool);
        if (!settings.EnableLoad) return new(null, null, "disabled");
        if (pool.Engines.IsEmpty) return new(null, null, "no_fpm_data");
        if (pool.Expected != pool.Ready) return new(null, null, "scaling_in_progress");
        if (Mismatch(pool)) return new(null, null, "worker_count_mismatch");
        int? wish = settings.Target == DynamoTarget.Sla
            ? Prefill(settings, state, pool.Engines, contextLength, averages) is { } prefill && Decode(settings, state, pool.Engines, averages) is { } decode
                ? DynamoLoad.Aggregated(prefill, decode, pool.Ready)
                : null
            : DynamoLoad.DecodeByRatio(
                settings.Target,
                [.. pool.Engines.Select(engine => (DynamoLoad.Kv(engine) + engine.QueuedPrefillTokens) / settings.MaxKvTokens)], pool.Ready);
        if (wish is not { } wanted) return new(null, null, "insufficient_data");
        var current = new DynamoPair(0, pool.Ready);
        var floor = Math.Max(settings.EnableThroughput ? state.Floors.Decode : 0, settings.Least.Decode);
        var (pair, reason) = Budgeted(Alone(settings), current, new(0, Math.Max(wanted, floor)));
        return pair == current ? new(null, null, reason ?? "no_change") : new(pair, null, reason ?? "scale");
    }

    /// <summary>One pool is a pair of which the other half is none.</summary>
    private static DynamoSettings Alone(DynamoSettings settings) => settings with { PrefillGpus = settings.DecodeGpus, PrefillMinEndpoint = 0 };

    private static DynamoState Predicting(DynamoState state, DynamoTraffic traffic) => state with
    {
        Requests = state.Requests.Observe(traffic.Requests),
        Input = state.Input.Observe(traffic.InputTokens),
        Output = state.Output.Observe(traffic.OutputTokens),
        HitRate = traffic.HitRate,
    };

    private static bool Mismatch(DynamoPool pool) => !pool.Engines.IsEmpty && pool.Engines.Length != pool.Ready;

    private static int? Prefill(DynamoSettings settings, DynamoState state, ImmutableArray<DynamoEngine> engines, double contextLength, DynamoAverages? averages)
    {
        if (settings.Target != DynamoTarget.Sla)
            return DynamoLoad.PrefillByRatio(settings.Target, [.. engines.Select(engine => engine.QueuedPrefillTokens / contextLength)], engines.Length);
        return averages is not null && state.Prefill.Fit() is { } time
            ? DynamoLoad.PrefillBySla(settings, time, engines, averages, state.HitRate)
            : null;
    }

    private static int? Decode(DynamoSettings settings, DynamoState state, ImmutableArray<DynamoEngine> engines, DynamoAverages? averages)
    {
        if (settings.Target != DynamoTarget.Sla)
            return DynamoLoad.DecodeByRatio(settings.Target, [.. engines.Select(engine => DynamoLoad.Kv(engine) / settings.MaxKvTokens)], engines.Length);
        return averages is not null && state.Decode.Fit() is { } time
            ? DynamoLoad.DecodeBySla(settings, time, engines, averages)
            : null;
    }

    private static (DynamoPair Pair, string? Reason) Budgeted(DynamoSettings settings, DynamoPair current, DynamoPair wish)
    {
        if (settings.Generation != DynamoGeneration.Third) return (DynamoBudget.Clamp(settings with { MinGpuBudget = -1 }, wish), null);
        var recovering = current.Prefill < settings.Least.Prefill || current.Decode < settings.Least.Decode;
        return recovering ? (DynamoBudget.Clamp(settings, wish), DynamoBudget.Reconcile) : DynamoBudget.Guard(settings, current, wish);
    }
}
