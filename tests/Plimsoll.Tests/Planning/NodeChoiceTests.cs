using System.Collections.Immutable;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>On which of several nodes replicas go where the body places, and from which they go first.</summary>
public sealed class NodeChoiceTests
{
    private static readonly UsdPerHour Dear = UsdPerHour.Of(10);
    private static readonly UsdPerHour Cheap = UsdPerHour.Of(4);

    private static NodeState Named(string id, UsdPerHour? price = null, int devices = 4, string? pool = null) =>
        Node(500_000, 32, id, null, [.. Enumerable.Repeat(80_000.0, devices)]) with { PricePerHour = price, NodePool = pool };

    private static FleetSnapshot Seen(FleetSpec spec, ImmutableArray<NodeState> nodes, params InferenceReplica[] replicas) =>
        Snapshot(spec, nodes[0], Noon, replicas) with { Nodes = [.. nodes.OrderBy(node => node.Id)] };

    private static string[] StartedOn(Plan plan) =>
        [.. plan.Steps.OfType<Step.Start>().Select(start => start.Placement!.Node.Value).Order(StringComparer.Ordinal)];

    private static ModelSpec Served(int min, int max = 8, string id = "m") => Model(id, 60_000, min: min, max: max, devices: 1);

    [Fact]
    public void Replicas_of_a_model_are_spread_over_nodes_that_stay()
    {
        var spec = Spec(Served(3));
        Assert.Equal(["a", "a", "b"], StartedOn(Decide(spec, Seen(spec, [Named("a"), Named("b")]))));
        // One that is there counts as those that start do.
        var there = Replica(spec.Models[0], 1, ReplicaState.Ready, Noon.AddMinutes(-5), node: "a");
        Assert.Equal(["a", "b"], StartedOn(Decide(spec, Seen(spec, [Named("a"), Named("b")], there))));
    }

    [Fact]
    public void Nobody_is_left_without_room_for_it()
    {
        var wide = Model("wide", 240_000, min: 1, devices: 4);
        var spec = Spec(Served(3), wide);
        var plan = Decide(spec, Seen(spec, [Named("a"), Named("b")]));
        Assert.Equal(4, plan.Steps.Length);
        Assert.Single(plan.Steps.OfType<Step.Start>().Where(start => start.Model.Value == "m").Select(start => start.Placement!.Node).Distinct());
    }

    [Fact]
    public void Nodes_that_come_and_go_are_filled_one_after_the_other()
    {
        var spec = Spec(Served(3));
        Assert.Equal(["a", "a", "a"], StartedOn(Decide(spec, Seen(spec, [Named("a", pool: "p"), Named("b", pool: "p")]))));
    }

    [Fact]
    public void Models_of_one_replica_share_the_fullest_node()
    {
        var spec = Spec(Served(1, id: "first"), Served(1, id: "second"));
        Assert.Equal(["a", "a"], StartedOn(Decide(spec, Seen(spec, [Named("a"), Named("b")]))));
    }

    [Fact]
    public void The_cheaper_node_is_filled_first_by_what_is_paid_of_it()
    {
        var spec = Spec(Served(3));
        Assert.Equal(["a", "z", "z"], StartedOn(Decide(spec, Seen(spec, [Named("a", Dear), Named("z", Cheap, devices: 2)]))));
        Assert.Equal(["z", "z", "z"], StartedOn(Decide(spec, Seen(spec, [Named("a", Dear), Named("z", Cheap)]))));
        // Half the price for a quarter of the devices is dearer.
        Assert.Equal(["a", "a", "a"], StartedOn(Decide(spec, Seen(spec, [Named("a", Dear), Named("z", UsdPerHour.Of(5), devices: 1)]))));
    }

    [Fact]
    public void A_pool_s_price_is_that_of_its_nodes_and_one_of_their_own_goes_before_it()
    {
        var pool = new NodePool { Name = "p", Node = Named("of p"), PricePerHour = Cheap };
        var spec = Spec(Served(1)) with { NodePools = [pool] };
        Assert.Equal(["z"], StartedOn(Decide(spec, Seen(spec, [Named("a", UsdPerHour.Of(6)), Named("z", pool: "p")]))));
        Assert.Equal(["a"], StartedOn(Decide(spec, Seen(spec, [Named("a", UsdPerHour.Of(6)), Named("z", UsdPerHour.Of(7), pool: "p")]))));
    }

    [Fact]
    public void Of_too_many_the_one_that_costs_most_goes_first_and_then_one_of_those_that_are_together()
    {
        var model = Served(2) with { IdleLimit = TimeSpan.FromMinutes(1) };
        var spec = Spec(model);
        var knowledge = Knowledge.Empty.Fold(spec, Seen(spec, [Named("a")]) with { At = Noon.AddMinutes(-30), Traffic = [Traffic(model.Id, Noon.AddMinutes(-30), 1)] });
        InferenceReplica On(string node, int ordinal) =>
            Replica(model, ordinal, ReplicaState.Ready, Noon.AddHours(-1), node: node) with { Placement = new Placement(new NodeId(node), [new DeviceId($"gpu{ordinal}")]) };
        string[] Gone(params NodeState[] nodes) =>
            [.. Decide(spec, Seen(spec, [.. nodes], On("a", 1), On("b", 2), On("b", 3)), knowledge).Steps.OfType<Step.Drain>().Select(drain => drain.Replica.Value)];

        Assert.Equal(["m-1"], Gone(Named("a", Dear), Named("b", Cheap)));
        Assert.Equal(["m-3"], Gone(Named("a", Cheap), Named("b", Dear)));
        Assert.Equal(["m-3"], Gone(Named("a"), Named("b")));
        Assert.Equal(["m-2"], [.. Decide(spec, Seen(spec, [Named("a"), Named("b")], On("a", 3), On("b", 1), On("b", 2)), knowledge).Steps.OfType<Step.Drain>().Select(drain => drain.Replica.Value)]);
    }

    [Fact]
    public void A_node_without_a_price_of_its_own_is_written_as_it_was()
    {
        string Written(NodeState node) => System.Text.Encoding.UTF8.GetString(PlimsollJson.ToBytes(Seen(Spec(Served(1)), [node]), PlimsollJson.Default.FleetSnapshot));
        Assert.DoesNotContain("pricePerHour", Written(Named("a")), StringComparison.Ordinal);
        Assert.Contains("\"pricePerHour\":", Written(Named("a", Dear)), StringComparison.Ordinal);
    }
}
