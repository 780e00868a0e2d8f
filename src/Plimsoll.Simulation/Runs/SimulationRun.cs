using System.Collections.Immutable;
using Plimsoll.Control;
using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs;

/// <summary>Runs a world from its beginning to its end under somebody's control.</summary>
public static class SimulationRun
{
    // As the loop on machines: waking up for every held request of a burst would plan for nothing.
    private const double ShortestPause = 0.05;

    // As many as a plot has columns for.
    private const int Moments = 480;

    /// <summary>Plimsoll itself.</summary>
    /// <param name="world">What there is and what happens.</param>
    /// <param name="seed">Of what is random in it: how long loads take.</param>
    /// <param name="planner">The brain; null for the one in use.</param>
    /// <param name="seen">Called with each turn.</param>
    /// <param name="progress">Called now and then with the share of the run that is over.</param>
    public static RunResult Plimsoll(World world, int seed, Planner? planner = null, Action<Tick>? seen = null, Action<double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        var cluster = new SimulatedCluster(world, seed);
        var controller = new PlannerController(cluster, planner ?? new Planner(new WeightAllocator()), seen);
        return Run(cluster, controller, seed, progress) with { Verdicts = controller.Verdicts };
    }

    /// <summary>Rivals that can be run, by name.</summary>
    public static ImmutableArray<string> Rivals => RivalRules.Names;

    /// <summary>Rivals that cannot be run here, with the reason.</summary>
    public static ImmutableArray<(string Name, string Why)> RivalsLeftOut => RivalRules.LeftOut;

    /// <summary>Models that a rival's own rule does not know and an HPA with its defaults scales instead; all of them where it has nothing to do.</summary>
    public static ImmutableArray<ModelId> NotManagedBy(World world, string rival)
    {
        ArgumentNullException.ThrowIfNull(world);
        return [.. world.Models.Where(model => !RivalRules.Manages(rival, model)).Select(model => model.Spec.Id)];
    }

    /// <summary>A rival, one object for each model, with its real defaults or as it was tuned.</summary>
    /// <param name="world">What there is and what happens.</param>
    /// <param name="seed">Of what is random in it.</param>
    /// <param name="rival">One of <see cref="Rivals"/>.</param>
    /// <param name="tuning">What its users set; null for its defaults.</param>
    /// <param name="name">What its result is called; null for its name.</param>
    /// <param name="progress">Called now and then with the share of the run that is over.</param>
    /// <exception cref="ArgumentException">No such rival.</exception>
    public static RunResult Rival(World world, int seed, string rival, RivalTuning? tuning = null, string? name = null, Action<double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (!Rivals.Contains(rival)) throw new ArgumentException($"there is no rival {rival}", nameof(rival));
        var cluster = new SimulatedCluster(world, seed);
        var set = tuning ?? RivalTuning.Defaults;
        return Run(cluster, new DeploymentController(name ?? rival, world, model => RivalRules.Of(
            rival, model, world.Spec.Prices, set[RivalTuning.ClassOf(model.Spec.Footprint.Weights)])!), seed, progress);
    }

    /// <summary>Autoscalers as somebody has them; a model without one keeps the replicas it began with.</summary>
    /// <param name="world">What there is and what happens.</param>
    /// <param name="seed">Of what is random in it.</param>
    /// <param name="own">One for each model that has one; their bounds hold in place of the models'.</param>
    /// <param name="name">What the result is called.</param>
    /// <param name="progress">Called now and then with the share of the run that is over.</param>
    public static RunResult Own(World world, int seed, ImmutableArray<OwnAutoscaler> own, string name, Action<double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        OwnAutoscaler? Of(ModelSpec model) => own.FirstOrDefault(one => one.Scales(model.Id));
        ModelSpec Bounded(ModelSpec model) => Of(model) is { } scaler
            ? model with { MinReplicas = scaler.MinReplicas, MaxReplicas = scaler.MaxReplicas }
            : model with { MinReplicas = Math.Max(1, model.MinReplicas) };
        var bounded = world.WithSpecs(Bounded);
        return Run(new SimulatedCluster(bounded, seed), new DeploymentController(name, bounded, model => Of(model.Spec) is { } scaler
            ? new OwnRule(scaler) : RequestRules.Kept(model.Spec.MinReplicas)), seed, progress);
    }

    internal static RunResult Run(SimulatedCluster cluster, IController controller, int seed, Action<double>? progress)
    {
        var end = cluster.World.Length.TotalSeconds;
        var period = controller.Period.TotalSeconds;
        var turns = 0;
        var timeline = new TimelineTaker(cluster, Moments);
        while (cluster.Now < end)
        {
            controller.Turn(cluster);
            timeline.Look(cluster);
            turns++;
            var last = cluster.Now;
            var regular = Math.Min(end, last + period);
            var now = cluster.AdvanceTo(Math.Min(regular, last + Math.Min(period, ShortestPause)), untilChanged: false);
            if (now < regular && !(controller.WakesOnChange && cluster.Changed)) cluster.AdvanceTo(regular, controller.WakesOnChange);
            if (turns % 256 == 0) progress?.Invoke(cluster.Now / end);
        }

        timeline.Look(cluster);
        cluster.Close();
        progress?.Invoke(1);
        return RunResult.Of(cluster, controller.Name, seed, turns) with
        {
            Timeline = timeline.Taken(),
            Decisions = [.. controller.Decisions.Kept],
            DecisionCount = controller.Decisions.Count,
        };
    }
}
