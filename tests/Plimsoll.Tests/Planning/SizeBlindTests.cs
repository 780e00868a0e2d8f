using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>The rival keeps its own rules: HPA v2's and KEDA's defaults, 15 s and 300 s.</summary>
public class SizeBlindTests
{
    private static readonly ModelSpec Model = Model("m", 100, max: 8);

    [Fact]
    public void The_largest_recommendation_of_the_window_holds_through_a_moment_without_requests()
    {
        var spec = Spec(Model);
        var planner = new Planner(new SizeBlindAllocator(SizeBlindSettings.Defaults(1)));
        var knowledge = Knowledge.Empty;

        int Wanted(double second, params int[] outstanding)
        {
            var at = Noon.AddSeconds(second);
            var replicas = outstanding.Select((requests, i) => Replica(Model, i + 1, ReplicaState.Ready, Noon, requests)).ToArray();
            var snapshot = Snapshot(spec, Node(4000), at, replicas).With(Traffic(Model.Id, at, outstanding.Sum() > 0 ? 1 : 0));
            var plan = planner.Decide(spec, snapshot, knowledge.Fold(spec, snapshot));
            knowledge = plan.Next;
            return plan.Models[0].Wanted;
        }

        // Four in each of three are the target of four: three stay. Twice as many double it, 24 / 4.
        Assert.Equal(3, Wanted(0, 4, 4, 4));
        Assert.Equal(6, Wanted(15, 8, 8, 8));

        // Nothing to do for one look, then one request: the six of the last 300 s hold all the same.
        Assert.Equal(6, Wanted(30, 0, 0, 0, 0, 0, 0));
        Assert.Equal(6, Wanted(45, 1, 0, 0, 0, 0, 0));
        Assert.Equal(6, Wanted(314, 1, 0, 0, 0, 0, 0));

        // Past it, one request of a target of four is one replica.
        Assert.Equal(1, Wanted(346, 1, 0, 0, 0, 0, 0));
    }

    [Fact]
    public void A_model_in_use_keeps_one_replica_at_and_between_the_looks_and_none_after_the_cooldown()
    {
        var spec = Spec(Model);
        var planner = new Planner(new SizeBlindAllocator(SizeBlindSettings.Defaults(1)));
        var knowledge = Knowledge.Empty;

        int Wanted(double second, long arrivals)
        {
            var at = Noon.AddSeconds(second);
            var snapshot = Snapshot(spec, Node(4000), at, Replica(Model, 1, ReplicaState.Ready, Noon)).With(Traffic(Model.Id, at, arrivals));
            var plan = planner.Decide(spec, snapshot, knowledge.Fold(spec, snapshot));
            knowledge = plan.Next;
            return plan.Models[0].Wanted;
        }

        // Requests so quick that no look finds one in flight: every recommendation is zero.
        for (var second = 0; second <= 400; second += 5) Assert.Equal(1, Wanted(second, 1));

        // KEDA lets the last one go 300 s after the last request.
        Assert.Equal(1, Wanted(700, 0));
        Assert.Equal(0, Wanted(701, 0));
    }

    [Fact]
    public void More_replicas_than_fit_may_be_asked_for_as_a_minimum()
    {
        var model = Model with { MinReplicas = 5 };
        var spec = Spec(model);
        var planner = new Planner(new SizeBlindAllocator(SizeBlindSettings.Defaults(1)));
        var snapshot = Snapshot(
            spec, Node(4000), Noon, Replica(model, 1, ReplicaState.Ready, Noon, 1), Replica(model, 2, ReplicaState.Ready, Noon, 1)).With(Traffic(model.Id, Noon, 1));

        // Two may at most become four, and five are the least.
        Assert.Equal(5, planner.Decide(spec, snapshot, Knowledge.Empty.Fold(spec, snapshot)).Models[0].Wanted);
    }
}
