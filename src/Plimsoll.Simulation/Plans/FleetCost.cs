namespace Plimsoll.Simulation.Plans;

/// <summary>What a settled fleet costs.</summary>
public static class FleetCost
{
    /// <summary>Of all nodes that are there; null where none has a price.</summary>
    public static UsdPerHour? OfNodes(SettledFleet fleet)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var prices = fleet.Snapshot.Nodes.Select(node => PriceOf(fleet, node)).OfType<UsdPerHour>().ToList();
        return prices.Count == 0 ? null : new UsdPerHour(prices.Sum(price => price.Micro));
    }

    /// <summary>Of what replicas hold of their nodes: a node's price by the share of its devices, or of its memory where it runs on none.</summary>
    public static UsdPerHour? OfReplicas(SettledFleet fleet, IEnumerable<InferenceReplica> replicas)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(replicas);
        var nodes = fleet.Snapshot.Nodes.ToDictionary(node => node.Id);
        long? micro = null;
        foreach (var replica in replicas)
        {
            var node = nodes[replica.Placement.Node];
            if (PriceOf(fleet, node) is not { } price) continue;
            var share = replica.Placement.Devices.Length > 0
                ? replica.Placement.Devices.Sum(device => ShareOf(fleet, node, device, replica)) / node.Devices.Length
                : Weighing.HostCharge(replica, fleet.Knowledge.Of(replica.Model)).Value / (double)Math.Max(1, node.HostMemory.Value);
            micro = (micro ?? 0) + (long)Math.Round(price.Micro * share);
        }

        return micro is { } sum ? new UsdPerHour(sum) : null;
    }

    // Those who share a device pay for it by what they are charged of it.
    private static double ShareOf(SettledFleet fleet, NodeState node, DeviceId device, InferenceReplica replica)
    {
        var on = fleet.Snapshot.Replicas.Where(one => one.Placement.Node == node.Id && one.Placement.Devices.Contains(device)).ToList();
        return on.Count == 1 ? 1 : Weighing.DeviceCharge(replica).Value / (double)Math.Max(1, on.Sum(one => Weighing.DeviceCharge(one).Value));
    }

    private static UsdPerHour? PriceOf(SettledFleet fleet, NodeState node) => fleet.Fleet.Nodes.First(group => group.Name == node.Pool).PricePerHour;
}
