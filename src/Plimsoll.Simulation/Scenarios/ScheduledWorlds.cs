using System.Collections.Immutable;

namespace Plimsoll.Simulation.Scenarios;

/// <summary>Worlds in which kube-scheduler chooses the nodes of Plimsoll's replicas too, as where its operator scales.</summary>
public static class ScheduledWorlds
{
    // All kinds of device go by one name; which kind a pod gets follows from the nodes that it may be put on.
    private const string DeviceResource = "nvidia.com/gpu";

    // The scheduler here counts no pods, whoever scales.
    private const int PodsMost = 1_000_000;

    /// <summary>
    /// The same world as a cluster has it: replicas ask for what they are charged and for devices by number, each way to run a model is a
    /// workload of its own where there are several, and may be put on the groups of nodes that have its devices.
    /// </summary>
    public static World Scheduled(this World world)
    {
        ArgumentNullException.ThrowIfNull(world);
        var pools = world.Spec.NodePools.IsDefaultOrEmpty ? world.Spec.NodePools
            : [.. world.Spec.NodePools.Select(pool => pool with { Node = Scheduled(pool.Node) })];
        return (world with { IsScheduled = true, Spec = world.Spec with { NodePools = pools } }).WithSpecs(model => Scheduled(model, world.Nodes));
    }

    /// <summary>A node with nothing on it, as its scheduler counts.</summary>
    internal static NodeState Scheduled(NodeState node) => node with
    {
        Devices = [.. node.Devices.Select(device => device with { Resource = DeviceResource })],
        Scheduler = new SchedulerRoom
        {
            Memory = node.HostMemory,
            Cores = node.Cores,
            Pods = PodsMost,
            Resources = node.Devices.IsEmpty ? [] : [new ResourceCount(DeviceResource, node.Devices.Length)],
        },
    };

    /// <summary>What a replica of the variant asks for; on any node of the groups that it names.</summary>
    internal static SchedulerRequests Requests(VariantSpec variant) => Requests(variant.Needs.Host.Highest, variant.Needs.Cores, variant.Needs.Devices);

    /// <summary>What somebody else's pod asks for.</summary>
    internal static SchedulerRequests Requests(Bytes memory, Cores cores, int devices) => new()
    {
        Memory = memory,
        Cores = cores,
        Devices = devices,
        Resource = devices > 0 ? DeviceResource : null,
    };

    private static ModelSpec Scheduled(ModelSpec model, ImmutableArray<NodeGroup> nodes)
    {
        ImmutableArray<VariantSpec> ways = [.. model.Variants.Select(variant => variant with { Requests = Requests(variant) with { Pools = PoolsOf(variant, nodes) } })];
        return ways is [var only]
            ? model with { Variants = [only with { Requests = null }], Requests = only.Requests }
            : model with { Variants = [.. ways.Select(way => way with { Target = way.Id.Value })], Requests = ways[0].Requests };
    }

    // None would be all, so what no group has the devices for may only go where nobody is.
    private static ImmutableArray<string> PoolsOf(VariantSpec variant, ImmutableArray<NodeGroup> nodes)
    {
        if (variant.DeviceKind is not { } kind) return [];
        ImmutableArray<string> pools = [.. nodes.Where(group => group.DeviceKind == kind).Select(group => group.Name).Order(StringComparer.Ordinal)];
        return pools.IsEmpty ? [kind] : pools;
    }
}
