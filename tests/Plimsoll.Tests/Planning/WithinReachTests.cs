using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>What is asked for is what can be had: nodes within a quota, copies by what lately was asked of them, a wake that comes.</summary>
public sealed class WithinReachTests
{
    private static readonly PlannerSettings Reach = new() { AsksWithinReach = true };

    [Fact]
    public void Who_asks_for_nodes_after_another_has_what_the_quota_leaves()
    {
        var model = Model("m", 100, devices: 2);
        var spec = Spec(model) with { Quotas = [new DeviceQuota("gpu", 8)] };
        var snapshot = Snapshot(spec, Node(1000, deviceMiB: [1000, 1000]), Noon);
        var outlook = Outlooks.Of(spec, snapshot, Knowledge.Empty).Single();
        var (before, quotas) = (new DeviceQuotas(spec, snapshot), new DeviceQuotas(spec with { Settings = Reach }, snapshot));

        Assert.Equal((3, 3), (before.ToAsk(outlook, 3), before.ToAsk(outlook, 3)));
        Assert.Equal((3, 1, 0), (quotas.ToAsk(outlook, 3), quotas.ToAsk(outlook, 3), quotas.ToAsk(outlook, 3)));

        // What starts is refused nothing by what was asked for.
        Assert.Null(quotas.Refuse(outlook));
    }

    [Theory]
    [InlineData(false, "daily")]
    [InlineData(true, "tried")]
    public void Of_copies_the_one_goes_that_nobody_asked_for_of_late(bool within, string goes)
    {
        var (tried, daily, next) = (Model("tried", 500, cached: true), Model("daily", 400, cached: true), Model("next", 300, cached: true));
        var spec = Spec(tried, daily, next) with { Settings = new PlannerSettings { AsksWithinReach = within } };
        var snapshot = Snapshot(spec, Node(4000, cacheMiB: 1000), Noon).With(Traffic(next.Id, Noon, 0, held: 1)) with { Cache = [OnDisk(daily), OnDisk(tried)] };
        ModelKnowledge Known(double perSecond, TimeSpan idle) => ModelKnowledge.Nothing with { Version = "v1", ActiveRate = perSecond, LastArrival = Noon - idle };
        var known = Knowledge.Empty with
        {
            FoldedAt = Noon,
            Models = Knowledge.Empty.Models.SetItem(tried.Id, Known(200, TimeSpan.FromDays(21))).SetItem(daily.Id, Known(1, TimeSpan.FromMinutes(4))),
        };

        Assert.Equal([$"evict/{goes}@v1/here"], new Planner(new WeightAllocator()).Decide(spec, snapshot, known).Steps.OfType<Step.Evict>().Select(step => step.Id.Value));
    }

    // One sleeps on a device that another, busy one holds; on the second device one rests. It needs so many request-seconds more to wake.
    [Theory]
    [InlineData(false, 400, false)]
    [InlineData(true, 400, true)]
    [InlineData(true, 1, false)]
    public void Who_sleeps_waits_for_its_device_only_where_that_comes_sooner_than_a_load_elsewhere(bool within, double lacks, bool loads)
    {
        var price = Decide(false, 1).Models.Single(verdict => verdict.Model.Value == "sleeper").Reason.Facts.Single(fact => fact.Name == "price").Value;

        Assert.Equal(loads ? ["drain/resting-1", "start/sleeper-2", "stop/resting-1"] : [], Decide(within, price - lacks).StepIds());
    }

    private static Plan Decide(bool within, double debt)
    {
        var plain = Model("sleeper", 900, devices: 1);
        var sleeper = plain with { Variants = [plain.Variants[0] with { Needs = plain.Variants[0].Needs with { Asleep = new SleepNeed(Bytes.MiB(990), Bytes.MiB(50)) } }] };
        var (busy, resting) = (Model("busy", 900, devices: 1), Model("resting", 900, devices: 1));
        InferenceReplica On(ModelSpec model, int device, ReplicaState state) =>
            Replica(model, 1, state, Noon.AddHours(-2)) with { Placement = new Placement(new NodeId("here"), [new DeviceId($"gpu{device}")]) };
        var spec = Spec(sleeper, busy, resting) with { Settings = new PlannerSettings { AsksWithinReach = within, LoadsPerTurn = PlannerSettings.LoadsPerTurnUsual } };
        var there = Snapshot(spec, Node(8000, deviceMiB: [1100, 1100]), Noon, On(sleeper, 0, ReplicaState.Asleep), On(busy, 0, ReplicaState.Ready), On(resting, 1, ReplicaState.Ready))
            .With(Traffic(sleeper.Id, Noon, 0, held: 1)).With(Traffic(busy.Id, Noon, 1));
        ModelKnowledge Known(double perSecond, TimeSpan idle) => ModelKnowledge.Nothing with
        {
            Version = "v1",
            ActiveRate = perSecond,
            LastArrival = Noon - idle,
            NextOrdinal = 2,
            Demand = new DemandHistory(Noon, [.. Enumerable.Repeat(idle == TimeSpan.Zero ? perSecond : 0, 60)]),
        };
        var known = Knowledge.Empty with
        {
            FoldedAt = Noon,
            Models = Knowledge.Empty.Models
                .SetItem(sleeper.Id, Known(1, TimeSpan.FromMinutes(1)) with { HeldDebt = debt })
                .SetItem(busy.Id, Known(1, TimeSpan.Zero)).SetItem(resting.Id, Known(0.01, TimeSpan.FromHours(1))),
        };
        return new Planner(new WeightAllocator()).Decide(spec, there with { Can = Local | Capabilities.Sleep }, known);
    }

    private static CachedArtifact OnDisk(ModelSpec model) => new()
    {
        Node = new NodeId("here"),
        Model = model.Id,
        Version = model.Version,
        Size = model.Footprint.OnDisk,
        Complete = true,
    };
}
