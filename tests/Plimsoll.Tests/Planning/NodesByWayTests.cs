using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.NodeScenes;

namespace Plimsoll.Tests.Planning;

/// <summary>Nodes of several pools for one model that may run on the devices of each.</summary>
public sealed class NodesByWayTests
{
    // A large one carries 8 requests a second for $4 an hour, a small one 1 for $0.8.
    private static readonly NodePool LargePool = Pool("large", 4, 1) with { Node = Gpus("a large node", 1, kind: "large") };
    private static readonly NodePool SmallPool = Pool("small", 0.8, 1) with { Node = Gpus("a small node", 1, kind: "small") };

    private static readonly ModelSpec Served = Fleets.Model("m", 100, max: 50) with
    {
        Variants = [.. new[] { "large", "small" }.Select(kind => OnDevice(kind, 60_000) with { Target = kind, Requests = Asks })],
        Requests = Asks,
    };

    private static SchedulerRequests Asks => new() { Memory = Bytes.MiB(4000), Cores = Cores.Of(0.25), Resource = Gpu, Devices = 1 };

    private static FleetSpec Fleet(params NodePool[] pools) => Spec(Served).With(pools) with
    {
        Prices = new Prices { Devices = [new DevicePrice("large", UsdPerHour.Of(4)), new DevicePrice("small", UsdPerHour.Of(0.8))] },
        Settings = new PlannerSettings { CheapestVariant = true, NodesByWay = true },
    };

    // By the second: for a time before, and lately.
    private static Knowledge Asked(double before, double lately) => Knowledge.Empty with
    {
        FoldedAt = Noon,
        Models = Knowledge.Empty.Models.SetItem(Served.Id, new ModelKnowledge
        {
            Version = "v1",
            Demand = new DemandHistory(Noon, [.. Enumerable.Repeat(before, 60), .. Enumerable.Repeat(lately, 60)]),
            ActiveRate = lately,
            LastArrival = Noon,
            NextOrdinal = 9,
            VariantServices = new Dictionary<string, double> { ["large"] = 8, ["small"] = 1 }.ToImmutableSortedDictionary(
                one => new VariantId($"on-{one.Key}"), one => new ServiceFit(100, 100, 100 / one.Value, 100, 100 / one.Value, 1)),
        }),
    };

    private static Plan Plan(FleetSpec spec, FleetSnapshot seen, Knowledge known) =>
        new Planner(new WeightAllocator()).Decide(spec, seen with { Traffic = [.. seen.Traffic.Select(row => row with { From = row.To })] }, known);

    private static InferenceReplica Large(int ordinal) => Replica(Served, ordinal, ReplicaState.Ready, Noon.AddHours(-1), node: "larges") with
    {
        Placement = new Placement(new NodeId("larges"), [new DeviceId($"gpu{ordinal - 1:00}")]),
        Requests = Asks,
    };

    [Fact]
    public void A_mix_of_two_pools_is_asked_for_at_once()
    {
        var spec = Fleet(LargePool, SmallPool);
        var plan = Plan(spec, Seen(spec, Gpus("none", 0)), Asked(8.5, 8.5));

        Assert.Equal(["addNode/large/1", "addNode/small/1"], plan.StepIds());
        // The same again while they come: nothing more.
        Assert.Empty(Plan(spec, Seen(spec, Gpus("none", 0)).Applied(plan, TimeSpan.Zero), Asked(8.5, 8.5)).Steps);
    }

    [Fact]
    public void What_cannot_come_from_one_pool_comes_from_the_other()
    {
        var spec = Fleet(LargePool with { Limit = new NodeLimit(0, "maxNodes 0") }, SmallPool);
        Assert.Equal(9, Plan(spec, Seen(spec, Gpus("none", 0)), Asked(8.5, 8.5)).Steps.OfType<Step.AddNode>().Count(add => add.Pool == "small"));
        // Overdue: two waits of three boots for one that does not come.
        spec = Fleet(LargePool, SmallPool);
        var late = Seen(spec, Gpus("none", 0)) with { InFlight = [NodeScenes.Asked("large", 1, TimeSpan.FromMinutes(13), new ModelCount(Served.Id, 1))] };
        Assert.Equal(9, Plan(spec, late, Asked(8.5, 8.5)).Steps.OfType<Step.AddNode>().Count(add => add.Pool == "small"));
    }

    [Fact]
    public void Ahead_each_way_is_asked_for_by_itself_and_no_node_comes_for_nothing()
    {
        // Two large ones carry 16 of the 16.5 that come now: a small one is missing. A minute ago 26 came: 9 more than these carry, for
        // which one large and one small node are the cheapest.
        var spec = Fleet(LargePool, SmallPool);
        var seen = Seen(spec, Gpus("larges", 2, free: 0, kind: "large")) with { Replicas = [Large(1), Large(2)] };
        var adds = Plan(spec, seen, Asked(26, 16.5)).Steps.OfType<Step.AddNode>().ToArray();

        Assert.Equal(["addNode/large/1", "addNode/small/1", "addNode/small/2"], adds.Select(add => add.Id.Value));
        Assert.All(adds, add => Assert.Equal([new ModelCount(Served.Id, 1)], add.For));
        Assert.DoesNotContain("?", string.Join(' ', adds.Select(add => add.Reason)), StringComparison.Ordinal);
    }

    [Fact]
    public void Devices_of_another_way_that_are_free_are_used_before_a_node_is_asked_for()
    {
        // The 9 a second that may come find nine small ones idle.
        var spec = Fleet(LargePool, SmallPool);
        var seen = Seen(spec, Gpus("larges", 2, free: 0, kind: "large"), Gpus("smalls", 10, kind: "small")) with { Replicas = [Large(1), Large(2)] };

        Assert.Empty(Plan(spec, seen, Asked(17, 16.5)).Steps.OfType<Step.AddNode>());
    }
}
