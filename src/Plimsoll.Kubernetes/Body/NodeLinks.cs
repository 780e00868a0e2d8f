using System.Globalization;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// What is known of the network between nodes, for replicas whose ranks must meet over it. Ranks that share layers meet twice in
/// each of them, so a slow network makes such a replica slow, though not wrong: it is a warning and no refusal.
/// </summary>
internal static class NodeLinks
{
    /// <summary>A node's label that states its network, in Gbit/s, where the machine's type does not tell.</summary>
    public const string Label = "plimsoll.dev/network-gbps";

    // What machines that are sold for this have at the least; below it even one stage's layers wait for the network.
    private const double FastGbps = 100;

    /// <summary>A sentence where ranks that share layers are on different nodes and some node's network is not known to be fast.</summary>
    public static string? Warning(ServedModel served, IEnumerable<NodeView> nodes)
    {
        if (served.DeviceResource is not { } resource) return null;
        var perPod = Math.Min(served.Requests.Devices.GetValueOrDefault(resource), served.WorkerRequests?.Devices.GetValueOrDefault(resource) ?? long.MaxValue);
        if (perPod == 0) perPod = served.WorkerRequests?.Devices.GetValueOrDefault(resource) ?? 0;
        if (perPod == 0 || served.TensorParallel <= perPod) return null;
        var slow = nodes.Where(node => node.Extended.Any(one => one.Resource == resource && one.Count > 0))
            .Select(node => (node.Name, Gbps: Gbps(node))).Where(node => node.Gbps is null or < FastGbps)
            .OrderBy(node => node.Name, StringComparer.Ordinal).ToArray();
        if (slow.Length == 0) return null;
        var (name, gbps) = slow[0];
        return string.Create(CultureInfo.InvariantCulture,
            $"{served.TensorParallel} ranks share every layer and a pod has {perPod} devices, so each layer waits for the network between nodes, and that of {name}{(slow.Length > 1 ? $" and {slow.Length - 1} more" : "")} is {(gbps is { } known ? $"{known:0.#} Gbit/s" : "not known")}; stages instead of ranks across pods (tensor parallel {perPod}) would do, or the label {Label} on nodes that have {FastGbps:0} or more");
    }

    private static double? Gbps(NodeView node)
    {
        if (double.TryParse(node.Labels.GetValueOrDefault(Label), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var stated) && double.IsFinite(stated)) return stated;
        return node.Labels.GetValueOrDefault("node.kubernetes.io/instance-type") is { } type
            && DeviceCatalogue.BuiltIn.Instance(type) is { Network.Value: > 0 and var network } ? network * 8 / 1e9 : null;
    }
}
