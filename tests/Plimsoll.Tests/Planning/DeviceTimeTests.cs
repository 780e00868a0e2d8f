using System.Collections.Immutable;
using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Devices that several replicas share: their time beside their memory.</summary>
public sealed class DeviceTimeTests
{
    private static readonly PlannerSettings Shares = new() { SharesTime = true };

    [Theory]
    [InlineData(new double[0], 1)]
    [InlineData(new double[] { 0, 0 }, 1)]
    [InlineData(new double[] { 1 }, 2)]
    [InlineData(new double[] { 0.5 }, 1 / 0.75)]
    [InlineData(new double[] { 1, 1, 1 }, 4)]
    [InlineData(new double[] { 0.5, 0.5 }, 1 / (0.25 + 0.25 + (0.25 / 3)))]
    public void Who_has_work_gets_an_equal_part_of_the_time_of_those_who_have(double[] others, double slowdown) =>
        Assert.Equal(slowdown, TakingTurns.SlowdownBeside(others), 9);

    [Fact]
    public void Two_that_slow_one_another_have_work_for_longer()
    {
        // b = 0.4 s and s = 1 / (1 - b / 2), so that b is 1 - sqrt(0.2).
        var slowed = new double[2];
        TakingTurns.Slowdowns([0.4, 0.4], slowed);
        Assert.All(slowed, one => Assert.Equal(1 / (1 - ((1 - Math.Sqrt(0.2)) / 2)), one, 2));

        // More than the device has time for.
        TakingTurns.Slowdowns([0.9, 0.9], slowed);
        Assert.All(slowed, one => Assert.Equal(2, one, 2));
        TakingTurns.Slowdowns([0.9], slowed.AsSpan(1));
        Assert.Equal(1, slowed[1]);
    }

    [Fact]
    public void A_model_starts_where_it_and_those_that_are_there_carry_what_they_are_to()
    {
        // By memory alone both would stand on the fuller device.
        var (spec, seen, known) = Scene(busy: 6, other: 6);
        Assert.Equal("gpu1", On(Decide(spec with { Settings = new PlannerSettings() }, seen, known), "other"));
        Assert.Equal("gpu0", On(Decide(spec, seen, known), "other"));

        // Two that hardly have anything to do share one.
        (spec, seen, known) = Scene(busy: 0.5, other: 0.5);
        Assert.Equal("gpu1", On(Decide(spec, seen, known), "other"));
    }

    [Fact]
    public void Where_no_device_has_the_time_the_first_replica_starts_and_a_further_one_does_not()
    {
        var (spec, seen, known) = Scene(busy: 6, other: 6, devices: [2000]);
        Assert.Equal("gpu0", On(Decide(spec, seen, known), "other"));

        (spec, seen, known) = Scene(busy: 6, other: 14, devices: [2000]);
        seen = seen with { Replicas = [.. seen.Replicas, There(spec.Models[1], "gpu0")] };
        var plan = Decide(spec, seen, known);
        Assert.Empty(plan.Steps);
        var why = plan.Models.Single(one => one.Model.Value == "other").Reason;
        Assert.Equal(Rule.HoldDeviceTime, why.Rule);
        Assert.StartsWith("needs 300 MiB of a device for ", why.ToString(), StringComparison.Ordinal);

        // What its file asks for whatever comes is there whatever that does.
        spec = spec with { Models = [spec.Models[0], spec.Models[1] with { MinReplicas = 3 }] };
        Assert.Equal(["start/other-2", "start/other-3"], Decide(spec, seen, known).StepIds());
    }

    [Fact]
    public void What_others_on_its_device_leave_of_a_replica_is_made_up_for_by_a_further_one_elsewhere()
    {
        var (spec, seen, known) = Scene(busy: 6, other: 6);
        seen = seen with { Replicas = [.. seen.Replicas, There(spec.Models[1], "gpu1")] };
        Assert.Empty(Decide(spec with { Settings = new PlannerSettings() }, seen, known).Steps);
        var plan = Decide(spec, seen, known);
        Assert.Equal(["start/busy-2"], plan.StepIds());
        Assert.Equal("gpu0", On(plan, "busy"));
    }

