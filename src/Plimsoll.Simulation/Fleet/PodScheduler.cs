namespace Plimsoll.Simulation.Fleet;

/// <summary>
/// Where kube-scheduler puts a pod with the requests of a replica, by its default plugins: NodeResourcesFit as a filter and, by
/// LeastAllocated, as a score; BalancedAllocation (weight 1 each) and the spread of a workload's pods over nodes (weight 2). It counts
/// requests, and devices by their number; a model that is cached goes only where an empty cache would hold it. Of equal scores the first node by name is taken, where the real one draws.
/// </summary>
/// <param name="cluster">The nodes.</param>
/// <param name="bound">Pods that have their node and have not begun, and those that wait there for others to end.</param>
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

    /// <summary>
    /// Whose pods go for one that finds no node, as kube-scheduler's DefaultPreemption chooses: on each node all of lower priority are taken
    /// off, and as many put back as leave it room, those of higher priority and that began earlier first. Of the nodes then the one whose
    /// highest victim has the lowest priority, with the least sum of priorities and so mostly the fewest, whose highest began last, by name.
    /// </summary>
    /// <param name="model">Whose pod it is.</param>
    /// <param name="only">The variant that is to be placed, where it must be that one.</param>
    /// <returns>Where it could run then, and who would have to go; null where that is nowhere.</returns>
    public Preemption? Preempt(ModelSpec model, VariantSpec? only = null)
    {
        ArgumentNullException.ThrowIfNull(model);
        foreach (var variant in model.Variants)
        {
            if (only is not null && variant.Id != only.Id) continue;
            var best = cluster.Nodes.Where(node => node.IsOpen).OrderBy(node => node.Id).Select(node => On(node, model, variant)).OfType<Preemption>()
                .OrderBy(one => one.Victims.Max(Priority)).ThenBy(one => one.Victims.Sum(victim => (long)Priority(victim) - int.MinValue))
                .ThenBy(one => one.Victims.Length).ThenByDescending(one => EarliestOfHighest(one.Victims)).FirstOrDefault();
            if (best is not null) return best;
        }

        return null;
    }

    private Preemption? On(SimulatedNode node, ModelSpec model, VariantSpec variant)
    {
        // Those that end already among them. What is kept for others counts as there.
        var lower = cluster.Replicas.Where(replica => replica.Node == node).Cast<IHolder>()
            .Concat(bound.Where(pod => !pod.IsNominated && pod.Placement.Node == node.Id)).Where(one => Priority(one) < model.Priority)
            .OrderByDescending(Priority).ThenBy(Began).ThenBy(one => one.Id).ToList();
        if (lower.Count == 0) return null;
        var gone = lower.ToHashSet();
        if (!Use().Fits(model, variant)) return null;
        foreach (var one in lower)
        {
            gone.Remove(one);
            if (!Use().Fits(model, variant)) gone.Add(one);
        }

        return gone.Count == 0 ? null : new Preemption(variant, Use().Place(variant), [.. lower.Where(gone.Contains)]);

        NodeUse Use() => new(cluster, bound, node, model.Id, gone);
    }

    private static double EarliestOfHighest(IEnumerable<IHolder> victims) => victims.GroupBy(Priority).MaxBy(group => group.Key)!.Min(Began);

    private static int Priority(IHolder one) => one.Model.Priority;

    private static double Began(IHolder one) => one switch { FleetReplica replica => replica.StartedAt, BoundPod pod => pod.At, _ => 0 };

    private sealed class NodeUse
    {
        private readonly SimulatedNode _node;
        private readonly long _memory;
        private readonly long _cores;
        private readonly HashSet<DeviceId> _taken = [];

        public NodeUse(SimulatedCluster cluster, IEnumerable<BoundPod> bound, SimulatedNode node, ModelId model, HashSet<IHolder>? gone = null)
        {
            _node = node;
            foreach (var replica in cluster.Replicas)
            {
                if (replica.Node != node || gone?.Contains(replica) == true) continue;
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
                if (pod.Placement.Node != node.Id || gone?.Contains(pod) == true) continue;
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
