using System.Collections.Immutable;
using Google.OrTools.LinearSolver;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// What the cheapest run costs at the least, for somebody who knows all arrivals; for each model the more of two bounds.
/// <para>
/// The one is a linear programme in slots of time: replicas of a slot are a number, not a whole one; each has the work that requests take at the
/// least (<see cref="ReplicaWork"/>), a start costs the time of its load, and so many requests may be missed, the most laborious of each
/// slot first. The other is of whole replicas: one is there whenever a request is answered in time (<see cref="Presence"/>), and beyond the
/// first there are as many as the same programme needs besides, the first for nothing: both are of different seconds of replicas.
/// </para>
/// All that is left out (queues, an engine's own order, other models' devices) makes runs dearer, so that no run that answers as many in time is cheaper.
/// </summary>
public sealed class ClairvoyantBound
{
    private const int SlotsMax = 1500;
    private const double ShortestSlot = 30;

    // Of a slot's requests, the most laborious twentieth, fifth and half are missed first: each part counts as its most laborious one.
    private static readonly double[] Parts = [0.05, 0.2, 0.5, 1];

    private readonly World _world;
    private readonly (BoundTerms Devices, BoundTerms Dollars)[] _terms;

    /// <summary>Reads all requests of a world, once for all runs of it.</summary>
    /// <param name="world">What there is and who asks.</param>
    public ClairvoyantBound(World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        _world = world;
        _terms = [.. world.Models.Select(model => TermsOf(world, model))];
    }

    /// <summary>Of the whole world.</summary>
    /// <param name="missed">For each model, in their order, how many requests may be missed.</param>
    /// <exception cref="ArgumentException">It has more or fewer numbers than there are models.</exception>
    public BoundResult Of(ImmutableArray<long> missed)
    {
        if (missed.Length != _terms.Length) throw new ArgumentException("every model needs a number of requests that may be missed");
        var models = _world.Models.Select((model, i) => Of(model, _terms[i], missed[i])).ToImmutableArray();
        var dollars = models.Sum(one => one.Dollars);
        return new BoundResult(models, dollars, models.Sum(one => one.DeviceHours)) { NodeDollars = Math.Max(dollars, NodesDollars(_world)) };
    }

    // Of nodes that are there whoever uses them; one that is struck, until then.
    private static double NodesDollars(World world)
    {
        var struck = world.Faults.Where(fault => Fault.StrikesNode(fault.What) && fault.At < world.Length).GroupBy(fault => fault.Node, StringComparer.Ordinal)
            .Select(faults => (Node: faults.Key, For: world.Length - faults.Min(fault => fault.At))).ToList();
        return world.Nodes.Sum(group =>
        {
            var lost = struck.Where(one => one.Node.StartsWith(group.Name + "-", StringComparison.Ordinal)).Sum(one => one.For.TotalHours);
            return Math.Max(0, (group.Count * world.Length.TotalHours) - lost) * (group.PricePerHour?.Dollars ?? 0);
        });
    }

    private static (BoundTerms Devices, BoundTerms Dollars) TermsOf(World world, SimulatedModel model)
    {
        var works = model.Spec.Variants.Select(variant => ReplicaWork.Of(model, variant)).ToList();
        LeastPrice[] prices = [.. model.Spec.Variants.Select(variant => LeastPrice.Of(world, model, variant))];
        return (BoundTerms.Of(world, model, [.. prices.Select(price => price.Devices)], works), BoundTerms.Of(world, model, [.. prices.Select(price => price.DollarsPerHour)], works));
    }

    private ModelBound Of(SimulatedModel model, (BoundTerms Devices, BoundTerms Dollars) terms, long missed)
    {
        var length = _world.Length.TotalSeconds;
        if (Seconds(model, terms.Devices, length, missed) is not { } seconds)
            return new ModelBound(model.Spec.Id, double.NaN, double.NaN, "its programme has no solution: more is asked than the most replicas can serve");
        // Of one variant, and of several whose prices are as their devices, a unit is the same for both.
        var paid = terms.Dollars.Price == 0 || terms.Dollars.IsOfTheSame(terms.Devices) ? seconds : Seconds(model, terms.Dollars, length, missed);
        return new ModelBound(model.Spec.Id, seconds / 3600 * terms.Devices.Price, (paid ?? double.NaN) / 3600 * terms.Dollars.Price, null);
    }

