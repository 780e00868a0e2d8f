using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What a model is for; it decides which terms of memory exist.</summary>
public enum ModelTask { Unknown, Generate, Embed, Classify, Transcribe, Diffuse }

/// <summary>How an engine splits a group of weights over the ranks of a tensor- or expert-parallel group.</summary>
public enum WeightSplit
{
    /// <summary>A whole copy on every rank: norms, routers, the down-projections of latent attention.</summary>
    Replicated,

    /// <summary>Divided by the tensor-parallel size.</summary>
    Tensor,

    /// <summary>Divided by the smaller of the tensor-parallel size and the key-value heads; copies beyond.</summary>
    KeyValueHeads,

    /// <summary>Divided by the tensor-parallel size after the vocabulary is padded.</summary>
    Vocabulary,

    /// <summary>Routed experts: whole experts over an expert-parallel group, each divided by the tensor-parallel size without one.</summary>
    Experts,
}

/// <summary>Weights that belong to one part of a model and are split alike.</summary>
/// <param name="Component">"embedding", "attention", "mlp", "experts", "shared experts", "router", "norm", "head",
/// "state", "vision", "audio", "encoder", "predictor" (of further tokens), "adapter" or "other".</param>
/// <param name="Split">How engines divide it.</param>
/// <param name="Parameters">Parameters as published: quantised ones unpacked, scales and zero points not counted.</param>
/// <param name="Weights">Bytes as stored, scales and zero points included.</param>
/// <param name="Dtype">The stored dtype, in PyTorch's names, or ggml's for its quantised blocks.</param>
public sealed record WeightGroup(string Component, WeightSplit Split, long Parameters, Bytes Weights, string Dtype);

/// <summary>What a layer keeps for each token or sequence.</summary>
public enum CacheKind
{
    None,

    /// <summary>Keys and values per token, for each key-value head.</summary>
    KeyValue,

    /// <summary>One compressed vector per token, whole on every rank (multi-head latent attention).</summary>
    Latent,

    /// <summary>A constant state per sequence (state-space and linear attention).</summary>
    State,
}

/// <summary>A layer's cache, in elements; the dtype is the variant's.</summary>
public sealed record LayerCache
{
    public static readonly LayerCache None = new() { Kind = CacheKind.None };

    public required CacheKind Kind { get; init; }

    /// <summary>Key-value heads; latent and state caches have none.</summary>
    public int KvHeads { get; init; }

    /// <summary>Elements of one key; for a latent cache, of the vector with its rotary part.</summary>
    public int KeyWidth { get; init; }

    /// <summary>Elements of one value; 0 where keys serve as values or the cache is latent.</summary>
    public int ValueWidth { get; init; }

    /// <summary>Tokens the layer attends to at most; null for all.</summary>
    public int? Window { get; init; }

    /// <summary>Elements kept for each sequence, whatever its length, over all ranks together.</summary>
    public long StateElements { get; init; }

    /// <summary>Bytes of one element of the state where the model fixes it; 0 for the variant's dtype.</summary>
    public int StateElementBytes { get; init; }

    /// <summary>Elements that one latent vector expands to for each attention head: a key without its rotary part, and a value.</summary>
    public int LatentHeadWidth { get; init; }

    /// <summary>Bytes per token beside keys and values, on every rank: an indexer's keys, quantised at their own width.</summary>
    public int ExtraBytesPerToken { get; init; }

    /// <summary>Elements per token over all heads, without a window's limit.</summary>
    public long ElementsPerToken => Kind switch
    {
        CacheKind.KeyValue => (long)KvHeads * (KeyWidth + ValueWidth),
        CacheKind.Latent => KeyWidth,
        _ => 0,
    };
}

/// <summary>How a checkpoint says that its keys and values are to be kept, where its engine goes by that.</summary>
/// <param name="Dtype">The dtype ("fp8").</param>
/// <param name="Method">Who says so: "modelopt" or "compressed-tensors".</param>
public sealed record StatedCache(string Dtype, string Method);

/// <summary>What an encoder holds at once for one of its largest inputs, in elements of the run's dtype, weights and input not counted.</summary>
/// <param name="Whole">On every rank: what goes from layer to layer.</param>
/// <param name="Split">Divided by the tensor-parallel size: what is within a layer.</param>
public readonly record struct EncoderWork(long Whole, long Split)
{
    /// <summary>How many vectors as wide as the text part's it makes of each token, which are kept until they are used; 1 unless its layers are tapped.</summary>
    public int OutputWidths { get; init; } = 1;
}

