using System.Collections.Immutable;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's memory budget, by rule.</summary>
/// <param name="Budget">Half way between the two bounds.</param>
/// <param name="HoldsLargestAndOne">The largest at its load peak and the lightest other in steady state, with the planner's margin.</param>
/// <param name="TooMuch">The largest and the heaviest other in steady state, as measured.</param>
/// <param name="AllThree">All of them in steady state, as measured.</param>
public sealed record DemoBudget(Bytes Budget, Bytes HoldsLargestAndOne, Bytes TooMuch, Bytes AllThree)
{
    /// <summary>What the planner adds to measured memory (<see cref="Weighing"/>): a twentieth.</summary>
    public const double Margin = 1.05;

    /// <summary>
    /// Enough for the planner to put the lightest beside the largest while that loads, too little for the heaviest other
    /// beside it: so two of the models must take turns, and all three never fit.
    /// </summary>
    /// <returns>Null when no budget does both: the heaviest other weighs little more than the lightest.</returns>
    public static DemoBudget? Of(ImmutableArray<MemoryNeed> needs)
    {
        var byWeight = needs.OrderByDescending(need => need.Highest).ToImmutableArray();
        var all = byWeight.Aggregate(Bytes.Zero, (sum, need) => sum + need.Steady);
        var low = (byWeight[0].Highest + byWeight[^1].Steady).Scale(Margin);
        var high = byWeight[0].Steady + byWeight[1].Steady;
        return low < high ? new DemoBudget(new Bytes((low.Value + high.Value) / 2), low, high, all) : null;
    }

    public override string ToString() =>
        $"Memory budget {Budget}: the largest while it loads and the lightest take {HoldsLargestAndOne} (5 % margin); the largest "
        + $"and the next {TooMuch}, all of them {AllThree}.";
}
