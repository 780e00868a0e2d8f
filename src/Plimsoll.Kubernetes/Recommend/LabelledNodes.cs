using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>Nodes that are alike in what pods can tell them apart by: their group, a device resource, its kind, labels.</summary>
/// <param name="Group">The group of <see cref="NodeGroups"/>.</param>
/// <param name="Resource">What pods ask of it ("nvidia.com/gpu").</param>
/// <param name="Kind">The kind of device; null where nobody knows it.</param>
/// <param name="Labels">Those of <see cref="LabelKeys"/> that they carry.</param>
public sealed record AlikeNodes(string Group, string Resource, string? Kind, ImmutableSortedDictionary<string, string> Labels);

/// <summary>
/// The cluster's nodes with devices, by what tells them apart: a few rows however many nodes there are. The version
/// changes with the rows, so that what was derived from them need not be derived anew.
/// </summary>
public sealed class LabelledNodes
{
    // Most of thousands of nodes do not change between two looks.
    private readonly ConditionalWeakTable<NodeView, (string Key, AlikeNodes Row)[]> _known = [];
    private readonly HashSet<(string Group, string Key)> _seen = [];

    public int Version { get; private set; }

    /// <summary>Ordered by group, resource, kind and labels.</summary>
    public ImmutableArray<AlikeNodes> Rows { get; private set; } = [];

    /// <summary>Takes the nodes as they are now.</summary>
    public void Update(IEnumerable<NodeView> nodes, NodeGroups groups)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        ArgumentNullException.ThrowIfNull(groups);
        var rows = new Dictionary<(string Group, string Key), AlikeNodes>();
        foreach (var node in nodes)
        {
            var group = groups.GroupOf(node.Name);
            foreach (var (key, row) in _known.GetValue(node, RowsOf)) rows.TryAdd((group, key), row);
        }

        if (_seen.SetEquals(rows.Keys)) return;
        _seen.Clear();
        _seen.UnionWith(rows.Keys);
        Rows =
        [
            .. rows.OrderBy(one => one.Key.Group, StringComparer.Ordinal).ThenBy(one => one.Key.Key, StringComparer.Ordinal)
                .Select(one => one.Value with { Group = one.Key.Group }),
        ];
        Version++;
    }

    private static (string, AlikeNodes)[] RowsOf(NodeView node)
    {
        var resources = node.Extended.Where(one => one.Count > 0).Select(one => one.Resource)
            .Concat(node.Devices.Groups.Select(group => group.Resource)).Distinct(StringComparer.Ordinal);
        return [.. resources.Select(resource => Row(node, resource)).Select(row =>
            ($"{row.Resource}\n{row.Kind}\n{string.Join('\n', row.Labels.Select(one => $"{one.Key}={one.Value}"))}", row))];
    }

    private static AlikeNodes Row(NodeView node, string resource)
    {
        var devices = node.Devices.Groups.FirstOrDefault(one => one.Resource == resource);
        var labels = LabelKeys.For(resource).Where(node.Labels.ContainsKey)
            .ToImmutableSortedDictionary(key => key, key => node.Labels[key], StringComparer.Ordinal);
        return new AlikeNodes("", resource, devices is null ? null : NodeLayout.KindOf(devices), labels);
    }
}

/// <summary>The labels by which a pod can choose nodes by their devices.</summary>
public static class LabelKeys
{
    private const string InstanceType = "node.kubernetes.io/instance-type";

    /// <summary>
    /// Those for a resource, the best first. A cloud's own come before GPU feature discovery's: what makes nodes ahead of
    /// need (Karpenter, GKE) knows the former before a node is there, and for a pod that asks for the latter makes none.
    /// </summary>
    public static ImmutableArray<string> For(string resource)
    {
        ArgumentNullException.ThrowIfNull(resource);
        return resource switch
        {
            "nvidia.com/gpu" =>
            [
                "karpenter.k8s.aws/instance-gpu-name", "cloud.google.com/gke-accelerator", "nvidia.com/gpu.product", "nvidia.com/gpu.memory", InstanceType,
            ],
            "amd.com/gpu" => ["karpenter.k8s.aws/instance-gpu-name", "amd.com/gpu.product-name", InstanceType],
            "google.com/tpu" => ["cloud.google.com/gke-tpu-accelerator", InstanceType],
            // Slices of the mixed strategy have labels of their own; the whole device's name says what they are cut from.
            _ when resource.StartsWith("nvidia.com/mig-", StringComparison.Ordinal) => [$"{resource}.product", $"{resource}.memory", "nvidia.com/gpu.product", InstanceType],
            _ when resource.StartsWith("aws.amazon.com/neuron", StringComparison.Ordinal) => ["karpenter.k8s.aws/instance-accelerator-name", InstanceType],
            _ => [InstanceType],
        };
    }
}
