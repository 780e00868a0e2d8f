namespace Plimsoll;

/// <summary>
/// Weights of a stage as an engine holds them on one device, which is not how they are stored: cast to the dtype it
/// runs in, quantised on the way in, split over ranks with copies where heads run out, the vocabulary padded; and
/// beside them the tables and copies an engine makes while it loads.
/// </summary>
internal static class LoadedWeights
{
    /// <summary>vLLM and SGLang pad a vocabulary to a multiple of this before they split it.</summary>
    private const int VocabularyPad = 64;

    public static MemoryTerm Of(ModelShape shape, ServingVariant variant, StageLayers stage)
    {
        var runWidth = ElementWidth.Of(ElementWidth.Run(shape, variant)) ?? 2;
        double bytes = 0;
        foreach (var run in stage.Runs)
        {
            double layer = 0;
            foreach (var group in run.Weights) layer += PerDevice(shape, variant, run, group, runWidth, inLayer: true);
            bytes += layer * run.Count;
        }

        foreach (var group in shape.Before.Where(group => Before(shape, variant, stage, group)))
            bytes += PerDevice(shape, variant, null, group, runWidth, inLayer: false);
        if (stage.IsLast)
            foreach (var group in shape.After) bytes += PerDevice(shape, variant, null, group, runWidth, inLayer: false);
        if (variant.Engine.Kind is not (EngineKind.Vllm or EngineKind.SgLang or EngineKind.TextGenerationInference))
            return new MemoryTerm(Bytes.Estimate(bytes), Certainty.Exact, "tensors as stored, over the devices");
        var beside = RotaryTable(shape, runWidth) + Absorbed(shape, variant, stage, runWidth);
        var unused = AllocatorWaste.Of(shape, variant, stage, runWidth);
        return new MemoryTerm(
            Bytes.Estimate(bytes + beside + unused),
            shape.Quantization == "mxfp4" ? Certainty.Fitted : Certainty.Exact,
            "tensors at the dtype that runs, on the rank that holds most; rotary tables; the allocator's granularity");
    }

    /// <summary>
    /// Whether a stage holds a group that comes before the layers: the first does, and the last holds tied embeddings
    /// as its head. llama.cpp looks embeddings up in host memory, so only a tied head reaches a device.
    /// </summary>
    private static bool Before(ModelShape shape, ServingVariant variant, StageLayers stage, WeightGroup group)
    {
        var head = stage.IsLast && shape.TiedEmbeddings && group.Component == "embedding";
        if (variant.Engine.Kind == EngineKind.LlamaCpp && group.Component == "embedding") return head;
        return stage.IsFirst || head;
    }

    /// <summary>Bytes of one group on the rank that holds most of it.</summary>
    private static double PerDevice(
        ModelShape shape, ServingVariant variant, LayerRun? run, WeightGroup group, double runWidth, bool inLayer)
    {
        var loaded = Loaded(variant, group, runWidth, inLayer);
        var t = variant.TensorParallel;
        if (variant.Engine.SplitsByLayer) return loaded;
        switch (group.Split)
        {
            case WeightSplit.Replicated:
            // Where attention has groups, each rank looks its own tokens up.
            case WeightSplit.Vocabulary when variant.AttentionGroups > 1 && group.Component == "embedding":
                return loaded;
            case WeightSplit.KeyValueHeads:
                return loaded / Math.Min(variant.AttentionRanks, Math.Max(1, run?.Cache.KvHeads ?? t));
            case WeightSplit.Tensor when group.Component is "attention" or "state":
                return loaded / variant.AttentionRanks;
            case WeightSplit.Vocabulary when shape.VocabularySize > 0:
                return loaded / shape.VocabularySize * PaddedRows(shape.VocabularySize, t);
            case WeightSplit.Experts when run is { Experts: > 0 }:
                var held = (run.Experts + variant.ExpertParallel - 1) / variant.ExpertParallel;
                var ranks = Math.Max(1, variant.ExpertRanks / variant.ExpertParallel);
                return loaded / run.Experts * held / ranks * Padding(shape, variant, run, group, ranks);
            default:
                return loaded / t;
        }
    }