    [Fact]
    public void Who_is_too_slow_moves_and_not_who_only_loads_as_quickly()
    {
        // Beside one that is busy for 0.3 of the time the other is too slow, which is not slow enough for the first to be.
        var (spec, seen, known) = Scene(busy: 3, other: 8);
        seen = seen with { Replicas = [.. seen.Replicas, There(spec.Models[1], "gpu1")] };
        Assert.Equal(["start/other-2"], Decide(spec, seen, known).StepIds());

        // Where it has all that it may have nobody moves for it.
        spec = spec with { Models = [spec.Models[0], spec.Models[1] with { MaxReplicas = 1 }] };
        Assert.Empty(Decide(spec, seen, known).Steps);
    }

    [Fact]
    public void Who_is_too_slow_moves_even_where_there_are_as_many_as_may_be_and_goes_once_its_successor_serves()
    {
        var (spec, seen, known) = AsManyAsMayBe(6, 6);
        var plan = Decide(spec, seen, known);
        Assert.Equal(["start/busy-2"], plan.StepIds());
        Assert.Equal("gpu0", On(plan, "busy"));
        Assert.Equal("busy-1 carries 51 % of what it would alone, beside others on its device, and as many run as may: one that is slowed goes once this one serves on a device that has the time",
            plan.Steps.Single().Reason.ToString());

        // While it loads nobody goes and the other doesn't move too.
        var successor = There(spec.Models[0], "gpu0") with { Id = ReplicaId.Of("busy-2"), State = ReplicaState.Loading, StartedAt = Noon.AddSeconds(-1), StateSince = Noon.AddSeconds(-1) };
        Assert.Empty(Decide(spec, seen with { Replicas = [seen.Replicas[0], successor, seen.Replicas[1]] }, known).Steps);

        successor = successor with { State = ReplicaState.Ready };
        plan = Decide(spec, seen with { Replicas = [seen.Replicas[0], successor, seen.Replicas[1]] }, known);
        Assert.Equal(["drain/busy-1", "stop/busy-1"], plan.StepIds());
        Assert.Equal(Rule.DrainAboveMost, plan.Steps.OfType<Step.Drain>().Single().Reason.Rule);

        // Nor would the newest go, to come again, where its neighbour just then has nothing to do.
        var other = spec.Models[1].Id;
        known = known with { Models = known.Models.SetItem(other, known.Of(other) with { Demand = Lately(0, 0), ActiveRate = 0 }) };
        seen = seen with { Traffic = [seen.Traffic[0], Traffic(other, Noon, 0)] };
        seen = seen with { Replicas = [seen.Replicas[0], successor, seen.Replicas[1]] };
        Assert.Contains("drain/busy-1", Decide(spec, seen, known).StepIds());

        // Or is no more.
        seen = seen with { Replicas = [.. seen.Replicas.Take(2)] };
        Assert.Contains("drain/busy-1", Decide(spec with { Models = [spec.Models[0]] }, seen with { Traffic = [seen.Traffic[0]] }, known).StepIds());
    }

    [Fact]
    public void A_successor_is_awaited_however_long_it_loads_and_doesnt_go_for_being_slowed_itself()
    {
        var (spec, seen, known) = AsManyAsMayBe(6, 6);
        spec = spec with { Prices = new Prices { Devices = [new DevicePrice("large", UsdPerHour.Of(1))] } };
        var successor = There(spec.Models[0], "gpu0") with { Id = ReplicaId.Of("busy-2"), State = ReplicaState.Loading, StartedAt = Noon.AddSeconds(-3), StateSince = Noon.AddSeconds(-3) };
        known = known with { Models = known.Models.ToImmutableSortedDictionary(one => one.Key, one => one.Value with { LastWanted = [Noon, Noon.AddHours(-1)] }) };
        var loading = Decide(spec, seen with { Replicas = [seen.Replicas[0], successor, There(spec.Models[1], "gpu1")] }, known);
        Assert.DoesNotContain(loading.Steps, step => step is Step.Drain or Step.Stop && step.Id.Value.Contains("busy-", StringComparison.Ordinal));

        // It stands beside another that has come there meanwhile, and is slowed more than who is alone now.
        successor = successor with { State = ReplicaState.Ready };
        var plan = Decide(spec, seen with { Replicas = [seen.Replicas[0], successor, There(spec.Models[1], "gpu0")] }, known);
        Assert.Equal(["drain/busy-1", "stop/busy-1"], plan.StepIds());
    }

