namespace Plimsoll.Artifacts;

/// <summary>
/// How many parameters a stored tensor holds, as its publisher counts them: packed words unpacked, scales, zero
/// points and index tables not counted.
/// </summary>
internal static class StoredParameters
{
    private static readonly HashSet<string> Scales = new(StringComparer.Ordinal)
    {
        "weight_scale", "weight_scale_inv", "weight_scale_2", "input_scale", "output_scale", "k_scale", "v_scale", "q_scale",
        "scales", "qzeros", "g_idx", "zeros", "weight_zero_point", "input_zero_point", "weight_shape", "weight_g_idx",
        "absmax", "quant_map", "nested_absmax", "nested_quant_map", "SCB", "weight_format", "input_global_scale",
        "weight_global_scale", "position_ids", "rotary_emb.inv_freq", "inv_freq", "masked_bias",
    };

    private static readonly HashSet<string>.AlternateLookup<ReadOnlySpan<char>> ScaleNames = Scales.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <param name="tensor">The tensor as stored.</param>
    /// <param name="packedBits">Bits of a weight in packed words; 0 where the configuration does not say, then 4.</param>
    /// <param name="pairsInInt8">Whether int8 weights are pairs of 4-bit floats.</param>
    public static long Of(StoredTensor tensor, int packedBits, bool pairsInInt8)
    {
        var leaf = tensor.Name.AsSpan(tensor.Name.LastIndexOf('.') + 1);
        if (IsScale(leaf, tensor.Dtype, tensor.Name))
            return 0;
        return tensor.Dtype switch
        {
            "int32" when leaf is "qweight" or "weight_packed" => checked(tensor.Elements * 32) / (packedBits > 0 ? packedBits : 4),
            "uint8" when leaf is "weight" or "weight_packed" || leaf.EndsWith("_blocks") || leaf.EndsWith("_proj") => checked(tensor.Elements * 2),
            "int8" when pairsInInt8 => checked(tensor.Elements * 2),
            "int8" => tensor.Elements,
            _ when Dtypes.IsInteger(tensor.Dtype) => 0,
            _ => tensor.Elements,
        };
    }

    /// <summary>Whether a tensor belongs to another one's stored form.</summary>
    public static bool IsScale(string name, string dtype) =>
        IsScale(name.AsSpan(name.LastIndexOf('.') + 1), dtype, name);

    private static bool IsScale(ReadOnlySpan<char> leaf, string dtype, string name)
    {
        if (ScaleNames.Contains(leaf))
            return true;

        // Scales of stacked experts have their kind behind the word.
        return leaf.IndexOf("_scales") >= 0 || leaf.EndsWith("_scale_inv") || leaf.EndsWith("_weight_scale")
            || leaf.EndsWith("_weight_scale_2") || leaf.EndsWith("_input_scale")
            || (leaf.SequenceEqual("scale") && dtype is "float8_e8m0fnu")
            || name.Contains(".quant_state.", StringComparison.Ordinal);
    }
}