    /// <summary>Rows of the vocabulary on one rank.</summary>
    public static long PaddedRows(int vocabulary, int ranks) =>
        ((vocabulary + VocabularyPad - 1L) / VocabularyPad * VocabularyPad + ranks - 1) / ranks;

    /// <summary>A group's bytes before it is split: packed ones as stored, others at the dtype they are cast to.</summary>
    private static double Loaded(ServingVariant variant, WeightGroup group, double runWidth, bool inLayer)
    {
        var recast = variant.QuantizeOnLoad is not null || variant.WeightDtype != "auto";
        var asStored = variant.Engine.Kind == EngineKind.LlamaCpp || (variant.Engine.Kind == EngineKind.OnnxRuntime && !recast);
        if (asStored || !ElementWidth.IsFloat(group.Dtype)) return group.Weights.Value;
        return group.Parameters * LoadedWidth(variant, group, inLayer, runWidth);
    }

    /// <summary>
    /// Bytes of a weight that is not stored quantised. Quantising while loading takes the linear layers, not
    /// embeddings, head, norms or routers: a byte for fp8 and int8; for bitsandbytes half a byte and a float32 scale
    /// for each 64 weights, which its double quantisation stores in a byte.
    /// </summary>
    public static double LoadedWidth(ServingVariant variant, WeightGroup group, bool inLayer, double runWidth)
    {
        var linear = inLayer && group.Component is ("attention" or "mlp" or "experts" or "shared experts");
        if (!linear) return runWidth;
        return variant.QuantizeOnLoad switch
        {
            null => runWidth,
            "bitsandbytes" or "nf4" => ElementWidth.NormalFloat4(twice: false),
            "nf4-dq" => ElementWidth.NormalFloat4(twice: true),
            _ => 1,
        };
    }

    /// <summary>
    /// MXFP4 experts are padded for the kernels that vLLM 0.19 runs them with (Triton's, on Hopper): a rank's inner
    /// width to a multiple of 128, and the input of gate and up to one of 256.
    /// </summary>
    private static double Padding(ModelShape shape, ServingVariant variant, LayerRun run, WeightGroup group, int ranks)
    {
        if (variant.Engine.Kind != EngineKind.Vllm || shape.Quantization != "mxfp4" || ElementWidth.IsFloat(group.Dtype)) return 1;
        var inner = (double)run.ExpertWidth / ranks;
        var padded = Math.Ceiling(inner / 128) * 128;
        var hidden = Math.Ceiling(shape.HiddenSize / 256.0) * 256;
        return (2 * padded * hidden + padded * shape.HiddenSize) / (3 * inner * shape.HiddenSize);
    }

    /// <summary>Cosines and sines for every position, on every device: rows × rotated elements of a key.</summary>
    private static double RotaryTable(ModelShape shape, double runWidth) =>
        (double)(shape.RotaryRows > 0 ? shape.RotaryRows : shape.MaxPositions) * shape.RotaryWidth * runWidth;

    /// <summary>
    /// Latent attention keeps its up-projection twice: as loaded for prefill, and split into keys and values for
    /// decoding.
    /// </summary>
    private static double Absorbed(ModelShape shape, ServingVariant variant, StageLayers stage, double runWidth)
    {
        double bytes = 0;
        foreach (var run in stage.Runs)
        {
            if (run.Cache.Kind != CacheKind.Latent) continue;
            var rank = run.Cache.KeyWidth - shape.RotaryWidth;
            var heads = Math.Max(1, shape.AttentionHeads / variant.AttentionRanks);
            bytes += (double)run.Count * heads * run.Cache.LatentHeadWidth * rank * runWidth;
        }

        return bytes;
    }
}
