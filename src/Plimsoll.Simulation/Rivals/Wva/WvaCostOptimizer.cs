using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Wva;

/// <param name="Capacity">Tokens of one replica.</param>
/// <param name="Current">Pending ones among them.</param>
public sealed record WvaOption(string Variant, double Cost, double Capacity, int Current);

/// <summary>
/// V2's optimiser: rivals-rules §7.3, after internal/engines/pipeline/cost_aware_optimizer.go. Its sorts are unstable; here equal
/// keys go by name. Nothing limits a step but the band between the two thresholds.
/// </summary>
public static class WvaCostOptimizer
{
    public static ImmutableSortedDictionary<string, int> Decide(ImmutableArray<WvaOption> options, double required, double spare)
    {
        var targets = options.ToImmutableSortedDictionary(option => option.Variant, option => option.Current, StringComparer.Ordinal).ToBuilder();
        if (required > 0) Add(options, targets, required);
        else if (spare > 0) Remove(options, targets, spare);
        return targets.ToImmutable();
    }

    /// <summary>After rounding up nothing remains, so one variant takes it all.</summary>
    private static void Add(ImmutableArray<WvaOption> options, ImmutableSortedDictionary<string, int>.Builder targets, double left)
    {
        var cheapest = options.Where(option => option.Capacity > 0)
            .OrderBy(option => option.Cost / option.Capacity).ThenBy(option => option.Variant, StringComparer.Ordinal);
        foreach (var option in cheapest)
        {
            if (left <= 0) return;
            var added = WholeReplicas.Ceiling(left / option.Capacity);
            targets[option.Variant] += added;
            left -= added * option.Capacity;
        }
    }

    /// <summary>Dearest first; one too large for what is left is passed over. The cheapest keeps one while no other has any.</summary>
    private static void Remove(ImmutableArray<WvaOption> options, ImmutableSortedDictionary<string, int>.Builder targets, double left)
    {
        var cheapest = options.OrderBy(option => option.Cost).ThenBy(option => option.Variant, StringComparer.Ordinal).First().Variant;
        foreach (var option in options.Where(option => option.Capacity > 0)
                     .OrderByDescending(option => option.Cost).ThenBy(option => option.Variant, StringComparer.Ordinal))
        {
            var others = targets.Any(target => target.Key != option.Variant && target.Value > 0);
            var least = option.Variant == cheapest && !others ? 1 : 0;
            var taken = Math.Max(0, Math.Min(WholeReplicas.Floor(left / option.Capacity), targets[option.Variant] - least));
            targets[option.Variant] -= taken;
            left -= taken * option.Capacity;
        }
    }
}
