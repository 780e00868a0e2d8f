namespace Plimsoll;

/// <summary>A model's layers as one rank computes them, from the shape that its configuration or header gives.</summary>
internal static class StepLayers
{
    private static readonly string[] WeightOnly = ["awq", "gptq", "bitsandbytes", "int4", "compressed-tensors-w4", "gguf"];

    public static IReadOnlyList<StepLayer> Of(ModelShape shape, Accelerator device, StepSplit split, double kvElementBytes)
    {
        // Runs that alternate (full and linear attention, say) are counted once for each kind.
        var kinds = new List<StepLayer>();
        foreach (var run in shape.Layers)
        {
            var layer = Of(shape, run, device, split, kvElementBytes);
            var at = kinds.FindIndex(known => known.Attention == layer.Attention && known.Experts == layer.Experts
                && known.Matrices.SequenceEqual(layer.Matrices));
            if (at < 0) kinds.Add(layer);
            else kinds[at] = kinds[at] with { Count = kinds[at].Count + layer.Count };
        }

        return kinds;
    }

    /// <summary>The head: its own weights, or the embedding's where they are tied.</summary>
    public static StepMatrix? Head(ModelShape shape, Accelerator device, StepSplit split)
    {
        var groups = shape.After.Where(group => group.Split == WeightSplit.Vocabulary).ToList();
        if (groups.Count == 0 && shape.TiedEmbeddings) groups = [.. shape.Before.Where(group => group.Split == WeightSplit.Vocabulary)];
        return groups.Count == 0 ? null : Matrix(shape, device, groups, group => group.Parameters, ranks: Math.Max(1, split.Tensor));
    }

    /// <summary>
    /// The dense peak for operands of so many bits: the narrowest that the device computes in, no narrower than those.
    /// Weights that are only stored narrow are widened first, and so computed in 16 bits.
    /// </summary>
    public static double? Peak(Accelerator device, int bits, bool weightOnly)
    {
        var flops = device.FlopsPerSecond;
        double? Find(params string[] names) =>
            names.Select(name => flops.TryGetValue(name, out var found) && found > 0 ? found : (double?)null).FirstOrDefault(one => one is not null);
        var wide = Find("bfloat16", "float16", "float32");
        if (weightOnly || bits > 8) return wide;
        return bits > 4 ? Find("float8", "int8") ?? wide : Find("float4") ?? wide;
    }

    private static StepLayer Of(ModelShape shape, LayerRun run, Accelerator device, StepSplit split, double kvElementBytes)
    {
        var matrices = run.Weights.Where(group => group.Split != WeightSplit.Experts && group.Parameters > 0)
            .GroupBy(group => group.Component is "attention" or "state")
            .Select(groups => Matrix(shape, device, groups, group => group.Parameters, ranks: null, run, split))
            .ToList();
        return new StepLayer(run.Count, matrices, Experts(shape, run, device, split), Attention(shape, run, device, split, kvElementBytes));
    }

    private static StepMatrix Matrix(
        ModelShape shape, Accelerator device, IEnumerable<WeightGroup> groups, Func<WeightGroup, double> parameters,
        int? ranks, LayerRun? run = null, StepSplit? split = null)
    {
        double count = 0, bytes = 0, best = 0, share = -1;
        var (flops, efficiency) = (0.0, StepCoefficient.Compute16);
        double work = 0;
        foreach (var group in groups)
        {
            var over = ranks ?? Ranks(group, run, split!);
            var held = parameters(group) / over;
            count += held;
            bytes += group.Weights.Value / (double)over;
            var bits = Bits(group);
            var weightOnly = IsWeightOnly(shape);
            var peak = Peak(device, bits, weightOnly) ?? 1;
            work += held / peak;
            if (held > share) (share, best, efficiency) = (held, peak, Efficiency(device, bits, weightOnly));
        }

        flops = work > 0 ? count / work : best;
        return new StepMatrix(count, bytes, flops, efficiency);
    }

