using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What drains and is wanted again, and replicas that go in an order of their own.</summary>
public sealed class TakeBackTests
{
    [Fact]
    public void What_drains_is_kept_rather_than_another_loaded_where_the_body_can()
    {
        var model = Model("m", 100, min: 2, max: 3);
        var snapshot = Snapshot(
            Spec(model), Node(10_000), Noon, Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1)), Replica(model, 2, ReplicaState.Drained, Noon.AddSeconds(-5)));

        Assert.Equal(["start/m-3", "stop/m-2"], Decide(Spec(model), snapshot).StepIds());
        Assert.Empty(Decide(Spec(model), snapshot with { Can = snapshot.Can | Capabilities.TakeBack }).Steps);
    }

    [Fact]
    public void No_more_are_kept_than_are_missing_and_those_that_still_work_first()
    {
        var model = Model("m", 100, min: 2, max: 3);
        var snapshot = Snapshot(
            Spec(model), Node(10_000), Noon, Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1)),
            Replica(model, 2, ReplicaState.Drained, Noon.AddSeconds(-5)), Replica(model, 3, ReplicaState.Draining, Noon.AddSeconds(-5), outstanding: 1));

        Assert.Equal(["stop/m-2"], Decide(Spec(model), snapshot with { Can = snapshot.Can | Capabilities.TakeBack }).StepIds());
    }

    [Fact]
    public void What_makes_room_for_another_goes_on_draining()
    {
        var low = Model("low", 600, min: 1);
        var high = Model("high", 600, priority: 5, min: 1);
        var snapshot = Snapshot(Spec(low, high), Node(1000), Noon, Replica(low, 1, ReplicaState.Draining, Noon.AddSeconds(-5)));

        var plan = Decide(Spec(low, high), snapshot with { Can = snapshot.Can | Capabilities.TakeBack });

        Assert.Equal(["drain/low-1", "start/high-1", "stop/low-1"], plan.StepIds());
        Assert.Equal([new StepId("stop/low-1")], plan.Steps.OfType<Step.Start>().Single().After);
    }

    [Fact]
    public void One_that_has_drained_waits_for_those_that_go_before_it_and_stays_if_one_of_them_does()
    {
        var model = Model("m", 100, min: 1, max: 3);
        InferenceReplica Ordered(int ordinal, ReplicaState state) => Replica(model, ordinal, state, Noon.AddSeconds(-5), outstanding: state == ReplicaState.Draining ? 1 : 0) with { EndsInOrder = ordinal };
        var snapshot = Snapshot(Spec(model), Node(10_000), Noon, Ordered(1, ReplicaState.Ready), Ordered(2, ReplicaState.Drained), Ordered(3, ReplicaState.Draining));

        var plan = Decide(Spec(model), snapshot);
        Assert.Equal([new StepId("stop/m-3")], plan.Steps.OfType<Step.Stop>().Single(stop => stop.Replica.Value == "m-2").After);
        Assert.Equal([new StepId("drain/m-3")], plan.Steps.OfType<Step.Stop>().Single(stop => stop.Replica.Value == "m-3").After);

        // One of the two is wanted: the one that stays is the one that would go last.
        var two = Spec(model with { MinReplicas = 2 });
        plan = Decide(two, snapshot with { Can = snapshot.Can | Capabilities.TakeBack });
        Assert.Equal(["drain/m-3", "stop/m-3"], plan.StepIds());

        // The last came while the one before it drained, and serves: it is nobody's to stop before it.
        snapshot = Snapshot(Spec(model), Node(10_000), Noon, Ordered(1, ReplicaState.Ready), Ordered(2, ReplicaState.Drained), Ordered(3, ReplicaState.Ready));
        Assert.DoesNotContain(Decide(two, snapshot).Steps, step => step.Subject is { Value: "m-2" });
    }

    [Fact]
    public void A_stop_that_is_taken_back_leaves_a_node_as_if_it_had_never_been()
    {
        var model = Model("m", 300, devices: 1);
        var node = Node(1000, deviceMiB: [1000, 1000, 1000]);
        InferenceReplica On(int ordinal) => Replica(model, ordinal, ReplicaState.Ready, Noon) with { Placement = new Placement(node.Id, [new DeviceId($"gpu{ordinal}")]) };
        InferenceReplica[] replicas = [On(0), On(1), On(2)];
        var snapshot = Snapshot(Spec(model), node, Noon, replicas);
        NodeLedger Ledger(params int[] stops)
        {
            var ledger = new NodeLedger(node, snapshot, Knowledge.Empty, replicas, []);
            foreach (var at in stops) ledger.WillStop(StepId.Of($"stop/{replicas[at].Id}"), NodeLedger.Release.Of(replicas[at], ModelKnowledge.Nothing));
            return ledger;
        }

        foreach (var back in (int[])[0, 1, 2])
        {
            var (taken, never) = (Ledger(0, 1, 2), Ledger([.. Enumerable.Range(0, 3).Where(at => at != back)]));
            taken.WillNotStop(StepId.Of($"stop/{replicas[back].Id}"));

            Assert.Equal(never.Stops.ToArray(), taken.Stops.ToArray());
            Assert.Equal(never.HostFreeAfter, taken.HostFreeAfter);
            for (var start = 0; start < 4; start++)
            {
                var (one, other) = (never.TryReserve(model.Variants[0].Needs, "gpu"), taken.TryReserve(model.Variants[0].Needs, "gpu"));
                Assert.Equal(one?.After.ToArray(), other?.After.ToArray());
                Assert.Equal(one?.Devices.ToArray(), other?.Devices.ToArray());
            }
        }
    }

    [Fact]
    public void Replicas_that_end_in_an_order_are_let_go_in_it()
    {
        var model = Model("m", 100, max: 3) with { IdleLimit = TimeSpan.FromMinutes(1), MinReplicas = 2 };
        var spec = Spec(model);
        InferenceReplica Ordered(int ordinal, ReplicaState state, int outstanding = 0) =>
            Replica(model, ordinal, state, Noon.AddHours(-1), outstanding) with { EndsInOrder = ordinal };
        var snapshot = Snapshot(spec, Node(10_000), Noon, Ordered(1, ReplicaState.Loading), Ordered(2, ReplicaState.Ready), Ordered(3, ReplicaState.Ready));
        var knowledge = Knowledge.Empty.Fold(spec, snapshot with { At = Noon.AddMinutes(-30), Traffic = [Traffic(model.Id, Noon.AddMinutes(-30), 1)] });

        // The first loads, and would be the one to go; the last is what goes. What loads too long is not ended in its stead.
        Assert.DoesNotContain(Decide(spec, snapshot, knowledge).Steps, step => step.Subject is { Value: "m-1" or "m-2" });

        // Nor is any that is not the last let go for another model.
        var high = Model("high", 9_850, priority: 5, min: 1);
        var both = Spec(model with { MinReplicas = 0, IdleLimit = null }, high);
        var plan = Decide(both, snapshot with { Traffic = [Traffic(high.Id, Noon, 0), Traffic(model.Id, Noon, 0)] }, knowledge);
        Assert.All(plan.Steps.OfType<Step.Stop>(), stop => Assert.Equal("m-3", stop.Replica.Value));
    }

    [Fact]
    public void A_drain_may_take_as_long_as_the_models_requests_do_where_nobody_stated_a_deadline()
    {
        var model = Model("m", 100, min: 1, max: 3);
        var snapshot = Snapshot(Spec(model), Node(10_000), Noon,
            Replica(model, 1, ReplicaState.Ready, Noon.AddHours(-1)), Replica(model, 2, ReplicaState.Draining, Noon.AddSeconds(-60), outstanding: 1));
        var seen = new ServiceSample(10, 10, 500, 10, 500, 1, 100);
        var spec = Spec(model) with { Settings = new PlannerSettings { DrainAsLongAsSeen = true } };
        var known = Knowledge.Empty.Fold(spec, snapshot.With(Traffic(model.Id, Noon, 10) with { Service = seen }));

        bool Cut(FleetSpec asked, DateTimeOffset at) => Decide(asked, snapshot with { At = at }, known).Steps.OfType<Step.Stop>().Any(stop => stop.After.IsEmpty);
        Assert.False(Cut(spec, Noon));
        Assert.False(Cut(spec, Noon.AddSeconds(60)));
        Assert.True(Cut(spec, Noon.AddSeconds(70)));
        Assert.True(Cut(spec with { Settings = spec.Settings with { DrainAsLongAsSeen = false } }, Noon));
    }
}
