using System.Collections.Immutable;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Since when a pod that is not ready loads, as the planner sees it.</summary>
public sealed class UnreadyPodTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void What_lost_its_readiness_loads_from_then_on_whether_its_container_started_over_or_not(int restarts)
    {
        var replica = Assert.Single(Build(1, hasServed: true, Pod("llama-0", scheduled: -3600, ready: false, changed: -10, restarts)));

        Assert.Equal((ReplicaState.Loading, Noon.AddSeconds(-10), true), (replica.State, replica.StartedAt, replica.HasServed));
    }

    [Fact]
    public void What_never_was_ready_loads_since_it_has_a_node()
    {
        var replica = Assert.Single(Build(1, hasServed: false, Pod("llama-0", scheduled: -300, ready: false, changed: -300)));

        Assert.Equal((ReplicaState.Loading, Noon.AddSeconds(-300), false), (replica.State, replica.StartedAt, replica.HasServed));
    }

    [Fact]
    public void A_group_loads_since_the_last_of_its_pods_lost_its_readiness()
    {
        var replica = Assert.Single(Build(
            2, hasServed: true, Pod("llama-0", scheduled: -3600, ready: true, changed: -3000, worker: 0), Pod("llama-0-1", scheduled: -3600, ready: false, changed: -20, worker: 1)));

        Assert.Equal((ReplicaState.Loading, Noon.AddSeconds(-20)), (replica.State, replica.StartedAt));
    }

    [Fact]
    public void A_group_that_is_short_of_a_pod_loads_since_that_was_seen()
    {
        var memory = new SnapshotMemory();
        PodView[] left = [Pod("llama-0", scheduled: -3600, ready: true, changed: -3000, worker: 0)];
        Assert.Equal(Noon, Assert.Single(Build(2, true, memory, 0, left)).StartedAt);
        Assert.Equal(Noon, Assert.Single(Build(2, true, memory, 30, left)).StartedAt);

        PodView[] whole = [.. left, Pod("llama-0-1", scheduled: -3600, ready: true, changed: -3000, worker: 1)];
        Assert.Equal(ReplicaState.Ready, Assert.Single(Build(2, true, memory, 60, whole)).State);
        Assert.Equal(Noon.AddSeconds(90), Assert.Single(Build(2, true, memory, 90, left)).StartedAt);
    }

    [Fact]
    public void A_group_that_never_was_whole_loads_since_it_has_nodes()
    {
        var replica = Assert.Single(Build(
            2, hasServed: false, Pod("llama-0", scheduled: -500, ready: false, changed: -500, worker: 0), Pod("llama-0-1", scheduled: -500, ready: true, changed: -20, worker: 1)));

        Assert.Equal(Noon.AddSeconds(-500), replica.StartedAt);
    }

    private static ImmutableArray<InferenceReplica> Build(int size, bool hasServed, params PodView[] pods) => Build(size, hasServed, new SnapshotMemory(), 0, pods);

    private static ImmutableArray<InferenceReplica> Build(int size, bool hasServed, SnapshotMemory memory, int second, PodView[] pods)
    {
        using var node = JsonDocument.Parse("""{"metadata":{"name":"gpu-1"},"status":{"allocatable":{"cpu":"8","memory":"64Gi","pods":"10"},"conditions":[{"type":"Ready","status":"True"}]}}""");
        var builder = new SnapshotBuilder(
            Noon.AddSeconds(second), new NodeGroups([], new Dictionary<string, V1PodSpec>()), [Model(size)], new Dictionary<string, PodLoad>(), 3, memory: memory, hasServed: _ => hasServed);
        return builder.Build([NodeView.Of(node.RootElement)!], pods, new Dictionary<string, Promised>(), Capabilities.None).Replicas;
    }

    private static PodView Pod(string name, int scheduled, bool ready, int changed, int restarts = 0, int? worker = null)
    {
        var owner = worker is null ? """{"controller":true,"kind":"ReplicaSet","name":"llama-abc"}""" : """{"controller":true,"kind":"StatefulSet","name":"llama"}""";
        var labels = worker is { } number
            ? $$"""{"leaderworkerset.sigs.k8s.io/name":"llama","leaderworkerset.sigs.k8s.io/group-index":"0","leaderworkerset.sigs.k8s.io/worker-index":"{{number}}"}""" : """{"pod-template-hash":"abc"}""";
        using var json = JsonDocument.Parse($$$"""
            {"metadata":{"name":"{{{name}}}","namespace":"prod","uid":"{{{name}}}","creationTimestamp":"{{{At(scheduled)}}}","labels":{{{labels}}},"ownerReferences":[{{{owner}}}]},
            "spec":{"nodeName":"gpu-1","containers":[{"name":"server"}]},
            "status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"{{{At(scheduled)}}}"},
            {"type":"Ready","status":"{{{(ready ? "True" : "False")}}}","lastTransitionTime":"{{{At(changed)}}}"}],
            "containerStatuses":[{"name":"server","restartCount":{{{restarts}}}}]}}
            """);
        return PodView.Of(json.RootElement)!;

        static string At(int second) => Noon.AddSeconds(second).ToString("yyyy-MM-ddTHH:mm:ssZ", System.Globalization.CultureInfo.InvariantCulture);
    }

    private static ResolvedModel Model(int size) => new()
    {
        View = new ScaledModelView(new ObjectName("prod", "llama"), "uid", "1", null, null),
        Workload = new WorkloadView
        {
            Name = new ObjectName("prod", "llama"),
            ApiVersion = size > 1 ? "leaderworkerset.x-k8s.io/v1" : "apps/v1",
            Kind = size > 1 ? "LeaderWorkerSet" : "Deployment",
            Uid = "uid",
            Generation = 1,
            ResourceVersion = "1",
            Replicas = 1,
            PodsPerReplica = size,
        },
        Spec = new ModelSpec
        {
            Id = new ModelId("prod/llama"),
            Version = "1",
            Source = "hf://org/llama",
            Footprint = Footprint.Declared(Bytes.GiB(15), "weights"),
            Slo = new Slo(TimeSpan.FromSeconds(2), 0.99),
            Variants =
            [
                new VariantSpec
                {
                    Id = new VariantId("cpu"), Engine = "vllm", Needs = new ReplicaNeeds { Host = MemoryNeed.None, Cores = new Cores(1000), Disk = Bytes.Zero },
                    Workers = size > 1 ? new WorkerPods(size - 1, new ReplicaNeeds { Host = MemoryNeed.None, Cores = new Cores(1000), Disk = Bytes.Zero }, new SchedulerRequests { Cores = new Cores(1000), Memory = Bytes.Zero }) : null,
                },
            ],
        },
    };
}
