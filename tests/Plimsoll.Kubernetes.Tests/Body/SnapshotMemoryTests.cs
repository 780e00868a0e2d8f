using System.Text.Json;
using CsCheck;
using Plimsoll.Json;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>What a snapshot takes over from the one before comes out as if it had been made anew.</summary>
public sealed class SnapshotMemoryTests
{
    private const int NodesMax = 3;
    private const int PodsMax = 8;
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
    private static readonly string[] Kinds = ["NVIDIA-H100-80GB-HBM3", "NVIDIA-L4"];

    // One thing that happens: what, to which pod or node, and how much.
    private static readonly Gen<(int What, int Which, int How)[]> Changes =
        Gen.Select(Gen.Int[0, 9], Gen.Int[0, PodsMax - 1], Gen.Int[0, 3], (what, which, how) => (what, which, how)).Array[1, 12];

    [Fact]
    public void A_snapshot_with_a_memory_is_the_one_without_whatever_changed_in_between()
    {
        Changes.Sample(changes =>
        {
            var world = new World();
            var memory = new SnapshotMemory();
            for (var turn = 0; turn <= changes.Length; turn++)
            {
                if (turn > 0) world.Change(changes[turn - 1]);
                Assert.Equal(Json(world.Snapshot(turn, null)), Json(world.Snapshot(turn, memory)));
            }
        });
    }

    [Fact]
    public void What_is_on_nodes_that_did_not_change_is_the_same_object()
    {
        var world = new World();
        var memory = new SnapshotMemory();
        var before = world.Snapshot(0, memory);
        world.Change((What: 0, Which: 1, How: 1));
        var after = world.Snapshot(1, memory);

        var (kept, others) = (before.Replicas.Where(replica => after.Replicas.Any(one => ReferenceEquals(one, replica))).ToArray(), new NodeId("node-1"));
        Assert.NotEmpty(kept);
        Assert.Equal(before.Replicas.Where(replica => replica.Placement.Node != others), kept);
        Assert.Equal(others, Assert.Single(before.Nodes, node => after.Nodes.All(one => !ReferenceEquals(one, node))).Id);
    }

    private static string Json(FleetSnapshot snapshot) => JsonSerializer.Serialize(snapshot, PlimsollJson.Default.FleetSnapshot);

    private sealed class World
    {
        private readonly NodeView[] _nodes = [.. Enumerable.Range(0, NodesMax).Select(at => Node(at, Kinds[at % Kinds.Length], ready: true, devices: 4))];
        private readonly PodView?[] _pods = [.. Enumerable.Range(0, PodsMax).Select(at => (PodView?)Pod(at, at % NodesMax, ready: true))];
        private readonly Dictionary<string, PodLoad> _loads = new(StringComparer.Ordinal);
        private ResolvedModel[] _models = [Model(0, 1), Model(1, 1)];
        private int _versions;

        public FleetSnapshot Snapshot(int turn, SnapshotMemory? memory) => new SnapshotBuilder(
                Noon.AddSeconds(turn), new NodeGroups(_nodes, new Dictionary<string, k8s.Models.V1PodSpec>()), _models,
                new Dictionary<string, PodLoad>(_loads, StringComparer.Ordinal), 2, 29, memory)
            .Build(_nodes, [.. _pods.OfType<PodView>()], new Dictionary<string, Promised>(), Capabilities.None);

        public void Change((int What, int Which, int How) change)
        {
            var (what, which, how) = change;
            var (node, there) = (which % NodesMax, _pods[which]);
            switch (what)
            {
                case 0:
                    _pods[which] = Pod(which, how % NodesMax, ready: how != 0) with { ScheduledAt = Noon.AddSeconds(-how) };
                    break;
                case 1:
                    _pods[which] = there is null ? Pod(which, node, ready: true) : null;
                    break;
                case 2:
                    _pods[which] = there is null ? null : there with { Node = how == 0 ? null : $"node-{how % NodesMax}" };
                    break;
                case 3:
                    _pods[which] = there is null ? null : there with { DeletedAt = there.DeletedAt is null ? Noon : null };
                    break;
                case 4:
                    _pods[which] = there is null ? null : there with { DrainingSince = there.DrainingSince is null ? Noon : null };
                    break;
                case 5:
                    _loads[$"uid-{which}"] = new PodLoad { Outstanding = Signal.Known(how, Noon.AddSeconds(how)), Concurrency = 4 + how, Asleep = how == 3 };
                    break;
                case 6:
                    _loads.Remove($"uid-{which}");
                    break;
                case 7:
                    _nodes[node] = Node(node, Kinds[how % 2], ready: how != 3, devices: 2 + how);
                    break;
                case 8:
                    _models[which % _models.Length] = Model(which % _models.Length, ++_versions + 1);
                    break;
                default:
                    _models = how == 0 ? [Model(0, 1)] : [Model(0, 1), Model(1, 1)];
                    break;
            }
        }

