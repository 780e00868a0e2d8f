using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>What <c>plimsoll fit --json</c> prints of one variant.</summary>
public sealed record FitListing
{
    public required string Source { get; init; }

    public required VariantListing Variant { get; init; }

    public required bool Fits { get; init; }

    public required string Reason { get; init; }

    public required DeviceListing PerDevice { get; init; }

    /// <summary>Every pipeline stage, in order; left out when there is one.</summary>
    public ImmutableArray<DeviceListing>? Stages { get; init; }

    public required long KvBytesPerToken { get; init; }

    public required long KvTokens { get; init; }

    public required int MaxConcurrency { get; init; }

    public required long HostLoadPeakBytes { get; init; }

    public required long HostSteadyBytes { get; init; }

    public required StorageListing Storage { get; init; }

    public FailureListing? Failure { get; init; }

    public required ImmutableArray<string> Notes { get; init; }

    public static FitListing Of(string source, Footprint footprint, FitReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new FitListing
        {
            Source = source,
            Variant = VariantListing.Of(report.Variant),
            Fits = report.Fits,
            Reason = report.Reason,
            PerDevice = DeviceListing.Of(report.PerDevice),
            Stages = report.Stages.Length > 1 ? [.. report.Stages.Select(DeviceListing.Of)] : null,
            KvBytesPerToken = report.KvBytesPerToken.Value,
            KvTokens = report.KvTokens,
            MaxConcurrency = report.MaxConcurrency,
            HostLoadPeakBytes = report.Host.LoadPeak.Value,
            HostSteadyBytes = report.Host.Steady.Value,
            Storage = StorageListing.Of(StorageNeeds.Of(footprint)),
            Failure = report.Failure is { } failure
                ? new FailureListing(failure.Term, failure.Excess.Value, [.. failure.Changes.Select(change => change.What)])
                : null,
            Notes = [.. report.Notes, .. footprint.Notes],
        };
    }
}

/// <summary>A variant with every default filled in.</summary>
public sealed record VariantListing
{
    public required string Device { get; init; }

    public required int Devices { get; init; }

    public required int TensorParallel { get; init; }

    public required int PipelineParallel { get; init; }

    /// <summary>Copies in one replica; null for one.</summary>
    public int? DataParallel { get; init; }

    public required int ExpertParallel { get; init; }

    public required string WeightDtype { get; init; }

    public string? QuantizeOnLoad { get; init; }

    public required string KvDtype { get; init; }

    public required long Context { get; init; }

    public required int Concurrency { get; init; }

    public required double MemoryFraction { get; init; }

    public required double MemoryShare { get; init; }

    public required string Engine { get; init; }

    public required string EngineVersion { get; init; }

    public required int MaxBatchedTokens { get; init; }

    public required int MaxSequences { get; init; }

    public static VariantListing Of(ServingVariant variant)
    {
        ArgumentNullException.ThrowIfNull(variant);
        return new VariantListing
        {
            Device = variant.Device.Name,
            Devices = variant.Devices,
            TensorParallel = variant.TensorParallel,
            PipelineParallel = variant.PipelineParallel,
            DataParallel = variant.DataParallel > 1 ? variant.DataParallel : null,
            ExpertParallel = variant.ExpertParallel,
            WeightDtype = variant.WeightDtype,
            QuantizeOnLoad = variant.QuantizeOnLoad,
            KvDtype = variant.KvDtype,
            Context = variant.Context,
            Concurrency = variant.Concurrency,
            MemoryFraction = variant.MemoryFraction ?? 1,
            MemoryShare = variant.MemoryShare,
            Engine = variant.Engine.Name,
            EngineVersion = variant.Engine.Version.ToString(),
            MaxBatchedTokens = variant.MaxBatchedTokens ?? 0,
            MaxSequences = variant.MaxSequences ?? 0,
        };
    }
}

/// <summary>What each device of one stage must hold.</summary>
public sealed record DeviceListing
{
    public required int Stage { get; init; }

    public required int Layers { get; init; }

    public required long WeightBytes { get; init; }

    public required long KvBytes { get; init; }

    public required long ActivationBytes { get; init; }

    public required long OverheadBytes { get; init; }

    public required long TotalBytes { get; init; }

    public required long BudgetBytes { get; init; }

    public required long HeadroomBytes { get; init; }

    /// <summary>What the engine keeps outside its fraction; not in the total.</summary>
    public required long OutsideBytes { get; init; }

    public required ImmutableArray<TermListing> Terms { get; init; }

