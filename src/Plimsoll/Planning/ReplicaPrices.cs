using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What a replica costs by what it takes of the hardware.</summary>
internal static class ReplicaPrices
{
    /// <summary>
    /// The price of its devices, of one that others may share by its part of the memory; of host memory where it runs on none. Null
    /// where that has no price.
    /// </summary>
    /// <param name="variant">How it runs.</param>
    /// <param name="needs">What it takes.</param>
    /// <param name="prices">What hardware costs.</param>
    /// <param name="shapes">Nodes of each shape.</param>
    public static UsdPerHour? Of(VariantSpec variant, ReplicaNeeds needs, Prices prices, ImmutableArray<NodeState> shapes)
    {
        if (needs.Devices == 0)
            return prices.HostMemoryPerGiB is { } perGiB ? new UsdPerHour((long)Math.Round(perGiB.Micro * (needs.Host.Steady.Value / (double)(1L << 30)))) : null;
        foreach (var price in prices.Devices)
        {
            if (price.Kind == variant.DeviceKind)
                return new UsdPerHour((long)Math.Round(price.PerDevice.Micro * ((needs.Devices * ShareOf(variant, needs, shapes)) + WorkersOf(variant))));
        }

        return null;
    }

    // The other pods of a group have theirs whole.
    private static double WorkersOf(VariantSpec variant) => variant.Workers is { } workers ? (double)workers.Count * workers.Needs.Devices : 0;

    private static double ShareOf(VariantSpec variant, ReplicaNeeds needs, ImmutableArray<NodeState> shapes)
    {
        if (needs.PerDevice is not { } each) return 1;
        var share = 1.0;
        foreach (var node in shapes)
        {
            foreach (var device in node.Devices)
            {
                if (device.Kind != variant.DeviceKind || device.MemoryBudget <= Bytes.Zero) continue;
                if (device is { Resource: not null, Shared: false }) return 1;
                share = Math.Min(share, each.Highest.Value / (double)device.MemoryBudget.Value);
            }
        }

        return share;
    }
}
