using System.Collections.Immutable;

namespace Plimsoll.Simulation.Packing;

/// <summary>A node to pack pods onto; each of its devices has 1,000 milli.</summary>
public sealed record PackingNode(string Name, int CpuMilli, int MemoryMib, int Devices, string Model);

/// <summary>What a pod asks for, but for memory: pods of one shape score alike.</summary>
/// <param name="DeviceMilli">Of each device; 1,000 is a whole one, 0 where <paramref name="Devices"/> is 0.</param>
/// <param name="Models">The device models that will do, parted by |; empty where all do.</param>
public sealed record PodShape(int CpuMilli, int DeviceMilli, int Devices, string Models)
{
    /// <summary>All it asks of devices.</summary>
    public int TotalMilli => Devices * DeviceMilli;

    public bool IsShared => Devices == 1 && DeviceMilli < Milli;

    /// <summary>A whole device.</summary>
    public const int Milli = 1000;

    /// <summary>If it may run on devices of this model: names are equal or they are not, no card stands in for another.</summary>
    public bool Takes(string model) => Models.Length == 0 || Models.Split('|').Contains(model, StringComparer.Ordinal);
}

/// <summary>A pod to be packed.</summary>
public sealed record PackingPod(string Name, int MemoryMib, PodShape Shape);

/// <summary>Nodes and pods of an experiment, both in the order of their names.</summary>
public sealed record PackingWorkload(ImmutableArray<PackingNode> Nodes, ImmutableArray<PackingPod> Pods)
{
    /// <summary>Device milli of all nodes.</summary>
    public long CapacityMilli { get; } = Nodes.Sum(node => (long)node.Devices * PodShape.Milli);
}