    private static int Ranks(WeightGroup group, LayerRun? run, StepSplit split) => group.Split switch
    {
        WeightSplit.Replicated => 1,
        WeightSplit.KeyValueHeads => Math.Max(1, Math.Min(split.Tensor, run?.Cache.KvHeads is > 0 and var heads ? heads : split.Tensor)),
        _ => Math.Max(1, split.Tensor),
    };

    private static StepExperts? Experts(ModelShape shape, LayerRun run, Accelerator device, StepSplit split)
    {
        if (run.Experts <= 0 || run.ExpertsPerToken <= 0) return null;
        double parameters = 0, bytes = 0;
        var (bits, most) = (16, 0L);
        foreach (var group in run.Weights.Where(group => group.Split == WeightSplit.Experts))
        {
            parameters += group.Parameters / (double)run.Experts;
            bytes += group.Weights.Value / (double)run.Experts;
            if (group.Parameters > most) (most, bits) = (group.Parameters, Bits(group));
        }

        return parameters <= 0 ? null : new StepExperts(
            run.Experts, run.ExpertsPerToken, parameters, bytes, split.ExpertRanks, Peak(device, bits, IsWeightOnly(shape)) ?? 1);
    }

    private static StepAttention? Attention(ModelShape shape, LayerRun run, Accelerator device, StepSplit split, double kvElementBytes)
    {
        var cache = run.Cache;
        var tensor = Math.Max(1, split.Tensor);
        var heads = Math.Max(1, Math.Max(shape.AttentionHeads, cache.KvHeads)) / (double)tensor;
        var peak = Peak(device, 16, weightOnly: false) ?? 1;
        switch (cache.Kind)
        {
            case CacheKind.KeyValue:
                var kvHeads = Math.Max(1.0, cache.KvHeads / (double)tensor);
                var width = cache.KeyWidth + (cache.ValueWidth > 0 ? cache.ValueWidth : cache.KeyWidth);
                var stored = cache.KeyWidth + cache.ValueWidth;
                return new StepAttention(2 * heads * width, 2 * heads * width, kvHeads * stored * kvElementBytes, 0, cache.Window, peak);
            case CacheKind.Latent:
                // Prompts expand the latent vector for each head; decoding multiplies it as it is (absorbed weights).
                var rank = cache.KeyWidth - shape.RotaryWidth;
                return new StepAttention(
                    2 * heads * (cache.LatentHeadWidth + shape.RotaryWidth), 2 * heads * (cache.KeyWidth + rank),
                    ElementWidth.Latent(shape, cache, kvElementBytes) + cache.ExtraBytesPerToken, 0, cache.Window, peak);
            case CacheKind.State:
                var element = cache.StateElementBytes > 0 ? cache.StateElementBytes : 2;
                return new StepAttention(0, 0, 0, 2.0 * cache.StateElements * element / tensor, null, peak);
            default:
                return null;
        }
    }

    private static int Bits(WeightGroup group)
    {
        var width = group.Weights.Value * 8.0 / Math.Max(1, group.Parameters);
        return width > 12 ? 16 : width > 6 ? 8 : 4;
    }

    private static bool IsWeightOnly(ModelShape shape) => shape.Quantization is { } kind
        && WeightOnly.Any(one => kind.Contains(one, StringComparison.OrdinalIgnoreCase));

    public static StepCoefficient Efficiency(Accelerator device, int bits, bool weightOnly)
    {
        if (weightOnly || bits > 8) return StepCoefficient.Compute16;
        if (bits > 4) return device.FlopsPerSecond.ContainsKey("float8") || device.FlopsPerSecond.ContainsKey("int8")
            ? StepCoefficient.Compute8 : StepCoefficient.Compute16;
        return device.FlopsPerSecond.ContainsKey("float4") ? StepCoefficient.Compute4 : StepCoefficient.Compute16;
    }
}
