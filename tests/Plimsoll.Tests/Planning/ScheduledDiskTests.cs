using CsCheck;
using Plimsoll.Json;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Disks of nodes that another scheduler chooses from: where weights are brought, and what goes for them.</summary>
public sealed class ScheduledDiskTests
{
    private const Capabilities Caches = Capabilities.PrefetchWeights | Capabilities.EvictWeights;

    private static readonly ModelSpec Llama = Asking(Model("llama", 1000, min: 1, cached: true));

    [Fact]
    public void Copies_are_brought_ahead_where_one_more_replica_could_start_one_at_a_time_and_no_more_than_wanted()
    {
        var nodes = "abcdef".Select(id => Cached($"{id}", 5000)).ToArray();

        var plan = Decide(Spec(Llama), Cluster(nodes));
        var fetch = Assert.Single(plan.Steps.OfType<Step.Prefetch>());
        Assert.Equal("prefetch/llama@v1/a", fetch.Id.Value);
        Assert.Equal("the scheduler could start it on a, and 0 of 3 copies are on disks; 0.98 GiB fits the 4.88 GiB left there", fetch.Reason.ToString());

        var three = Cluster(nodes) with { Cache = [.. "abc".Select(id => Copy(Llama, $"{id}"))] };
        Assert.Empty(Decide(Spec(Llama), three).Steps.OfType<Step.Prefetch>());
        Assert.Equal("prefetch/llama@v1/d", Decide(Spec(Llama), three with { Cache = three.Cache[..2], InFlight = [Fetching(Llama, "c")], Nodes = [.. three.Nodes.RemoveAt(2)] })
            .Steps.OfType<Step.Prefetch>().Single().Id.Value);
    }

    [Fact]
    public void Nothing_is_brought_to_a_node_that_is_full_unknown_not_ready_not_allowed_or_where_a_fetch_is_under_way()
    {
        var pooled = Llama with { Requests = Llama.Requests! with { Pools = ["p"] } };
        NodeState In(string id) => Cached(id, 5000) with { Pool = "p" };
        NodeState[] nodes =
        [
            In("a-full") with { Scheduler = In("a").Scheduler! with { Pods = 0 } },
            In("b-unknown") with { CacheBudget = null, CacheFileSystemFree = Signal.Missing<Bytes>("its agent is silent") },
            In("c-lost") with { Condition = NodeCondition.Unreachable },
            In("d-other") with { Pool = "q" },
            In("e-small") with { CacheBudget = Bytes.MiB(900) },
            In("f-pressed") with { CacheFileSystemFree = Signal.Missing<Bytes>("DiskPressure") },
            In("g-fetching"),
        ];
        var other = Model("other", 10, cached: true);

        Assert.Empty(Decide(Spec(pooled, other), Cluster(nodes) with { InFlight = [Fetching(other, "g-fetching")] }).Steps.OfType<Step.Prefetch>());
        Assert.Single(Decide(Spec(pooled), Cluster([.. nodes, In("h")])).Steps.OfType<Step.Prefetch>(), fetch => fetch.Node.Value is "h" or "g-fetching");
        Assert.Empty(Decide(Spec(pooled with { Acts = false }), Cluster([In("h")])).Steps.OfType<Step.Prefetch>());
    }

    [Fact]
    public void What_a_fetch_that_was_broken_off_left_is_gone_on_with_where_no_disk_takes_the_whole()
    {
        // 600 of 1,000 MiB are on b, and 500 are free there.
        var nodes = Cluster(Cached("a", 900), Cached("b", 1100), Cached("c", 950));
        var begun = Copy(Llama, "b") with { Complete = false, Size = Bytes.MiB(600) };

        Assert.Empty(Decide(Spec(Llama), nodes with { Nodes = [nodes.Nodes[0], nodes.Nodes[2]] }).Steps.OfType<Step.Prefetch>());
        Assert.Equal("b", Assert.Single(Decide(Spec(Llama), nodes with { Cache = [begun] }).Steps.OfType<Step.Prefetch>()).Node.Value);

        // More room than that is better.
        Assert.Equal("d", Assert.Single(Decide(Spec(Llama), Cluster([.. nodes.Nodes, Cached("d", 5000)]) with { Cache = [begun] }).Steps.OfType<Step.Prefetch>()).Node.Value);
    }

