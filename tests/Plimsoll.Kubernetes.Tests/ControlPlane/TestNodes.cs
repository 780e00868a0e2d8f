using System.Globalization;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// Nodes as objects: what a kubelet, the GPU operator and a cloud would have written about a machine. They carry the
/// label that keeps this namespace's pods here and all others away.
/// </summary>
public sealed class TestNodes(k8s.Kubernetes client, string space)
{
    /// <summary>The label by which a namespace's nodes are known.</summary>
    public const string OwnerLabel = "plimsoll.test/namespace";

    /// <summary>
    /// Makes a node that is ready; its object is named "namespace-name", for nodes are the whole cluster's. Product and
    /// memory of a GPU as GPU feature discovery writes them; without GPUs there are no such labels. Labels and resources
    /// (as "nvidia.com/mig-3g.20gb" = "2") are added last, so they also replace.
    /// </summary>
    public async Task<V1Node> CreateAsync(
        string name, int gpus = 0, string product = "NVIDIA-H100-80GB-HBM3", int gpuMemoryMiB = 81_559,
        string memory = "1024Gi", string cpu = "96", string ephemeral = "2048Gi", string pods = "110",
        IReadOnlyDictionary<string, string>? labels = null, IReadOnlyDictionary<string, string>? resources = null,
        IList<V1Taint>? taints = null)
    {
        var full = $"{space}-{name}";
        var all = new Dictionary<string, string>
        {
            [OwnerLabel] = space,
            ["kubernetes.io/hostname"] = full,
            ["kubernetes.io/os"] = "linux",
            ["kubernetes.io/arch"] = "amd64",
            ["topology.kubernetes.io/zone"] = "zone-a",
        };
        var capacity = new Dictionary<string, ResourceQuantity>
        {
            ["cpu"] = new(cpu),
            ["memory"] = new(memory),
            ["ephemeral-storage"] = new(ephemeral),
            ["pods"] = new(pods),
        };
        if (gpus > 0)
        {
            capacity["nvidia.com/gpu"] = new(gpus.ToString(CultureInfo.InvariantCulture));
            all["nvidia.com/gpu.product"] = product;
            all["nvidia.com/gpu.memory"] = gpuMemoryMiB.ToString(CultureInfo.InvariantCulture);
            all["nvidia.com/gpu.count"] = gpus.ToString(CultureInfo.InvariantCulture);
            all["nvidia.com/gpu.present"] = "true";
            all["nvidia.com/mig.strategy"] = "none";
        }

        foreach (var (key, value) in labels ?? new Dictionary<string, string>()) all[key] = value;
        foreach (var (key, value) in resources ?? new Dictionary<string, string>()) capacity[key] = new(value);
        var node = new V1Node { Metadata = new() { Name = full, Labels = all }, Spec = new() { Taints = taints } };
        await client.CoreV1.CreateNodeAsync(node, cancellationToken: TestContext.Current.CancellationToken);
        return await PatchStatusAsync(full, new V1NodeStatus
        {
            Capacity = capacity,
            Allocatable = capacity,
            Conditions = [Ready(true)],
            Addresses = [new V1NodeAddress { Type = "InternalIP", Address = "127.0.0.1" }],
            NodeInfo = new V1NodeSystemInfo
            {
                Architecture = "amd64",
                OperatingSystem = "linux",
                KubeletVersion = "v1.20.2",
                OsImage = "stand-in",
                ContainerRuntimeVersion = "stand-in://1",
                BootID = full,
                MachineID = full,
                SystemUUID = full,
                KernelVersion = "6",
                KubeProxyVersion = "v1.20.2",
            },
        });
    }

    /// <summary>What a lost machine looks like: its condition Ready is Unknown. Its taints are the caller's affair.</summary>
    public Task<V1Node> LoseAsync(V1Node node) =>
        PatchStatusAsync(node.Metadata.Name, new V1NodeStatus { Conditions = [Ready(null)] });

    public Task DeleteAsync(V1Node node) =>
        client.CoreV1.DeleteNodeAsync(node.Metadata.Name, cancellationToken: TestContext.Current.CancellationToken);

    private static V1NodeCondition Ready(bool? ready)
    {
        var now = TimeProvider.System.GetUtcNow().UtcDateTime;
        return new V1NodeCondition
        {
            Type = "Ready",
            Status = ready switch { true => "True", false => "False", null => "Unknown" },
            Reason = ready == true ? "KubeletReady" : "NodeStatusUnknown",
            Message = ready == true ? "the stand-in is there" : "the stand-in does not report",
            LastHeartbeatTime = now,
            LastTransitionTime = now,
        };
    }

    private Task<V1Node> PatchStatusAsync(string name, V1NodeStatus status) =>
        client.CoreV1.PatchNodeStatusAsync(
            new V1Patch(KubernetesJson.Serialize(new V1Node { Status = status }), V1Patch.PatchType.StrategicMergePatch),
            name, cancellationToken: TestContext.Current.CancellationToken);
}
