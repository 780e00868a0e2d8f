namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// The slow loop, from replicas wanted for the predicted traffic to a step or, while the load loop is on, to floors under it:
/// rivals-rules §8.3 step 3, §8.5 and §8.6, after components/src/dynamo/planner/core/throughput_scaling.py.
/// </summary>
public static class DynamoThroughput
{
    public const string NotReady = "model_not_ready";

    /// <param name="prefill">Wanted; null: its model is not ready, and then both pools are held.</param>
    public static DynamoDecision Decide(DynamoSettings settings, DynamoPair current, int? prefill, int? decode)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var ready = prefill is not null && decode is not null;
        var raw = ready ? new DynamoPair(prefill!.Value, decode!.Value) : current;
        if (settings.Generation != DynamoGeneration.Third) return Earlier(settings, current, raw, ready);

        var least = settings.Least;
        var recovering = current.Prefill < least.Prefill || current.Decode < least.Decode;
        // Endpoints come after the limit of a step: to have them again is no ordinary step.
        var wish = new DynamoPair(
            Math.Max(least.Prefill, Step(settings, current.Prefill, raw.Prefill)),
            Math.Max(least.Decode, Step(settings, current.Decode, raw.Decode)));
        var ceiling = settings with { MinGpuBudget = -1 };
        var floors = recovering ? DynamoBudget.Clamp(ceiling, wish) : DynamoBudget.Fit(ceiling, current, wish);
        var held = floors == current && wish != current;
        if (settings.EnableLoad) return new(null, floors, ready ? held ? DynamoBudget.Hold : "set_lower_bound" : NotReady);

        var (pair, reason) = recovering ? (DynamoBudget.Clamp(settings, floors), null) : DynamoBudget.Guard(settings, current, floors);
        if (pair == current) return new(null, null, ready ? reason ?? (held ? DynamoBudget.Hold : "no_change") : NotReady);
        return new(pair, null, ready ? "scale" : NotReady);
    }

    private static DynamoDecision Earlier(DynamoSettings settings, DynamoPair current, DynamoPair raw, bool ready)
    {
        if (!ready) return new(null, null, NotReady);
        if (settings.EnableLoad) return new(null, raw, "set_lower_bound");
        var pair = DynamoBudget.Clamp(settings with { MinGpuBudget = -1 }, raw);
        return pair == current ? new(null, null, "no_change") : new(pair, null, "scale");
    }

    private static int Step(DynamoSettings settings, int current, int wish) =>
        Math.Clamp(wish, Math.Max(0, current - settings.MaxThroughputStep), current + settings.MaxThroughputStep);
}
