namespace Plimsoll;

/// <summary>Bytes of one element of a dtype, block scales included.</summary>
internal static class ElementWidth
{
    /// <summary>Null for a dtype not known, or one whose weights are packed.</summary>
    public static double? Of(string dtype) => dtype.ToUpperInvariant() switch
    {
        "FLOAT64" or "F64" => 8,
        "FLOAT32" or "F32" or "FP32" => 4,
        "FLOAT16" or "BFLOAT16" or "F16" or "BF16" or "FP16" or "HALF" => 2,
        "FP8" or "FP8_E4M3" or "FP8_E5M2" or "FLOAT8_E4M3FN" or "FLOAT8_E5M2" or "INT8" or "UINT8" => 1,
        "Q8_0" => 34.0 / 32,
        "Q5_1" => 24.0 / 32,
        "Q5_0" => 22.0 / 32,
        "Q4_1" => 20.0 / 32,
        "Q4_0" => 18.0 / 32,
        _ => null,
    };

    /// <summary>
    /// 4-bit NormalFloat (Dettmers et al. 2023): half a byte and a 4-byte scale per 64 weights, or, quantised again, a byte
    /// per 64 and 4 bytes per 64 × 256.
    /// </summary>
    public static double NormalFloat4(bool twice) => 0.5 + (twice ? 1.0 / 64 + 4.0 / (64 * 256) : 4.0 / 64);

    /// <summary>Whether an engine casts weights of this dtype to the one it runs in.</summary>
    public static bool IsFloat(string dtype) => Of(dtype) is >= 2;

    /// <summary>Bytes of one cached element: of the dtype asked for, else of the checkpoint's own where the engine goes by it, else of the dtype it runs in.</summary>
    public static double Cache(ModelShape shape, ServingVariant variant)
    {
        if (!variant.KvDtype.Equals("auto", StringComparison.OrdinalIgnoreCase)) return Of(variant.KvDtype) ?? 2;
        var stated = shape.StatedCache is { } cache && variant.Engine.TakesCacheOf(cache.Method) ? Of(cache.Dtype) : null;
        return stated ?? Of(Run(shape, variant)) ?? 2;
    }

    /// <summary>
    /// Bytes of one latent vector. Sparse attention over 8-bit ones leaves the rotated part at 16 bits and has a 32-bit scale for each 128 of the
    /// others: 656 bytes of DeepSeek V3.2's 576 elements.
    /// </summary>
    public static double Latent(ModelShape shape, LayerCache cache, double width) => width == 1 && cache.ExtraBytesPerToken > 0 && shape.RotaryWidth < cache.KeyWidth
        ? (cache.KeyWidth - shape.RotaryWidth) * (1 + (4.0 / 128)) + (2.0 * shape.RotaryWidth)
        : cache.KeyWidth * width;

    /// <summary>The dtype an engine runs a model in: the one asked for, else the model's own; float32 ones are halved.</summary>
    public static string Run(ModelShape shape, ServingVariant variant)
    {
        if (!variant.WeightDtype.Equals("auto", StringComparison.OrdinalIgnoreCase)) return variant.WeightDtype;
        var halves = variant.Engine.Kind is EngineKind.Vllm or EngineKind.SgLang;
        return halves && Of(shape.ComputeDtype) is >= 4 ? "bfloat16" : shape.ComputeDtype;
    }
}
