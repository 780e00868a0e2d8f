using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Which weights learn.</summary>
public enum TrainingMethod
{
    /// <summary>All of them.</summary>
    Full,

    /// <summary>Low-rank adapters beside frozen weights in 16 bit.</summary>
    Lora,

    /// <summary>Low-rank adapters beside frozen weights in 4-bit NormalFloat (Dettmers et al. 2023).</summary>
    Qlora,
}

public enum TrainingOptimizer
{
    /// <summary>Two moments per parameter.</summary>
    AdamW,

    /// <summary>Two moments in 8 bit, with a 4-byte scale per block of 256 (Dettmers et al. 2022).</summary>
    Adam8Bit,

    /// <summary>No state.</summary>
    Sgd,

    /// <summary>One moment per parameter.</summary>
    SgdMomentum,

    /// <summary>A row and a column of second moments per matrix, no first moment (Shazeer and Stern 2018).</summary>
    Adafactor,
}

public enum TrainingPrecision
{
    /// <summary>Weights and gradients in 16 bit, optimiser and a master copy of the weights in 32 bit.</summary>
    Mixed,

    /// <summary>Everything in 16 bit, optimiser included.</summary>
    Pure16,

    /// <summary>Everything in 32 bit.</summary>
    Full32,
}

/// <summary>What the forward pass does not keep for the backward pass.</summary>
public enum Recomputation
{
    None,

    /// <summary>The attention's scores (Korthikanti et al. 2022).</summary>
    Selective,

    /// <summary>All but a layer's input, the attention's output and every other matrix product (torchtitan's "op").</summary>
    MatrixOutputs,

    /// <summary>All but a layer's input.</summary>
    Full,
}

/// <summary>What lies in host memory between uses.</summary>
public enum TrainingOffload
{
    None,

    /// <summary>The optimiser's state, and gradients once they are reduced (ZeRO-Offload).</summary>
    Optimizer,

    /// <summary>Weights too: only the layers at work are on the device.</summary>
    All,
}

/// <summary>
/// What the loss keeps for each logit: the logits themselves, their copies in 32 bit, and their gradient.
/// </summary>
/// <param name="BytesPerLogit">All of them together, in bytes per token and vocabulary entry.</param>
/// <param name="From">What they are, in words.</param>
public sealed record LossMemory(double BytesPerLogit, string From)
{
    /// <summary>PyTorch's cross entropy over logits cast up: 16-bit logits, their 32-bit copy, its logarithm of softmax, its gradient.</summary>
    public static readonly LossMemory Upcast = new(14, "2 (logits) + 4 (in 32 bit) + 4 (log softmax) + 4 (gradient)");

    /// <summary>Logits and their gradient in 32 bit.</summary>
    public static readonly LossMemory Plain32 = new(8, "4 (logits) + 4 (gradient)");

    /// <summary>Cross entropy in 16 bit.</summary>
    public static readonly LossMemory Native16 = new(6, "2 (logits) + 2 (log softmax) + 2 (gradient)");

    /// <summary>Compiled with the head: logits and their gradient in 16 bit.</summary>
    public static readonly LossMemory Compiled = new(4, "2 (logits) + 2 (gradient)");

    /// <summary>Over eight parts of the sequence: 16-bit logits and gradient whole, the rest for one part.</summary>
    public static readonly LossMemory Chunked = new(5.5, "2 (logits) + 2 (gradient) + 12 over 8 parts");

    /// <summary>The head and the loss in one kernel that never holds the logits.</summary>
    public static readonly LossMemory Fused = new(0, "no logits are held");
}

/// <summary>Habits of one training program that its memory shows.</summary>
public sealed record TrainerRules
{
    /// <summary>PyTorch's usual modules.</summary>
    public static readonly TrainerRules Usual = new() { Name = "usual" };

    /// <summary>
    /// lit-gpt of October 2023: an RMS norm of single operations, one fused projection for queries, keys and values of which
    /// the values are a view, adapters padded by a copy that keeps its source, and frozen weights that its first FSDP leaves
    /// gathered.
    /// </summary>
    public static readonly TrainerRules LitGpt2023 = new()
    {
        Name = "lit-gpt 2023-10",
        RmsNormInputs = 2,
        KeepsFusedProjection = true,
        KeepsLoraOutputs = true,
        SharesLoraInput = true,
        KeepsGathered = true,
    };

    /// <summary>torchtune: the embedding and the head are gathered one at a time.</summary>
    public static readonly TrainerRules Torchtune = new() { Name = "torchtune", GathersEndsApart = true };

    public required string Name { get; init; }

    /// <summary>Copies of its input that an RMS norm keeps; fitted where the norm is written in single operations.</summary>
    public double RmsNormInputs { get; init; } = 1;

    /// <summary>The projection's output stays beside the rotated queries and keys.</summary>
    public bool KeepsFusedProjection { get; init; }

