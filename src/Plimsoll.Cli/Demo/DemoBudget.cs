using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's memory budget, by rule.</summary>
/// <param name="Budget">Half way between the two bounds.</param>
/// <param name="HoldsLargestAndOne">The largest model at its load peak and the heaviest other in steady state.</param>
/// <param name="AllThree">All of them in steady state.</param>
public sealed record DemoBudget(Bytes Budget, Bytes HoldsLargestAndOne, Bytes AllThree)
{
    /// <summary>
    /// Enough for the largest while it loads beside one other that serves, too little for all at once. With needs
    /// where the heaviest other leaves no such room, a lighter other is the one that fits.
    /// </summary>
    /// <returns>Null when no budget does both: the largest's load peak exceeds its steady state by more than the rest.</returns>
    public static DemoBudget? Of(ImmutableArray<MemoryNeed> needs)
    {
        var byWeight = needs.OrderByDescending(need => need.Highest).ToImmutableArray();
        var all = byWeight.Aggregate(Bytes.Zero, (sum, need) => sum + need.Steady);
        foreach (var other in byWeight.Skip(1))
        {
            var low = byWeight[0].Highest + other.Steady;
            if (low < all) return new DemoBudget(new Bytes(low.Value / 2 + all.Value / 2), low, all);
        }

        return null;
    }

    public override string ToString() =>
        $"Memory budget {Budget}: the largest while it loads and one other take {HoldsLargestAndOne}, all of them {AllThree}.";
}