/// <summary>Weights that share a scale, of a matrix.</summary>
/// <param name="Rows">Outputs.</param>
/// <param name="Inputs">Inputs.</param>
public sealed record WeightBlock(int Rows, int Inputs);

/// <summary>Consecutive layers that are alike in weights and cache.</summary>
public sealed record LayerRun
{
    /// <summary>Index of the first, from 0.</summary>
    public required int First { get; init; }

    public required int Count { get; init; }

    /// <summary>The weights of one layer.</summary>
    public required ImmutableArray<WeightGroup> Weights { get; init; }

    public required LayerCache Cache { get; init; }

    /// <summary>Width of the feed-forward part a token passes, all its active experts together.</summary>
    public int ActiveWidth { get; init; }

    /// <summary>Routed experts; 0 for a dense layer.</summary>
    public int Experts { get; init; }

    public int ExpertsPerToken { get; init; }

    /// <summary>Width of one routed expert.</summary>
    public int ExpertWidth { get; init; }
}

/// <summary>
/// What of a model's architecture decides how it splits and what it needs while running. Null in a footprint where
/// the architecture is not known: the weight bytes are exact all the same.
/// </summary>
public sealed record ModelShape
{
    /// <summary>As config.json or the GGUF header names it ("LlamaForCausalLM", "llama").</summary>
    public required string Architecture { get; init; }

    public ModelTask Task { get; init; }

    public required int HiddenSize { get; init; }

    /// <summary>0 for models without a vocabulary.</summary>
    public int VocabularySize { get; init; }

    /// <summary>Positions the model was made for; 0 when not said.</summary>
    public int MaxPositions { get; init; }

    public int AttentionHeads { get; init; }

    /// <summary>Elements of a key that are rotated; 0 without rotary embeddings.</summary>
    public int RotaryWidth { get; init; }

    /// <summary>
    /// Rows of the rotary tables that engines keep, all different tables together: positions × the scaling's factor
    /// for each; 0 for <see cref="MaxPositions"/>.
    /// </summary>
    public long RotaryRows { get; init; }

    /// <summary>Positions that the rotary embedding is scaled to, beyond <see cref="MaxPositions"/>; 0 where it is not.</summary>
    public long ScaledPositions { get; init; }

    /// <summary>The longest context the model was made for, scaled or not; 0 when not said.</summary>
    public long PositionsMax => Math.Max(MaxPositions, ScaledPositions);

    /// <summary>The dtype the model computes in ("bfloat16").</summary>
    public string ComputeDtype { get; init; } = "bfloat16";

    /// <summary>How weights are quantised ("fp8", "gptq", "awq", "bitsandbytes", "mxfp4", "nvfp4", "gguf"); null for not at all.</summary>
    public string? Quantization { get; init; }

    /// <summary>How the checkpoint says that keys and values are kept; null where it does not.</summary>
    public StatedCache? StatedCache { get; init; }

    /// <summary>The blocks of 8-bit floats that share a scale, of those layers whose weights are such; null without.</summary>
    public WeightBlock? WeightBlock { get; init; }

    /// <summary>True when the head is the embedding: stored once, and on both ends of a pipeline.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>Weights before the layers: embeddings, and encoders that feed them; on the first pipeline stage.</summary>
    public ImmutableArray<WeightGroup> Before { get; init; } = [];

    /// <summary>The layers in order.</summary>
    public ImmutableArray<LayerRun> Layers { get; init; } = [];

    /// <summary>Weights after the layers: the last norm and the head; on the last pipeline stage.</summary>
    public ImmutableArray<WeightGroup> After { get; init; } = [];

    /// <summary>Weights in the files that serving does not load: predictors of more than one token, say.</summary>
    public ImmutableArray<WeightGroup> NotServed { get; init; } = [];

    /// <summary>Largest number of tokens an encoder of images or sound makes of one input; 0 without one.</summary>
    public int EncoderTokensMax { get; init; }

    /// <summary>Elements an encoder takes for such an input: pixels in all channels and tiles, samples of sound; 0 when not known.</summary>
    public long EncoderInputElements { get; init; }

    /// <summary>What an encoder holds at once while it works on such an input; nothing when not known, and left out of JSON then, so that older journals hash and replay as they did.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public EncoderWork EncoderWork { get; init; }

    public int LayerCount => Layers.Sum(run => run.Count);
}
