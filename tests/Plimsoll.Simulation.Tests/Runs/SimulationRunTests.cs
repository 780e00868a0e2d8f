using System.Text.Json;
using CsCheck;
using Plimsoll.Control;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class SimulationRunTests
{
    [Fact]
    public void A_model_that_is_asked_is_started_and_keeps_its_objective_once_it_serves()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(20, 600))], [Worlds.Processors(1, 8)], 600);
        var result = SimulationRun.Plimsoll(world, 1);
        var model = Assert.Single(result.Models);
        Assert.InRange(model.Requests, 11_000, 13_000);
        Assert.InRange(model.Attainment, 0.97, 1);
        Assert.True(model.Starts >= 1);
        Assert.Equal(0, result.OutOfMemory);
        Assert.Equal(600.0 / 3600, result.NodeHours["cpu"], 6);
    }

    [Fact]
    public void A_request_takes_what_its_replica_takes_for_it()
    {
        // One at a time on a replica that is kept: 0.11 s each, times the factor of truth that the seed draws.
        double[] arrivals = [60, 70, 80];
        var trace = new RequestTrace(arrivals, [1, 1, 1], [1, 1, 1], 100);
        var world = Worlds.Of([Worlds.Small("a", trace, min: 1)], [Worlds.Processors(1, 8)], 100);
        var batch = world.Models[0].Truth.Values.Single().Batch;
        var result = SimulationRun.Plimsoll(world, 1);
        Assert.Equal(batch.Seconds(1), result.Models[0].Seconds!.P50, 9);
        Assert.Equal(batch.Seconds(1), result.Models[0].Seconds!.P99, 9);
        Assert.Equal(3, result.Models[0].WithinSlo);
    }

    [Fact]
    public void A_heavy_model_takes_longer_to_come_than_a_light_one()
    {
        var trace = new RequestTrace([10.0], [1], [1], 300);
        double First(double weightMiB) => SimulationRun.Plimsoll(Worlds.Of([Worlds.Small("a", trace, weightMiB)], [Worlds.Processors(1, 64)], 300), 1).Models[0].Seconds!.P50;
        var (light, heavy) = (First(100), First(10_000));
        Assert.InRange(light, 1, 8);
        Assert.InRange(heavy, light + 5, 120);
    }

    [Fact]
    public void What_happens_to_a_replica_is_looked_at_when_it_happens_and_not_at_the_next_regular_turn()
    {
        // The regular turns are at 0 and 60 s, then a minute after each look; nothing of a replica happens on them.
        var trace = new RequestTrace([10.0], [1], [1], 600);
        var world = Worlds.Of([Worlds.Small("a", trace, 2000) with { IdleLimit = TimeSpan.FromSeconds(5) }], [Worlds.Processors(1, 8)], 600).WithoutScatter();
        world = world with { Spec = world.Spec with { Settings = world.Spec.Settings with { Review = TimeSpan.FromMinutes(1) } } };
        var outcomes = new List<(DateTimeOffset Seen, Outcome Outcome)>();
        SimulationRun.Plimsoll(world, 1, seen: tick => outcomes.AddRange(tick.Snapshot.Outcomes.Select(outcome => (tick.Snapshot.At, outcome))));
        Assert.Contains(outcomes, one => one.Outcome is Outcome.Loaded);
        Assert.Contains(outcomes, one => one.Outcome is Outcome.Exited);

        // The loop on machines wakes for each, but not sooner than 50 ms after its last look.
        Assert.All(outcomes, one => Assert.InRange((one.Seen - one.Outcome.At).TotalSeconds, 0, 0.05));
    }

    [Fact]
    public void Each_request_that_finds_no_replica_is_looked_at_on_a_machine_and_the_first_that_waits_on_a_cluster()
    {
        // It loads for longer than from the first to the last.
        var trace = new RequestTrace([10.0, 12, 15], [1, 1, 1], [1, 1, 1], 60);
        var world = Worlds.Of([Worlds.Small("a", trace, 10_000)], [Worlds.Processors(1, 64)], 60);
        world = world with { Spec = world.Spec with { Settings = world.Spec.Settings with { Review = TimeSpan.FromMinutes(1) } } };
        Assert.Equal([0, 10, 12, 15], Turns(world));

        Assert.DoesNotContain(Turns(world.Scheduled()), at => at is 12 or 15);
        Assert.Equal([0, 10, 12, 15], Turns(world with { IsFluid = true }));

        static List<double> Turns(World world)
        {
            var turns = new List<double>();
            SimulationRun.Plimsoll(world, 1, seen: tick => turns.Add((tick.Snapshot.At - world.Start).TotalSeconds));
            return [.. turns.Where(at => at <= 15)];
        }
    }

    [Fact]
    public void A_regular_turn_comes_later_by_what_a_turn_takes()
    {
        var world = Worlds.Of([Worlds.Small("a", new RequestTrace([], [], [], 10))], [Worlds.Processors(1, 8)], 10) with { TurnTakes = TimeSpan.FromSeconds(0.25) };
        var turns = new List<double>();
        SimulationRun.Plimsoll(world, 1, seen: tick => turns.Add((tick.Snapshot.At - world.Start).TotalSeconds));

        // A review of a second: eight turns where there would be ten.
        Assert.Equal([0, 1.25, 2.5, 3.75, 5, 6.25, 7.5, 8.75], turns);
    }

    [Fact]
    public void A_model_that_begins_anew_again_and_again_does_not_seem_heavier_each_time()
    {
        var trace = new RequestTrace([.. Enumerable.Range(0, 20).Select(i => 10 + (30.0 * i))], [.. Enumerable.Repeat(1, 20)], [.. Enumerable.Repeat(1, 20)], 620);
        var world = Worlds.Of([Worlds.Small("a", trace) with { IdleLimit = TimeSpan.FromSeconds(5) }], [Worlds.Processors(1, 64)], 620);
        var asked = new List<Bytes>();
        SimulationRun.Plimsoll(world, 1, seen: tick => asked.AddRange(tick.Plan.Steps.OfType<Step.Start>().Select(start => start.Needs.Host.Highest)));
        Assert.InRange(asked.Count, 15, 25);
        // A twentieth over what was measured, once.
        var takes = world.Models[0].Spec.Variants[0].Needs.Host.Highest.Value;
        Assert.InRange(asked[^1].Value, takes, takes * 1.06);
    }

    [Fact]
    public void Loads_at_the_same_time_share_their_nodes_disk()
    {
        double Last(int models)
        {
            var trace = new RequestTrace([10.0], [1], [1], 300);
            var recipes = Enumerable.Range(0, models).Select(i => Worlds.Small($"m{i}", trace, 10_000)).ToList();
            var world = Worlds.Of(recipes, [Worlds.Processors(1, 256)], 300);
            // All of one truth, so that only the sharing differs.
            world = world with { Models = [.. world.Models.Select(model => model with { Truth = world.Models[0].Truth })] };
            return SimulationRun.Plimsoll(world, 1).Models.Max(model => model.Seconds!.P50);
        }

        var (one, four) = (Last(1), Last(4));
        Assert.InRange(four / one, 3, 4.5);
    }

    [Fact]
    public void The_same_seed_gives_the_same_bytes_and_another_does_not()
    {
        string Run(int seed)
        {
            var world = Worlds.Of(
                [Worlds.Small("a", Worlds.Poisson(30, 300)), Worlds.Small("b", Worlds.Poisson(5, 300, 2), 2000)], [Worlds.Processors(2, 4)], 300, seed,
                new Fault(TimeSpan.FromSeconds(100), FaultKind.NodeLost, "cpu-0"), new Fault(TimeSpan.FromSeconds(150), FaultKind.NodeBack, "cpu-0"));
            return JsonSerializer.Serialize(SimulationRun.Plimsoll(world, seed));
        }

        Assert.Equal(Run(3), Run(3));
        Assert.NotEqual(Run(3), Run(4));
    }

    [Fact]
    public void A_model_comes_back_after_its_node_was_lost()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(5, 600), min: 1)], [Worlds.Processors(2, 8)], 600, 1,
            new Fault(TimeSpan.FromSeconds(200), FaultKind.NodeLost, "cpu-0"), new Fault(TimeSpan.FromSeconds(400), FaultKind.NodeLost, "cpu-1"),
            new Fault(TimeSpan.FromSeconds(410), FaultKind.NodeBack, "cpu-0"));
        var ticks = new List<Tick>();
        var model = SimulationRun.Plimsoll(world, 1, seen: ticks.Add).Models[0];
        Assert.True(model.Starts >= 3, $"{model.Starts} starts");
        Assert.InRange(model.Attainment, 0.9, 0.999);
        Assert.Contains(ticks[^1].Snapshot.Replicas, replica => replica.State == ReplicaState.Ready);
    }

    [Fact]
    public void A_model_from_afar_is_fetched_before_it_is_loaded()
    {
        var trace = new RequestTrace([10.0, 200], [1, 1], [1, 1], 300);
        var world = Worlds.Of([Worlds.Small("a", trace, 2000, cached: true)], [Worlds.Processors(1, 8, cacheGiB: 20)], 300);
        var ticks = new List<Tick>();
        SimulationRun.Plimsoll(world, 1, seen: ticks.Add);
        var outcomes = ticks.SelectMany(tick => tick.Snapshot.Outcomes).ToList();
        var fetched = outcomes.FindIndex(one => one is Outcome.Fetched);
        var loaded = outcomes.FindIndex(one => one is Outcome.Loaded);
        Assert.True(fetched >= 0 && loaded > fetched, $"fetched at {fetched}, loaded at {loaded}");

        // 2000 MiB over 200 MiB/s.
        Assert.Equal(10, ((Outcome.Fetched)outcomes[fetched]).Took.TotalSeconds, 3);
    }

    [Fact]
    public void Whatever_happens_every_request_ends_once_and_memory_holds()
    {
        var gen = from seed in Gen.Int[1, 1_000_000]
                  from models in Gen.Int[1, 5]
                  from nodes in Gen.Int[1, 3]
                  from memory in Gen.Double[0.6, 6]
                  from faults in Gen.Int[0, 8]
                  from cached in Gen.Bool
                  from more in Gen.Int[0, 3]
                  from others in Gen.Int[0, 3]
                  from fluid in Gen.Bool
                  from scheduled in Gen.Bool
                  from trained in Gen.Bool
                  select (seed, models, nodes, memory, faults, cached, more, others, fluid, scheduled, trained);
        gen.Sample(one =>
        {
            var random = new Random(one.seed);
            const double Length = 120;
            var recipes = Enumerable.Range(0, one.models).Select(i => Worlds.Small(
                $"m{i}", SyntheticTraffic.Of(RateCurve.Wave(0, Math.Exp(random.NextDouble() * 5), 50, Length), Worlds.Short, 0.5 + (random.NextDouble() * 3), random),
                Math.Exp(random.NextDouble() * 8), random.Next(2), 1 + random.Next(6), one.cached && random.Next(2) == 0, random.Next(3))).ToList();
            var faults = Enumerable.Range(0, one.faults).Select(_ => new Fault(
                TimeSpan.FromSeconds(random.NextDouble() * Length), (FaultKind)random.Next(Enum.GetValues<FaultKind>().Length), "")).Select(fault => fault with
                {
                    Node = Fault.StrikesNode(fault.What) ? $"cpu-{random.Next(one.nodes)}" : $"m{random.Next(one.models)}",
                }).OrderBy(fault => fault.At).ToArray();
            var group = Worlds.Processors(one.nodes, one.memory, one.cached ? 8 : null) with
            {
                Most = one.nodes + one.more,
                Boot = TimeSpan.FromSeconds(10),
                EmptyFor = TimeSpan.FromSeconds(20),
                Spot = random.Next(2) == 0 ? null : new SpotTerms(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5)),
            };
            var world = Worlds.Of(recipes, [group], Length, one.seed, faults);
            world = world with
            {
                IsFluid = one.fluid,
                Spec = world.Spec with { NodePools = world.Nodes.Pools() },
                Others = [.. Enumerable.Range(0, one.others).Select(i => Worlds.Job($"job{i}", random.NextDouble() * Length, 5 + (random.NextDouble() * 40), 1 + random.Next(2), one.memory / 3) with
                {
                    Training = one.trained ? new TrainingTerms(random.Next(3) - 2, random.Next(4) > 0, Bytes.MiB(random.Next(3) * 400)) { Start = TimeSpan.FromSeconds(2) } : null,
                }).OrderBy(job => job.At)],
            };
            world = world with { Spec = world.Spec with { Training = world.Others.Planned(world.Nodes, world.Start) } };
            if (one.scheduled) world = world.Scheduled();
            var ticks = new List<Tick>();
            var result = SimulationRun.Plimsoll(world, one.seed, seen: ticks.Add);

            for (var i = 0; i < result.Models.Length; i++)
            {
                var model = result.Models[i];
                Assert.Equal(world.Models[i].Trace.Count, model.WithinSlo + model.Late + model.Rejected + model.Failed + model.Unfinished);
                var counted = ticks.SelectMany(tick => tick.Snapshot.Traffic).Where(traffic => traffic.Model == model.Model).Sum(traffic => traffic.Completed + traffic.Rejected + traffic.Failed);
                Assert.InRange(counted, 0, model.Requests - model.Unfinished);
            }

            Assert.Equal(0, result.OutOfMemory);
            Assert.All(ticks.SelectMany(tick => tick.Snapshot.Training), gang =>
                Assert.Equal(gang.Holds ? world.Others.Single(job => job.Name == gang.Job.Value).Members : 0, gang.Members.Length));
            Assert.All(ticks, tick => Assert.InRange(tick.Snapshot.Nodes.Length, 0, one.nodes + one.more));
            foreach (var tick in ticks)
            {
                foreach (var node in tick.Snapshot.Nodes)
                {
                    var held = tick.Snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id)
                        .Sum(replica => (replica.State == ReplicaState.Loading ? replica.Reserved.Host.Highest : replica.Reserved.Host.Steady).Value);
                    held += tick.Snapshot.Foreign.Where(other => other.Node == node.Id && other.Device is null).Sum(other => other.Memory.Value.Value);
                    held += tick.Snapshot.Training.Sum(gang => gang.Members.Count(member => member.Node == node.Id) * gang.ReservedPerMember.Host.Highest.Value);
                    Assert.True(held <= node.HostMemory.Value, $"{node.Id} holds {held} of {node.HostMemory.Value}");
                    var disk = tick.Snapshot.Cache.Where(cached => cached.Node == node.Id).Sum(cached => cached.Size.Value);
                    Assert.True(disk <= (node.CacheBudget?.Value ?? 0), $"the disk of {node.Id} holds {disk}");
                    Assert.False(node.Scheduler?.IsOverfull == true, $"{node.Id} was given more than it has: {node.Scheduler}");
                }
            }

            Assert.Equal(ticks.OrderBy(tick => tick.Snapshot.At).Select(tick => tick.Number), ticks.Select(tick => tick.Number));
        }, iter: 60);
    }
}