    [Fact]
    public void A_node_that_has_all_that_is_asked_for_is_found_among_those_that_have_a_part_of_it_each()
    {
        var model = Llama with { Requests = Llama.Requests! with { Resource = "gpu", Devices = 2, Pools = ["p", "q"] } };
        NodeState In(string id, string pool, long gpus, double memoryMiB) => Cached(id, 5000) with
        {
            Pool = pool,
            Scheduler = new SchedulerRoom { Memory = Bytes.MiB(memoryMiB), Cores = Cores.Of(64), Pods = 110, Resources = gpus == 0 ? [] : [new ResourceCount("gpu", gpus)] },
        };
        NodeState[] parts = [In("a", "p", 4, 100), In("b", "p", 0, 100_000), In("c", "p", 1, 100_000), In("d", "other", 8, 100_000), In("e", "else", 8, 100_000)];

        Assert.Empty(Decide(Spec(model), Cluster(parts)).Steps.OfType<Step.Prefetch>());
        Assert.Equal("f", Assert.Single(Decide(Spec(model), Cluster([.. parts, In("f", "q", 2, 5000)])).Steps.OfType<Step.Prefetch>()).Node.Value);
        var anywhere = model with { Requests = model.Requests with { Pools = [] } };
        Assert.Equal("d", Assert.Single(Decide(Spec(anywhere), Cluster(parts)).Steps.OfType<Step.Prefetch>()).Node.Value);
        Assert.Equal("e", Assert.Single(Decide(Spec(anywhere), Cluster([.. parts[..3], parts[4]])).Steps.OfType<Step.Prefetch>()).Node.Value);

        // One runs there: another could load from its weights, whatever is left beside it.
        Assert.Equal("b", Assert.Single(Decide(Spec(model), Cluster(parts) with { Replicas = [On("b", model, ReplicaState.Ready)] }).Steps.OfType<Step.Prefetch>()).Node.Value);
    }

    [Fact]
    public void A_source_that_failed_on_two_nodes_is_left_and_one_that_failed_on_one_is_tried_on_another()
    {
        var failed = Copy(Llama, "a") with { Complete = false, Size = Bytes.Zero, NotBefore = Noon.AddMinutes(1) };
        var nodes = Cluster("abc".Select(id => Cached($"{id}", 5000)).ToArray());

        Assert.Equal("b", Assert.Single(Decide(Spec(Llama), nodes with { Cache = [failed] }).Steps.OfType<Step.Prefetch>()).Node.Value);
        Assert.Empty(Decide(Spec(Llama), nodes with { Cache = [failed, failed with { Node = new NodeId("b") }] }).Steps.OfType<Step.Prefetch>());
    }

    [Fact]
    public void A_pod_that_loads_without_its_weights_gets_them_and_what_no_pod_uses_goes_for_them()
    {
        var (idle, used, shown) = (Asking(Model("idle", 600, cached: true)), Asking(Model("used", 600, cached: true)), Asking(Model("shown", 600, cached: true)) with { Acts = false });
        var loading = On("a", Llama, ReplicaState.Loading);
        var full = Cluster(Cached("a", 2300)) with
        {
            Replicas = [loading],
            Cache = [Copy(idle, "a"), Copy(shown, "a"), Copy(used, "a") with { Pinned = true }],
        };

        var plan = Decide(Spec(Llama, idle, used, shown), full);

        Assert.Equal(["evict/idle@v1/a", "prefetch/llama@v1/a"], plan.Steps.Where(step => step is Step.Evict or Step.Prefetch).Select(step => step.Id.Value));
        Assert.Equal(Rule.PrefetchForStart, plan.Steps.OfType<Step.Prefetch>().Single().Reason.Rule);
        Assert.Equal(["evict/idle@v1/a"], plan.Steps.OfType<Step.Prefetch>().Single().After.Select(id => id.Value));

        // With nothing but what is used, it waits.
        Assert.Empty(Decide(Spec(Llama, idle, used, shown), full with { Cache = [.. full.Cache.Select(copy => copy with { Pinned = true })] }).Steps.Where(step => step is Step.Evict or Step.Prefetch));
    }

    [Fact]
    public void A_disk_that_holds_more_than_it_may_gives_back_what_is_too_much_before_anything_new_fits()
    {
        var (one, two) = (Asking(Model("one", 900, cached: true)), Asking(Model("two", 900, cached: true)));
        var plan = Decide(Spec(Llama, one, two), Cluster(Cached("a", 1200)) with
        {
            Replicas = [On("a", Llama, ReplicaState.Loading)],
            Cache = [Copy(one, "a"), Copy(two, "a")],
        });

        // 1,800 of 1,200 are taken and 1,000 are to come: both go.
        Assert.Equal(["evict/one@v1/a", "evict/two@v1/a"], plan.Steps.OfType<Step.Prefetch>().Single().After.Select(id => id.Value));
    }

