using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <summary>
/// Capacities in tokens: rivals-rules §7.2 steps 1 to 4, after llm-d-workload-variant-autoscaler
/// internal/engines/analyzers/saturation_v2.
/// </summary>
public static class WvaTokens
{
    /// <summary>Tokens that a batch limited by compute holds; 0 where there is nothing to go by.</summary>
    public static long ComputeBound(double batchedTokens, double maxSequences, double input, double output)
    {
        if (output <= 0 || batchedTokens <= 0) return 0;
        var sequences = Math.Min(batchedTokens * output / (input + output), maxSequences);
        return (long)(sequences * (input + output / 2));
    }

    /// <summary>Tokens the KV cache may hold before it counts as saturated.</summary>
    public static long MemoryBound(WvaSettings settings, long capacity)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return (long)(settings.KvCacheThreshold * capacity);
    }

    /// <summary>Answers short of 100 tokens, short of 500, and others.</summary>
    public static string ClassOf(double output) => output < 100 ? "short" : output < 500 ? "medium" : "long";

    /// <summary>What a model's compute bounds are remembered by.</summary>
    public static string HistoryKey(string accelerator, double output) => $"{accelerator}/{ClassOf(output)}";

    /// <summary>Tokens in use and waiting; input counts as a whole number.</summary>
    public static double Demand(WvaReplica replica)
    {
        ArgumentNullException.ThrowIfNull(replica);
        return replica.TokensInUse + (replica.MeanInput > 0 ? (double)replica.Waiting * (long)replica.MeanInput : 0);
    }

    /// <summary>The smaller of memory's and compute's bound; a saturated replica's use is remembered.</summary>
    public static (long Capacity, WvaState State) CapacityOf(WvaSettings settings, WvaState state, WvaReplica replica, WvaVariant variant)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(replica);
        ArgumentNullException.ThrowIfNull(variant);
        var memory = MemoryBound(settings, replica.TokenCapacity);
        var key = HistoryKey(variant.Accelerator, replica.MeanOutput);
        var history = state.Computed.GetValueOrDefault(key, []);
        if (replica.Waiting >= settings.QueueLengthThreshold && replica.TokensInUse > 0)
        {
            history = [.. history.Add(replica.TokensInUse).TakeLast(settings.ComputeHistory)];
            state = state with { Computed = state.Computed.SetItem(key, history) };
            return (Math.Min(memory, replica.TokensInUse), state);
        }

        if (!history.IsEmpty) return (Math.Min(memory, (long)history.Average()), state);
        var derived = variant.Arguments is { } arguments
            ? ComputeBound(arguments.BatchedTokens, arguments.MaxSequences, replica.MeanInput, replica.MeanOutput)
            : 0;
        return (derived > 0 ? Math.Min(memory, derived) : memory, state);
    }

    /// <summary>Of a variant of which no replica reports.</summary>
    /// <param name="ownLive">Its last measured capacity.</param>
    /// <param name="compatibleLive">A measured capacity of an equal engine on the same accelerator.</param>
    public static long StoredCapacity(
        WvaSettings settings, WvaEngineArguments? arguments, long? ownLive, long? compatibleLive, double input, double output)
    {
        if (ownLive is { } live) return live;
        if (arguments is null) return compatibleLive ?? 0;
        var derived = ComputeBound(arguments.BatchedTokens, arguments.MaxSequences, input, output);
        if (derived <= 0) return arguments.BatchedTokens;
        if (arguments.OverriddenTokens is { } tokens) derived = Math.Min(derived, MemoryBound(settings, tokens));
        return Math.Min(derived, compatibleLive ?? long.MaxValue);
    }

    /// <summary>Of an even number, the whole mean of the middle two; of none, 0.</summary>
    public static long Median(IEnumerable<long> values)
    {
        ImmutableArray<long> sorted = [.. values.Order()];
        if (sorted.IsEmpty) return 0;
        var middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
