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

    public required ImmutableArray<DtypeListing> ByDtype { get; init; }

    public required ImmutableArray<ComponentListing> Components { get; init; }

    public long? LargestTensorBytes { get; init; }

    /// <summary>Null where the architecture is not known.</summary>
    public required long? KvBytesPerToken { get; init; }

    public long StateBytesPerSequence { get; init; }

    public required long DiskBytes { get; init; }

    public int Files { get; init; }

    public long? HostLoadPeakBytes { get; init; }

    public long? HostSteadyBytes { get; init; }

    /// <summary>By its usual engine on one device; left out where that says nothing.</summary>
    public long? ActivationBytes { get; init; }

    public long? OverheadBytes { get; init; }

    public long? TrainingCheckpointBytes { get; init; }

    public required string Digest { get; init; }

    public required ImmutableArray<ProvenanceListing> Provenance { get; init; }

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
            ByDtype = [.. footprint.ByDtype.Select(one => new DtypeListing(one.Dtype, one.Weights.Value))],
            Components = [.. footprint.Components.Select(one => new ComponentListing(one.Component, one.Parameters > 0 ? one.Parameters : null, one.Weights.Value))],
            LargestTensorBytes = footprint.LargestTensor.Value > 0 ? footprint.LargestTensor.Value : null,
            KvBytesPerToken = shape is null && footprint.KvPerToken.Value == 0 ? null : footprint.KvPerToken.Value,
            StateBytesPerSequence = footprint.StatePerSequence.Value,
            DiskBytes = footprint.OnDisk.Value,
            Files = files,
            HostLoadPeakBytes = footprint.HostLoadPeak.Value > 0 ? footprint.HostLoadPeak.Value : null,
            HostSteadyBytes = footprint.HostSteady.Value > 0 ? footprint.HostSteady.Value : null,
            ActivationBytes = footprint.ActivationPeak > Bytes.Zero ? footprint.ActivationPeak.Value : null,
            OverheadBytes = footprint.RuntimeOverhead > Bytes.Zero ? footprint.RuntimeOverhead.Value : null,
            TrainingCheckpointBytes = footprint.TrainingCheckpoint.Value > 0 ? footprint.TrainingCheckpoint.Value : null,
            Digest = footprint.Digest,
            Provenance = [.. footprint.Provenance.Select(one => new ProvenanceListing(one.Number, ScalarKind.NameOf(one.Certainty), one.From))],
            Notes = footprint.Notes,
        };
    }
}

public sealed record DtypeListing(string Dtype, long WeightBytes);

/// <summary>One part of a model; no parameters where they cannot be told.</summary>
public sealed record ComponentListing(string Component, long? Parameters, long WeightBytes);

/// <summary>How sure a number is, by its name here: "exact", "fitted" or "assumed", and by what it is.</summary>
public sealed record ProvenanceListing(string Number, string Certainty, string From);
