using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.NodeScenes;

namespace Plimsoll.Tests.Planning;

/// <summary>Nodes that are asked for, by hand: one GPU each unless said otherwise, nodes of 4 minutes.</summary>
public class NodeRequestsTests
{
    [Fact]
    public void A_replica_that_finds_no_room_gets_a_node_of_the_cheapest_pool_that_fits()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        // 30,000 MiB of weights and a tenth: too much for 24,000 MiB of device. Of the others the one at $2 is cheaper.
        var spec = Spec(model).With(Pool("small", 0.8, 1, deviceMiB: 24_000), Pool("a100", 3, 1), Pool("l40", 2, 1, deviceMiB: 48_000));

        var plan = Decide(spec, Seen(spec, Gpus("full", 1, free: 0)));

        var add = Assert.IsType<Step.AddNode>(Assert.Single(plan.Steps));
        Assert.Equal("addNode/l40/1", add.Id.Value);
        Assert.Equal([new ModelCount(model.Id, 1)], add.For);
        Assert.Equal((Bytes.MiB(40_000), 1L), (add.Room!.Memory, add.Room.Resources.Single().Count));
        Assert.Equal(
            "1 replica of m finds no room; of 2 pools that can take them l40 is the cheapest at $2 an hour; a node takes 4 min to come; rather than a100 (price $3)",
            add.Reason.ToString());
        Assert.Equal(
            "no node has room for it (39.1 GiB and 0.25 cores and 1 nvidia.com/gpu); node 1 of l40, asked for 0 s ago, is expected in 4 min",
            plan.Models[0].Reason.ToString());
    }

    [Fact]
    public void Replicas_are_packed_onto_one_node_before_a_second_is_asked_for()
    {
        var model = Asking(Model("m", 30_000, min: 5, max: 5, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("fours", 10, 4));

        var plan = Decide(spec, Seen(spec, Gpus("full", 1, free: 0)));

        // Five on nodes of four: four and one.
        Assert.Equal(["addNode/fours/1", "addNode/fours/2"], plan.StepIds());
        Assert.Equal([4, 1], plan.Steps.OfType<Step.AddNode>().Select(add => add.For.Single().Replicas));
    }

    [Fact]
    public void Host_memory_bounds_the_packing_where_it_is_shorter_than_devices()
    {
        var model = Asking(Model("m", 30_000, min: 3, max: 3, devices: 1), memoryMiB: 40_000);
        // 100,000 MiB take two of 40,000, whatever the devices.
        var spec = Spec(model).With(Pool("fours", 10, 4, memoryMiB: 100_000));

        Assert.Equal([2, 1], Decide(spec, Seen(spec, Gpus("full", 1, free: 0))).Steps.OfType<Step.AddNode>().Select(add => add.For.Single().Replicas));
    }

    [Fact]
    public void For_several_replicas_one_large_node_may_be_cheaper_than_several_small_ones()
    {
        // Four: 4 × $1 against 1 × $3. One: $1 against $3.
        var pools = new[] { Pool("ones", 1, 1), Pool("fours", 3, 4) };
        FleetSpec Wanting(int replicas) => Spec(Asking(Model("m", 30_000, min: replicas, max: replicas, devices: 1), memoryMiB: 40_000)).With(pools);

        Assert.Equal(["addNode/fours/1"], Decide(Wanting(4), Seen(Wanting(4), Gpus("full", 1, free: 0))).StepIds());
        Assert.Equal(["addNode/ones/1"], Decide(Wanting(1), Seen(Wanting(1), Gpus("full", 1, free: 0))).StepIds());
    }

    [Fact]
    public void What_was_asked_for_is_supply_until_it_is_overdue_and_then_another_pool_is_asked()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("cheap", 1, 1), Pool("dear", 2, 1));
        FleetSnapshot Ago(double minutes) => Seen(spec, Gpus("full", 1, free: 0)) with { InFlight = [Asked("cheap", 1, TimeSpan.FromMinutes(minutes), new ModelCount(model.Id, 1))] };

        // Overdue after three times the boot time of 4 minutes.
        Assert.Empty(Decide(spec, Ago(11.9)).Steps);
        Assert.Equal(["addNode/dear/1"], Decide(spec, Ago(12.1)).StepIds());

        var alone = spec.With(Pool("cheap", 1, 1));
        Assert.Empty(Decide(alone, Ago(12.1)).Steps);
        Assert.Equal(Rule.HoldNodeOverdue, Decide(alone, Ago(12.1)).Models[0].Reason.Rule);
    }

    [Fact]
    public void A_pool_at_its_limit_is_not_asked_and_the_reason_says_so()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("l40", 2, 1, new NodeLimit(2, "maxNodes 2")));
        var full = Gpus("full", 1, free: 0) with { NodePool = "l40" };

        Assert.Equal(["addNode/l40/1"], Decide(spec, Seen(spec, full)).StepIds());

        var plan = Decide(spec, Seen(spec, full, full with { Id = new NodeId("other") }));
        Assert.Empty(plan.Steps);
        Assert.Equal(
            "no node has room for it (39.1 GiB and 0.25 cores and 1 nvidia.com/gpu), and none can be added: l40: 2 nodes are there or asked for, of at most 2 (maxNodes 2)",
            plan.Models[0].Reason.ToString());
    }

    [Fact]
    public void Without_any_node_a_model_is_not_refused_while_a_pool_could_take_it()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("l40", 2, 1));

        var plan = Decide(spec, Seen(spec, Gpus("cpu", 0)));

        Assert.Equal(["addNode/l40/1"], plan.StepIds());
        Assert.False(plan.Models[0].Refused);
        Assert.True(Decide(Spec(model), Seen(spec, Gpus("cpu", 0))).Models[0].Refused);
    }

    [Fact]
    public void One_whose_plan_is_only_shown_gets_no_node()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000) with { Acts = false };
        var spec = Spec(model).With(Pool("l40", 2, 1));

        Assert.Empty(Decide(spec, Seen(spec, Gpus("full", 1, free: 0))).Steps);
    }

    [Fact]
    public void Pods_that_may_not_go_there_get_no_node_of_the_pool()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000, "elsewhere");
        var spec = Spec(model).With(Pool("l40", 2, 1));

        var plan = Decide(spec, Seen(spec, Gpus("full", 1, free: 0) with { Pool = "elsewhere" }));

        Assert.Empty(plan.Steps);
        Assert.Contains("none can be added: l40: its pods may not go there", plan.Models[0].Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_node_that_would_be_a_danger_to_what_waits_for_a_place_is_not_asked_for()
    {
        // The large one waits and may go anywhere; on a small device it would not fit.
        var large = Asking(Model("large", 60_000, min: 1, devices: 1), memoryMiB: 80_000);
        var small = Asking(Model("small", 10_000, min: 1, devices: 1), memoryMiB: 20_000, "s");
        var pool = Pool("little", 1, 1, deviceMiB: 24_000);
        var spec = Spec(large, small).With(pool with { Node = pool.Node with { Pool = "s" } });
        var full = Gpus("full", 1, free: 0);
        var waiting = Replica(large, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = large.Requests };

        Assert.Equal(["addNode/little/1"], Decide(spec, Seen(spec, full) with
        {
            Replicas = [waiting with { Placement = new Placement(full.Id, [new DeviceId("gpu00")]) }],
        }).StepIds());

        var plan = Decide(spec, Seen(spec, full) with { Replicas = [waiting] });
        Assert.Empty(plan.Steps);
        Assert.Contains("where it does not fit", plan.Models[1].Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void While_a_node_is_coming_on_which_it_would_not_fit_nothing_starts_that_could_land_there()
    {
        var large = Asking(Model("large", 60_000, min: 1, devices: 1), memoryMiB: 80_000);
        var small = Asking(Model("small", 10_000, min: 1, devices: 1), memoryMiB: 20_000, "s");
        var pool = Pool("little", 1, 1, deviceMiB: 24_000);
        var spec = Spec(large, small).With(pool with { Node = pool.Node with { Pool = "s" } });
        var snapshot = Seen(spec, Gpus("free", 1));

        Assert.Contains("start/large-1", Decide(spec, snapshot).StepIds());
        var asked = snapshot with { InFlight = [Asked("little", 1, TimeSpan.FromMinutes(1), new ModelCount(small.Id, 1))] };
        Assert.DoesNotContain("start/large-1", Decide(spec, asked).StepIds());
        Assert.Equal(Rule.HoldUnsafeNode, Decide(spec, asked).Models[0].Reason.Rule);
    }

    [Fact]
    public void A_request_goes_once_nobody_needs_it_or_its_pool_is_gone()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("l40", 2, 1));
        var asked = Asked("l40", 1, TimeSpan.FromMinutes(1), new ModelCount(model.Id, 1));
        var free = Seen(spec, Gpus("free", 1)) with { InFlight = [asked] };

        // Room may be free for a moment only, and a node that was asked for anew would begin to come anew.
        Assert.Equal(["start/m-1"], Decide(spec, free).StepIds());

        var plan = Decide(spec, free with { Replicas = [Replica(model, 1, ReplicaState.Ready, Noon.AddMinutes(-5), node: "free") with { Requests = model.Requests }] });
        Assert.Equal(["withdrawNode/l40/1"], plan.StepIds());
        Assert.Equal("what node 1 of l40 was asked for has room elsewhere, or is no longer wanted", plan.Steps[0].Reason.ToString());

        Assert.Equal(Rule.WithdrawNodePool, Decide(Spec(model), free).Steps.OfType<Step.WithdrawNode>().Single().Reason.Rule);
    }

    [Fact]
    public void Room_that_a_request_holds_is_used_and_held_until_it_is_taken()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("l40", 2, 1));
        var held = Gpus("new", 1) with { NodePool = "l40", Held = [new NodeRequest("l40", 1, [new ModelCount(model.Id, 1)])] };

        // The start will take it; until it has, the request stays.
        Assert.Equal(["start/m-1"], Decide(spec, Seen(spec, held)).StepIds());

        var waiting = Replica(model, 1, ReplicaState.Loading, Noon.AddSeconds(-5)) with { Placement = Placement.Pending, Requests = model.Requests };
        Assert.Empty(Decide(spec, Seen(spec, held) with { Replicas = [waiting] }).Steps);

        // One that has waited half a minute may not displace it, so it makes way.
        var long30 = waiting with { StateSince = Noon.AddSeconds(-30), StartedAt = Noon.AddSeconds(-30) };
        Assert.Equal(["withdrawNode/l40/1"], Decide(spec, Seen(spec, held) with { Replicas = [long30] }).StepIds());

        var there = long30 with { Placement = new Placement(held.Id, [new DeviceId("gpu00")]) };
        var taken = held with { Scheduler = held.Scheduler! with { Resources = [new ResourceCount(Gpu, 0)] } };
        Assert.Equal(["withdrawNode/l40/1"], Decide(spec, Seen(spec, taken) with { Replicas = [there] }).StepIds());
    }

    [Fact]
    public void A_node_is_asked_for_before_the_demand_that_will_need_it()
    {
        // One replica carries 8 in 1 s of service each: fitted below as 8 a second. It loads in about 200 s (30,000 MiB at 200
        // a second, and a third), a node takes 240 s: between the two horizons lies a peak that only the longer look sees.
        var model = Asking(Model("m", 30_000, min: 1, max: 4, devices: 1, sloSeconds: 2), memoryMiB: 40_000);
        var spec = Spec(model).With(Pool("l40", 2, 1)) with { Settings = new PlannerSettings { DemandBuckets = 100_000 } };
        var serving = Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-2), node: "full") with { Requests = model.Requests };
        var snapshot = Seen(spec, Gpus("full", 1, free: 0)) with { Replicas = [serving] };
        var knowledge = Knowledge.Empty.Fold(spec, snapshot);
        var short8 = Outlooks.Lookback(Outlooks.Of(spec, snapshot, knowledge)[0].Horizon).TotalSeconds;
        DemandHistory Peaked(double secondsAgo)
        {
            var buckets = Enumerable.Repeat(2.0, (int)secondsAgo + 400).ToArray();
            for (var i = 0; i < 300; i++) buckets[i] = 14;
            return new DemandHistory(Noon, [.. buckets]);
        }

        Plan Look(double secondsAgo) => new Planner(new WeightAllocator()).Decide(spec, snapshot, knowledge with
        {
            Models = knowledge.Models.SetItem(model.Id, knowledge.Of(model.Id) with
            {
                Demand = Peaked(secondsAgo),
                LastArrival = Noon,
                Service = ServiceFit.None.Add(new ServiceSample(100, 800, 100, 6400, 800, 8, 1)),
            }),
        });

        // Past what the load alone looks back over, within what node and load together do.
        var plan = Look(short8 + 300);
        var add = Assert.IsType<Step.AddNode>(Assert.Single(plan.Steps));
        Assert.Equal(Rule.AddNodeAhead, add.Reason.Rule);
        Assert.StartsWith("14.0/s is the 99 % quantile of m's demand over the", add.Reason.ToString(), StringComparison.Ordinal);
        Assert.Equal(1, add.For.Single().Replicas);
        Assert.Equal(Rule.Met, plan.Models[0].Reason.Rule);

        // Where a node has room for it already, none is asked for.
        snapshot = snapshot with { Nodes = [.. snapshot.Nodes, Gpus("spare", 1)] };
        Assert.Empty(Look(short8 + 300).Steps);
    }

    [Fact]
    public void How_long_nodes_take_is_learned_where_it_is_not_stated()
    {
        var pool = Pool("l40", 2, 1) with { BootTime = null };
        var spec = Spec(Model("m", 100)).With(pool);
        Assert.Equal(TimeSpan.FromMinutes(5), Knowledge.Empty.BootTime(pool));

        var knowledge = Knowledge.Empty.Fold(spec, Seen(spec) with
        {
            Outcomes = [new Outcome.NodeAdded { At = Noon, Pool = "l40", Node = new NodeId("n"), Took = TimeSpan.FromSeconds(100) }],
        });

        // One boot says little: Student's t of two degrees of freedom, 1.8799 × 0.17 × √2 = 0.45196, and e^0.45196 = 1.5714.
        Assert.Equal(157.14, knowledge.BootTime(pool).TotalSeconds, 0.02);
        Assert.Equal(TimeSpan.FromMinutes(4), knowledge.BootTime(Pool("l40", 2, 1)));
        Assert.Null(knowledge.Fold(Spec(Model("m", 100)), Seen(spec)).NodeBoots);
    }

    [Fact]
    public void A_spec_without_pools_and_a_node_without_requests_are_written_as_they_were()
    {
        var spec = Spec(Model("m", 100));
        var json = System.Text.Encoding.UTF8.GetString(Json.PlimsollJson.ToBytes(spec, Json.PlimsollJson.Default.FleetSpec));
        Assert.DoesNotContain("nodePools", json, StringComparison.Ordinal);
        var seen = System.Text.Encoding.UTF8.GetString(Json.PlimsollJson.ToBytes(Seen(spec, Gpus("a", 1)), Json.PlimsollJson.Default.FleetSnapshot));
        Assert.DoesNotContain("\"held\"", seen, StringComparison.Ordinal);
        Assert.DoesNotContain("nodePool", seen, StringComparison.Ordinal);
    }
}
