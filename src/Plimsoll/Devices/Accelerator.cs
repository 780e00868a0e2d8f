using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>One kind of accelerator, or a slice of one, as the catalogue describes it.</summary>
public sealed record Accelerator
{
    /// <summary>The catalogue's name: model, then nominal memory ("h100-80gb"; a slice is "h100-80gb-3g.40gb").</summary>
    public required string Name { get; init; }

    /// <summary>Other names for it: product strings of nvidia-smi and of GPU feature discovery, short names.</summary>
    public ImmutableArray<string> Aliases { get; init; } = [];

    public required string Vendor { get; init; }

    /// <summary>Memory as an engine sees it on the running device ("79.19 GiB" of an 80 GB H100): what a fraction is taken of.</summary>
    public required Bytes Memory { get; init; }

    /// <summary>The whole of it as the driver's tools report it (nvidia-smi's memory.total, a node's gpu.memory label);
    /// zero when not known.</summary>
    public Bytes DriverMemory { get; init; }

    /// <summary>How sure <see cref="Memory"/> is: seen on a device, or assumed from the nominal size.</summary>
    public Certainty MemoryCertainty { get; init; }

    public BytesPerSecond MemoryBandwidth { get; init; }

    /// <summary>Dense peak FLOP/s by dtype ("bfloat16", "float8", "int8", "float4").</summary>
    public ImmutableSortedDictionary<string, double> FlopsPerSecond { get; init; } =
        ImmutableSortedDictionary<string, double>.Empty;

    /// <summary>Bandwidth to another device of the same link domain, one direction; zero without one.</summary>
    public BytesPerSecond LinkBandwidth { get; init; }

    /// <summary>"nvlink4", "infinity-fabric"; null without one.</summary>
    public string? Link { get; init; }

    /// <summary>Devices within one link domain; 1 without a link.</summary>
    public int LinkDomainDevices { get; init; } = 1;

    /// <summary>Bandwidth from the host, one direction.</summary>
    public BytesPerSecond HostBandwidth { get; init; }

    /// <summary>The whole device of which this is a slice; null for a whole one.</summary>
    public string? SliceOf { get; init; }

    /// <summary>Where the numbers come from, with a date.</summary>
    public required string Source { get; init; }
}
