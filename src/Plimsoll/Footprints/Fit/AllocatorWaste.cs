namespace Plimsoll;

/// <summary>
/// What PyTorch's caching allocator keeps beyond a tensor's bytes. From 10 MiB it takes memory in multiples of 2 MiB
/// and gives a remainder to other tensors only above 1 MiB (its kMinLargeAlloc, kRoundLarge and kSmallSize): a
/// projection of 81 MiB holds 82. Seen as 27 MiB of Gemma 2 2B's weights, 80 of Qwen2.5 72B's.
/// </summary>
internal static class AllocatorWaste
{
    private const double MiB = 1024 * 1024;

    public static double Of(
        ModelShape shape, ServingVariant variant, StageLayers stage, double runWidth)
    {
        double waste = 0;
        foreach (var run in stage.Runs)
            waste += run.Count * OfLayer(shape, variant, run, runWidth);
        var table = LoadedWeights.PaddedRows(shape.VocabularySize, variant.TensorParallel) * shape.HiddenSize * runWidth;
        if (stage.IsFirst || (stage.IsLast && shape.TiedEmbeddings)) waste += OfTensor(table);
        if (stage.IsLast && !shape.TiedEmbeddings) waste += OfTensor(table);
        return waste;
    }

    /// <summary>Bytes beyond the tensor's own.</summary>
    public static double OfTensor(double bytes)
    {
        if (bytes < 10 * MiB) return 0;
        var rest = Math.Ceiling(bytes / (2 * MiB)) * 2 * MiB - bytes;
        return rest <= MiB ? rest : 0;
    }

    /// <summary>A layer's projections in the pieces engines fuse them to: query-key-value, output, gate-up, down.</summary>
    private static double OfLayer(
        ModelShape shape, ServingVariant variant, LayerRun run, double runWidth)
    {
        var t = variant.TensorParallel;
        double h = shape.HiddenSize;
        double waste = 0;
        foreach (var group in run.Weights)
        {
            var width = Width(variant, group, runWidth);
            switch (group.Component)
            {
                // The matrices, not a group of their biases.
                case "attention" when run.Cache.Kind == CacheKind.KeyValue && group.Split == WeightSplit.Tensor
                                      && group.Parameters > 2L * shape.HiddenSize:
                    var queries = (double)shape.AttentionHeads / variant.AttentionRanks * run.Cache.KeyWidth;
                    var keys = Math.Max(1, run.Cache.KvHeads / variant.AttentionRanks) * (double)(run.Cache.KeyWidth + run.Cache.ValueWidth);
                    waste += OfTensor((queries + keys) * h * width) + OfTensor(queries * h * width);
                    break;
                case "mlp":
                    waste += OfPair(group, run.ActiveWidth, h, t, width);
                    break;
                case "shared experts":
                    waste += OfPair(group, run.ActiveWidth - run.ExpertsPerToken * run.ExpertWidth, h, t, width);
                    break;
                case "experts" when run.Experts > 0:
                    var experts = (run.Experts + variant.ExpertParallel - 1) / variant.ExpertParallel;
                    var inner = (double)run.ExpertWidth / Math.Max(1, variant.ExpertRanks / variant.ExpertParallel);
                    waste += OfTensor(experts * 2 * inner * h * width) + OfTensor(experts * inner * h * width);
                    break;
                default:
                    break;
            }
        }

        return waste;
    }

    /// <summary>Gate and up are one tensor where there is a gate: three matrices in all, against two.</summary>
    private static double OfPair(WeightGroup group, int width, double hidden, int ranks, double elementBytes)
    {
        if (width <= 0) return 0;
        var inner = (double)width / ranks;
        var matrices = group.Parameters >= 2.5 * width * hidden ? 2 : 1;
        return OfTensor(matrices * inner * hidden * elementBytes) + OfTensor(inner * hidden * elementBytes);
    }

    /// <summary>Bytes of one weight in its own tensor; scales lie in tensors of theirs.</summary>
    private static double Width(ServingVariant variant, WeightGroup group, double runWidth) =>
        ElementWidth.IsFloat(group.Dtype)
            ? LoadedWeights.LoadedWidth(variant, group, inLayer: true, runWidth)
            : group.Weights.Value < 0.75 * group.Parameters ? 0.5 : 1;
}
