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

    /// <summary>Nodes, and each model's replicas by either.</summary>
    public required IReadOnlyList<string> Lines { get; init; }

    public static AgainstExact Of(DescribedFleet fleet, double effort = 10)
    {
        var settled = SettledFleet.Of(fleet);
        var shapes = Admission.Shapes(settled.Snapshot.Nodes);
        var dollars = settled.Models.Sum(model => model.Replicas.Sum(replica =>
        {
            var variant = model.Model.Spec!.Variants.First(one => one.Id == replica.Variant);
            return ReplicaPrices.Of(variant, variant.Needs, fleet.Prices, shapes)!.Value.Dollars;
        }));
        var exact = CheapestFleet.Of(fleet, effort);
        return new AgainstExact(settled.AllHeld && settled.Unsettled is null, dollars, exact)
        {
            Lines =
            [
                string.Join(", ", fleet.Nodes.Select(group => $"{group.Count} × {group.Devices} {group.Name} at ${group.PricePerHour!.Value.Dollars / group.Devices:0.00}")) + (settled.Unsettled is { } why ? $"; {why}" : ""),
                .. settled.Models.Select(model =>
                {
                    var spec = model.Model.Spec!;
                    var ways = string.Join(", ", spec.Variants.Select(variant =>
                        $"{variant.Id} {variant.Service!.CapacityPerSecond(1, 1, 1):0.00}/s ${ReplicaPrices.Of(variant, variant.Needs, fleet.Prices, shapes)!.Value.Dollars:0.00}"));
                    var ours = string.Join(" ", model.Replicas.CountBy(replica => replica.Variant.Value).Select(count => $"{count.Value}×({count.Key})"));
                    var theirs = string.Join(" ", (exact.Replicas.GetValueOrDefault(spec.Id, [])).Where(count => count.Replicas > 0).Select(count => $"{count.Replicas}×({count.Variant})"));
                    return $"  {spec.Id} {model.Model.Demand.PeakPerSecond:0.00}/s [{ways}] ours {ours}{(model.Held ? "" : $" NOT HELD ({model.WhyNot})")}; exact {theirs}";
                }),
            ],
        };
    }
}
