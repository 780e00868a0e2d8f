using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Which loads are waited for, which are ended, and which are neither.</summary>
public sealed class LoadsInFlightTests
{
    private static readonly ModelSpec Heavy = Model("heavy", 1000, min: 1, max: 2, peakMiB: 1100);

    [Theory]
    [InlineData(900, true)]
    [InlineData(4_400, true)]
    [InlineData(20_000, false)]
    public void A_load_is_overdue_by_what_its_models_loads_took_and_not_sooner_than_its_body_says(int seconds, bool stays)
    {
        // The body expects 200 s, and its loads so far took 1,500: three times nine of ten of them are some 5,000 or more.
        var plan = Plan(Learned(1_500), Loading(seconds), Node(9000));

        Assert.Equal(stays, plan.Steps.IsEmpty);
        if (!stays) Assert.Equal(Rule.StopLoadOverdue, plan.Steps.Single(step => step is Step.Stop).Reason.Rule);
    }

    [Fact]
    public void Settings_of_older_journals_go_by_the_body_alone()
    {
        var plan = Plan(Learned(1_500), Loading(900), Node(9000), new PlannerSettings());

        Assert.Contains(plan.Steps, step => step is Step.Stop);
    }

    [Fact]
    public void A_load_that_is_quicker_than_the_body_says_is_given_what_the_body_says() =>
        Assert.Empty(Plan(Learned(5), Loading(500), Node(9000)).Steps);

    [Theory]
    [InlineData(30, 0)]
    [InlineData(400, 1)]
    public void What_served_and_is_not_ready_is_waited_for_as_long_as_another_would_load_and_is_not_ended(int seconds, int starts)
    {
        var plan = Plan(Learned(60), Loading(seconds) with { HasServed = true }, Node(9000));

        Assert.Equal(starts, plan.Steps.Count(step => step is Step.Start));
        Assert.DoesNotContain(plan.Steps, step => step is Step.Stop);
    }

    [Fact]
    public void What_served_and_stays_unready_is_ended_in_the_end() =>
        Assert.Contains(Plan(Learned(60), Loading(700) with { HasServed = true }, Node(9000)).Steps, step => step is Step.Stop { Reason.Rule: Rule.StopLoadOverdue });

    [Theory]
    [InlineData(30)]
    [InlineData(36_000)]
    public void Nothing_is_ended_on_a_node_that_cannot_be_reached(int seconds)
    {
        var plan = Plan(Learned(60), Loading(seconds), Node(9000) with { Condition = NodeCondition.Unreachable });

        Assert.Empty(plan.Steps);
    }

    [Fact]
    public void Another_is_started_elsewhere_for_one_on_a_node_that_stays_away()
    {
        NodeState[] nodes = [Node(9000) with { Condition = NodeCondition.Unreachable }, Node(9000, id: "other")];
        var start = Assert.IsType<Step.Start>(Assert.Single(Plan(Learned(60), Loading(400), nodes).Steps));

        Assert.Equal(new NodeId("other"), start.Placement!.Node);
    }

    [Fact]
    public void One_that_may_be_back_counts_towards_the_most_that_may_be_there()
    {
        NodeState[] nodes = [Node(9000) with { Condition = NodeCondition.Unreachable }, Node(9000, id: "other")];
        var plan = Plan(Learned(60), Loading(400), nodes, most: 1);

        Assert.Empty(plan.Steps);
        Assert.Equal("1 replica does not serve and may be back; no more than 1 may be there in all", plan.Models[0].Reason.ToString());
    }

    [Fact]
    public void One_that_hangs_and_cannot_end_before_another_counts_towards_the_most_too()
    {
        InferenceReplica[] replicas = [Loading(700) with { EndsInOrder = 0 }, Replica(Heavy, 2, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1) with { EndsInOrder = 1 }];
        var spec = Spec(Heavy with { MinReplicas = 2 }) with { Settings = new PlannerSettings { LoadsAsLearned = true } };
        var snapshot = Snapshot(spec, Node(9000), Noon, replicas).With(Traffic(Heavy.Id, Noon, 1));

        Assert.Empty(Decide(spec, snapshot, Learned(60)).Steps);
        Assert.NotEmpty(Decide(spec, snapshot with { Replicas = [.. replicas.Select(one => one with { EndsInOrder = null })] }, Learned(60)).Steps);
    }

