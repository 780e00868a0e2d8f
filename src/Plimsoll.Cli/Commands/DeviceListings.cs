using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Commands;

/// <summary>One accelerator as <c>plimsoll devices --json</c> prints it; what is not known is left out.</summary>
public sealed record AcceleratorListing
{
    public required string Name { get; init; }

    public required string Vendor { get; init; }

    public required ImmutableArray<string> Aliases { get; init; }

    public required long MemoryBytes { get; init; }

    public required string MemoryCertainty { get; init; }

    public long? DriverMemoryBytes { get; init; }

    public long? MemoryBytesPerSecond { get; init; }

    public required ImmutableSortedDictionary<string, double> FlopsPerSecond { get; init; }

    public string? Link { get; init; }

    public long? LinkBytesPerSecond { get; init; }

    public required int LinkDomainDevices { get; init; }

    public long? HostBytesPerSecond { get; init; }

    public string? SliceOf { get; init; }

    public required string Source { get; init; }

    public static AcceleratorListing Of(Accelerator one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return new AcceleratorListing
        {
            Name = one.Name,
            Vendor = one.Vendor,
            Aliases = one.Aliases,
            MemoryBytes = one.Memory.Value,
            MemoryCertainty = ScalarKind.NameOf(one.MemoryCertainty),
            DriverMemoryBytes = Known(one.DriverMemory.Value),
            MemoryBytesPerSecond = Known(one.MemoryBandwidth.Value),
            FlopsPerSecond = one.FlopsPerSecond,
            Link = one.Link,
            LinkBytesPerSecond = Known(one.LinkBandwidth.Value),
            LinkDomainDevices = one.LinkDomainDevices,
            HostBytesPerSecond = Known(one.HostBandwidth.Value),
            SliceOf = one.SliceOf,
            Source = one.Source,
        };
    }

    internal static long? Known(long value) => value > 0 ? value : null;
}

/// <summary>One machine as <c>plimsoll devices --instances --json</c> prints it; what is not known is left out.</summary>
public sealed record InstanceListing
{
    public required string Provider { get; init; }

    public required string Type { get; init; }

    public required string Accelerator { get; init; }

    public required int Devices { get; init; }

    public double? UsdPerHour { get; init; }

    public double? UsdPerHourPerDevice { get; init; }

    public string? Region { get; init; }

    public required string Date { get; init; }

    public double? Cores { get; init; }

    public long? MemoryBytes { get; init; }

    public long? LocalDiskBytes { get; init; }

    public long? NetworkBytesPerSecond { get; init; }

    public required string Source { get; init; }

    public static InstanceListing Of(CloudInstance one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return new InstanceListing
        {
            Provider = one.Provider,
            Type = one.Type,
            Accelerator = one.Accelerator,
            Devices = one.Devices,
            UsdPerHour = one.Price?.Dollars,
            UsdPerHourPerDevice = one.PricePerDevice?.Dollars,
            Region = one.Region,
            Date = one.Date,
            Cores = one.Cores == Plimsoll.Cores.Zero ? null : one.Cores.Count,
            MemoryBytes = AcceleratorListing.Known(one.Memory.Value),
            LocalDiskBytes = AcceleratorListing.Known(one.LocalDisk.Value),
            NetworkBytesPerSecond = AcceleratorListing.Known(one.Network.Value),
            Source = one.Source,
        };
    }
}