    [Theory]
    [InlineData(1, 1)] // Both are carried.
    [InlineData(14, 14)] // There is no other device.
    public void Nobody_moves_who_is_not_too_slow_or_has_nowhere_to_go(double busy, double other)
    {
        var (spec, seen, known) = AsManyAsMayBe(busy, other, devices: busy > 10 ? [1000] : null);
        Assert.Empty(Decide(spec, seen, known).Steps);
    }

    [Fact]
    public void Nobody_moves_for_a_burst_that_may_come_while_what_comes_is_carried()
    {
        var (spec, seen, known) = AsManyAsMayBe(6, 6);
        var now = Outlooks.Of(spec, seen, known);
        Assert.Equal("busy-1", now[0].TooSlow?.Value);
        Assert.Null(now[1].TooSlow);

        // Less came in the last second than what is forecast.
        var quiet = known with { Models = known.Models.ToImmutableSortedDictionary(one => one.Key, one => one.Value with { Demand = Lately(6, 0.5), ActiveRate = 0.5 }) };
        Assert.All(Outlooks.Of(spec, seen, quiet), outlook =>
        {
            Assert.True(outlook.LeftOf!.Values.Single() < 0.6);
            Assert.Null(outlook.TooSlow);
        });
    }

    [Theory]
    [InlineData(6, 2)]
    [InlineData(0.5, 1)]
    public void So_many_nodes_are_asked_for_as_have_the_time(double perSecond, int nodes)
    {
        // By memory one node's only device takes both.
        var (spec, seen, known) = Scene(busy: perSecond, other: perSecond, devices: [2000]);
        spec = spec.With(new NodePool { Name = "ones", Node = seen.Nodes[0] with { Id = new NodeId("a node of ones") }, PricePerHour = UsdPerHour.Of(1), BootTime = TimeSpan.FromMinutes(4) });
        seen = seen with { Can = seen.Can | Capabilities.AddNodes, Nodes = [], Replicas = [] };
        Assert.Equal(nodes, Decide(spec, seen, known).Steps.OfType<Step.AddNode>().Count());
        Assert.Single(Decide(spec with { Settings = new PlannerSettings() }, seen, known).Steps.OfType<Step.AddNode>());
    }

    [Fact]
    public void Nobody_goes_for_a_further_replica_that_would_find_no_time()
    {
        // One device, full: two contend, and a third of lower priority is there.
        var (spec, seen, known) = Scene(busy: 6, other: 6, devices: [900]);
        var lower = spec.Models[0] with { Id = new ModelId("lower"), Priority = -1 };
        spec = spec with { Models = [spec.Models[0], lower, spec.Models[1]] };
        known = known with { Models = known.Models.SetItem(lower.Id, known.Of(spec.Models[0].Id)) };
        seen = seen with
        {
            Replicas = [.. seen.Replicas.Concat([There(lower, "gpu0"), There(spec.Models[2], "gpu0")]).OrderBy(replica => replica.Id)],
            Traffic = [seen.Traffic[0], Traffic(lower.Id, Noon, 0), seen.Traffic[1]],
        };
        known = known with { Models = known.Models.ToImmutableSortedDictionary(one => one.Key, one => one.Value with { ShortSince = Noon.AddHours(-1) }) };
        var plan = Decide(spec, seen, known);
        Assert.Empty(plan.Steps);
        Assert.Contains(plan.Models, verdict => verdict.Reason.Rule == Rule.HoldDeviceTime);
    }