    [Fact]
    public void An_update_keeps_both_versions_while_pods_use_them_and_lets_the_old_one_go_after()
    {
        var next = Llama with { Version = "v2" };
        var both = Cluster(Cached("a", 5000)) with { Cache = [Copy(Llama, "a") with { Pinned = true }, Copy(next, "a")] };

        Assert.Empty(Decide(Spec(next), both).Steps.OfType<Step.Evict>());
        Assert.Equal("evict/llama@v1/a", Assert.Single(Decide(Spec(next), both with { Cache = [Copy(Llama, "a"), Copy(next, "a")] }).Steps.OfType<Step.Evict>()).Id.Value);
    }

    [Fact]
    public void What_others_take_of_the_space_that_stays_free_is_given_back_by_what_is_worth_least()
    {
        var (busy, idle) = (Asking(Model("busy", 600, cached: true)), Asking(Model("idle", 600, cached: true)));
        var spec = Spec(busy, idle);
        var full = Cluster(Cached("a", 2000) with { CacheShort = Bytes.MiB(100), CacheFileSystemFree = Signal.Known(Bytes.Zero, Noon) }) with
        {
            Cache = [Copy(busy, "a"), Copy(idle, "a")],
            Traffic = [Traffic(busy.Id, Noon, 10)],
        };

        var plan = Decide(spec, full);

        var evict = Assert.Single(plan.Steps.OfType<Step.Evict>());
        Assert.Equal("evict/idle@v1/a", evict.Id.Value);
        Assert.StartsWith("others have taken 100 MiB of what is to stay free on a's disk", evict.Reason.ToString(), StringComparison.Ordinal);
        // While that one is going, no other goes.
        var going = new WorkInFlight { Step = evict.Id, Kind = WorkKind.Evicting, Node = evict.Node, Model = evict.Model, StartedAt = Noon };
        Assert.Equal(evict.Id, Assert.Single(Decide(spec, full with { InFlight = [going] }).Steps.OfType<Step.Evict>()).Id);
        Assert.Empty(Decide(spec, full with { Cache = [.. full.Cache.Select(copy => copy with { Pinned = true })] }).Steps.OfType<Step.Evict>());
    }

    [Fact]
    public void Whatever_is_there_no_disk_is_overfilled_nothing_pinned_goes_and_equal_inputs_give_equal_plans() => Situations.Sample(
        drawn => Wrong(drawn) is null, iter: 2000, print: drawn => $"{Wrong(drawn)}");

    private static string? Wrong((FleetSpec Spec, FleetSnapshot Snapshot) drawn)
    {
        var (spec, snapshot) = drawn;
        var plan = Decide(spec, snapshot);
        if (PlimsollJson.Hash(plan, PlimsollJson.Default.Plan) != PlimsollJson.Hash(Decide(spec, snapshot), PlimsollJson.Default.Plan)) return "two plans differ";
        var cache = snapshot.Cache.ToDictionary(copy => (copy.Node, copy.Model, copy.Version));
        foreach (var evict in plan.Steps.OfType<Step.Evict>())
        {
            if (cache[(evict.Node, evict.Model, evict.Version)].Pinned) return $"{evict.Id} removes what is used";
        }

        var begun = snapshot.InFlight.Select(work => work.Step).ToHashSet();
        foreach (var node in snapshot.Nodes)
        {
            var fetches = plan.Steps.OfType<Step.Prefetch>().Where(fetch => fetch.Node == node.Id && !begun.Contains(fetch.Id)).ToArray();
            if (fetches.Length == 0) continue;
            if (node.CacheBudget is not { } budget || node.CacheFileSystemFree.State != SignalState.Known) return $"{fetches[0].Id} goes to a disk that nobody knows";
            // All that may begin before any removal, at its end.
            var used = snapshot.Cache.Where(copy => copy.Node == node.Id).Sum(copy => copy.Size.Value)
                + snapshot.InFlight.Where(work => work.Node == node.Id && work.Kind == WorkKind.Fetching).Sum(work => work.Total!.Value.Value - work.Done!.Value.Value);
            var now = fetches.Where(fetch => fetch.After.IsEmpty).Sum(fetch => fetch.Size.Value - (cache.GetValueOrDefault((fetch.Node, fetch.Model, fetch.Version))?.Size.Value ?? 0));
            if (now > 0 && used + now > budget.Value) return $"{node.Id} would hold {used + now} of {budget.Value}";
        }

        return null;
    }

