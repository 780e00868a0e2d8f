namespace Plimsoll;

/// <summary>The splits a model allows.</summary>
internal static class ValidSplit
{
    private const int RanksMax = 4096;
    private const long TokensMax = 1L << 40;
    private const int StepMax = 1 << 24;

    /// <summary>The variant with what no model allows put to what any does, so that its terms can be told all the same.</summary>
    public static ServingVariant Nearest(ServingVariant variant) => variant with
    {
        TensorParallel = 1,
        PipelineParallel = 1,
        ExpertParallel = 1,
        DataParallel = 1,
        AttentionGroups = 1,
        Context = Math.Clamp(variant.Context, 0, TokensMax),
        Concurrency = Math.Clamp(variant.Concurrency, 1, StepMax),
        MaxBatchedTokens = variant.MaxBatchedTokens is { } tokens ? Math.Clamp(tokens, 1, StepMax) : null,
        MaxSequences = variant.MaxSequences is { } sequences ? Math.Clamp(sequences, 1, StepMax) : null,
        MemoryFraction = variant.MemoryFraction is { } fraction and not (> 0 and <= 1) ? null : variant.MemoryFraction,
        MemoryShare = variant.MemoryShare is > 0 and <= 1 ? variant.MemoryShare : 1,
    };

    /// <summary>Why a split is not possible, in one sentence; null when it is.</summary>
    public static string? Problem(ModelShape? shape, ServingVariant variant)
    {
        var (t, p, e) = (variant.TensorParallel, variant.PipelineParallel, variant.ExpertParallel);
        if (t < 1 || p < 1 || e < 1 || variant.DataParallel < 1 || variant.AttentionGroups < 1) return "every parallel size is 1 or more";
        if (t > RanksMax || p > RanksMax || variant.DataParallel > RanksMax) return "no replica has more than 4096 ranks one way";
        if (variant.Concurrency < 1) return $"a concurrency of {variant.Concurrency} serves nobody; 1 is the least";
        if (variant.Concurrency > StepMax) return $"a concurrency of {variant.Concurrency} is more than an engine serves; {StepMax} is the most";
        if (variant.Context is < 0 or > TokensMax) return $"a context of {variant.Context} tokens is none; 0 to {TokensMax} are";
        if (variant.MaxBatchedTokens is < 1 or > StepMax) return $"a step of {variant.MaxBatchedTokens} tokens is none; 1 to {StepMax} are";
        if (variant.MaxSequences is < 1 or > StepMax) return $"a step of {variant.MaxSequences} sequences is none; 1 to {StepMax} are";
        if (variant.MemoryFraction is { } fraction and not (> 0 and <= 1)) return $"a memory fraction of {fraction} is not within 0 and 1";
        if (variant.MemoryShare is not (> 0 and <= 1)) return $"a memory share of {variant.MemoryShare} is not within 0 and 1";
        if (!variant.KvDtype.Equals("auto", StringComparison.OrdinalIgnoreCase) && ElementWidth.Of(variant.KvDtype) is null)
            return $"'{variant.KvDtype}' is no dtype of a key-value cache; fp8, bfloat16, float16 and float32 are";
        var holders = variant.ExpertRanks;
        if (holders % e != 0)
            return holders == t ? $"experts over {e} ranks don't divide {t} tensor-parallel ranks"
                : $"experts over {e} ranks don't divide the {holders} ranks of {variant.DataParallel} data-parallel copies";
        if (t % variant.AttentionGroups != 0) return $"{variant.AttentionGroups} groups of attention don't divide {t} tensor-parallel ranks";
        var a = variant.AttentionRanks;
        if (shape is null) return null;
        if (p > Math.Max(1, shape.LayerCount)) return $"{p} stages are more than the {shape.LayerCount} layers";
        if (variant.Engine.SplitsByLayer) return null;
        if (shape.AttentionHeads > 0 && shape.AttentionHeads % a != 0)
            return $"{shape.AttentionHeads} attention heads don't divide over {a} ranks";
        var block = variant.Engine.KeepsWeightBlocks ? shape.WeightBlock : null;
        foreach (var run in shape.Layers)
        {
            if (block is not null && BlockProblem(shape, run, block, variant) is { } broken) return broken;
            var heads = run.Cache.KvHeads;
            if (heads > 0 && heads % a != 0 && a % heads != 0)
                return $"{heads} key-value heads neither divide over {a} ranks nor repeat on them evenly";
            if (run.Experts > 0 && run.ExpertWidth % (holders / e) != 0)
                return $"an expert's width of {run.ExpertWidth} doesn't divide over {holders / e} ranks";
            if (run.Experts > 0 && e > run.Experts) return $"{run.Experts} experts are fewer than {e} ranks";
            if (run.Experts == 0 && run.ActiveWidth % t != 0)
                return $"a feed-forward width of {run.ActiveWidth} doesn't divide over {t} ranks";
        }

        return null;
    }

    // What a rank has of a matrix of 8-bit floats is whole blocks of scales: its share of the inputs of what is summed over ranks, and of experts the
    // outputs too. (Of the merged matrices of attention and feed-forward parts engines let the outputs be, vLLM since 0.14.)
    private static string? BlockProblem(ModelShape shape, LayerRun run, WeightBlock block, ServingVariant variant)
    {
        var (tensor, attention, perExpert) = (variant.TensorParallel, variant.AttentionRanks, variant.ExpertRanks / variant.ExpertParallel);
        if (run.Experts > 0 && Quantised(run, "experts") && run.ExpertWidth % perExpert == 0)
        {
            var share = run.ExpertWidth / perExpert;
            if (share % block.Rows != 0 || (variant.ExpertRanks > 1 && share % block.Inputs != 0))
                return $"an expert's {run.ExpertWidth} over {perExpert} ranks are {share} each, which is no multiple of the {Math.Max(block.Rows, block.Inputs)} that share a scale";
        }

        if (tensor == 1) return null;
        var dense = run.Experts == 0 ? run.ActiveWidth : run.ActiveWidth - ((long)run.ExpertsPerToken * run.ExpertWidth);
        var component = run.Experts == 0 ? "mlp" : "shared experts";
        if (dense > 0 && Quantised(run, component) && dense % tensor == 0 && dense / tensor % block.Inputs != 0)
            return $"a feed-forward width of {dense} over {tensor} ranks is {dense / tensor} each, which is no multiple of the {block.Inputs} that share a scale";
        var values = (long)shape.AttentionHeads * run.Cache.ValueWidth;
        return values > 0 && attention > 1 && Quantised(run, "attention") && values / attention % block.Inputs != 0
            ? $"attention's {values} values over {attention} ranks are {values / attention} each, which is no multiple of the {block.Inputs} that share a scale" : null;
    }

    private static bool Quantised(LayerRun run, string component) =>
        run.Weights.Any(group => group.Component == component && group.Dtype.StartsWith("float8", StringComparison.Ordinal));
}
