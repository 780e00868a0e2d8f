using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Weights on the disks of nodes of which only some can run their model.</summary>
public sealed class CopiesWhereItRunsTests
{
    private static readonly ModelSpec Served = Model("m", 1000, cached: true, devices: 1);

    private static Plan Plan(params string[] copies)
    {
        var spec = Spec(Served) with { Settings = new PlannerSettings { CopiesWhereItRuns = true } };
        return Decide(spec, Snapshot(spec, Node(9000), Noon) with
        {
            Nodes = [Node(9000, id: "a-cpu", cacheMiB: 5000), Node(9000, id: "b-gpu", cacheMiB: 5000, deviceMiB: [4000])],
            Cache = [.. copies.Select(node => new CachedArtifact { Node = new NodeId(node), Model = Served.Id, Version = "v1", Size = Served.Footprint.OnDisk, Complete = true })],
        });
    }

    [Fact]
    public void They_are_fetched_ahead_to_one_that_can()
    {
        Assert.Equal(["prefetch/m@v1/b-gpu"], Plan().StepIds());
        Assert.Equal(["prefetch/m@v1/b-gpu"], Plan("a-cpu").StepIds());
        Assert.Empty(Plan("b-gpu").Steps);
    }

    [Fact]
    public void A_load_counts_the_fetch_while_they_lie_elsewhere()
    {
        var there = Plan("b-gpu").Models[0].LoadTime;
        Assert.Equal(Plan().Models[0].LoadTime, Plan("a-cpu").Models[0].LoadTime);
        Assert.True(Plan("a-cpu").Models[0].LoadTime > there);
    }

    [Theory]
    [InlineData(NodeCondition.Ready, "m-2")]
    [InlineData(NodeCondition.Draining, "m-1")]
    public void Of_a_surplus_one_on_a_node_that_is_told_to_go_goes_first(NodeCondition condition, string goes)
    {
        var model = Model("m", 100, max: 1);
        var spec = Spec(model) with { Settings = new PlannerSettings { LeavingNodesFirst = true } };
        var known = Knowledge.Empty with { Models = Knowledge.Empty.Models.SetItem(model.Id, ModelKnowledge.Nothing with { Version = "v1", LastWanted = [Noon, Noon.AddHours(-9)] }) };
        spec = spec with { Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02) } };
        var plan = Decide(spec, Snapshot(spec, Node(9000), Noon,
            [.. Enumerable.Range(1, 2).Select(i => Replica(model, i, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1, node: i == 1 ? "here" : "other"))]).With(Traffic(model.Id, Noon, 1)) with
        { Nodes = [Node(9000) with { Condition = condition }, Node(9000, id: "other")] }, known);

        Assert.Equal([$"drain/{goes}", $"stop/{goes}"], plan.StepIds());
    }
}
