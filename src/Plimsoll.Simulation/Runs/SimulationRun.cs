using System.Collections.Immutable;
using Plimsoll.Control;
using Plimsoll.Simulation.Fleet;
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
        return Run(cluster, new PlannerController(cluster, planner ?? new Planner(new WeightAllocator()), seen), seed, progress);
    }

    /// <summary>Rivals that can be run, by name.</summary>
    public static ImmutableArray<string> Rivals => RivalRules.Names;

    /// <summary>A rival, one object for each model, with its real defaults.</summary>
    /// <param name="world">What there is and what happens.</param>
    /// <param name="seed">Of what is random in it.</param>
    /// <param name="rival">One of <see cref="Rivals"/>.</param>
    /// <param name="share">Its target as a share of what a replica works on at once; null for its default.</param>
    /// <param name="progress">Called now and then with the share of the run that is over.</param>
    /// <exception cref="ArgumentException">No such rival.</exception>
    public static RunResult Rival(World world, int seed, string rival, double? share = null, Action<double>? progress = null)
    {
        ArgumentNullException.ThrowIfNull(world);
        if (!Rivals.Contains(rival)) throw new ArgumentException($"there is no rival {rival}", nameof(rival));
        var cluster = new SimulatedCluster(world, seed);
        return Run(cluster, new DeploymentController(rival, world, model => RivalRules.Of(rival, model, share)!), seed, progress);
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