    public static DeviceListing Of(DeviceNeed need)
    {
        ArgumentNullException.ThrowIfNull(need);
        return new DeviceListing
        {
            Stage = need.Stage,
            Layers = need.Layers,
            WeightBytes = need.Weights.Bytes.Value,
            KvBytes = need.Kv.Bytes.Value,
            ActivationBytes = need.Activation.Bytes.Value,
            OverheadBytes = need.Overhead.Bytes.Value,
            TotalBytes = need.Total.Value,
            BudgetBytes = need.Budget.Value,
            HeadroomBytes = need.Headroom.Value,
            OutsideBytes = need.Outside.Bytes.Value,
            Terms =
            [
                TermListing.Of("weights", need.Weights), TermListing.Of("kv", need.Kv), TermListing.Of("activation", need.Activation),
                TermListing.Of("overhead", need.Overhead), TermListing.Of("outside", need.Outside),
            ],
        };
    }
}

/// <summary>One term, how sure it is and by which rule.</summary>
public sealed record TermListing(string Term, long Bytes, string Certainty, string From)
{
    public static TermListing Of(string term, MemoryTerm memory)
    {
        ArgumentNullException.ThrowIfNull(memory);
        return new TermListing(term, memory.Bytes.Value, ScalarKind.NameOf(memory.Certainty), memory.From);
    }
}

/// <summary>The term that fails, by how much, and what would make it fit, the nearest first.</summary>
public sealed record FailureListing(string Term, long ExcessBytes, ImmutableArray<string> Changes);

/// <summary>What a node's disk must hold, moment by moment.</summary>
public sealed record StorageListing(
    long PeakBytes, long ReadBytesPerLoad, long DiskBytesPerSecond, long NetworkBytesPerSecond, ImmutableArray<MomentListing> Moments)
{
    public static StorageListing Of(StorageNeeds needs)
    {
        ArgumentNullException.ThrowIfNull(needs);
        return new StorageListing(
            needs.Peak.Value, needs.ReadPerLoad.Value, needs.DiskBandwidth.Value, needs.NetworkBandwidth.Value,
            [.. needs.Moments.Select(moment => new MomentListing(moment.Moment, moment.Disk.Value, moment.From))]);
    }
}

public sealed record MomentListing(string Moment, long Bytes, string From);

/// <summary>What <c>plimsoll fit --json</c> prints without a device: the smallest shape on each.</summary>
public sealed record ShapesListing(string Source, ImmutableArray<ShapeListing> Shapes);

/// <summary>The smallest shape on one kind of device; no devices where none fits.</summary>
public sealed record ShapeListing
{
    public required string Device { get; init; }

    public required bool Fits { get; init; }

    public int? Devices { get; init; }

    public int? TensorParallel { get; init; }

    public int? PipelineParallel { get; init; }

    public long? TotalBytes { get; init; }

    public long? BudgetBytes { get; init; }

    public long? KvTokens { get; init; }

    public int? MaxConcurrency { get; init; }

    /// <summary>For this many devices their part of the price of the machine, by device the cheapest listed one that has as many; null where none has.</summary>
    public double? UsdPerHour { get; init; }

    public string? Instance { get; init; }

    public static ShapeListing Of(SmallestShape shape, DeviceCatalogue catalogue)
    {
        ArgumentNullException.ThrowIfNull(shape);
        ArgumentNullException.ThrowIfNull(catalogue);
        var machine = catalogue.Instances
            .Where(one => one.Accelerator == shape.Device.Name && one.PricePerDevice is not null && one.Devices >= (shape.Report?.Variant.Devices ?? 1))
            .OrderBy(one => one.PricePerDevice!.Value.Micro).ThenBy(one => one.Type, StringComparer.Ordinal).FirstOrDefault();
        var report = shape.Report;
        return new ShapeListing
        {
            Device = shape.Device.Name,
            Fits = report is not null,
            Devices = report?.Variant.Devices,
            TensorParallel = report?.Variant.TensorParallel,
            PipelineParallel = report?.Variant.PipelineParallel,
            TotalBytes = report?.PerDevice.Total.Value,
            BudgetBytes = report?.PerDevice.Budget.Value,
            KvTokens = report?.KvTokens,
            MaxConcurrency = report?.MaxConcurrency,
            UsdPerHour = report is null || machine is null ? null : machine.PricePerDevice!.Value.Dollars * report.Variant.Devices,
            Instance = report is null ? null : machine is null ? null : $"{machine.Provider} {machine.Type}",
        };
    }
}
