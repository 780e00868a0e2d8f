namespace Plimsoll;

/// <summary>The splits a model allows.</summary>
internal static class ValidSplit
{
    /// <summary>Why a split is not possible, in one sentence; null when it is.</summary>
    public static string? Problem(ModelShape? shape, ServingVariant variant)
    {
        var (t, p, e) = (variant.TensorParallel, variant.PipelineParallel, variant.ExpertParallel);
        if (t < 1 || p < 1 || e < 1) return "every parallel size is 1 or more";
        if (t > 4096 || p > 4096) return "no replica has more than 4096 ranks one way";
        if (variant.Concurrency < 1) return $"a concurrency of {variant.Concurrency} serves nobody; 1 is the least";
        if (variant.MemoryFraction is <= 0 or > 1) return $"a memory fraction of {variant.MemoryFraction} is not within 0 and 1";
        if (variant.MemoryShare is <= 0 or > 1) return $"a memory share of {variant.MemoryShare} is not within 0 and 1";
        if (!variant.KvDtype.Equals("auto", StringComparison.OrdinalIgnoreCase) && ElementWidth.Of(variant.KvDtype) is null)
            return $"'{variant.KvDtype}' is no dtype of a key-value cache; fp8, bfloat16, float16 and float32 are";
        if (t % e != 0) return $"experts over {e} ranks don't divide {t} tensor-parallel ranks";
        if (shape is null) return null;
        if (p > Math.Max(1, shape.LayerCount)) return $"{p} stages are more than the {shape.LayerCount} layers";
        if (variant.Engine.SplitsByLayer) return null;
        if (shape.AttentionHeads > 0 && shape.AttentionHeads % t != 0)
            return $"{shape.AttentionHeads} attention heads don't divide over {t} ranks";
        foreach (var run in shape.Layers)
        {
            var heads = run.Cache.KvHeads;
            if (heads > 0 && heads % t != 0 && t % heads != 0)
                return $"{heads} key-value heads neither divide over {t} ranks nor repeat on them evenly";
            if (run.Experts > 0 && run.ExpertWidth % (t / e) != 0)
                return $"an expert's width of {run.ExpertWidth} doesn't divide over {t / e} ranks";
            if (run.Experts > 0 && e > run.Experts) return $"{run.Experts} experts are fewer than {e} ranks";
            if (run.Experts == 0 && run.ActiveWidth % t != 0)
                return $"a feed-forward width of {run.ActiveWidth} doesn't divide over {t} ranks";
        }

        return null;
    }
}