    /// <summary>An adapter's output stays until the backward pass.</summary>
    public bool KeepsLoraOutputs { get; init; }

    /// <summary>Adapters on queries, keys and values share one dropped-out input.</summary>
    public bool SharesLoraInput { get; init; }

    /// <summary>Weights that were gathered for use stay beside the shard, all of them in the end.</summary>
    public bool KeepsGathered { get; init; }

    /// <summary>Fully sharded training gathers the embedding and the head as two units and not as one.</summary>
    public bool GathersEndsApart { get; init; }
}

/// <summary>A training run as asked for: on which devices, split how, with which settings.</summary>
public sealed record TrainingRun
{
    public required Accelerator Device { get; init; }

    /// <summary>Groups that each hold one copy of the model and train on their own samples.</summary>
    public int DataParallel { get; init; } = 1;

    /// <summary>ZeRO's stage over data- and context-parallel ranks: 0 none, 1 optimiser, 2 gradients too, 3 weights too (FSDP).</summary>
    public int ZeroStage { get; init; }

    public int TensorParallel { get; init; } = 1;

    /// <summary>What tensor parallelism leaves whole is split along the sequence.</summary>
    public bool SequenceParallel { get; init; }

    public int PipelineParallel { get; init; } = 1;

    /// <summary>Parts of a pipeline rank's layers that micro-batches pass by turns; 1 for plain one-forward-one-backward.</summary>
    public int Interleave { get; init; } = 1;

    /// <summary>Micro-batches of one step and rank; bounds how many a pipeline holds at once.</summary>
    public int MicroBatches { get; init; } = int.MaxValue;

    /// <summary>Ranks over which each sequence is cut, attention included (ring attention).</summary>
    public int ContextParallel { get; init; } = 1;

    /// <summary>Sequences of one micro-batch.</summary>
    public int MicroBatch { get; init; } = 1;

    /// <summary>Tokens of one sequence, over all context-parallel ranks.</summary>
    public long Sequence { get; init; } = 2048;

    public TrainingMethod Method { get; init; }

    public int LoraRank { get; init; } = 8;

    /// <summary>Of "q", "k", "v", "o", "gate", "up", "down".</summary>
    public ImmutableArray<string> LoraTargets { get; init; } = ["q", "v"];

    public bool LoraDropout { get; init; } = true;

    /// <summary>QLoRA's scales are quantised again.</summary>
    public bool DoubleQuantization { get; init; } = true;

    public TrainingOptimizer Optimizer { get; init; }

    public TrainingPrecision Precision { get; init; }

    /// <summary>Bytes of one gradient; null for the weights' own. 4 where a trainer sums gradients in 32 bit.</summary>
    public int? GradientBytes { get; init; }

    /// <summary>Each gradient is used and freed as soon as it is known.</summary>
    public bool OptimizerInBackward { get; init; }

    public Recomputation Recomputation { get; init; }

    /// <summary>Attention by a kernel that never holds the scores (flash attention).</summary>
    public bool FusedAttention { get; init; } = true;

    /// <summary>The model drops out values in training, as GPT did; its masks are kept.</summary>
    public bool Dropout { get; init; }

    public TrainingOffload Offload { get; init; }

    public LossMemory Loss { get; init; } = LossMemory.Upcast;

    public TrainerRules Trainer { get; init; } = TrainerRules.Usual;

    /// <summary>Part of the device's memory that may be used.</summary>
    public double MemoryFraction { get; init; } = 1;

    /// <summary>Devices of the whole run; of sizes that no run has, as many as a number can say.</summary>
    public long Devices => (long)Int128.Clamp((Int128)DataParallel * TensorParallel * PipelineParallel * ContextParallel, 0, long.MaxValue);

    /// <summary>Ranks over which ZeRO shards.</summary>
    public long Shards => (long)DataParallel * ContextParallel;

    /// <summary>Tokens of a micro-batch on one rank.</summary>
    public long Tokens => checked(MicroBatch * ((Sequence + ContextParallel - 1) / ContextParallel));

    /// <summary>"8 × h100-80gb, ZeRO 3, micro-batch 2 × 8192".</summary>
    public override string ToString() => string.Join(", ", new[]
    {
        $"{Devices} × {Device.Name}", ZeroStage > 0 ? $"ZeRO {ZeroStage} over {Shards}" : null,
        TensorParallel > 1 ? $"tensor parallel {TensorParallel}" : null, PipelineParallel > 1 ? $"{PipelineParallel} pipeline stages" : null,
        ContextParallel > 1 ? $"context parallel {ContextParallel}" : null, $"micro-batch {MicroBatch} × {Sequence}",
        Recomputation != Recomputation.None ? $"recomputation {Recomputation.ToString().ToLowerInvariant()}" : null,
    }.OfType<string>());
}
