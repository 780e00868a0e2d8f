using System.Text.Json;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>So many must stay ready, whatever else a plan wants.</summary>
public sealed class ReadyFloorTests
{
    [Fact]
    public void Of_three_idle_replicas_only_as_many_go_as_a_floor_leaves_and_the_verdict_names_it()
    {
        var (spec, snapshot, knowledge) = Idle(3);

        Assert.Equal(3, Decide(spec, snapshot, knowledge).Steps.OfType<Step.Drain>().Count());
        var plan = Decide(spec, snapshot with { Floors = [Floor(2, 1, 2, 3)] }, knowledge);

        Assert.Single(plan.Steps.OfType<Step.Drain>());
        Assert.Single(plan.Steps.OfType<Step.Stop>());
        Assert.Equal(Rule.HoldBudget, plan.Models[0].Reason.Rule);
        Assert.Equal("the budget prod/llama wants at least 2 ready and 2 are, so m-1 stays", plan.Models[0].Reason.ToString());
    }

    [Fact]
    public void What_is_not_ready_may_go_and_what_is_not_covered_too()
    {
        var (spec, snapshot, knowledge) = Idle(3);
        var loading = snapshot.Replicas.SetItem(2, snapshot.Replicas[2] with { State = ReplicaState.Loading, StartedAt = Noon });

        var plan = Decide(spec, snapshot with { Replicas = loading, Floors = [Floor(2, 1, 2, 3)] }, knowledge);
        Assert.Equal(["stop/m-3"], plan.StepIds());

        plan = Decide(spec, snapshot with { Floors = [Floor(1, 1)] }, knowledge);
        Assert.Equal(["m-2", "m-3"], plan.Steps.OfType<Step.Stop>().Select(step => step.Replica.Value));
    }

    [Fact]
    public void A_floor_that_is_broken_already_lets_nothing_go_and_two_floors_both_count()
    {
        var (spec, snapshot, knowledge) = Idle(3);

        Assert.Empty(Decide(spec, snapshot with { Floors = [Floor(5, 1, 2, 3)] }, knowledge).Steps);
        Assert.Empty(Decide(spec, snapshot with { Floors = [Floor(1, 1, 2, 3), Floor(3, 1, 2, 3)] }, knowledge).Steps);
    }

    [Fact]
    public void A_replica_that_drains_when_a_floor_comes_is_kept()
    {
        var (spec, snapshot, knowledge) = Idle(2);
        var draining = snapshot.Replicas.SetItem(1, snapshot.Replicas[1] with { State = ReplicaState.Drained });

        Assert.Contains(new StepId("stop/m-2"), Decide(spec, snapshot with { Replicas = draining }, knowledge).Steps.Select(step => step.Id));
        Assert.Empty(Decide(spec, snapshot with { Replicas = draining, Floors = [Floor(2, 1, 2)] }, knowledge).Steps);
    }

    [Fact]
    public void Nobody_is_evicted_for_a_claimant_below_a_floor()
    {
        var low = Model("low", 600, max: 2);
        var high = Model("high", 600, priority: 5, min: 1);
        var running = Replica(low, 1, ReplicaState.Ready, Noon.AddHours(-1));
        var snapshot = Snapshot(Spec(low, high), Node(1000), Noon, running);

        Assert.Contains(Decide(Spec(low, high), snapshot, Knowledge.Empty).Steps, step => step is Step.Drain);
        var held = snapshot with { Floors = [new ReadyFloor("b", [running.Id], 1)] };
        Assert.Empty(Decide(Spec(low, high), held, Knowledge.Empty).Steps);
    }

    [Fact]
    public void Snapshots_without_a_floor_are_written_as_before_there_were_any()
    {
        var (_, snapshot, _) = Idle(1);
        Assert.DoesNotContain("floors", JsonSerializer.Serialize(snapshot, PlimsollJson.Default.FleetSnapshot), StringComparison.OrdinalIgnoreCase);
        var with = JsonSerializer.Serialize(snapshot with { Floors = [Floor(2, 1)] }, PlimsollJson.Default.FleetSnapshot);
        Assert.Equal(2, JsonSerializer.Deserialize(with, PlimsollJson.Default.FleetSnapshot)!.Floors[0].AtLeast);
    }

    // Surplus for an hour, at a price: each would go.
    private static (FleetSpec Spec, FleetSnapshot Snapshot, Knowledge Knowledge) Idle(int replicas)
    {
        var model = Model("m", 100, max: 5) with { IdleLimit = TimeSpan.FromMinutes(1) };
        var spec = Spec(model);
        var snapshot = Snapshot(
            spec, Node(10_000), Noon, [.. Enumerable.Range(1, replicas).Select(number => Replica(model, number, ReplicaState.Ready, Noon.AddHours(-1)))]);
        var earlier = snapshot with { At = Noon.AddMinutes(-30), Traffic = [Traffic(model.Id, Noon.AddMinutes(-30), 1)] };
        return (spec, snapshot, Knowledge.Empty.Fold(spec, earlier));
    }

    private static ReadyFloor Floor(int least, params int[] replicas) =>
        new("the budget prod/llama", [.. replicas.Select(number => new ReplicaId($"m-{number}"))], least);
}
