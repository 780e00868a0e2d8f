namespace Plimsoll;

/// <summary>What nodes cost, and of them what a replica pays for.</summary>
internal sealed class NodePrices(FleetSpec spec)
{
    private readonly Dictionary<string, UsdPerHour> _pools = spec.NodePools.IsDefault ? [] : spec.NodePools
        .Where(pool => pool.PricePerHour is not null).ToDictionary(pool => pool.Name, pool => pool.PricePerHour!.Value, StringComparer.Ordinal);

    private readonly Dictionary<string, UsdPerHour> _devices = spec.Prices.Devices
        .DistinctBy(price => price.Kind).ToDictionary(price => price.Kind, price => price.PerDevice, StringComparer.Ordinal);

    /// <summary>A node's own price, or its pool's, or that of its devices; null where nobody says.</summary>
    public UsdPerHour? Of(NodeState node)
    {
        if (node.PricePerHour is { } own) return own;
        if (node.NodePool is { } pool && _pools.TryGetValue(pool, out var stated)) return stated;
        var sum = 0L;
        foreach (var device in node.Devices)
        {
            if (!_devices.TryGetValue(device.Kind, out var price)) return null;
            sum += price.Micro;
        }

        return sum > 0 ? new UsdPerHour(sum) : null;
    }

    /// <summary>Of a node's price what is paid for such a replica, in millionths of a dollar an hour; 0 where the price is not known.</summary>
    public long Held(NodeState node, ReplicaNeeds needs) => Of(node) is { } price ? (long)(price.Micro * Share(needs, node)) : 0;

    /// <summary>The part of its node that a replica pays for: of its devices where it has any, else of the memory.</summary>
    public static double Share(ReplicaNeeds needs, NodeState node) =>
        needs.Devices > 0 && node.Devices.Length > 0 ? Math.Min(1, (double)needs.Devices / node.Devices.Length)
        : node.HostMemory.Value > 0 ? Math.Clamp((double)needs.Host.Steady.Value / node.HostMemory.Value, 0, 1) : 1;
}
