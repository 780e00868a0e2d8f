using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>One term of what a device must hold.</summary>
/// <param name="Bytes">How much.</param>
/// <param name="Certainty">How sure it is.</param>
/// <param name="From">The rule, in words.</param>
public sealed record MemoryTerm(Bytes Bytes, Certainty Certainty, string From)
{
    public static readonly MemoryTerm None = new(Bytes.Zero, Certainty.Exact, "none");

    /// <summary>The same, no surer than what it follows from.</summary>
    internal MemoryTerm AtMost(Certainty sure) => Certainty >= sure ? this : this with { Certainty = sure };
}

/// <summary>What each device of one pipeline stage must hold.</summary>
public sealed record DeviceNeed
{
    /// <summary>The stage, from 0.</summary>
    public required int Stage { get; init; }

    /// <summary>Layers of the stage.</summary>
    public required int Layers { get; init; }

    public required MemoryTerm Weights { get; init; }

    /// <summary>For the concurrency at the context that was asked for.</summary>
    public required MemoryTerm Kv { get; init; }

    /// <summary>The working set of the largest step, where the engine takes it from its fraction.</summary>
    public required MemoryTerm Activation { get; init; }

    /// <summary>Context growth, collectives, and graphs where the engine counts them.</summary>
    public required MemoryTerm Overhead { get; init; }

    /// <summary>What the engine keeps outside its fraction: the device context, graphs, for SGLang the working set too.</summary>
    public required MemoryTerm Outside { get; init; }

    /// <summary>The sum of the four terms inside the fraction.</summary>
    public Bytes Total => Weights.Bytes + Kv.Bytes + Activation.Bytes + Overhead.Bytes;

    /// <summary>The fraction of the device, or what the outside terms leave of it where that is less.</summary>
    public required Bytes Budget { get; init; }

    /// <summary>Budget less total; below zero where it doesn't fit.</summary>
    public Bytes Headroom => Budget - Total;

    /// <summary>What is left for keys and values after the other terms; zero when nothing is.</summary>
    public Bytes KvRoom => Bytes.Max(Bytes.Zero, Budget - Weights.Bytes - Activation.Bytes - Overhead.Bytes);

    /// <summary>Tokens the engine would report, and sequences at the full context that they carry.</summary>
    public required long KvTokens { get; init; }

    public required int Sequences { get; init; }
}

/// <summary>Why a variant doesn't fit.</summary>
/// <param name="Term">"shape" for a split the model doesn't allow, "fraction" for a share of the device that its engine cannot have, "context"
/// for one beyond its positions, else the term that first goes over: "weights", "overhead", "activation" or "kv".</param>
/// <param name="Excess">By how much; zero for a shape or a context.</param>
/// <param name="Changes">Single changes that make it fit, the nearest first; empty when none was found.</param>
public sealed record FitFailure(string Term, Bytes Excess, ImmutableArray<FitChange> Changes);

/// <summary>One change to a variant.</summary>
/// <param name="What">In words: "context 8,192 instead of 32,768".</param>
/// <param name="Variant">The variant changed.</param>
public sealed record FitChange(string What, ServingVariant Variant);

/// <summary>Whether a model fits a variant, and what each device holds.</summary>
public sealed record FitReport
{
    /// <summary>The variant with every default filled in.</summary>
    public required ServingVariant Variant { get; init; }

    /// <summary>True exactly when the total of the worst stage is within its budget, and the split and the context are valid.</summary>
    public required bool Fits { get; init; }

    /// <summary>The stage with the least headroom.</summary>
    public required DeviceNeed PerDevice { get; init; }

    /// <summary>Every stage, in order.</summary>
    public required ImmutableArray<DeviceNeed> Stages { get; init; }

    /// <summary>Key-value bytes of one token on one device of the worst stage, windows not counted.</summary>
    public required Bytes KvBytesPerToken { get; init; }

    /// <summary>Tokens of key-value memory that the engine would have.</summary>
    public required long KvTokens { get; init; }

    /// <summary>Sequences at the full context at once, at most as many as the engine takes in one step; of one data-parallel copy, or one group of attention.</summary>
    public required int MaxConcurrency { get; init; }

    /// <summary>Host memory of all ranks of the replica together.</summary>
    public required MemoryNeed Host { get; init; }

    /// <summary>Null when it fits.</summary>
    public FitFailure? Failure { get; init; }

    /// <summary>One sentence: what decides.</summary>
    public required string Reason { get; init; }

    /// <summary>What a reader should know: parts that are assumed.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
