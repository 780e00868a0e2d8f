using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// What the cluster's devices cost where the Fleet does not say: the catalogue's price of the node's own machine type, or
/// else of the cheapest machine with such devices. A cluster is rented more often than not, and one that never lets go is
/// what people install an autoscaler against; a Fleet whose prices are stated, and empty, is owned.
/// </summary>
internal static class ListPrices
{
    public static Prices Of(IEnumerable<NodeView> nodes)
    {
        var prices = new SortedDictionary<string, UsdPerHour>(StringComparer.Ordinal);
        foreach (var node in nodes)
        {
            var own = node.Labels.GetValueOrDefault("node.kubernetes.io/instance-type") is { } type ? DeviceCatalogue.BuiltIn.Instance(type) : null;
            foreach (var group in node.Devices.Groups)
            {
                var name = group.Accelerator.Name;
                var price = own is { PricePerDevice: { } stated } && own.Accelerator == name ? stated : Cheapest(group.Accelerator);
                if (price is { } found && (!prices.TryGetValue(name, out var before) || found < before)) prices[name] = found;
            }
        }

        return new Prices { Devices = [.. prices.Select(price => new DevicePrice(price.Key, price.Value))] };
    }

    // A slice costs its part of the whole by memory.
    public static UsdPerHour? Cheapest(Accelerator device)
    {
        var whole = device.SliceOf is { } name ? DeviceCatalogue.BuiltIn.Find(name) : device;
        var machine = DeviceCatalogue.BuiltIn.Instances.Where(one => one.Accelerator == whole?.Name && one.PricePerDevice is not null)
            .OrderBy(one => one.PricePerDevice!.Value).FirstOrDefault();
        if (machine?.PricePerDevice is not { } price) return null;
        return ReferenceEquals(whole, device) ? price : UsdPerHour.Of(price.Dollars * device.Memory.Value / whole!.Memory.Value);
    }
}
