using Plimsoll.Control;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Nodes that come and go, and others on them.</summary>
public sealed class NodesTests
{
    // A replica carries some forty requests a second, and three of them find room on a node.
    private static World Growing(int most, double seconds = 1500) => WithPools(Worlds.Of(
        [Worlds.Small("a", Worlds.Poisson(250, 300), 1000, max: 8) with { IdleLimit = TimeSpan.FromSeconds(60) }],
        [Worlds.Processors(1, 4) with { Most = most, Boot = TimeSpan.FromSeconds(30) }], seconds));

    private static World WithPools(World world) => world with { Spec = world.Spec with { NodePools = world.Nodes.Pools() } };

    [Fact]
    public void Plimsoll_asks_for_a_node_where_none_has_room_and_it_goes_when_it_was_empty_for_long()
    {
        var ticks = new List<Tick>();
        var world = Growing(most: 4);
        var result = SimulationRun.Plimsoll(world, 1, seen: ticks.Add);
        var most = ticks.Max(tick => tick.Snapshot.Nodes.Length);
        Assert.InRange(most, 2, 4);
        Assert.Contains(ticks, tick => tick.Plan.Steps.Any(step => step is Step.AddNode));
        var added = ticks.SelectMany(tick => tick.Snapshot.Outcomes).OfType<Outcome.NodeAdded>().ToList();
        Assert.NotEmpty(added);
        Assert.All(added, one => Assert.InRange(one.Took.TotalSeconds, 15, 60));
        Assert.Single(ticks[^1].Snapshot.Nodes);

        // Each is paid from its order to its end, and stands empty for ten minutes before that.
        var hours = result.NodeHours["cpu"];
        Assert.InRange(hours, (1500 + (most - 1) * 600.0) / 3600, most * 1500.0 / 3600);
        Assert.Equal(hours, result.NodeDollars, 6);
        Assert.Equal((CostUnit.NodeDollars, result.NodeDollars), (result.Unit, result.Cost));
        Assert.True(result.Dollars < result.NodeDollars);
        var alone = SimulationRun.Plimsoll(Growing(most: 1), 1);
        Assert.True(result.Attainment > alone.Attainment + 0.05, $"{result.Attainment} with nodes to ask for, {alone.Attainment} without");
    }

    [Fact]
    public void Pods_that_find_no_room_bring_nodes_under_others_too()
    {
        var result = SimulationRun.Rival(Growing(most: 4), 1, "hpa", RivalTuning.Same(new RivalKnobs { Target = 0.2 }));
        Assert.InRange(result.NodeHours["cpu"], 1.2 * 1500 / 3600, 4 * 1500.0 / 3600);
        var bounded = SimulationRun.Rival(Growing(most: 1), 1, "hpa", RivalTuning.Same(new RivalKnobs { Target = 0.2 }));
        Assert.Equal(1500.0 / 3600, bounded.NodeHours["cpu"], 6);
    }

    [Fact]
    public void Whole_nodes_cost_no_less_than_those_that_are_there_whoever_uses_them()
    {
        var whole = Growing(most: 4);
        var least = new ClairvoyantBound(whole).Of([whole.Models[0].Trace.Count]);
        // Nothing needs be answered, and one node is paid all the same.
        Assert.Equal((0.0, 1500.0 / 3600), (least.Dollars, least.NodeDollars), (a, b) => Math.Abs(a.Item1 - b.Item1) + Math.Abs(a.Item2 - b.Item2) < 1e-9);
        var struck = whole with { Faults = [new Fault(TimeSpan.FromSeconds(900), FaultKind.NodeLost, "cpu-1"), new Fault(TimeSpan.FromSeconds(1200), FaultKind.NodeBack, "cpu-1")] };
        foreach (var world in new[] { whole, struck })
        {
            var run = SimulationRun.Plimsoll(world, 1);
            var bound = new ClairvoyantBound(world).Of([run.Models[0].Requests - run.Models[0].WithinSlo]);
            Assert.InRange(bound.In(CostUnit.NodeDollars), 900.0 / 3600, run.NodeDollars);
            Assert.True(bound.Dollars <= run.Dollars);
        }
    }

    [Fact]
    public void A_rival_is_tuned_by_what_nodes_cost_where_they_come_and_go()
    {
        (int Seed, World World) part = (1001, Growing(most: 4));
        var tuned = RivalSearch.Tune("hpa", [part], 0.9, candidatesMax: 1);
        Assert.Equal(SimulationRun.Rival(part.World, part.Seed, "hpa", tuned.Tuning).NodeDollars, tuned.Cost, 9);
    }