    [Theory]
    [InlineData(-1, 800)] // Room, and no time.
    [InlineData(-1, 350)] // Neither.
    [InlineData(0, 800)]
    public void Who_is_lower_goes_for_the_time_of_a_device_and_equals_do_not(int priority, double fullerMiB)
    {
        // Two devices: on the one "busy" and one that is idle, on the other one that is busier, lower and cheaper to let go.
        var (spec, seen, known) = Scene(busy: 14, other: 8, devices: [fullerMiB, fullerMiB]);
        var low = spec.Models[1] with { Id = new ModelId("low"), Priority = priority };
        spec = spec with { Settings = Shares with { MakesTime = true }, Models = [spec.Models[0], low] };
        known = known with { Models = known.Models.SetItem(low.Id, known.Of(spec.Models[0].Id) with { Demand = Lately(8, 8), ActiveRate = 8, ShortSince = Noon.AddHours(-1) }) };
        seen = seen with
        {
            Replicas = [seen.Replicas[0], There(low, "gpu0")],
            Traffic = [seen.Traffic[0], Traffic(low.Id, Noon, 8)],
        };
        var plan = Decide(spec, seen, known);
        if (priority == 0)
        {
            Assert.Empty(plan.Steps);
            return;
        }

        Assert.Equal(["drain/low-1", "start/busy-2", "stop/low-1"], plan.StepIds());
        Assert.Equal("gpu0", On(plan, "busy"));
        Assert.Equal(fullerMiB > 600 ? [] : ["stop/low-1"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));
        Assert.Equal(fullerMiB > 600 ? Rule.DrainForClaimantsTime : Rule.DrainForClaimant, plan.Steps.OfType<Step.Drain>().Single().Reason.Rule);
    }

    [Fact]
    public void Who_goes_is_not_the_cheapest_where_that_leaves_no_time()
    {
        // Beside "busy" one that is idle and lower, alone one that is lower and has work; there is no room for more.
        var (spec, seen, known) = Scene(busy: 14, other: 0, devices: [350, 650]);
        var idle = spec.Models[1] with { Id = new ModelId("idle"), Priority = -1 };
        var low = idle with { Id = new ModelId("low") };
        spec = spec with { Settings = Shares, Models = [spec.Models[0], idle, low] };
        var there = known.Of(spec.Models[0].Id);
        known = known with
        {
            Models = known.Models.SetItem(idle.Id, there with { Demand = Lately(0, 0), ActiveRate = 0.1, LastArrival = Noon.AddMinutes(-5) })
                .SetItem(low.Id, there with { Demand = Lately(8, 8), ActiveRate = 8 }),
        };
        seen = seen with
        {
            Replicas = [seen.Replicas[0], There(idle, "gpu1"), There(low, "gpu0")],
            Traffic = [seen.Traffic[0], Traffic(idle.Id, Noon, 0), Traffic(low.Id, Noon, 8)],
        };
        Assert.DoesNotContain(Decide(spec, seen, known).Steps, step => step is Step.Start);
        var plan = Decide(spec with { Settings = Shares with { MakesTime = true } }, seen, known);
        Assert.Contains("drain/low-1", plan.StepIds());
        Assert.Equal("gpu0", On(plan, "busy"));
    }

    [Fact]
    public void A_version_that_goes_is_in_nobodys_way()
    {
        var (spec, seen, known) = Scene(busy: 7.6, other: 0);
        var next = spec.Models[0] with { Version = "v2" };
        spec = spec with { Models = [next, spec.Models[1]] };
        known = known with { Models = known.Models.SetItem(next.Id, known.Of(next.Id) with { Version = "v2" }) };
        seen = seen with { Replicas = [.. seen.Replicas, There(next, "gpu1") with { Id = ReplicaId.Of(next.Id, 2) }] };
        Assert.DoesNotContain(Decide(spec, seen, known).Steps, step => step is Step.Start);
    }