    private static readonly Gen<(FleetSpec, FleetSnapshot)> Situations =
        from nodes in Gen.Select(Gen.Int[0, 3000], Gen.Int[0, 3000], Gen.Int[0, 3], Gen.Int[0, 200]).Array[1, 4]
        from models in Gen.Select(Gen.Int[50, 1500], Gen.Int[0, 3], Gen.Bool).Array[1, 5]
        from copies in Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[0, 4]).Array[0, 8]
        from replicas in Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4], Gen.Bool).Array[0, 5]
        select Build(nodes, models, copies, replicas);

    private static (FleetSpec, FleetSnapshot) Build(
        (int Budget, int Free, int Kind, int Short)[] nodes, (int Size, int Min, bool Acts)[] models, (int Node, int Model, int Kind)[] copies, (int Node, int Model, bool Ready)[] replicas)
    {
        var specs = models.Select((draw, i) => Asking(Model($"m{i}", draw.Size, priority: i % 2, min: draw.Min, max: 4, cached: true)) with { Acts = draw.Acts }).ToArray();
        var states = nodes.Select((draw, i) => Cached($"n{i}", draw.Budget) with
        {
            CacheBudget = draw.Kind == 0 ? null : Bytes.MiB(draw.Budget),
            CacheFileSystemFree = draw.Kind == 1 ? Signal.Missing<Bytes>("drawn") : Signal.Known(Bytes.MiB(draw.Short > 100 ? 0 : draw.Free), Noon),
            CacheShort = Bytes.MiB(draw.Short > 100 ? draw.Short - 100 : 0),
        }).ToArray();
        var flying = new List<WorkInFlight>();
        var cache = new List<CachedArtifact>();
        foreach (var one in copies.Select(one => (Node: states[one.Node % states.Length], Model: specs[one.Model % specs.Length], one.Kind)).DistinctBy(one => (one.Node.Id, one.Model.Id)))
        {
            if (one.Node.CacheBudget is null) continue;
            var copy = Copy(one.Model, one.Node.Id.Value) with { Pinned = one.Kind is 1 or 2, Complete = one.Kind != 2 };
            if (one.Kind == 2)
            {
                copy = copy with { Size = new Bytes(copy.Size.Value / 2) };
                flying.Add(Fetching(one.Model, one.Node.Id.Value) with { Done = copy.Size });
            }

            if (one.Kind == 3) copy = copy with { Version = "v0" };
            cache.Add(copy);
        }

        var placed = replicas.Select((one, i) => On(states[one.Node % states.Length].Id.Value, specs[one.Model % specs.Length], one.Ready ? ReplicaState.Ready : ReplicaState.Loading, i + 1)).ToArray();
        return (Spec(specs), Cluster(states) with
        {
            Cache = [.. cache.OrderBy(copy => copy.Node).ThenBy(copy => copy.Model).ThenBy(copy => copy.Version, StringComparer.Ordinal)
                .Select(copy => copy with { Pinned = copy.Pinned || placed.Any(replica => replica.Placement.Node == copy.Node && replica.Model == copy.Model) })],
            InFlight = [.. flying.OrderBy(work => work.Step)],
            Replicas = [.. placed.OrderBy(replica => replica.Id)],
        });
    }

    private static ModelSpec Asking(ModelSpec model) => model with
    {
        // As the operator plans: what Kubernetes has no count of stops no start.
        Variants = [model.Variants[0] with { Needs = model.Variants[0].Needs with { Disk = Bytes.Zero } }],
        Requests = new SchedulerRequests { Memory = Bytes.MiB(4000), Cores = Cores.Of(0.25) },
    };

    private static NodeState Cached(string id, double budgetMiB) => Node(400_000, 64, id, budgetMiB) with
    {
        Scheduler = new SchedulerRoom { Memory = Bytes.MiB(400_000), Cores = Cores.Of(64), Pods = 110 },
    };

    private static CachedArtifact Copy(ModelSpec model, string node) => new()
    {
        Node = new NodeId(node),
        Model = model.Id,
        Version = model.Version,
        Size = model.Footprint.OnDisk,
        Complete = true,
    };

    private static WorkInFlight Fetching(ModelSpec model, string node) => new()
    {
        Step = StepId.Of($"prefetch/{model.Id}@{model.Version}/{node}"),
        Kind = WorkKind.Fetching,
        StartedAt = Noon,
        Model = model.Id,
        Node = new NodeId(node),
        Done = Bytes.Zero,
        Total = model.Footprint.OnDisk,
    };

    private static InferenceReplica On(string node, ModelSpec model, ReplicaState state, int ordinal = 1) =>
        Replica(model, ordinal, state, Noon.AddSeconds(-5), node: node) with { Requests = model.Requests };

    private static FleetSnapshot Cluster(params NodeState[] nodes) => new() { At = Noon, Can = Caches, Nodes = [.. nodes.OrderBy(node => node.Id)] };
}
