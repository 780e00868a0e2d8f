using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's memory budget, by rule.</summary>
/// <param name="Budget">A quarter of the way from <see cref="HoldsLargestAndOne"/> to <see cref="AllThree"/>.</param>
/// <param name="HoldsLargestAndOne">The largest model at its load peak and the heaviest other in steady state, with the planner's margin.</param>
/// <param name="AllThree">All of them in steady state, as measured.</param>
public sealed record DemoBudget(Bytes Budget, Bytes HoldsLargestAndOne, Bytes AllThree)
{
    /// <summary>What the planner adds to measured memory (<see cref="Weighing"/>): a twentieth.</summary>
    public const double Margin = 1.05;

    /// <summary>
    /// Enough for the planner to put one other beside the largest while that loads, too little for all at once by
    /// what was measured. Where the heaviest other leaves no such room, a lighter one is the one that fits.
    /// </summary>
    /// <returns>Null when no budget does both: the largest's load peak exceeds its steady state by more than the rest.</returns>
    public static DemoBudget? Of(ImmutableArray<MemoryNeed> needs)
    {
        var byWeight = needs.OrderByDescending(need => need.Highest).ToImmutableArray();
        var all = byWeight.Aggregate(Bytes.Zero, (sum, need) => sum + need.Steady);
        foreach (var other in byWeight.Skip(1))
        {
            var low = (byWeight[0].Highest + other.Steady).Scale(Margin);
            // Nearer the lower bound: replicas that have just loaded hold a few percent less than when they were weighed,
            // and three such must not fit either.
            if (low < all) return new DemoBudget(new Bytes(low.Value + (all.Value - low.Value) / 4), low, all);
        }

        return null;
    }

    public override string ToString() =>
        $"Memory budget {Budget}: the largest while it loads and one other take {HoldsLargestAndOne} (5 % margin), all of them {AllThree}.";
}
