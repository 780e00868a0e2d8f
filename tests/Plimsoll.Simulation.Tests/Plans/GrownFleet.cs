using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Simulation.Tests.Plans;

/// <summary>
/// A random fleet that has run for a while: demand was another three times before it came to what it is, and loads took no time.
/// </summary>
/// <param name="Fleet">With the demand of today.</param>
/// <param name="Snapshot">What runs.</param>
/// <param name="Starts">Replicas that were started since demand is what it is.</param>
/// <param name="Settled">Whether nothing changed in the last hours.</param>
internal sealed record GrownFleet(DescribedFleet Fleet, FleetSnapshot Snapshot, int Starts, bool Settled)
{
    private static readonly TimeSpan Review = TimeSpan.FromMinutes(2);
    private static readonly TimeSpan Phase = TimeSpan.FromHours(8);

    public static GrownFleet Of(DescribedFleet fleet, int seed, PlannerSettings? settings = null)
    {
        var random = Seeds.Of(seed, "demand before");
        fleet = fleet with { Settings = (settings ?? PlannerSettings.Latest) with { Review = Review } };
        var (observed, knowledge) = (fleet.Beginning(), Knowledge.Empty);
        var (starts, last) = (0, TimeSpan.Zero);
        for (var phase = 3; phase >= 0; phase--)
        {
            var then = phase == 0 ? fleet : fleet with { Models = [.. fleet.Models.Select(model => model with { Demand = model.Demand.Times(random.NextDouble() < 0.25 ? 0 : Math.Exp(1.2 * ((random.NextDouble() * 2) - 1))) })] };
            var planner = new Planner(new WeightAllocator());
            (starts, last) = (0, TimeSpan.Zero);
            for (var at = TimeSpan.Zero; at < Phase; at += Review)
            {
                var now = observed.At + Review;
                observed = observed with { At = now, Traffic = [.. observed.Traffic.Select(row => row with { From = now, To = now })] };
                knowledge = then.Known(observed, knowledge);
                var plan = planner.Decide(then.Spec, observed, knowledge);
                ImmutableArray<Step> steps = [.. plan.Steps.Where(step => step is not Step.WithdrawNode)];
                starts += steps.Count(step => step is Step.Start);
                if (!steps.IsEmpty) last = at;
                observed = Done.After(observed, steps, then.Spec, then.Nodes);
                knowledge = Done.Next(plan.Next, steps);
            }
        }

        return new GrownFleet(fleet, observed, starts, last < Phase - TimeSpan.FromHours(2));
    }

    /// <summary>Whether what runs holds the demand of all models.</summary>
    public bool Held
    {
        get
        {
            var outlooks = Outlooks.Of(Fleet.Spec with { Settings = Fleet.Settings with { CheapestVariant = true } }, Snapshot, Fleet.Known(Snapshot));
            return outlooks.All(outlook => outlook.Mix is { } mix
                ? mix.CapacityOf(outlook.There.AsSpan()) >= Demand(outlook) * (1 - 1e-9) : WeightAllocator.Needed(outlook, Demand(outlook)) <= outlook.Supply);

            static double Demand(ModelOutlook outlook) => outlook.Forecast.TryGetLast(out var demand) ? demand : 0;
        }
    }

    /// <summary>Each model's demand, and what runs of it, in words.</summary>
    public IEnumerable<string> Lines
    {
        get
        {
            var shapes = Admission.Shapes(Snapshot.Nodes);
            foreach (var outlook in Outlooks.Of(Fleet.Spec with { Settings = Fleet.Settings with { CheapestVariant = true } }, Snapshot, Fleet.Known(Snapshot)))
            {
                outlook.Forecast.TryGetLast(out var demand);
                var ways = outlook.Model.Variants.Select(variant => string.Create(CultureInfo.InvariantCulture,
                    $"{variant.Id} {variant.Service!.CapacityPerSecond(1, 1, 1):0.00}/s ${ReplicaPrices.Of(variant, variant.Needs, Fleet.Prices, shapes)!.Value.Dollars:0.00}"));
                var ours = Snapshot.Replicas.Where(replica => replica.Model == outlook.Model.Id).CountBy(replica => $"{replica.Variant} on {replica.Placement.Node}").Select(count => $"{count.Value} x {count.Key}");
                yield return string.Create(CultureInfo.InvariantCulture, $"  {outlook.Model.Id} {demand:0.00}/s [{string.Join(", ", ways)}] {string.Join(", ", ours)}");
            }
        }
    }

    /// <summary>What its replicas cost an hour.</summary>
    public double Usd
    {
        get
        {
            var shapes = Admission.Shapes(Snapshot.Nodes);
            return Snapshot.Replicas.Sum(replica =>
            {
                var variant = Fleet.Spec.Find(replica.Model)!.Variants.First(one => one.Id == replica.Variant);
                return ReplicaPrices.Of(variant, variant.Needs, Fleet.Prices, shapes)!.Value.Dollars;
            });
        }
    }
}
