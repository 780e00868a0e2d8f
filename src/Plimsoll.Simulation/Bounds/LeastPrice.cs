using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Bounds;

/// <summary>The least that a replica is billed for, wherever it is and whoever is beside it (<see cref="Fleet.NodeBill"/>).</summary>
/// <param name="Devices">How many it holds, as device hours count them.</param>
/// <param name="DollarsPerHour">Of its node.</param>
internal readonly record struct LeastPrice(double Devices, double DollarsPerHour)
{
    public static LeastPrice Of(World world, SimulatedModel model, VariantSpec variant)
    {
        var groups = world.Nodes.Where(group => variant.DeviceKind is null || group.DeviceKind == variant.DeviceKind).ToList();
        if (groups.Count == 0) return new LeastPrice(Math.Max(1, variant.Needs.Devices), 0);
        if (variant.Needs.Devices == 0) return new LeastPrice(1, groups.Min(group => DollarsOf(group) * HostPart(model, variant, group)));
        return new LeastPrice(
            groups.Min(group => variant.Needs.Devices * DevicePart(world, model, variant, group)),
            groups.Min(group => DollarsOf(group) * variant.Needs.Devices * DevicePart(world, model, variant, group) / Math.Max(1, group.Devices)));
    }

    private static double DollarsOf(NodeGroup group) => group.PricePerHour?.Dollars ?? 0;

    // Where others hold all devices they pay for the whole node.
    private static double HostPart(SimulatedModel model, VariantSpec variant, NodeGroup group) =>
        group.Devices > 0 ? 0 : Math.Min(1, model.Truth[variant.Id].MemoryFactor) * variant.Needs.Host.Highest.Value / group.HostMemory.Value;

    // Whole where not even the smallest finds room beside it, asleep or awake; else its memory.
    private static double DevicePart(World world, SimulatedModel model, VariantSpec variant, NodeGroup group)
    {
        double Charged(SimulatedModel of, VariantSpec one) => one.Needs.PerDevice is { } each
            ? Math.Min(1, of.Truth[one.Id].MemoryFactor) * each.Highest.Value / Math.Max(1, group.DeviceMemory.Value) : 1;
        double Smallest(SimulatedModel of, VariantSpec one) => one.Needs.Asleep is { } asleep
            ? Math.Min(Charged(of, one), asleep.PerDevice.Value / (double)Math.Max(1, group.DeviceMemory.Value)) : Charged(of, one);
        var beside = world.Models.SelectMany(of => of.Spec.Variants.Where(one => one.Needs.Devices > 0 && (one.DeviceKind is null || one.DeviceKind == group.DeviceKind)).Select(one => Smallest(of, one))).Min();
        if (world.IsScheduled || Charged(model, variant) + beside > 1) return 1;
        // Others may take more than they were charged as they came, and pay so much more of the device.
        var most = world.Models.SelectMany(of => of.Truth.Values).Max(truth => Math.Max(1, truth.MemoryFactor));
        return Charged(model, variant) * Math.Max(1, model.Truth[variant.Id].MemoryFactor) / most;
    }
}
