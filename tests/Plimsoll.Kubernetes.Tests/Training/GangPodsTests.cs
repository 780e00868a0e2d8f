using System.Text.Json;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>Pods of gangs in the snapshot: ours while they are planned, and anybody's before and after.</summary>
public sealed class GangPodsTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);
    private static readonly string Key = JobView.KeyOf(new ObjectName("ns", "train"), "Job");

    [Fact]
    public void Pods_of_a_planned_job_have_devices_in_the_order_of_binding_and_are_nobodys_foreign_use()
    {
        PodView[] pods = [Pod("other", "Job", "unplanned", bound: 2), Pod("train-0", "Job", "train", bound: 3), Pod("train-1", "Job", "train", bound: 1)];
        var (snapshot, members) = Build(new SnapshotMemory(), pods, Key);
        Assert.Equal(["gpu00", "gpu02"], [members["train-1"].Devices[0].Value, members["train-0"].Devices[0].Value]);
        Assert.Equal("gpu01", Assert.Single(snapshot.Foreign, use => use.Device is not null).Device!.Value.Value);
        // The scheduler counts all three.
        Assert.Equal(Bytes.GiB(64 - 24), snapshot.Nodes[0].Scheduler!.Memory);
    }

    [Fact]
    public void What_is_no_longer_planned_is_foreign_again_and_the_memory_knows()
    {
        var memory = new SnapshotMemory();
        PodView[] pods = [Pod("train-0", "Job", "train", bound: 1)];
        Assert.Empty(Build(memory, pods).Members);
        Assert.Single(Build(memory, pods, Key).Members);
        var (snapshot, members) = Build(memory, pods);
        Assert.Empty(members);
        Assert.Equal("ns/train-0", Assert.Single(snapshot.Foreign, use => use.Device is not null).What);
        Assert.Empty(Build(memory, [pods[0] with { Phase = "Succeeded" }], Key).Members);
    }

    [Fact]
    public void Pods_of_another_job_that_had_the_name_before_are_anybodys()
    {
        var memory = new SnapshotMemory();
        PodView[] pods = [Pod("train-0", "Job", "train", 1)];
        Assert.Single(Build(memory, pods, Key).Members);
        _made = pods[0].CreatedAt.AddSeconds(1);
        var (snapshot, members) = Build(memory, pods, Key);
        Assert.Empty(members);
        Assert.Single(snapshot.Foreign, use => use.Device is not null);
    }

    // When the job was made.
    private DateTimeOffset _made = DateTimeOffset.UnixEpoch;

    private (FleetSnapshot Snapshot, IReadOnlyDictionary<string, Placement> Members) Build(SnapshotMemory memory, PodView[] pods, params string[] gangs)
    {
        using var node = JsonDocument.Parse("""
            {"metadata":{"name":"gpu-1","labels":{"nvidia.com/gpu.product":"NVIDIA-L4","nvidia.com/gpu.memory":"23034","nvidia.com/gpu.count":"4"}},
            "status":{"allocatable":{"cpu":"32","memory":"64Gi","pods":"110","nvidia.com/gpu":"4"},"conditions":[{"type":"Ready","status":"True"}]}}
            """);
        _node ??= NodeView.Of(node.RootElement)!;
        var builder = new SnapshotBuilder(
            Noon, new NodeGroups([_node], new Dictionary<string, k8s.Models.V1PodSpec>()), [], new Dictionary<string, PodLoad>(), 3, memory: memory, gangs: gangs.ToDictionary(key => key, _ => _made, StringComparer.Ordinal));
        return (builder.Build([_node], pods, new Dictionary<string, Promised>(), Capabilities.None), builder.GangPods);
    }

    // The same object in every look, as one that did not change.
    private static NodeView? _node;

    private static PodView Pod(string name, string kind, string owner, int bound)
    {
        using var json = JsonDocument.Parse($$$$"""
            {"metadata":{"name":"{{{{name}}}}","namespace":"ns","uid":"{{{{name}}}}","creationTimestamp":"2026-11-30T11:00:00Z","ownerReferences":[{"controller":true,"kind":"{{{{kind}}}}","name":"{{{{owner}}}}"}]},
            "spec":{"nodeName":"gpu-1","containers":[{"name":"c","resources":{"requests":{"cpu":"1","memory":"8Gi","nvidia.com/gpu":"1"}}}]},
            "status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"2026-11-30T11:00:0{{{{bound}}}}Z"}]}}
            """);
        return PodView.Of(json.RootElement)!;
    }
}
