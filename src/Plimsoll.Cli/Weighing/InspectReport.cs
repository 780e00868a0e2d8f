using System.Collections.Immutable;
using Plimsoll.Cli.FleetFiles;

namespace Plimsoll.Cli.Weighing;

/// <summary>What <c>plimsoll inspect --json</c> prints: a footprint by its public names.</summary>
public sealed record InspectReport
{
    public required string Source { get; init; }

    public required string Format { get; init; }

    public string? Architecture { get; init; }

    public string? Task { get; init; }

    public string? Quantization { get; init; }

    public int? Layers { get; init; }

    public int? MaxPositions { get; init; }

    /// <summary>Null when they cannot be told.</summary>
    public long? Parameters { get; init; }

    public long? ActiveParameters { get; init; }

    public required long WeightBytes { get; init; }

    public required ImmutableArray<DtypeWeight> ByDtype { get; init; }

    public required ImmutableArray<ComponentWeight> Components { get; init; }

    public long LargestTensorBytes { get; init; }

    public required long KvBytesPerToken { get; init; }

    public long StateBytesPerSequence { get; init; }

    public required long DiskBytes { get; init; }

    public int Files { get; init; }

    public long HostLoadPeakBytes { get; init; }

    public long HostSteadyBytes { get; init; }

    /// <summary>By its usual engine on one device; left out where that says nothing.</summary>
    public long? ActivationBytes { get; init; }

    public long? OverheadBytes { get; init; }

    public long TrainingCheckpointBytes { get; init; }

    public required string Digest { get; init; }

    public required ImmutableArray<Provenance> Provenance { get; init; }

    public required ImmutableArray<string> Notes { get; init; }

    public static InspectReport Of(string source, Footprint footprint, int files)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        var shape = footprint.Shape;
        return new InspectReport
        {
            Source = source,
            Format = ScalarKind.NameOf(footprint.Format),
            Architecture = shape?.Architecture,
            Task = shape is { Task: not ModelTask.Unknown } ? ScalarKind.NameOf(shape.Task) : null,
            Quantization = shape?.Quantization,
            Layers = shape?.LayerCount,
            MaxPositions = shape is { MaxPositions: > 0 } ? shape.MaxPositions : null,
            Parameters = footprint.Parameters > 0 ? footprint.Parameters : null,
            ActiveParameters = footprint.ActiveParameters > 0 ? footprint.ActiveParameters : null,
            WeightBytes = footprint.Weights.Value,
            ByDtype = footprint.ByDtype,
            Components = footprint.Components,
            LargestTensorBytes = footprint.LargestTensor.Value,
            KvBytesPerToken = footprint.KvPerToken.Value,
            StateBytesPerSequence = footprint.StatePerSequence.Value,
            DiskBytes = footprint.OnDisk.Value,
            Files = files,
            HostLoadPeakBytes = footprint.HostLoadPeak.Value,
            HostSteadyBytes = footprint.HostSteady.Value,
            ActivationBytes = footprint.ActivationPeak > Bytes.Zero ? footprint.ActivationPeak.Value : null,
            OverheadBytes = footprint.RuntimeOverhead > Bytes.Zero ? footprint.RuntimeOverhead.Value : null,
            TrainingCheckpointBytes = footprint.TrainingCheckpoint.Value,
            Digest = footprint.Digest,
            Provenance = footprint.Provenance,
            Notes = footprint.Notes,
        };
    }
}
