using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.NodeScenes;

namespace Plimsoll.Tests.Planning;

/// <summary>Which replicas an autoscaler must leave where they are, by hand.</summary>
public class NodeProtectionTests
{
    private static InferenceReplica On(InferenceReplica replica, string node) =>
        replica with { Placement = new Placement(new NodeId(node), [new DeviceId("gpu00")]) };

    private static string[] Protected(FleetSpec spec, FleetSnapshot snapshot) => [.. Decide(spec, snapshot).Protected.Select(one => one.Replica.Value)];

    [Fact]
    public void What_loads_is_protected_and_what_waits_for_a_place_has_no_node_to_protect()
    {
        var model = Asking(Model("m", 30_000, min: 2, max: 2, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model);
        var loading = On(Replica(model, 1, ReplicaState.Loading, Noon.AddSeconds(-10)), "a");
        var waiting = Replica(model, 2, ReplicaState.Loading, Noon) with { Placement = Placement.Pending, Requests = model.Requests };

        var one = Assert.Single(Decide(spec, Seen(spec, Gpus("a", 2)) with { Replicas = [loading, waiting] }).Protected);

        Assert.Equal("m-1", one.Replica.Value);
        Assert.StartsWith("it pulls or loads 29.3 GiB; ", one.Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_light_one_may_go_within_seconds_and_a_heavy_one_stays_for_as_long_as_coming_back_costs()
    {
        // SLO 1 s at 99 %: one late request on return costs 99 × 1 s. Light: (2 s + 100 MiB / 200 MiB/s) × 1.3 = 3.25 s of load
        // and 99 s. Heavy: (2 + 300) × 1.3 = 392.6 s and 99 s: 491.6 s of its node, of which it takes the only device.
        var light = Asking(Model("light", 100, min: 1, devices: 1), memoryMiB: 1_000);
        var heavy = Asking(Model("heavy", 60_000, min: 1, devices: 1), memoryMiB: 80_000);
        var spec = Spec(light, heavy);
        string[] After(double seconds) => Protected(spec, Seen(spec, Gpus("a", 1), Gpus("b", 1)) with
        {
            Replicas =
            [
                On(Replica(heavy, 1, ReplicaState.Ready, Noon.AddSeconds(-seconds)), "b"),
                On(Replica(light, 1, ReplicaState.Ready, Noon.AddSeconds(-seconds)), "a"),
            ],
        });

        Assert.Equal(["heavy-1", "light-1"], After(102));
        Assert.Equal(["heavy-1"], After(103));
        Assert.Equal(["heavy-1"], After(491));
        Assert.Empty(After(492));
    }

    [Fact]
    public void On_a_shared_node_the_costliest_stays_for_all_and_each_pays_for_its_devices()
    {
        // Of two devices each has one: 491.6 / 2 + 102.25 / 2 = 296.9 s together.
        var light = Asking(Model("light", 100, min: 1, devices: 1), memoryMiB: 1_000);
        var heavy = Asking(Model("heavy", 60_000, min: 1, devices: 1), memoryMiB: 80_000);
        var spec = Spec(light, heavy) with { Prices = new Prices { Devices = [new DevicePrice("gpu", UsdPerHour.Of(3))] } };
        Plan After(double seconds) => Decide(spec, Seen(spec, Gpus("a", 2)) with
        {
            Replicas =
            [
                On(Replica(heavy, 1, ReplicaState.Ready, Noon.AddSeconds(-seconds)), "a"),
                On(Replica(light, 1, ReplicaState.Ready, Noon.AddSeconds(-seconds)), "a"),
            ],
        });

        Assert.Equal("heavy-1", Assert.Single(After(296).Protected).Replica.Value);
        var kept = Assert.Single(After(52).Protected);
        Assert.Equal("heavy-1", kept.Replica.Value);
        Assert.Empty(After(297).Protected);
        // 296.9 s of a node at $6.
        Assert.Equal(
            "coming back elsewhere would cost 4 min 57 s of its node (6 min 33 s to load and 1 late request), at $6 an hour $0.4949; ready for 52 s",
            kept.Reason.ToString());
    }

    [Fact]
    public void While_one_loads_no_other_on_its_node_need_be_marked()
    {
        var model = Asking(Model("m", 30_000, min: 2, max: 2, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model);
        var here = Seen(spec, Gpus("a", 2)) with
        {
            Replicas = [On(Replica(model, 1, ReplicaState.Ready, Noon), "a"), On(Replica(model, 2, ReplicaState.Loading, Noon), "a")],
        };

        Assert.Equal(["m-2"], Protected(spec, here));
    }

    [Fact]
    public void A_group_that_loads_stays_on_every_node_that_it_has_a_pod_on_and_what_is_ready_there_need_not_be_marked()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var light = Asking(Model("light", 100, min: 1, devices: 1), memoryMiB: 1_000);
        var spec = Spec(model, light);
        var snapshot = Seen(spec, Gpus("a", 1), Gpus("b", 2), Gpus("c", 1)) with
        {
            Replicas =
            [
                On(Replica(light, 1, ReplicaState.Ready, Noon), "b"),
                Group(On(Replica(model, 1, ReplicaState.Loading, Noon), "a"), Placement.Pending, At("b"), At("b")),
                On(Replica(light, 2, ReplicaState.Loading, Noon), "c"),
            ],
        };

        var kept = Decide(spec, snapshot).Protected;

        Assert.Equal(["light-2", "m-1"], kept.Select(one => one.Replica.Value));
        Assert.True(kept[0].Nodes.IsDefault);
        Assert.Equal([new NodeId("a"), new NodeId("b")], kept[1].Nodes);
    }

    [Fact]
    public void A_ready_group_stays_on_each_of_its_nodes_for_what_it_pays_there()
    {
        // 491.6 s to come back: of node a it has the only device, of b one of four: until 122.9 s have passed it stays on both.
        var heavy = Asking(Model("heavy", 60_000, min: 1, devices: 1), memoryMiB: 80_000);
        var spec = Spec(heavy);
        string[] After(double seconds) =>
        [
            .. Decide(spec, Seen(spec, Gpus("a", 1), Gpus("b", 4)) with
            {
                Replicas = [Group(On(Replica(heavy, 1, ReplicaState.Ready, Noon.AddSeconds(-seconds)), "a"), At("b"))],
            }).Protected.SelectMany(one => one.Nodes).Select(node => node.Value),
        ];

        Assert.Equal(["a", "b"], After(122));
        Assert.Equal(["a"], After(123));
        Assert.Empty(After(492));
    }

    private static Placement At(string node) => new(new NodeId(node), [new DeviceId("gpu01")]);

    private static InferenceReplica Group(InferenceReplica leader, params Placement[] members) =>
        leader with { Members = [.. members.Select(member => new ReplicaMember(member, leader.Reserved, leader.Requests))] };

    [Fact]
    public void One_whose_plan_is_only_shown_is_left_as_it_is_and_a_body_that_cannot_protect_is_not_told_to()
    {
        var model = Asking(Model("m", 30_000, min: 1, devices: 1), memoryMiB: 40_000);
        var spec = Spec(model);
        var snapshot = Seen(spec, Gpus("a", 1)) with { Replicas = [On(Replica(model, 1, ReplicaState.Loading, Noon), "a")] };

        Assert.Empty(Protected(Spec(model with { Acts = false }), snapshot));
        Assert.True(Decide(spec, snapshot with { Can = Capabilities.None }).Protected.IsDefault);
    }
}
