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

    /// <summary>Begins a snapshot: what the last one did not have is forgotten.</summary>
    public void Begin()
    {
        (_nodes, _before) = (_before, _nodes);
        _nodes.Clear();
    }

    /// <summary>A node with its pods on it.</summary>
    public NodeLayout Lay(NodeView node, string group, List<PodView> pods, List<bool> ours) =>
        _nodes[node.Name] = _before.TryGetValue(node.Name, out var before) && before.Stands(node, group, pods, ours)
            ? before : new NodeLayout(node, group, pods, ours);
}
