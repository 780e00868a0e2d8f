using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>A pool that nodes can be asked of.</summary>
public sealed record OfferedPool
{
    public required string Name { get; init; }

    /// <summary>One of its nodes as it comes, with what runs on each of them taken off.</summary>
    public required NodeView Node { get; init; }

    /// <summary>Labels that a request selects; at least one.</summary>
    public required ImmutableSortedDictionary<string, string> Selector { get; init; }

    public UsdPerHour? PricePerHour { get; init; }

    public TimeSpan? BootTime { get; init; }

    public NodeLimit? Limit { get; init; }

    /// <summary>Whether a node is of this pool.</summary>
    public bool Has(NodeView node)
    {
        ArgumentNullException.ThrowIfNull(node);
        return Selector.All(want => node.Labels.GetValueOrDefault(want.Key) == want.Value);
    }
}
