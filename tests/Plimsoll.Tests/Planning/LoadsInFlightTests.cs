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