    [Fact]
    public void A_group_with_a_member_on_a_node_that_cannot_be_reached_is_not_ended_either()
    {
        NodeState[] nodes = [Node(9000), Node(9000, id: "other") with { Condition = NodeCondition.Unreachable }];
        var group = Loading(36_000) with { Members = [new ReplicaMember(new Placement(new NodeId("other"), []), Heavy.Variants[0].Needs, null)] };

        Assert.DoesNotContain(Plan(Learned(60), group, nodes).Steps, step => step is Step.Stop);
    }

    [Theory]
    [InlineData(0, 0, 1)]
    [InlineData(7, 0, 8)] // eight share a disk: eight times as long
    [InlineData(0, 1, 2)] // and twice as long after each failure
    [InlineData(0, 9, 16)]
    public void A_load_may_take_the_longer_the_more_load_beside_it_and_the_more_often_it_failed(int beside, int failures, int times)
    {
        var other = Model("other", 10, min: beside, max: 9);
        // Half of them are ready by now, and shared it as long as they loaded.
        InferenceReplica[] others = [.. Enumerable.Range(1, beside).Select(i => Replica(other, i, i % 2 == 0 ? ReplicaState.Loading : ReplicaState.Ready, Noon.AddSeconds(-20)))];
        var spec = Spec(Heavy with { MaxReplicas = 2, MinReplicas = 1 }, other) with { Settings = new PlannerSettings { LoadsAsLearned = true, LoadsShareLinks = true } };
        var known = Learned(60);
        known = known with { Models = known.Models.SetItem(Heavy.Id, known.Of(Heavy.Id) with { Failures = new FailureRecord(failures, Noon.AddHours(-1), "it did") }) };
        var allowed = (int)(times * spec.Settings.OverdueFactor * known.Of(Heavy.Id).Loads.Estimate()!.P90.TotalSeconds);

        bool Ends(int seconds) => Decide(spec, Snapshot(spec, Node(9000, cores: 64), Noon, [Loading(seconds), .. others]).With(Traffic(Heavy.Id, Noon, 1)), known)
            .Steps.Any(step => step.Id == StepId.Of($"stop/{Heavy.Id}-1"));
        Assert.False(Ends(allowed - 1));
        Assert.True(Ends(allowed + 1));
    }

    private static InferenceReplica Loading(int seconds) => Replica(Heavy, 1, ReplicaState.Loading, Noon.AddSeconds(-seconds));

    private static Knowledge Learned(int seconds) => Knowledge.Empty with
    {
        Models = Knowledge.Empty.Models.SetItem(Heavy.Id, ModelKnowledge.Nothing with
        {
            Version = "v1",
            NextOrdinal = 2,
            Loads = new LoadStatistics([.. Enumerable.Repeat(new LoadSample(Heavy.Footprint.Weights, TimeSpan.FromSeconds(seconds)), 5)]),
        }),
    };

    private static Plan Plan(Knowledge known, InferenceReplica replica, NodeState node, PlannerSettings? settings = null) => Plan(known, replica, [node], settings);

    private static Plan Plan(Knowledge known, InferenceReplica replica, NodeState[] nodes, PlannerSettings? settings = null, int most = 2)
    {
        var spec = Spec(Heavy with { MaxReplicas = most }) with { Settings = settings ?? new PlannerSettings { LoadsAsLearned = true } };
        var snapshot = Snapshot(spec, nodes[0], Noon, replica).With(Traffic(Heavy.Id, Noon, 1)) with
        {
            Nodes = [.. nodes],
            InFlight =
            [
                new WorkInFlight
                {
                    Step = StepId.Of($"start/{replica.Id}"), Kind = WorkKind.Loading, StartedAt = replica.StartedAt, ExpectedEnd = replica.StartedAt.AddSeconds(200),
                    Model = Heavy.Id, Replica = replica.Id, Node = replica.Placement.Node,
                },
            ],
        };
        return Decide(spec, snapshot, known);
    }
}