    [Fact]
    public void A_spot_node_is_taken_and_replaced_and_its_life_is_the_same_whoever_scales()
    {
        var world = Worlds.Of(
            [Worlds.Small("a", Worlds.Poisson(5, 2000), min: 1)],
            [Worlds.Processors(2, 8) with { Boot = TimeSpan.FromSeconds(60), Spot = new SpotTerms(TimeSpan.FromSeconds(500), TimeSpan.FromSeconds(30)) }], 2000);
        var ticks = new List<Tick>();
        SimulationRun.Plimsoll(world, 1, seen: ticks.Add);
        var told = ticks.Where(tick => tick.Snapshot.Nodes.Any(node => node.Condition == NodeCondition.Draining)).ToList();
        Assert.NotEmpty(told);
        Assert.Contains(ticks, tick => tick.Snapshot.Nodes.Length < 2);
        Assert.All(told, tick => Assert.DoesNotContain(tick.Plan.Steps, step => step is Step.Start { Placement: { } place }
            && tick.Snapshot.Nodes.First(node => node.Id == place.Node).Condition == NodeCondition.Draining));
        var first = told[0].Snapshot.At;
        var again = new List<Tick>();
        SimulationRun.Plimsoll(world with { Spec = world.Spec with { Mode = FleetMode.Observe } }, 1, seen: again.Add);
        Assert.InRange((again.First(tick => tick.Snapshot.Nodes.Any(node => node.Condition == NodeCondition.Draining)).Snapshot.At - first).TotalSeconds, -1, 1);
    }

    [Fact]
    public void A_gang_waits_for_room_for_all_of_it_and_nobody_is_put_where_it_runs()
    {
        var world = Worlds.Of(
            [Worlds.Small("a", Worlds.Poisson(2, 100), 2000, min: 1, max: 1)],
            [Worlds.Processors(2, 4)], 400) with
        { Others = [Worlds.Job("train", 50, 60, members: 2, memoryGiB: 3)] };
        var ticks = new List<Tick>();
        var result = SimulationRun.Plimsoll(world with { Spec = world.Spec with { Models = [world.Spec.Models[0] with { MinReplicas = 0, IdleLimit = TimeSpan.FromSeconds(20) }] } }, 1, seen: ticks.Add);
        var job = Assert.Single(result.Others);

        // Half of it would have found room from the beginning: the replica stands on one of the two nodes until it is let go.
        Assert.InRange(job.WaitedSeconds, 60, 200);
        Assert.NotNull(job.EndedAt);
        Assert.All(ticks.Where(tick => !tick.Snapshot.Foreign.IsEmpty), tick => Assert.Equal(2, tick.Snapshot.Foreign.Length));
        Assert.Equal(0, result.OutOfMemory);
    }

    [Fact]
    public void A_gang_that_loses_a_node_begins_anew()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(1, 300))], [Worlds.Processors(2, 4)], 300, 1,
            new Fault(TimeSpan.FromSeconds(50), FaultKind.NodeLost, "cpu-1"), new Fault(TimeSpan.FromSeconds(100), FaultKind.NodeBack, "cpu-1")) with
        { Others = [Worlds.Job("train", 10, 60, members: 2, memoryGiB: 2.5)] };
        var job = Assert.Single(SimulationRun.Plimsoll(world, 1).Others);
        Assert.Equal(50, job.WaitedSeconds, 3);
        Assert.Equal(160, job.EndedAt!.Value, 3);
    }

    [Fact]
    public void Without_metrics_nothing_is_let_go()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(20, 100), 50, max: 4) with { IdleLimit = TimeSpan.FromSeconds(30) }], [Worlds.Processors(1, 8)], 600, 1,
            new Fault(TimeSpan.FromSeconds(90), FaultKind.MetricsLost, "a"), new Fault(TimeSpan.FromSeconds(500), FaultKind.MetricsBack, "a"));
        var ticks = new List<Tick>();
        SimulationRun.Plimsoll(world, 1, seen: ticks.Add);
        var blind = ticks.Where(tick => tick.Snapshot.Traffic.IsEmpty).ToList();
        Assert.NotEmpty(blind);
        Assert.DoesNotContain(blind.SelectMany(tick => tick.Plan.Steps), step => step is Step.Drain or Step.Stop);
        Assert.Contains(ticks.Where(tick => tick.Snapshot.At >= world.Start.AddSeconds(500)).SelectMany(tick => tick.Plan.Steps), step => step is Step.Drain);
    }

    [Fact]
    public void A_slow_disk_slows_loads_until_it_is_well_again()
    {
        double Took(params Fault[] faults)
        {
            var ticks = new List<Tick>();
            SimulationRun.Plimsoll(Worlds.Of([Worlds.Small("a", Worlds.Poisson(1, 200), 2000, min: 1, max: 1)], [Worlds.Processors(1, 8)], 200, 1, faults).WithoutScatter(), 1, seen: ticks.Add);
            return Assert.Single(ticks.SelectMany(tick => tick.Snapshot.Outcomes).OfType<Outcome.Loaded>()).Stages[0].Took.TotalSeconds;
        }

        var usual = Took();
        var slow = Took(new Fault(TimeSpan.Zero, FaultKind.DiskSlow, "cpu-0"));
        Assert.InRange(slow, usual * 3, usual * 11);
        var half = Took(new Fault(TimeSpan.Zero, FaultKind.DiskSlow, "cpu-0"), new Fault(TimeSpan.FromSeconds(10), FaultKind.DiskBack, "cpu-0"));
        Assert.InRange(half, usual + 1, slow - 1);
    }
}