    // Seconds of units.
    private static double? Seconds(SimulatedModel model, BoundTerms terms, double length, long missed)
    {
        if (terms.Price == 0) return 0;
        if (Units(model, terms, length, missed, beyond: 0) is not { } all) return null;
        var more = terms.Most > 1 ? Units(model, terms, length, missed, beyond: 1) ?? 0 : 0;
        return Math.Max(all, Presence.Of(model, terms, length, missed) + more);
    }

    // Seconds of the units beyond so many, which are there for nothing; null where there is no solution.
    private static double? Units(SimulatedModel model, BoundTerms terms, double length, long missed, int beyond)
    {
        var trace = model.Trace;
        var slack = 0.0;
        for (var i = 0; i < trace.Count; i++) slack = Math.Max(slack, ReplicaWork.Window(model, i));
        var slot = Math.Max(Math.Max(ShortestSlot, length / SlotsMax), Math.Min(slack, length));
        var slots = Math.Max(1, (int)Math.Ceiling(length / slot));

        using var solver = Solver.CreateSolver("GLOP");
        var budget = solver.MakeConstraint(0, missed);
        var objective = solver.Objective();
        objective.SetMinimization();
        var replicas = new Variable[slots + 1];
        var least = Math.Max(0, terms.Least - beyond);
        for (var t = 0; t <= slots; t++)
        {
            replicas[t] = solver.MakeNumVar(t < slots ? least : 0, terms.Most - beyond, "");
            if (t < slots) objective.SetCoefficient(replicas[t], Math.Min(slot, length - (t * slot)));
            var started = solver.MakeNumVar(0, double.PositiveInfinity, "");
            objective.SetCoefficient(started, terms.Load);
            // Those that are kept whatever comes load in the run's own time.
            var rise = solver.MakeConstraint(t == 0 ? -least : 0, double.PositiveInfinity);
            rise.SetCoefficient(started, 1);
            rise.SetCoefficient(replicas[t], -1);
            if (t > 0) rise.SetCoefficient(replicas[t - 1], 1);
        }

        var next = 0;
        Variable? before = null;
        var labours = new List<double>();
        for (var t = 0; t < slots; t++)
        {
            labours.Clear();
            for (; next < trace.Count && trace.Arrivals[next] < (t + 1) * slot; next++) labours.Add(terms.Labours[next]);
            labours.Sort((a, b) => b.CompareTo(a));

            // What arrives in a slot and is answered in time is worked on in it or within the slack behind it, before what arrives there.
            var (here, behind) = (Math.Min(slot, length - (t * slot)), Math.Min(slack, slot));
            var later = solver.MakeNumVar(0, double.PositiveInfinity, "");
            var served = solver.MakeConstraint(labours.Sum() - (beyond * here), double.PositiveInfinity);
            served.SetCoefficient(replicas[t], here);
            served.SetCoefficient(later, 1);
            if (before is not null) served.SetCoefficient(before, -1);
            before = later;
            var room = solver.MakeConstraint(-beyond * behind, double.PositiveInfinity);
            room.SetCoefficient(replicas[t + 1], behind);
            room.SetCoefficient(later, -1);
            var from = 0;
            foreach (var part in Parts)
            {
                var to = (int)Math.Ceiling(part * labours.Count);
                if (to == from) continue;
                var left = solver.MakeNumVar(0, to - from, "");
                served.SetCoefficient(left, labours[from]);
                budget.SetCoefficient(left, 1);
                from = to;
            }
        }

        return solver.Solve() == Solver.ResultStatus.OPTIMAL ? objective.Value() : null;
    }
}

/// <summary>The least that any run costs.</summary>
/// <param name="Models">In the world's order.</param>
/// <param name="Dollars">All together.</param>
/// <param name="DeviceHours">All together.</param>
public sealed record BoundResult(ImmutableArray<ModelBound> Models, double Dollars, double DeviceHours)
{
    /// <summary>Of whole nodes: no less than of what replicas hold, nor than of those that are there whoever uses them.</summary>
    public double NodeDollars { get; init; } = Dollars;

    /// <summary>As a fleet is paid for.</summary>
    public double In(CostUnit unit) => unit switch { CostUnit.NodeDollars => NodeDollars, CostUnit.Dollars => Dollars, _ => DeviceHours };
}

/// <param name="Model">The model.</param>
/// <param name="DeviceHours">At the least; not a number where none is known.</param>
/// <param name="Dollars">At the least.</param>
/// <param name="Problem">Why none is known; null where one is.</param>
public sealed record ModelBound(ModelId Model, double DeviceHours, double Dollars, string? Problem);
