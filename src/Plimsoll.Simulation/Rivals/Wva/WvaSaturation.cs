using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <summary>A model's tokens.</summary>
/// <param name="Capacity">Of one replica, by variant.</param>
/// <param name="Supply">Of ready replicas.</param>
/// <param name="Anticipated">Of these and pending ones.</param>
/// <param name="Required">To be added.</param>
/// <param name="Spare">To be taken.</param>
public sealed record WvaAnalysis(
    ImmutableSortedDictionary<string, long> Capacity, double Supply, double Anticipated, double Demand, double Required, double Spare,
    WvaState State);

/// <summary>V2's analyser: rivals-rules §7.2, after internal/engines/analyzers/saturation_v2/analyzer.go.</summary>
public static class WvaSaturation
{
    /// <param name="queue">Null, as in the engine at the version simulated: it is not wired up.</param>
    public static WvaAnalysis Analyze(
        WvaSettings settings, WvaState state, ImmutableArray<WvaReplica> replicas, ImmutableArray<WvaVariant> variants,
        WvaSchedulerQueue? queue = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        var known = replicas.Where(replica => replica.TokenCapacity > 0).ToImmutableArray();
        var byVariant = known.ToLookup(replica => replica.Variant, StringComparer.Ordinal);
        var (input, output) = known.IsEmpty ? (0, 0) : (known.Average(r => r.MeanInput), known.Average(r => r.MeanOutput));
        var capacity = ImmutableSortedDictionary.CreateBuilder<string, long>(StringComparer.Ordinal);
        foreach (var variant in variants)
        {
            List<long> each = [];
            foreach (var replica in byVariant[variant.Name])
            {
                (var tokens, state) = WvaTokens.CapacityOf(settings, state, replica, variant);
                each.Add(tokens);
            }

            if (each.Count == 0) continue;
            capacity[variant.Name] = WvaTokens.Median(each);
            state = state with { Live = state.Live.SetItem(variant.Name, capacity[variant.Name]) };
        }

        foreach (var variant in variants.Where(variant => !capacity.ContainsKey(variant.Name)))
        {
            long? own = state.Live.TryGetValue(variant.Name, out var live) ? live : null;
            capacity[variant.Name] = WvaTokens.StoredCapacity(settings, variant.Arguments, own, Compatible(variants, variant, state), input, output);
        }

        var demand = known.Sum(WvaTokens.Demand) + Queued(settings, queue, input, output);
        var supply = variants.Sum(variant => (double)Ready(variant) * capacity[variant.Name]);
        var anticipated = variants.Sum(variant => (double)(Ready(variant) + variant.Pending) * capacity[variant.Name]);
        return new(
            capacity.ToImmutable(), supply, anticipated, demand,
            Math.Max(0, demand / settings.ScaleUpThreshold - anticipated), Math.Max(0, supply - demand / settings.ScaleDownBoundary), state);
    }

    private static int Ready(WvaVariant variant) => Math.Max(0, variant.Current - variant.Pending);

    private static double Queued(WvaSettings settings, WvaSchedulerQueue? queue, double input, double output) => queue is null ? 0
        : Math.Max(queue.Bytes / settings.BytesPerToken, queue.Requests * input) * (1 - queue.PrefixHitRate) + queue.Requests * output;

    private static long? Compatible(ImmutableArray<WvaVariant> variants, WvaVariant own, WvaState state) => variants
        .Where(other => other.Name != own.Name && other.Accelerator == own.Accelerator && state.Live.ContainsKey(other.Name)
            && other.Arguments is { } arguments && own.Arguments?.CompatibleWith(arguments) == true)
        .OrderBy(other => other.Name, StringComparer.Ordinal)
        .Select(other => (long?)state.Live[other.Name])
        .FirstOrDefault();
}
