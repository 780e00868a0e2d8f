using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources.Pods;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>What each pod of a group takes, and what is said of the network between them.</summary>
public sealed class GroupTests
{
    private static readonly Footprint Weights = new()
    {
        Format = ArtifactFormat.Unknown,
        Source = FootprintSource.Declared,
        Digest = "d",
        OnDisk = Bytes.GiB(160),
        Weights = Bytes.GiB(160),
    };

    [Fact]
    public void Each_pod_has_its_part_of_the_devices_and_its_part_of_the_memory_to_load()
    {
        // 160 GiB over 16 devices: 2 + 1.25 × 160 / 16 on each. Half of the weights pass through each pod's memory: 4 + 1.05 × 80.
        var split = Split(Served(leader: 8, worker: 8, tensor: 8, pipeline: 2));

        Assert.Equal("8 × 14.5 GiB, 88.0 GiB", Shown(split.Needs));
        Assert.Equal(1, split.Workers!.Count);
        Assert.Equal("8 × 14.5 GiB, 88.0 GiB", Shown(split.Workers.Needs));
    }

    [Fact]
    public void A_leader_without_devices_takes_none()
    {
        var split = Split(Served(leader: 0, worker: 8, tensor: 8, pipeline: 1));

        Assert.Equal("0 × , 4.00 GiB", Shown(split.Needs));
        Assert.Equal(8, split.Workers!.Needs.Devices);
    }

    [Fact]
    public void Ranks_that_meet_over_an_unknown_network_are_a_warning_and_stages_are_not()
    {
        NodeView[] nodes = [Node("a", "{}"), Node("b", """{"plimsoll.dev/network-gbps":"25"}""")];

        Assert.Null(NodeLinks.Warning(Served(8, 8, tensor: 8, pipeline: 2), nodes));
        Assert.Equal(
            "16 ranks share every layer and a pod has 8 devices, so each layer waits for the network between nodes, and that of a and 1 more is not known; "
            + "stages instead of ranks across pods (tensor parallel 8) would do, or the label plimsoll.dev/network-gbps on nodes that have 100 or more",
            NodeLinks.Warning(Served(8, 8, tensor: 16, pipeline: 1), nodes));
        Assert.Contains("that of b is 25 Gbit/s", NodeLinks.Warning(Served(8, 8, tensor: 16, pipeline: 1), nodes[1..]), StringComparison.Ordinal);
    }

    [Fact]
    public void A_network_that_the_machine_type_or_a_label_says_is_fast_is_none()
    {
        var served = Served(8, 8, tensor: 16, pipeline: 1);

        Assert.Null(NodeLinks.Warning(served, [Node("a", """{"node.kubernetes.io/instance-type":"p5.48xlarge"}"""), Node("b", """{"plimsoll.dev/network-gbps":"400"}""")]));
    }

    private static string Shown(ReplicaNeeds needs) => $"{needs.Devices} × {needs.PerDevice?.Highest}, {needs.Host.Highest}";

    private static VariantSpec Split(ServedModel served)
    {
        var whole = EngineProfile.Vllm.Needs(Weights, (int)served.Devices, null, cached: false);
        var variant = new VariantSpec { Id = new VariantId("h100-80gb"), Engine = "vllm", DeviceKind = "h100-80gb", Needs = whole };
        var kind = new DeviceGroup { Accelerator = DeviceCatalogue.BuiltIn.Find("h100-80gb")!, Resource = "nvidia.com/gpu", Devices = 8 };
        return GroupNeeds.Split(variant, served, Weights, kind);
    }

    private static ServedModel Served(int leader, int worker, int tensor, int pipeline)
    {
        V1PodSpec Pod(int gpus) => Workloads.PodSpec(gpus, "64Gi", "--model", "org/m", "--tensor-parallel-size", $"{tensor}", "--pipeline-parallel-size", $"{pipeline}");
        var pod = Pod(leader);
        pod.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        return ServedModel.Of(pod, podsPerReplica: 2, worker: Pod(worker));
    }

    private static NodeView Node(string name, string labels)
    {
        using var json = JsonDocument.Parse($$$$$$"""{"metadata":{"name":"{{{{{{name}}}}}}","labels":{{{{{{labels}}}}}}},"status":{"allocatable":{"nvidia.com/gpu":"8"}}}""");
        return NodeView.Of(json.RootElement)!;
    }
}
