using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What each device of one pipeline stage must hold while training.</summary>
public sealed record TrainingNeed
{
    /// <summary>The stage, from 0.</summary>
    public required int Stage { get; init; }

    public required MemoryTerm Weights { get; init; }

    public required MemoryTerm Gradients { get; init; }

    /// <summary>Moments, and in mixed precision the master copy of the weights.</summary>
    public required MemoryTerm Optimizer { get; init; }

    /// <summary>What the forward pass keeps, for all micro-batches the stage has under way, and one layer's recomputation
    /// where that needs more than the logits.</summary>
    public required MemoryTerm Activations { get; init; }

    /// <summary>Logits, their copies and their gradient; on the last stage only.</summary>
    public required MemoryTerm Logits { get; init; }

    /// <summary>Weights that are gathered or dequantised for use.</summary>
    public required MemoryTerm Buffers { get; init; }

    /// <summary>The device context, collectives, and what the allocator holds beyond what is in use.</summary>
    public required MemoryTerm Outside { get; init; }

    /// <summary>What a trainer's own count of allocated memory shows: all but <see cref="Outside"/>.</summary>
    public Bytes Allocated => Weights.Bytes + Gradients.Bytes + Optimizer.Bytes + Activations.Bytes + Logits.Bytes + Buffers.Bytes;

    /// <summary>Buffers and what lies outside.</summary>
    public Bytes Overhead => Buffers.Bytes + Outside.Bytes;

    public Bytes Total => Allocated + Outside.Bytes;

    public required Bytes Budget { get; init; }

    /// <summary>Budget less total; below zero where it doesn't fit.</summary>
    public Bytes Headroom => Budget - Total;

    /// <summary>Host memory of the rank for what is offloaded.</summary>
    public required Bytes Host { get; init; }
}

/// <summary>Why a run doesn't fit.</summary>
/// <param name="Term">"shape" for a run that can't be, "architecture" for a model whose own is not known, else the term that first goes over when they are added in this order:
/// "weights", "gradients", "optimizer", "overhead", "activations", "logits".</param>
/// <param name="Excess">By how much; zero for these two.</param>
/// <param name="Changes">Single changes that make it fit, the nearest first; empty when none was found.</param>
public sealed record TrainFailure(string Term, Bytes Excess, ImmutableArray<TrainChange> Changes);

/// <summary>One change to a run.</summary>
/// <param name="What">In words: "micro-batch 1 instead of 4".</param>
/// <param name="Run">The run changed.</param>
public sealed record TrainChange(string What, TrainingRun Run);

/// <summary>Whether a run fits its devices, and what each holds.</summary>
public sealed record TrainReport
{
    public required TrainingRun Run { get; init; }

    /// <summary>True exactly when the total of the worst stage is within its budget and the run can be.</summary>
    public required bool Fits { get; init; }

    /// <summary>The stage with the least headroom.</summary>
    public required TrainingNeed PerDevice { get; init; }

    /// <summary>Every stage, in order.</summary>
    public required ImmutableArray<TrainingNeed> Stages { get; init; }

    /// <summary>Parameters that learn.</summary>
    public required long TrainedParameters { get; init; }

    /// <summary>A checkpoint to go on from, all ranks together: what learns, its optimiser and master copy.</summary>
    public required Bytes Checkpoint { get; init; }

    /// <summary>Null when it fits.</summary>
    public TrainFailure? Failure { get; init; }

    /// <summary>One sentence: what decides.</summary>
    public required string Reason { get; init; }

    /// <summary>What a reader should know: parts that are assumed.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];
}
