using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>A new version where there is no room for both.</summary>
public sealed class SuccessorTests
{
    private static readonly PlannerSettings Settings = new() { SuccessorsWait = true };

    private static InferenceReplica[] Old(ModelSpec model, int count) =>
        [.. Enumerable.Range(1, count).Select(i => Replica(model, i, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1) with { Version = "v0" })];

    [Theory]
    [InlineData(1, 1)]
    [InlineData(4, 1)]
    [InlineData(12, 3)]
    public void No_more_of_the_old_ones_go_at_once_than_a_quarter_of_what_is_wanted(int wanted, int go)
    {
        var model = Model("m", 1000, min: wanted, max: wanted);
        var spec = Spec(model) with { Settings = Settings };
        var plan = Decide(spec, Snapshot(spec, Node(1000 * wanted, cores: 64), Noon, Old(model, wanted)).With(Traffic(model.Id, Noon, 1)));

        Assert.Equal((go, go), (plan.Steps.OfType<Step.Drain>().Count(), plan.Steps.OfType<Step.Start>().Count()));
        Assert.All(plan.Steps.OfType<Step.Start>(), start => Assert.NotEmpty(start.After));
    }

    [Fact]
    public void While_a_successor_loads_no_further_one_goes()
    {
        var model = Model("m", 1000, min: 4, max: 4);
        var spec = Spec(model) with { Settings = Settings };
        InferenceReplica[] there = [.. Old(model, 3), Replica(model, 5, ReplicaState.Loading, Noon.AddSeconds(-1))];

        Assert.Empty(Decide(spec, Snapshot(spec, Node(4000), Noon, there).With(Traffic(model.Id, Noon, 1))).Steps);
    }

    [Fact]
    public void One_that_rests_and_is_less_important_goes_before_one_that_serves()
    {
        var (model, resting) = (Model("m", 1000, priority: 1, min: 1), Model("resting", 1000));
        var spec = Spec(model, resting) with { Settings = Settings };
        var plan = Decide(spec, Snapshot(spec, Node(2000), Noon, [.. Old(model, 1), Replica(resting, 1, ReplicaState.Ready, Noon.AddHours(-1))]).With(Traffic(model.Id, Noon, 1)));

        Assert.Equal(["drain/resting-1", "start/m-2", "stop/resting-1"], plan.StepIds());
    }
}
