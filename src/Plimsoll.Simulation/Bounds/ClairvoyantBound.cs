using System.Collections.Immutable;
using Google.OrTools.LinearSolver;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// What the cheapest run costs at the least, for somebody who knows all arrivals: a linear programme for each model, in slots of time.
/// Replicas of a slot are a number, not a whole one; each has the work that requests take at the least (<see cref="ReplicaWork"/>), a start
/// costs the time of its load, and so many requests may be missed, the most laborious of each slot first. All that is left out (whole
/// replicas, queues, other models' devices) makes runs dearer, so that no run that answers as many in time is cheaper.
/// </summary>
public static class ClairvoyantBound
{
    private const int SlotsMax = 1500;
    private const double ShortestSlot = 30;

    // Of a slot's requests, the most laborious twentieth, fifth and half are missed first: each part counts as its most laborious one.
    private static readonly double[] Parts = [0.05, 0.2, 0.5, 1];

    /// <summary>Of a whole world.</summary>
    /// <param name="world">What there is and who asks.</param>
    /// <param name="missed">For each model, in their order, how many requests may be missed.</param>
    public static BoundResult Of(World world, ImmutableArray<long> missed)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (missed.Length != world.Models.Length) throw new ArgumentException("every model needs a number of requests that may be missed");
        var models = world.Models.Select((model, i) => Of(world, model, missed[i])).ToImmutableArray();
        return new BoundResult(models, models.Sum(one => one.Dollars), models.Sum(one => one.DeviceHours));
    }

    private static ModelBound Of(World world, SimulatedModel model, long missed)
    {
        // Of several ways to run it the cheapest work counts, whichever it is.
        return model.Spec.Variants.Select(variant => Of(world, model, variant, missed)).MinBy(one => (one.Dollars, one.DeviceHours))!;
    }

    private static ModelBound Of(World world, SimulatedModel model, VariantSpec variant, long missed)
    {
        var (length, trace) = (world.Length.TotalSeconds, model.Trace);
        var work = ReplicaWork.Of(model, variant);
        var slack = SlackOf(model.Spec.Slo, trace);
        var slot = Math.Max(Math.Max(ShortestSlot, length / SlotsMax), Math.Min(slack, length));
        var slots = Math.Max(1, (int)Math.Ceiling(length / slot));
        var truth = model.Truth[variant.Id];
        var load = truth.Load.Stages.Sum(stage => stage.Seconds());
        // Who may sleep comes back by waking, and what it keeps of a device meanwhile is left out.
        if (!world.IsScheduled && variant.Needs.Asleep is not null && truth.Wake is { } wake) load = Math.Min(load, wake.Seconds());
        var price = LeastPrice.Of(world, model, variant);

        using var solver = Solver.CreateSolver("GLOP");
        var budget = solver.MakeConstraint(0, missed);
        var objective = solver.Objective();
        objective.SetMinimization();
        var replicas = new Variable[slots + 1];
        for (var t = 0; t <= slots; t++)
        {
            replicas[t] = solver.MakeNumVar(t < slots ? model.Spec.MinReplicas : 0, model.Spec.MaxReplicas, "");
            if (t < slots) objective.SetCoefficient(replicas[t], Math.Min(slot, length - (t * slot)));
            var started = solver.MakeNumVar(0, double.PositiveInfinity, "");
            objective.SetCoefficient(started, load);
            var rise = solver.MakeConstraint(0, double.PositiveInfinity);
            rise.SetCoefficient(started, 1);
            rise.SetCoefficient(replicas[t], -1);
            if (t > 0) rise.SetCoefficient(replicas[t - 1], 1);
        }

        var next = 0;
        var labours = new List<double>();
        for (var t = 0; t < slots; t++)
        {
            labours.Clear();
            for (; next < trace.Count && trace.Arrivals[next] < (t + 1) * slot; next++) labours.Add(work.Of(trace.Prompts[next], trace.Answers[next]));
            if (labours.Count == 0) continue;
            labours.Sort((a, b) => b.CompareTo(a));

            // What arrives in a slot and is answered in time is worked on in it or within the slack behind it.
            var served = solver.MakeConstraint(labours.Sum(), double.PositiveInfinity);
            served.SetCoefficient(replicas[t], Math.Min(slot, length - (t * slot)));
            served.SetCoefficient(replicas[t + 1], Math.Min(slack, slot));
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

        var status = solver.Solve();
        if (status != Solver.ResultStatus.OPTIMAL)
            return new ModelBound(model.Spec.Id, double.NaN, double.NaN, $"its programme ended {status}: more is asked than the most replicas can serve");
        var hours = objective.Value() / 3600;
        return new ModelBound(model.Spec.Id, hours * price.Devices, hours * price.DollarsPerHour, null);
    }

    // The longest that an answer in time can take after its slot.
    private static double SlackOf(Slo slo, Traces.RequestTrace trace)
    {
        var latency = slo.Latency.TotalSeconds;
        if (slo is not { TimeToFirstToken: { } first, TimePerOutputToken: { } each } || trace.Count == 0) return latency;
        return Math.Min(latency, first.TotalSeconds + (trace.Answers.Max() * each.TotalSeconds));
    }
}

/// <summary>The least that any run costs.</summary>
/// <param name="Models">In the world's order.</param>
/// <param name="Dollars">All together.</param>
/// <param name="DeviceHours">All together.</param>
public sealed record BoundResult(ImmutableArray<ModelBound> Models, double Dollars, double DeviceHours);

/// <param name="Model">The model.</param>
/// <param name="DeviceHours">At the least; not a number where none is known.</param>
/// <param name="Dollars">At the least.</param>
/// <param name="Problem">Why none is known; null where one is.</param>
public sealed record ModelBound(ModelId Model, double DeviceHours, double Dollars, string? Problem);
