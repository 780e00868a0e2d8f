using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>How one device is handed out more than once.</summary>
public enum DeviceSharing
{
    None,

    /// <summary>By turns: each of the sharers sees, and can fill, all of its memory.</summary>
    TimeSlicing,

    /// <summary>CUDA's multi-process service: each of the sharers gets an equal part of its memory.</summary>
    Mps,
}

/// <summary>Alike devices of a node.</summary>
public sealed record DeviceGroup
{
    public required Accelerator Accelerator { get; init; }

    /// <summary>What a pod asks for ("nvidia.com/gpu", "nvidia.com/mig-3g.20gb").</summary>
    public required string Resource { get; init; }

    /// <summary>Devices, or slices of them, that exist; each counted once, however often it is handed out.</summary>
    public required int Devices { get; init; }

    /// <summary>How often each is handed out.</summary>
    public int ReplicasPerDevice { get; init; } = 1;

    public DeviceSharing Sharing { get; init; }

    /// <summary>Memory that one holder of the resource may count on. Under time slicing the whole, which all of them share:
    /// what they hold together must fit into it.</summary>
    public Bytes MemoryPerReplica =>
        Sharing == DeviceSharing.Mps ? new Bytes(Accelerator.Memory.Value / ReplicasPerDevice) : Accelerator.Memory;
}

/// <summary>The accelerators of a node as its labels tell of them.</summary>
/// <param name="Groups">Ordered by resource.</param>
/// <param name="Notes">What the labels say that could not be used, a sentence each.</param>
public sealed record NodeDevices(ImmutableArray<DeviceGroup> Groups, ImmutableArray<string> Notes);
