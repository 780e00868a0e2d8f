using System.Collections.Immutable;

namespace Plimsoll.Cli.Weighing;

/// <summary>What <c>plimsoll capacity --json</c> prints.</summary>
public sealed record CapacityListing
{
    public required string Source { get; init; }

    public required VariantListing Variant { get; init; }

    public required int Replicas { get; init; }

    /// <summary>As <c>--slo</c> takes them.</summary>
    public required ImmutableArray<string> Slo { get; init; }

    /// <summary>Where the lengths come from.</summary>
    public required string Lengths { get; init; }

    public required double MeanInputTokens { get; init; }

    public required double MeanOutputTokens { get; init; }

    /// <summary>Highest rate of requests of all replicas together; 0 where the objective cannot be kept at all.</summary>
    public required double RequestsPerSecond { get; init; }

    /// <summary>The same were every step as slow, and as fast, as nine in ten are.</summary>
    public required double LowRequestsPerSecond { get; init; }

    public required double HighRequestsPerSecond { get; init; }

    /// <summary>Sequences that one replica runs at once at the most.</summary>
    public required double SequencesMax { get; init; }

    /// <summary>What bounds them: "memory" or "batch".</summary>
    public required string SequencesBoundBy { get; init; }

    public required long KvTokens { get; init; }

    /// <summary>What the step times were fitted on.</summary>
    public required string StepTimes { get; init; }
}
