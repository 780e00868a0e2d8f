using CsCheck;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Starts that another scheduler places: it counts requests and knows nothing of what a model takes.</summary>
public sealed partial class SchedulerChoiceTests
{
    private const string Gpu = "nvidia.com/gpu";

    [Fact]
    public void A_node_that_the_scheduler_could_choose_and_where_it_does_not_fit_stops_a_start()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var large = Gpus("a-large", 100_000, 2, "gpu", 80_000);
        var small = Gpus("b-small", 100_000, 2, "gpu", 24_000);

        Assert.Equal(["start/m-1"], Decide(Spec(model), Cluster(large)).StepIds());

        var verdict = Decide(Spec(model), Cluster(large, small)).Models[0].Reason;
        Assert.Equal(Rule.HoldUnsafeNode, verdict.Rule);
        Assert.Equal(
            "the scheduler could put it on b-small, where it does not fit: 32.2 GiB against 23.4 GiB of gpu; a node selector for a kind that it fits would do",
            verdict.ToString());
    }

    [Fact]
    public void A_node_selector_keeps_it_from_the_small_node_and_the_start_goes_ahead()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000, "large");
        var plan = Decide(Spec(model), Cluster(
            Gpus("a-large", 100_000, 2, "gpu", 80_000) with { Pool = "large" }, Gpus("b-small", 100_000, 2, "gpu", 24_000) with { Pool = "small" }));

        Assert.Equal(["start/m-1"], plan.StepIds());
    }

    [Fact]
    public void A_small_node_without_a_free_device_cannot_be_chosen_and_is_no_danger()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var full = Gpus("b-small", 100_000, 2, "gpu", 24_000, free: 0);

        Assert.Equal(["start/m-1"], Decide(Spec(model), Cluster(Gpus("a-large", 100_000, 2, "gpu", 80_000), full)).StepIds());
    }

    [Fact]
    public void Without_a_memory_request_a_full_host_is_a_danger_and_the_request_that_would_do_is_named()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 0);
        var node = Gpus("a", 20_000, 2, "gpu", 80_000);

        var reason = Decide(Spec(model), Cluster(Gpus("b", 100_000, 2, "gpu", 80_000), node)).Models[0].Reason;

        Assert.Equal(Rule.HoldUnsafeNode, reason.Rule);
        Assert.Contains("a memory request of 29.3 GiB would do", reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void What_waits_for_a_place_holds_the_room_it_may_get()
    {
        var model = Asking(Model("m", 30_000, min: 2, devices: 2) with { MaxReplicas = 4 }, memoryMiB: 40_000);
        var waiting = Replica(model, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = model.Requests };
        var node = Gpus("a", 100_000, 2, "gpu", 80_000);

        var plan = Decide(Spec(model), Cluster(node) with { Replicas = [waiting] });

        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldScarceDevice, plan.Models[0].Reason.Rule);
    }

    [Fact]
    public void What_waits_without_a_sure_place_may_land_all_the_same_and_is_charged()
    {
        // Of two that wait for the one device of a node either may get it, the heavy one too, whose requests do not cover it.
        var light = Asking(Model("a-light", 1_000, min: 1, devices: 1), memoryMiB: 0, "one");
        var heavy = Asking(Model("b-heavy", 60_000, min: 1, devices: 1), memoryMiB: 0, "one");
        var late = Asking(Model("late", 50_000, min: 1), memoryMiB: 60_000);
        InferenceReplica Waiting(ModelSpec model) => Replica(model, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = model.Requests };
        var cluster = Cluster(Gpus("one", 100_000, 1, "gpu", 80_000) with { Pool = "one" }, Gpus("two", 100_000, 1, "gpu", 80_000) with { Pool = "two" });

        Assert.Equal(["start/late-1"], Decide(Spec(light, late), cluster with { Replicas = [Waiting(light)] }).StepIds());
        var plan = Decide(Spec(light, heavy, late), cluster with { Replicas = [Waiting(light), Waiting(heavy)] });

        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldUnsafeNode, plan.Models[2].Reason.Rule);
    }

    [Fact]
    public void Two_that_wait_for_one_device_keep_nobody_else_from_starting()
    {
        var waiting = Asking(Model("a", 1_000, min: 2, devices: 1) with { MaxReplicas = 2 }, memoryMiB: 2_000, "one");
        var other = Asking(Model("b", 1_000, min: 1, devices: 1), memoryMiB: 2_000, "two");
        var cluster = Cluster(Gpus("one", 100_000, 1, "gpu", 80_000) with { Pool = "one" }, Gpus("two", 100_000, 1, "gpu", 80_000) with { Pool = "two" });
        InferenceReplica Waiting(int i) => Replica(waiting, i, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = waiting.Requests };

        Assert.Equal(["start/b-1"], Decide(Spec(waiting, other), cluster with { Replicas = [Waiting(1), Waiting(2)] }).StepIds());
    }

    [Fact]
    public void As_many_start_in_one_plan_as_all_nodes_together_take()
    {
        var small = Asking(Model("small", 1_000, min: 13, devices: 1) with { MaxReplicas = 20 }, memoryMiB: 2_000);
        var large = Asking(Model("large", 1_000, min: 2, devices: 2) with { MaxReplicas = 20 }, memoryMiB: 2_000);
        NodeState[] nodes = [.. Enumerable.Range(0, 8).Select(i => Gpus($"n{i}", 100_000, 2, "gpu", 80_000))];

        var plan = Decide(Spec(small), Cluster(nodes));
        Assert.Equal(13, plan.Steps.OfType<Step.Start>().Count(start => start.After.IsEmpty));

        // Two small ones may sit on two nodes: what takes a whole node is sure of one while there are more nodes than small ones.
        plan = Decide(Spec(small with { MinReplicas = 6 }, large), Cluster(nodes));
        Assert.Equal(["start/large-1", "start/large-2"], plan.StepIds().Where(id => id.StartsWith("start/large", StringComparison.Ordinal)));
        Assert.Equal(6, plan.Steps.OfType<Step.Start>().Count(start => start.Model.Value == "small"));
        plan = Decide(Spec(small with { MinReplicas = 9 }, large), Cluster(nodes));
        Assert.Equal(8, plan.Steps.Length);
    }

    [Fact]
    public void Nobody_is_let_go_for_what_then_still_has_no_sure_place()
    {
        // The device that the victim leaves could go to what waits already, whose start would then wait for ever.
        var low = Asking(Model("low", 30_000, devices: 1), memoryMiB: 40_000);
        var waits = Asking(Model("waits", 30_000, priority: 9, min: 1, devices: 1), memoryMiB: 40_000);
        var high = Asking(Model("high", 30_000, priority: 5, min: 1, devices: 1), memoryMiB: 40_000);
        var running = Replica(low, 1, ReplicaState.Ready, Noon.AddHours(-1), node: "a") with
        {
            Placement = new Placement(new NodeId("a"), [new DeviceId("gpu00")]),
            Requests = low.Requests,
        };
        var pending = Replica(waits, 1, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = waits.Requests };
        var full = Cluster(Gpus("a", 100_000, 1, "gpu", 80_000, free: 0)) with { Can = Capabilities.ChooseVictim };

        Assert.Equal(["drain/low-1", "start/high-1", "stop/low-1"], Decide(Spec(low, waits with { MinReplicas = 0 }, high), full with { Replicas = [running] }).StepIds());
        Assert.Empty(Decide(Spec(low, waits, high), full with { Replicas = [running, pending] }).Steps);
    }

    // Two replicas leave a node of two devices. Once one is gone its device may be given to what asks for no memory and takes more than
    // it left; once both are there is room for it.
    [Theory]
    [InlineData(0, true)]
    [InlineData(32_000, false)]
    public void A_node_where_two_stop_is_looked_at_with_only_one_of_them_gone(double asks, bool unsafeBetween)
    {
        var low = Asking(Model("low", 10_000, devices: 1), memoryMiB: 10_000);
        var high = Asking(Model("high", 32_000, devices: 1), memoryMiB: asks);
        InferenceReplica[] going = [.. Enumerable.Range(1, 2).Select(i => Replica(low, i, ReplicaState.Ready, Noon) with { Placement = new Placement(new NodeId("n"), [new DeviceId($"gpu0{i - 1}")]), Requests = low.Requests })];
        var node = Gpus("n", 40_000, 2, "gpu", 80_000);
        node = node with { Scheduler = going.Aggregate(node.Scheduler!, (room, replica) => room.With(replica.Requests!)) };
        var snapshot = Snapshot(Spec(low, high), node, Noon, going) with { Can = Capabilities.ChooseVictim };
        Step[] steps =
        [
            .. going.Select(replica => new Step.Stop(replica.Id, replica.Model) { Reason = new Reason(Rule.StopDrained, []) }),
            new Step.Start(ReplicaId.Of(high.Id, 1), high.Id, "v1", high.Variants[0].Id, null, high.Variants[0].Needs, TimeSpan.Zero) { Reason = new Reason(Rule.StopDrained, []), Requests = high.Requests },
        ];
        var found = ReachableStates.FindViolation(snapshot, Knowledge.Empty, [.. steps.OrderBy(step => step.Id)]);
        Assert.Equal(unsafeBetween, found is not null);
        Assert.Null(ReachableStates.FindViolation(snapshot, Knowledge.Empty, [.. steps.Select(step => step is Step.Start ? step with { After = [.. steps.OfType<Step.Stop>().Select(stop => stop.Id).Order()] } : step).OrderBy(step => step.Id)]));
    }

    [Fact]
    public void With_no_device_left_it_says_what_was_asked_for()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);

        Assert.Equal(
            "it asks the scheduler for 39.1 GiB and 0.25 cores and 1 nvidia.com/gpu, and no ready node has that much left",
            Decide(Spec(model), Cluster(Gpus("a", 100_000, 2, "gpu", 80_000, free: 0))).Models[0].Reason.ToString());
    }

    [Fact]
    public void A_victim_of_lower_priority_makes_room_and_the_start_waits_until_it_is_gone()
    {
        var low = Asking(Model("low", 30_000, devices: 1), memoryMiB: 40_000);
        var high = Asking(Model("high", 30_000, priority: 5, min: 1, devices: 1), memoryMiB: 40_000);
        var running = Replica(low, 1, ReplicaState.Ready, Noon.AddHours(-1), node: "a") with
        {
            Placement = new Placement(new NodeId("a"), [new DeviceId("gpu00")]),
            Requests = low.Requests,
        };
        var snapshot = Cluster(Gpus("a", 100_000, 1, "gpu", 80_000, free: 0)) with { Replicas = [running], Can = Capabilities.ChooseVictim };

        var plan = Decide(Spec(low, high), snapshot);

        Assert.Equal(["drain/low-1", "start/high-1", "stop/low-1"], plan.StepIds());
        Assert.Equal(["stop/low-1"], plan.Steps.OfType<Step.Start>().Single().After.Select(id => id.Value));

        // One whose plan is only shown will not go, and is not counted on.
        Assert.DoesNotContain(Decide(Spec(low with { Acts = false }, high), snapshot).Steps, step => step is Step.Start);
    }

    [Fact]
    public void One_whose_plan_is_only_shown_takes_nothing_from_those_that_are_scaled()
    {
        var low = Asking(Model("low", 30_000, devices: 1), memoryMiB: 40_000);
        var shown = Asking(Model("high", 30_000, priority: 5, min: 1, devices: 1), memoryMiB: 40_000) with { Acts = false };
        var running = Replica(low, 1, ReplicaState.Ready, Noon.AddHours(-1), node: "a") with
        {
            Placement = new Placement(new NodeId("a"), [new DeviceId("gpu00")]),
            Requests = low.Requests,
        };
        var full = Cluster(Gpus("a", 100_000, 1, "gpu", 80_000, free: 0)) with { Replicas = [running], Can = Capabilities.ChooseVictim };

        Assert.Empty(Decide(Spec(low, shown), full).Steps);
        // Nor does it keep the one free device from a model that is lighter in priority, and heavier to load.
        Assert.Equal(["start/low-1"], Decide(Spec(low with { MinReplicas = 1 }, shown), Cluster(Gpus("a", 100_000, 1, "gpu", 80_000, free: 1))).StepIds());
    }

    [Fact]
    public void Replicas_that_were_there_before_us_and_are_not_wanted_go_once_their_hold_is_over()
    {
        var model = Model("m", 100, min: 1, max: 3);
        var spec = Spec(model) with { Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02) } };
        FleetSnapshot At(DateTimeOffset at) => Snapshot(spec, Node(10_000), at, [.. Enumerable.Range(1, 3).Select(i => Replica(model, i, ReplicaState.Ready, Noon.AddHours(-1)))]);

        var first = Decide(spec, At(Noon));
        Assert.Empty(first.Steps);

        var later = Decide(spec, At(Noon.AddHours(1)), first.Next);
        Assert.Equal(["drain/m-2", "drain/m-3", "stop/m-2", "stop/m-3"], later.StepIds());
    }

    private static ModelSpec Asking(ModelSpec model, double memoryMiB, params string[] pools) => model with
    {
        Requests = new SchedulerRequests
        {
            Memory = Bytes.MiB(memoryMiB),
            Cores = Cores.Of(0.25),
            Resource = model.Variants[0].Needs.Devices > 0 ? Gpu : null,
            Devices = model.Variants[0].Needs.Devices,
            Pools = [.. pools],
        },
    };

    internal static NodeState Gpus(string id, double memoryMiB, int devices, string kind, double deviceMiB, int? free = null) => new()
    {
        Id = new NodeId(id),
        HostMemory = Bytes.MiB(memoryMiB),
        HostMemoryBudget = Bytes.MiB(memoryMiB),
        Cores = Cores.Of(64),
        Devices =
        [
            .. Enumerable.Range(0, devices).Select(i => new DeviceState
            {
                Id = new DeviceId($"gpu{i:00}"), Kind = kind, Memory = Bytes.MiB(deviceMiB), MemoryBudget = Bytes.MiB(deviceMiB), Resource = Gpu,
            }),
        ],
        Scheduler = new SchedulerRoom
        {
            Memory = Bytes.MiB(memoryMiB),
            Cores = Cores.Of(64),
            Pods = 110,
            Resources = [new ResourceCount(Gpu, free ?? devices)],
        },
    };

    internal static FleetSnapshot Cluster(params NodeState[] nodes) => new()
    {
        At = Noon,
        Can = Capabilities.None,
        Nodes = [.. nodes.OrderBy(node => node.Id)],
    };
}
