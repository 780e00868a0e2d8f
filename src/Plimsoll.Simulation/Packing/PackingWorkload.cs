using System.Collections.Immutable;

namespace Plimsoll.Simulation.Packing;

/// <summary>A node to pack pods onto.</summary>
/// <param name="PerDevice">What each device has: 1,000 thousandths, or MiB where bytes are packed.</param>
public sealed record PackingNode(string Name, int CpuMilli, int MemoryMib, int Devices, string Model, int PerDevice = PodShape.Milli)
{
    /// <summary>What all its devices have.</summary>
    public int Total => Devices * PerDevice;
}

/// <summary>What a pod asks for, but for memory: pods of one shape score alike.</summary>
/// <param name="PerDevice">Of each device, in the node's unit; 0 where <paramref name="Devices"/> is 0.</param>
/// <param name="Models">The device models that will do, parted by |; empty where all do.</param>
/// <param name="IsShared">If it asked for a part of one device.</param>
public sealed record PodShape(int CpuMilli, int PerDevice, int Devices, string Models, bool IsShared)
{
    /// <summary>Thousandths of a whole device.</summary>
    public const int Milli = 1000;

    /// <summary>A shape in thousandths.</summary>
    public PodShape(int cpuMilli, int milli, int devices, string models)
        : this(cpuMilli, milli, devices, models, devices == 1 && milli < Milli)
    {
    }

    /// <summary>All it asks of devices.</summary>
    public int Total => Devices * PerDevice;

    /// <summary>If it may run on devices of this model: names are equal or they are not, no card stands in for another.</summary>
    public bool Takes(string model) => Models.Length == 0 || Models.Split('|').Contains(model, StringComparer.Ordinal);
}

/// <summary>A pod to be packed.</summary>
public sealed record PackingPod(string Name, int MemoryMib, PodShape Shape);

/// <summary>Nodes and pods of an experiment, both in the order of their names.</summary>
public sealed record PackingWorkload(ImmutableArray<PackingNode> Nodes, ImmutableArray<PackingPod> Pods)
{
    /// <summary>What the devices of all nodes have.</summary>
    public long Capacity { get; } = Nodes.Sum(node => (long)node.Total);

    /// <summary>What the largest device has; the baselines count in thousandths of it.</summary>
    public int Largest { get; } = Nodes.Select(node => node.PerDevice).DefaultIfEmpty(PodShape.Milli).Max();
}