    [Fact]
    public void Where_a_scheduler_places_nobody_knows_who_has_which_of_devices_that_are_handed_out_several_times()
    {
        var (spec, seen, known) = Scene(busy: 6, other: 6);
        seen = seen with { Replicas = [.. seen.Replicas, There(spec.Models[1], "gpu1")] };
        Assert.All(Outlooks.Of(spec, seen, known), outlook => Assert.False(outlook.Left.IsDefault));
        seen = seen with { Can = Capabilities.ChooseVictim };
        Assert.All(Outlooks.Of(spec, seen, known), outlook => Assert.True(outlook.Left.IsDefault));
        Assert.Empty(SharedDevices.Slowed(seen, spec.Settings));
    }

    [Fact]
    public void A_bound_turns_nobody_away_whom_all_have_time_for()
    {
        var (has, excessive) = (0, 0);
        Gen.Select(Gen.Double[0.01, 1], Gen.Double[1, 3]).Array[1, 7].Sample(draws =>
        {
            DeviceUse[] uses = [.. draws.Select(draw => new DeviceUse(new ReplicaTime(_ => 1, slowdown => slowdown <= draw.Item2 ? 2 : 0), draw.Item1, 1))];
            var device = new NodeLedger.TimeOfDevice();
            for (var i = 1; i < uses.Length; i++) device.Add(ReplicaId.Of($"m-{i}"), uses[i]);
            Assert.Equal(uses.Length == 1 || DeviceUse.Excess(uses) <= 1, device.Has(uses[0]));
            if (uses.Length > 1 && device.Has(uses[0])) Interlocked.Increment(ref has);
            else if (uses.Length > 1) Interlocked.Increment(ref excessive);
            device.Remove(ReplicaId.Of("m-1"));
            Assert.Equal(Math.Max(0, uses.Skip(2).Sum(use => use.Busy)), device.Busy, 9);
        }, iter: 3000);
        Assert.True(has > 100 && excessive > 100, $"{has} {excessive}");
    }

    [Theory]
    [InlineData(false, 0.2)]
    [InlineData(true, 0.1)]
    public void Of_requests_beside_others_on_the_device_it_is_learned_what_they_take_alone(bool shares, double seconds)
    {
        var (spec, seen, _) = Scene(busy: 6, other: 6);
        spec = spec with { Settings = new PlannerSettings { SharesTime = shares } };
        seen = seen with { Replicas = [.. seen.Replicas, There(spec.Models[1], "gpu1")] };

        // The other has a request in it most of the time: 6 a second of 0.2 s.
        var sample = new ServiceSample(6, 6, 1.2, 6, 1.2, 1, 0.2);
        seen = seen with { Traffic = [.. seen.Traffic.Select(row => row with { Arrivals = 6, Service = sample })] };
        var learned = Knowledge.Empty.Fold(spec with { Settings = spec.Settings with { DrainAsLongAsSeen = true } }, seen).Of(spec.Models[0].Id).Service;

        // Who drains is waited for as long as requests take there.
        Assert.Equal(0.2, learned.LongestSeconds, 9);
        Assert.Equal(seconds, learned.SumL / learned.Weight, 2);
    }

    [Fact]
    public void A_gang_goes_where_it_slows_nobody_and_who_stands_beside_one_is_slowed()
    {
        var (spec, seen, known) = Scene(busy: 6, other: 0);
        var job = TrainingScene.Job("train");
        job = job with { DeviceKind = "large", NeedsPerMember = job.NeedsPerMember with { PerDevice = new MemoryNeed(Bytes.MiB(300), Bytes.MiB(300)) } };
        spec = spec with { Training = [job], Settings = Shares with { GangsUseTime = true } };
        seen = seen with { Can = seen.Can | Capabilities.Train };
        Assert.Equal("gpu1", Launched(Decide(spec with { Settings = Shares }, seen, known)));
        Assert.Equal("gpu0", Launched(Decide(spec, seen, known)));

        // Where no device has the time it is better there than nowhere.
        Assert.Equal("gpu1", Launched(Decide(spec, seen with { Nodes = [seen.Nodes[0] with { Devices = [seen.Nodes[0].Devices[1]] }] }, known)));

        // Who is beside one that trains carries less, gets a further replica elsewhere, and isn't taken for slow.
        var gang = TrainingScene.Runs(job, 600, TrainingScene.On("here", 1));
        seen = seen with { Training = [gang] };
        Assert.Empty(Decide(spec with { Settings = Shares }, seen, known).Steps);
        var plan = Decide(spec, seen, known);
        Assert.Equal(["start/busy-2"], plan.StepIds());
        Assert.Equal("gpu0", On(plan, "busy"));
        Assert.Equal(2, SharedDevices.Slowed(seen, spec.Settings).Single().Value, 9);
        Assert.Empty(SharedDevices.Slowed(seen, Shares));

        // One that is about to go is in nobody's way.
        seen = seen with { Training = [gang with { State = GangState.Stopping }] };
        Assert.DoesNotContain(Decide(spec, seen, known).Steps, step => step is Step.Start);

        static string Launched(Plan plan) => plan.Steps.OfType<Step.Launch>().Single().Members.Single().Devices.Single().Value;
    }

