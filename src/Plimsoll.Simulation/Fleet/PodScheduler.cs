namespace Plimsoll.Simulation.Fleet;

/// <summary>
/// Where kube-scheduler puts a pod with the requests of a replica, by its default plugins: NodeResourcesFit as a filter and, by
/// LeastAllocated, as a score; BalancedAllocation (weight 1 each) and the spread of a workload's pods over nodes (weight 2). It counts
/// requests, and devices by their number; a model that is cached goes only where an empty cache would hold it. Of equal scores the first node by name is taken, where the real one draws.
/// </summary>
internal sealed class PodScheduler(SimulatedCluster cluster, IReadOnlyCollection<BoundPod> bound)
{
    /// <summary>The first of the model's variants that fits a node, and its place; null where none does.</summary>
    /// <param name="only">The one that is to be placed, where it must be that one.</param>
    public (VariantSpec Variant, Placement Placement)? Choose(ModelSpec model, VariantSpec? only = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        foreach (var variant in model.Variants)
        {
            if (only is not null && variant.Id != only.Id) continue;
            var fitting = cluster.Nodes.Where(node => node.IsOpen).Select(node => new NodeUse(cluster, bound, node, model.Id)).Where(use => use.Fits(model, variant)).ToList();
            if (fitting.Count == 0) continue;
            var most = fitting.Max(use => use.OfModel);
            var best = fitting.MaxBy(use => use.Score(variant) + (most == 0 ? 200 : 200.0 * (most - use.OfModel) / most))!;
            return (variant, best.Place(variant));
        }

        return null;
    }

    private sealed class NodeUse
    {
        private readonly SimulatedNode _node;
        private readonly long _memory;
        private readonly long _cores;
        private readonly HashSet<DeviceId> _taken = [];

        public NodeUse(SimulatedCluster cluster, IEnumerable<BoundPod> bound, SimulatedNode node, ModelId model)
        {
            _node = node;
            foreach (var replica in cluster.Replicas)
            {
                if (replica.Node != node) continue;
                // What a pod asked for, whatever was set aside for it since.
                (_memory, _cores) = (_memory + replica.Variant.Needs.Host.Highest.Value, _cores + replica.Variant.Needs.Cores.Milli);
                _taken.UnionWith(replica.Placement.Devices);
                if (replica.Model.Id == model) OfModel++;
            }

            foreach (var member in cluster.OthersOn(node))
            {
                _memory += member.Memory.Value;
                _taken.UnionWith(member.Devices);
            }

            foreach (var pod in bound)
            {
                if (pod.Placement.Node != node.Id) continue;
                (_memory, _cores) = (_memory + pod.Variant.Needs.Host.Highest.Value, _cores + pod.Variant.Needs.Cores.Milli);
                _taken.UnionWith(pod.Placement.Devices);
                if (pod.Model.Id == model) OfModel++;
            }
        }

        public int OfModel { get; }

        public bool Fits(ModelSpec model, VariantSpec variant)
        {
            var (needs, group) = (variant.Needs, _node.Group);
            return group.CouldCache(model) && (variant.DeviceKind is null || variant.DeviceKind == group.DeviceKind)
                && group.Devices - _taken.Count >= needs.Devices
                && _memory + needs.Host.Highest.Value <= group.HostMemory.Value
                && _cores + needs.Cores.Milli <= group.Cores.Milli;
        }

        public double Score(VariantSpec variant)
        {
            var cores = (_cores + variant.Needs.Cores.Milli) / (double)Math.Max(1, _node.Group.Cores.Milli);
            var memory = (_memory + variant.Needs.Host.Highest.Value) / (double)_node.Group.HostMemory.Value;
            return (100 * (2 - cores - memory) / 2) + (100 * (1 - (Math.Abs(cores - memory) / 2)));
        }

        public Placement Place(VariantSpec variant) => new(_node.Id,
            [.. Enumerable.Range(0, _node.Group.Devices).Select(SimulatedNode.Device).Where(device => !_taken.Contains(device)).Take(variant.Needs.Devices)]);
    }
}