        private static ResolvedModel Model(int at, int version)
        {
            var needs = EngineProfile.Named("vllm").Needs(Footprint.Declared(Bytes.GiB(4 + version), "weights"), 1, new Cores(1000), cached: false);
            return new ResolvedModel
            {
                View = new ScaledModelView(new ObjectName("models", $"m{at}"), $"uid-m{at}", $"{version}", null, null),
                Workload = new WorkloadView
                {
                    Name = new ObjectName("models", $"m{at}"),
                    ApiVersion = "apps/v1",
                    Kind = "Deployment",
                    Uid = $"uid-d{at}",
                    Generation = 1,
                    ResourceVersion = "1",
                    Replicas = 4,
                },
                Spec = new ModelSpec
                {
                    Id = new ModelId($"models/m{at}"),
                    Version = $"{version}",
                    Source = "stated",
                    Footprint = Footprint.Declared(Bytes.GiB(4 + version), "weights"),
                    Slo = new Slo(TimeSpan.FromSeconds(2), 0.99),
                    MaxReplicas = 8,
                    Variants =
                    [
                        new VariantSpec { Id = new VariantId("h100-80gb"), Engine = "vllm", DeviceKind = "h100-80gb", Needs = needs },
                        new VariantSpec { Id = new VariantId("l4-24gb"), Engine = "vllm", DeviceKind = "l4-24gb", Needs = needs },
                    ],
                    Requests = new SchedulerRequests { Memory = Bytes.GiB(8), Cores = new Cores(1000), Resource = "nvidia.com/gpu", Devices = 1 },
                },
            };
        }

        private static NodeView Node(int at, string product, bool ready, int devices) => NodeView.Of(Parse($$$$"""
            {"metadata":{"name":"node-{{{{at}}}}","labels":{"nvidia.com/gpu.product":"{{{{product}}}}","nvidia.com/gpu.memory":"{{{{(product == Kinds[0] ? 81559 : 23034)}}}}","nvidia.com/gpu.count":"{{{{devices}}}}"}},
            "status":{"allocatable":{"cpu":"32","memory":"256Gi","ephemeral-storage":"500Gi","pods":"110","nvidia.com/gpu":"{{{{devices}}}}"},
            "conditions":[{"type":"Ready","status":"{{{{(ready ? "True" : "False")}}}}"}]}}
            """))!;

        // One in four is somebody else's.
        private static PodView Pod(int at, int node, bool ready) => PodView.Of(Parse($$$$"""
            {"metadata":{"name":"pod-{{{{at}}}}","namespace":"models","uid":"uid-{{{{at}}}}","creationTimestamp":"2026-11-26T11:00:00Z",
            "labels":{"pod-template-hash":"abc"},"ownerReferences":[{"controller":true,"kind":"ReplicaSet","name":"{{{{(at % 4 == 3 ? "other" : $"m{at % 2}")}}}}-abc"}]},
            "spec":{"nodeName":"node-{{{{node}}}}","containers":[{"name":"server","resources":{"requests":{"cpu":"1","memory":"{{{{8 + at}}}}Gi","nvidia.com/gpu":"1"}}}]},
            "status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-26T11:00:0{{{{at}}}}Z"},
            {"type":"Ready","status":"{{{{(ready ? "True" : "False")}}}}","lastTransitionTime":"2026-11-26T11:01:00Z"}]}}
            """))!;

        private static JsonElement Parse(string json)
        {
            using var document = JsonDocument.Parse(json);
            return document.RootElement.Clone();
        }
    }
}
