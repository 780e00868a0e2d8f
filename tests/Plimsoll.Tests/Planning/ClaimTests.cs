using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Who gives way to whom where there is not room for all.</summary>
public sealed class ClaimTests
{
    // Enough where three lose it each, and not where two do.
    private const double Lost = 20_000;

    private static readonly ModelSpec Large = Model("large", 1500, peakMiB: 1700);

    [Fact]
    public void A_model_of_higher_priority_takes_the_memory_of_a_lower_one_by_drain_then_stop_then_start()
    {
        var vip = Model("vip", 1500, priority: 5, peakMiB: 1700);
        var spec = Spec(Large, vip);
        var plan = Decide(spec, Snapshot(spec, Node(2000), Noon, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5), outstanding: 2))
            .With(Traffic(Large.Id, Noon, 5)).With(Traffic(vip.Id, Noon, 1, held: 1)));
        Assert.Equal(["drain/large-1", "start/vip-1", "stop/large-1"], plan.StepIds());
        Assert.Equal(["drain/large-1"], plan.Steps.Single(step => step is Step.Stop).After.Select(id => id.Value));
        Assert.Equal(["stop/large-1"], plan.Steps.Single(step => step is Step.Start).After.Select(id => id.Value));
        Assert.Equal(Rule.DrainForClaimant, plan.Steps.Single(step => step is Step.Drain).Reason.Rule);
    }

    [Theory]
    [InlineData("small", true)]
    [InlineData("large", false)]
    public void Who_waits_in_vain_keeps_lower_ones_from_buying_only_what_it_could_run_on(string kind, bool swaps)
    {
        // The important one waits for a large device that something else holds for good; two others take turns on a device.
        ModelSpec On(string id, string kind, int priority) => Model(id, 1000, priority) with { Variants = [OnDevice(kind, 900)] };
        var (important, fixed_, runs, waits) = (On("important", "large", 5), On("fixed", "large", 9) with { MinReplicas = 1 }, On("runs", kind, 0), On("waits", kind, 0));
        var spec = Spec(important, fixed_, runs, waits) with { Settings = new PlannerSettings { PaysWhereOthersCannot = true } };
        NodeState With(string id, string kind) => Node(9000, id: id) with { Devices = [new DeviceState { Id = new DeviceId("gpu0"), Kind = kind, Memory = Bytes.MiB(1000), MemoryBudget = Bytes.MiB(1000) }] };
        InferenceReplica At(ModelSpec model, string node) => Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId(node), [new DeviceId("gpu0")]) };
        var snapshot = Snapshot(spec, With("a", "large"), Noon, At(fixed_, "a"), At(runs, "b"))
            .With(Traffic(fixed_.Id, Noon, 5)).With(Traffic(important.Id, Noon, 1, held: 1, heldSeconds: 1)).With(Traffic(runs.Id, Noon, 1)).With(Traffic(waits.Id, Noon, 1, held: 9, heldSeconds: 1e6)) with
        { Nodes = [With("a", "large"), With("b", kind)] };
        var plan = Decide(spec, snapshot);

        Assert.Equal(swaps, plan.Steps.Any(step => step is Step.Start { Model.Value: "waits" }));
    }

    [Theory]
    [InlineData(2, true)]
    [InlineData(600, false)]
    public void What_a_higher_one_wanted_a_moment_ago_is_not_a_lower_ones_to_take(int secondsAgo, bool stays)
    {
        var vip = Model("vip", 500, priority: 5, min: 1, max: 3);
        var low = Model("low", 600, sloSeconds: 1);
        var spec = Spec(vip, low);
        var known = Knowledge.Empty with
        {
            Models = Knowledge.Empty.Models
                .SetItem(vip.Id, ModelKnowledge.Nothing with { Version = "v1", NextOrdinal = 3, LastWanted = [Noon, Noon.AddSeconds(-secondsAgo)] })
                .SetItem(low.Id, ModelKnowledge.Nothing with { Version = "v1", HeldDebt = 1e9 }),
        };
        var plan = Decide(spec, Snapshot(spec, Node(1200), Noon,
                Replica(vip, 1, ReplicaState.Ready, Noon.AddHours(-1)), Replica(vip, 2, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1))
            .With(Traffic(vip.Id, Noon, 1)).With(Traffic(low.Id, Noon, 5, held: 5)), known);
        Assert.Equal(stays, plan.Steps.IsEmpty);
    }

    [Fact]
    public void Among_equals_on_a_device_what_the_device_lacks_is_told_and_not_the_hosts_memory()
    {
        // Each takes 1,100 MiB of a device of 1,500, and the host has room for both.
        var (first, second) = (Model("first", 1000, devices: 1), Model("second", 1000, devices: 1));
        var spec = Spec(first, second);
        var running = Replica(first, 1, ReplicaState.Ready, Noon.AddMinutes(-5)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0")]) };
        var snapshot = Snapshot(spec, Node(9000, deviceMiB: [1500]), Noon, running)
            .With(Traffic(first.Id, Noon, 2)).With(Traffic(second.Id, Noon, 1, held: 1, heldSeconds: 1));

        var verdict = Decide(spec, snapshot).Models[1].Reason;
        Assert.Equal(Rule.HoldScarceEqual, verdict.Rule);
        Assert.StartsWith("needs 1.07 GiB of a device, 400 MiB is free; 1 request waits, 1 request-seconds so far; a swap pays from ", verdict.ToString(), StringComparison.Ordinal);

        var paid = Decide(spec, snapshot.With(Traffic(second.Id, Noon, 1, held: 1, heldSeconds: 100_000)));
        Assert.StartsWith("second needs 1.07 GiB of a device and 400 MiB is free; letting this go loses least",
            paid.Steps.Single(step => step is Step.Drain).Reason.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(3, 20_000, true)]
    [InlineData(3, 12_000, false)]
    [InlineData(1, 20_000, false)]
    public void Equals_that_find_room_in_one_place_pay_for_it_together(int waiting, double lostEach, bool goes)
    {
        // Large takes three devices of four; a fourth small one finds room without anybody's going, and so pays for nobody.
        var large = Model("large", 3000, devices: 3);
        var spec = Spec([large, .. Enumerable.Range(0, 4).Select(i => Model($"small-{i}", 1000, devices: 1))]) with { Settings = PlannerSettings.Latest with { ForecastDemand = false } };
        var running = Replica(large, 1, ReplicaState.Ready, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0"), new DeviceId("gpu1"), new DeviceId("gpu2")]) };
        var snapshot = Snapshot(spec, Node(90_000, deviceMiB: [1500, 1500, 1500, 1500]), Noon, running).With(Traffic(large.Id, Noon, 2));
        for (var i = 0; i <= waiting; i++) snapshot = snapshot.With(Traffic(spec.Models[i + 1].Id, Noon, 1, held: 30, heldSeconds: lostEach));

        var plan = Decide(spec, snapshot);
        Assert.Equal(goes ? waiting + 1 : 1, plan.Steps.Count(step => step is Step.Start));
        Assert.Equal(goes, plan.StepIds().Contains("drain/large-1"));
        if (goes)
        {
            Assert.Matches("^small-1 needs 1.07 GiB of a device and 400 MiB is free; letting this go loses least: [0-9.]+ request-seconds expected against 60000 for the claimant and 2 more that find room beside it",
                plan.Steps.Single(step => step is Step.Drain).Reason.ToString());
        }

        var alone = Decide(spec with { Settings = spec.Settings with { ClaimantsShare = false } }, snapshot);
        Assert.DoesNotContain("drain/large-1", alone.StepIds());
    }

    [Fact]
    public void One_that_costs_more_than_another_goes_where_it_makes_room_for_more_who_pay_for_it_together()
    {
        // Busy is the cheaper of the two for any one of them, and holds one device of four.
        var (large, busy) = (Model("large", 3000, devices: 3), Model("busy", 1000, devices: 1));
        var spec = Spec([large, busy, .. Enumerable.Range(0, 3).Select(i => Model($"small-{i}", 1000, devices: 1))]) with { Settings = PlannerSettings.Latest with { ForecastDemand = false } };
        InferenceReplica On(ModelSpec model, params string[] devices) => Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [.. devices.Select(device => new DeviceId(device))]) };
        var snapshot = Snapshot(spec, Node(90_000, deviceMiB: [1500, 1500, 1500, 1500]), Noon, On(large, "gpu0", "gpu1", "gpu2"), On(busy, "gpu3"))
            .With(Traffic(large.Id, Noon, 2)).With(Traffic(busy.Id, Noon, 7));
        for (var i = 0; i < 3; i++) snapshot = snapshot.With(Traffic(spec.Models[i + 2].Id, Noon, 1, held: 30, heldSeconds: Lost));

        var plan = Decide(spec, snapshot);
        Assert.Equal(["drain/large-1", "start/small-0-1", "start/small-1-1", "start/small-2-1", "stop/large-1"], plan.StepIds());
        Assert.Empty(Decide(spec with { Settings = spec.Settings with { ClaimantsShare = false } }, snapshot).Steps);
    }

    [Theory]
    [InlineData(1, true)]
    [InlineData(3, false)]
    public void Who_fills_the_place_alone_pays_for_it_alone(int first, bool goes)
    {
        // Small-0 comes first, and takes all three devices of large where it lacks three.
        var large = Model("large", 3000, devices: 3);
        var spec = Spec([large, Model("small-0", 1000, devices: 1, min: first, max: 3), Model("small-1", 1000, devices: 1), Model("small-2", 1000, devices: 1)]) with { Settings = PlannerSettings.Latest with { ForecastDemand = false } };
        var running = Replica(large, 1, ReplicaState.Ready, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0"), new DeviceId("gpu1"), new DeviceId("gpu2")]) };
        var snapshot = Snapshot(spec, Node(90_000, deviceMiB: [1500, 1500, 1500]), Noon, running).With(Traffic(large.Id, Noon, 2));
        for (var i = 0; i < 3; i++) snapshot = snapshot.With(Traffic(spec.Models[i + 1].Id, Noon, 1, held: 30, heldSeconds: Lost));
        Assert.Equal(goes, Decide(spec, snapshot).StepIds().Contains("drain/large-1"));
    }

    [Theory]
    [InlineData(false, true)]
    [InlineData(true, false)]
    public void Who_could_not_start_there_pays_for_nobody(bool refused, bool goes)
    {
        // Small-2 would need more cores than any node has.
        var large = Model("large", 3000, devices: 3);
        var spec = Spec([large, Model("small-0", 1000, devices: 1), Model("small-1", 1000, devices: 1), Model("small-2", 1000, devices: 1, cores: refused ? 1000 : 1)]) with { Settings = PlannerSettings.Latest with { ForecastDemand = false } };
        var running = Replica(large, 1, ReplicaState.Ready, Noon.AddHours(-1)) with { Placement = new Placement(new NodeId("here"), [new DeviceId("gpu0"), new DeviceId("gpu1"), new DeviceId("gpu2")]) };
        var snapshot = Snapshot(spec, Node(90_000, deviceMiB: [1500, 1500, 1500]), Noon, running).With(Traffic(large.Id, Noon, 2));
        for (var i = 0; i < 3; i++) snapshot = snapshot.With(Traffic(spec.Models[i + 1].Id, Noon, 1, held: 30, heldSeconds: Lost));
        Assert.Equal(goes, Decide(spec, snapshot).StepIds().Contains("drain/large-1"));
    }

    [Fact]
    public void With_turns_a_place_is_paid_as_if_it_were_kept_for_ten_loads_and_no_request_waited_longer_than_gateways_hold_one()
    {
        // Each loads in 12.35 s: large would be away for 2 × 12.35 + 10 × 12.35 = 148.2 s, and of its 2/s the first waits for 120 s, the
        // others for 120 s each but for those of the last two minutes: 120 + 2 × (120 × 148.2 − 120² / 2) = 21,288 request-seconds.
        var spec = Spec(Large, Model("rival", 1500, peakMiB: 1700)) with { Settings = new PlannerSettings { LoadsPerTurn = 10 } };
        var running = Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-30));
        var snapshot = Snapshot(spec, Node(2000), Noon, running).With(Traffic(Large.Id, Noon, 2)).With(Traffic(spec.Models[1].Id, Noon, 1, held: 30, heldSeconds: 21_287));
        Assert.Equal(
            "needs 1.66 GiB, 500 MiB is free; 30 requests wait, 21287 request-seconds so far; a swap pays from 21288 on",
            Decide(spec, snapshot).Models[1].Reason.ToString());
        Assert.Contains("drain/large-1", Decide(spec, snapshot.With(Traffic(spec.Models[1].Id, Noon, 1, held: 30, heldSeconds: 21_288))).StepIds());

        // What it lost before large came is not held against large, who has had its place for two minutes, in which 1/s lose 120 + 120² / 2.
        var since = snapshot with { Replicas = [running with { StateSince = Noon.AddMinutes(-2) }] };
        Assert.Contains("7320 request-seconds so far; a swap pays from 21288 on", Decide(spec, since.With(Traffic(spec.Models[1].Id, Noon, 1, held: 30, heldSeconds: 50_000))).Models[1].Reason.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(130)]
    [InlineData(260)]
    [InlineData(390)]
    [InlineData(770)]
    public void Whether_a_pause_is_taken_for_rest_does_not_hang_on_where_in_a_bucket_of_demand_it_began(int milliseconds)
    {
        // Reviews of half a second and buckets of one: five reviews are three buckets. By buckets alone a pause of two seconds and a bit
        // was rest where it began at the end of one, and one of almost three was none.
        var spec = Spec(Large, Model("rival", 1500, peakMiB: 1700)) with { Settings = new PlannerSettings { LoadsPerTurn = 10, Review = TimeSpan.FromMilliseconds(500) } };
        var rival = spec.Models[1].Id;
        var (knowledge, silent) = (Knowledge.Empty, new List<(double Seconds, bool Goes)>());
        for (var look = 1; look <= 50; look++)
        {
            var at = Noon.AddMilliseconds(milliseconds + (500 * look));
            var plan = Decide(spec, Snapshot(spec, Node(2000), at, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-30)))
                .With(Row(Large.Id, look <= 40 ? 1 : 0)).With(Row(rival, 1, held: 30, heldSeconds: look == 1 ? 1000 : 15)), knowledge);
            if (look > 40) silent.Add(((look - 40) / 2.0, plan.StepIds().Contains("drain/large-1")));
            knowledge = plan.Next;

            ModelTraffic Row(ModelId model, int arrivals, int held = 0, double heldSeconds = 0) =>
                Traffic(model, at, arrivals, held, heldSeconds) with { From = at.AddMilliseconds(-500) };
        }

        Assert.All(silent, look => Assert.Equal(look.Seconds >= 3, look.Goes));
    }

    [Fact]
    public void Among_equals_the_claimant_waits_until_it_has_lost_what_the_other_would_lose()
    {
        // Each loads in (1500/200 + 2) × 1.3 = 12.35 s. Large would be away while the rival loads, serves as long and large
        // loads again: 37.05 s. In use with 2/s that costs 37.05 + 2 × 37.05² / 2 = 1,409.8 request-seconds.
        var spec = Spec(Large, Model("rival", 1500, peakMiB: 1700));
        var rival = spec.Models[1];
        var knowledge = Knowledge.Empty;
        Plan plan = null!;
        for (var second = 0; second < 20; second++)
        {
            var at = Noon.AddSeconds(second);
            var held = second >= 10 ? 3 : 0;
            plan = Decide(spec, Snapshot(spec, Node(2000), at, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5)))
                .With(Traffic(Large.Id, at, 2)).With(Traffic(rival.Id, at, held > 0 ? 1 : 0, held, held)), knowledge);
            knowledge = plan.Next;
        }

        // Ten seconds of three held requests: 30 of the 1,409.8.
        Assert.Empty(plan.Steps);
        Assert.Equal(
            "needs 1.66 GiB, 500 MiB is free; 3 requests wait, 30 request-seconds so far; a swap pays from 1409.8 on",
            plan.Models[1].Reason.ToString());

        for (var second = 20; second < 500; second++)
        {
            var at = Noon.AddSeconds(second);
            plan = Decide(spec, Snapshot(spec, Node(2000), at, Replica(Large, 1, ReplicaState.Ready, Noon.AddMinutes(-5)))
                .With(Traffic(Large.Id, at, 2)).With(Traffic(rival.Id, at, 1, held: 3, heldSeconds: 3)), knowledge);
            knowledge = plan.Next;
            if (plan.Steps.Length > 0)
            {
                // They are there after 470 s at 3 a second, and the first ten had no held request.
                Assert.Equal(479, second);
                break;
            }
        }

        Assert.Equal(["drain/large-1", "start/rival-1", "stop/large-1"], plan.StepIds());
    }
}
