using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Simulation.Plans;

/// <summary>A way to run a model that the plan did not choose, and how it would have done, all else planned anew with it.</summary>
/// <param name="Variant">Its name.</param>
/// <param name="Why">Why not, in a sentence.</param>
/// <param name="Replicas">How many it would take; null where it can't be run.</param>
/// <param name="Cost">Of those; null where nothing has a price or it can't be run.</param>
public sealed record RejectedVariant(string Variant, string Why, int? Replicas, UsdPerHour? Cost)
{
    /// <summary>Whether it would have held the demand for less than what was chosen.</summary>
    public bool IsCheaper { get; init; }

    /// <summary>All that a model was not run as, or not alone, in its order of preference.</summary>
    public static ImmutableArray<RejectedVariant> Of(SettledFleet fleet, ModelStanding model)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(model);
        var spec = model.Model.Spec!;
        var cost = FleetCost.OfReplicas(fleet, model.Replicas);
        var nodes = Admission.Shapes(fleet.Snapshot.Nodes);
        var rejected = ImmutableArray.CreateBuilder<RejectedVariant>();
        var runs = model.Replicas.Select(replica => replica.Variant).ToHashSet();
        if (runs.Count == 0) runs.Add(model.Variant.Id);
        foreach (var variant in spec.Variants)
        {
            if (runs.Count == 1 && runs.Contains(variant.Id)) continue;
            var most = nodes.Max(node => node.Devices.Count(device => device.Kind == variant.DeviceKind));
            if (variant.Needs.Devices > most)
            {
                rejected.Add(new RejectedVariant(variant.Id.Value, string.Create(CultureInfo.InvariantCulture,
                    $"needs {variant.Needs.Devices} of {variant.DeviceKind}, and the largest node has {most}"), null, null));
                continue;
            }

            var other = SettledFleet.Of(fleet.Fleet with
            {
                Models = [.. fleet.Fleet.Models.Select(one => one.Id == model.Model.Id ? one with { Spec = spec with { Variants = [variant] } } : one)],
            });
            var instead = other.Models.First(one => one.Model.Id == model.Model.Id);
            var others = FleetCost.OfReplicas(other, instead.Replicas);
            rejected.Add(Judge(model, cost, instead, others) with { Variant = runs.Contains(variant.Id) ? $"{variant.Id} alone" : variant.Id.Value });
        }

        rejected.AddRange(model.Model.Unfit.Select(unfit => new RejectedVariant(unfit.Variant, unfit.Why, null, null)));
        return rejected.ToImmutable();
    }

    private static RejectedVariant Judge(ModelStanding chosen, UsdPerHour? cost, ModelStanding instead, UsdPerHour? other)
    {
        if (!instead.Held) return new RejectedVariant("", $"would not hold the demand: {instead.WhyNot}", instead.Replicas.Length, other);
        if (!chosen.Held) return new RejectedVariant("", "would hold the demand, were all else planned for it", instead.Replicas.Length, other);
        if (other is not { } theirs || cost is not { } ours) return new RejectedVariant("", "later in the order of preference, which decides where something has no price", instead.Replicas.Length, other);
        var why = theirs.Micro > ours.Micro ? $"dearer by {Dollars(theirs.Micro - ours.Micro)} an hour"
            : theirs.Micro == ours.Micro ? "costs the same"
            : $"cheaper by {Dollars(ours.Micro - theirs.Micro)} an hour, had it been the only way";
        return new RejectedVariant("", why, instead.Replicas.Length, other) { IsCheaper = theirs.Micro < ours.Micro };
    }

    private static string Dollars(long micro) => (micro / 1e6).ToString("$0.00", CultureInfo.InvariantCulture);
}
