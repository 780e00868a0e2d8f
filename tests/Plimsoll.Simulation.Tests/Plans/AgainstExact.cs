using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Simulation.Tests.Plans;

/// <summary>What the planner comes to for a fleet, beside the cheapest that holds the same demand.</summary>
/// <param name="Held">Whether the planner holds all of it.</param>
/// <param name="Usd">What its replicas cost an hour.</param>
/// <param name="Exact">The cheapest.</param>
internal sealed record AgainstExact(bool Held, double Usd, CheapestFleet Exact)
{
    /// <summary>Of the planner over the cheapest; null where either does not hold the demand, or the search did not end.</summary>
    public double? Ratio => Held && Exact is { Proven: true, Cost: { Micro: > 0 } cost } ? Usd / cost.Dollars : null;

    public static AgainstExact Of(DescribedFleet fleet, double effort = 10)
    {
        var settled = SettledFleet.Of(fleet);
        var shapes = Admission.Shapes(settled.Snapshot.Nodes);
        var dollars = settled.Models.Sum(model => model.Replicas.Sum(replica =>
        {
            var variant = model.Model.Spec!.Variants.First(one => one.Id == replica.Variant);
            return ReplicaPrices.Of(variant, variant.Needs, fleet.Prices, shapes)!.Value.Dollars;
        }));
        return new AgainstExact(settled.AllHeld && settled.Unsettled is null, dollars, CheapestFleet.Of(fleet, effort));
    }
}
