using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Runs;

/// <summary>
/// Nodes for pods that find none, as node autoscalers bring them: every ten seconds (cluster-autoscaler's scan-interval) pods that
/// wait are packed onto nodes that are on their way, and for the rest the cheapest kind on which each fits is asked for. Empty
/// nodes go by the cluster's own rule.
/// </summary>
internal sealed class NodeScaler
{
    private const double ScanSeconds = 10;

    private double _next;
    private int _ordinal;

    public void Turn(SimulatedCluster cluster, IReadOnlyCollection<ModelSpec> pending)
    {
        if (cluster.Now < _next || !cluster.World.Nodes.Any(group => group.IsElastic)) return;
        _next = cluster.Now + ScanSeconds;
        var coming = cluster.Coming.Select(one => new EmptyNode(one.Group)).ToList();
        foreach (var model in pending)
        {
            if (coming.Any(node => node.Take(model))) continue;
            foreach (var group in cluster.World.Nodes.Where(group => group.IsElastic).OrderBy(group => group.PricePerHour?.Micro ?? 0).ThenBy(group => group.Name, StringComparer.Ordinal))
            {
                var node = new EmptyNode(group);
                if (!node.Take(model) || cluster.AddNode(group.Name, ++_ordinal, [new ModelCount(model.Id, 1)]) is not null) continue;
                coming.Add(node);
                break;
            }
        }
    }

    private sealed class EmptyNode(NodeGroup group)
    {
        private int _devices = group.Devices;
        private long _memory = group.HostMemory.Value;
        private long _cores = group.Cores.Milli;

        public bool Take(ModelSpec model) => group.CouldCache(model) && model.Variants.Any(Take);

        private bool Take(VariantSpec variant)
        {
            var needs = variant.Needs;
            if ((variant.DeviceKind is { } kind && kind != group.DeviceKind) || needs.Devices > _devices
                || needs.Host.Highest.Value > _memory || needs.Cores.Milli > _cores) return false;
            (_devices, _memory, _cores) = (_devices - needs.Devices, _memory - needs.Host.Highest.Value, _cores - needs.Cores.Milli);
            return true;
        }
    }
}
