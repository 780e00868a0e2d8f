using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// What the snapshot before was put together from. Of thousands of nodes and pods few change between two turns; what did not is
/// taken over as it was, and comes out the same as if it were made anew. Not safe for two threads at once.
/// </summary>
internal sealed class SnapshotMemory
{
    private Dictionary<string, NodeLayout> _nodes = new(StringComparer.Ordinal);
    private Dictionary<string, NodeLayout> _before = new(StringComparer.Ordinal);

    // By the uid of a group's leader: since when a pod of it is missing, which no object says.
    private Dictionary<string, DateTimeOffset> _missing = new(StringComparer.Ordinal);
    private Dictionary<string, DateTimeOffset> _missingBefore = new(StringComparer.Ordinal);

    /// <summary>Since when a group was seen without one of its pods.</summary>
    /// <param name="leader">The uid of its leader.</param>
    /// <param name="at">Now.</param>
    public DateTimeOffset MissingSince(string leader, DateTimeOffset at) => _missing[leader] = _missingBefore.TryGetValue(leader, out var since) ? since : at;

    /// <summary>Begins a snapshot: what the last one did not have is forgotten.</summary>
    public void Begin()
    {
        (_missing, _missingBefore) = (_missingBefore, _missing);
        _missing.Clear();
        (_nodes, _before) = (_before, _nodes);
        _nodes.Clear();
    }

    /// <summary>A node with its pods on it.</summary>
    public NodeLayout Lay(NodeView node, string group, List<PodView> pods, List<bool> ours) =>
        _nodes[node.Name] = _before.TryGetValue(node.Name, out var before) && before.Stands(node, group, pods, ours)
            ? before : new NodeLayout(node, group, pods, ours);
}