    // Two devices, of which the model that is busy stands on the smaller; a request takes 0.1 s, and ten a second are carried.
    private static (FleetSpec Spec, FleetSnapshot Seen, Knowledge Known) Scene(double busy, double other, double[]? devices = null)
    {
        devices ??= [2000, 1000];
        ModelSpec[] models = [.. ((string[])["busy", "other"]).Select(id => Model(id, 100, max: 4) with { Variants = [OnDevice("large", 300) with { Concurrency = 1 }] })];
        var spec = Spec(models) with { Settings = Shares };
        var node = Node(8000, deviceMiB: devices);
        node = node with { Devices = [.. node.Devices.Select(device => device with { Kind = "large" })] };
        var there = Replica(models[0], 1, ReplicaState.Ready, Noon.AddMinutes(-30)) with { Placement = new Placement(node.Id, [node.Devices[^1].Id]) };
        var known = Knowledge.Empty;
        foreach (var (model, rate) in models.Zip([busy, other]))
        {
            known = known with
            {
                Models = known.Models.SetItem(model.Id, new ModelKnowledge
                {
                    Version = model.Version,
                    Service = new ServiceFit(100, 100, 10, 100, 10, 1),
                    Demand = new DemandHistory(Noon, [.. Enumerable.Repeat(rate, 60)]),
                    LastArrival = Noon,
                    ActiveRate = rate,
                    NextOrdinal = 2,
                }),
            };
        }

        known = known with { FoldedAt = Noon };
        var seen = Snapshot(spec, node, Noon, there) with { Traffic = [.. models.Zip([busy, other], (model, rate) => Traffic(model.Id, Noon, (long)rate))] };
        return (spec, seen, known);
    }

    // The same where each may have one replica, and both are on the smaller.
    private static (FleetSpec Spec, FleetSnapshot Seen, Knowledge Known) AsManyAsMayBe(double busy, double other, double[]? devices = null)
    {
        var (spec, seen, known) = Scene(busy, other, devices);
        spec = spec with { Settings = Shares with { MovesForTime = true }, Models = [.. spec.Models.Select(model => model with { MaxReplicas = 1 })] };
        return (spec, seen with { Replicas = [seen.Replicas[0], There(spec.Models[1], seen.Replicas[0].Placement.Devices[0].Value)] }, known);
    }

    private static DemandHistory Lately(double before, double lately) => new(Noon, [.. Enumerable.Repeat(before, 55), .. Enumerable.Repeat(lately, 5)]);

    private static InferenceReplica There(ModelSpec model, string device) =>
        Replica(model, 1, ReplicaState.Ready, Noon.AddMinutes(-30)) with { Placement = new Placement(new NodeId("here"), [new DeviceId(device)]) };

    private static Plan Decide(FleetSpec spec, FleetSnapshot seen, Knowledge known) => new Planner(new WeightAllocator()).Decide(spec, seen, known);

    private static string On(Plan plan, string model) => plan.Steps.OfType<Step.Start>().Single(start => start.Model.Value == model).Placement!.Devices.Single().Value;
}
