namespace Plimsoll.Artifacts;

internal enum QuantizedLayout
{
    /// <summary>One float8 or int8 element a weight, with scales beside it.</summary>
    Bytes,

    /// <summary>GPTQ: int32 words along the input, scales, zero points, and each input's group.</summary>
    Gptq,

    /// <summary>AWQ: int32 words along the output, scales and zero points.</summary>
    Awq,

    /// <summary>compressed-tensors' pack-quantized: int32 words along the input, and the true shape.</summary>
    Packed,

    /// <summary>Two 4-bit floats a byte, a scale for each group, and for NVFP4 one for the whole.</summary>
    Float4,

    /// <summary>bitsandbytes 4 bit: two elements a byte in one column, the largest of each block.</summary>
    Bitsandbytes4,

    /// <summary>bitsandbytes 8 bit: int8 with one scale a row.</summary>
    Bitsandbytes8,
}

/// <summary>How one linear layer's weight is stored when it is quantised.</summary>
/// <param name="Layout">Which tensors there are.</param>
/// <param name="Dtype">Dtype of the stored elements.</param>
/// <param name="Bits">Bits of one weight.</param>
internal sealed record QuantizedForm(QuantizedLayout Layout, string Dtype, int Bits)
{
    /// <summary>Inputs that share a scale; 0 for a whole row.</summary>
    public int GroupSize { get; init; }

    /// <summary>Rows that share a scale; 0 for the whole matrix, 1 for one scale a row or group.</summary>
    public int BlockRows { get; init; }

    public string ScaleDtype { get; init; } = "float32";

    public string ScaleName { get; init; } = "weight_scale";

    public bool InputScale { get; init; }

    public bool ZeroPoints { get; init; }

    /// <summary>A second, global scale (NVFP4), or nested statistics (bitsandbytes' double quantisation).</summary>
    public bool Nested { get; init; }

    /// <summary>Quantises an embedding's weight too, as some layouts do.</summary>
    public string WeightName { get; init; } = "weight";

    /// <summary>The tensors that take the place of an <paramref name="outputs"/> × <paramref name="inputs"/> weight.</summary>
    public IEnumerable<StoredTensor> Tensors(string module, long outputs, long inputs)
    {
        var groups = GroupSize > 0 ? Up(inputs, GroupSize) : 1;
        var scaleRows = BlockRows switch { 0 => 1, 1 => outputs, _ => Up(outputs, BlockRows) };
        switch (Layout)
        {
            case QuantizedLayout.Bytes:
                yield return Tensor($"{module}.{WeightName}", Dtype, outputs, inputs);
                yield return BlockRows == 0
                    ? Tensor($"{module}.{ScaleName}", ScaleDtype)
                    : Tensor($"{module}.{ScaleName}", ScaleDtype, scaleRows, groups);
                if (InputScale)
                    yield return Tensor($"{module}.input_scale", "float32");
                break;
            case QuantizedLayout.Float4:
                yield return Tensor($"{module}.{WeightName}", Dtype, outputs, inputs / 2);
                yield return Tensor($"{module}.{ScaleName}", ScaleDtype, outputs, groups);
                if (Nested)
                    yield return Tensor($"{module}.weight_scale_2", "float32");
                if (InputScale)
                    yield return Tensor($"{module}.input_scale", "float32");
                break;
            case QuantizedLayout.Packed:
                yield return Tensor($"{module}.weight_packed", "int32", outputs, Up(inputs * Bits, 32));
                yield return Tensor($"{module}.weight_scale", ScaleDtype, outputs, groups);
                yield return Tensor($"{module}.weight_shape", "int64", 2);
                if (ZeroPoints)
                    yield return Tensor($"{module}.weight_zero_point", "int32", Up(outputs * Bits, 32), groups);
                break;
            case QuantizedLayout.Gptq:
                yield return Tensor($"{module}.qweight", "int32", Up(inputs * Bits, 32), outputs);
                yield return Tensor($"{module}.qzeros", "int32", groups, Up(outputs * Bits, 32));
                yield return Tensor($"{module}.scales", "float16", groups, outputs);
                yield return Tensor($"{module}.g_idx", "int32", inputs);
                break;
            case QuantizedLayout.Awq:
                yield return Tensor($"{module}.qweight", "int32", inputs, Up(outputs * Bits, 32));
                yield return Tensor($"{module}.qzeros", "int32", groups, Up(outputs * Bits, 32));
                yield return Tensor($"{module}.scales", "float16", groups, outputs);
                break;
            case QuantizedLayout.Bitsandbytes4:
                var blocks = Up(outputs * inputs, GroupSize);
                yield return Tensor($"{module}.weight", Dtype, Up(outputs * inputs, 2), 1);
                yield return Tensor($"{module}.weight.absmax", Nested ? "uint8" : "float32", blocks);
                yield return Tensor($"{module}.weight.quant_map", "float32", 16);
                if (Nested)
                {
                    yield return Tensor($"{module}.weight.nested_absmax", "float32", Up(blocks, 256));
                    yield return Tensor($"{module}.weight.nested_quant_map", "float32", 256);
                }

                break;
            case QuantizedLayout.Bitsandbytes8:
                yield return Tensor($"{module}.weight", Dtype, outputs, inputs);
                yield return Tensor($"{module}.SCB", "float32", outputs);
                break;
            default:
                throw new System.Diagnostics.UnreachableException();
        }
    }

    private static StoredTensor Tensor(string name, string dtype, params ReadOnlySpan<long> shape)
    {
        var elements = 1L;
        foreach (var size in shape)
            elements = checked(elements * size);
        return new StoredTensor(name, dtype, [.. shape], checked(elements * Dtypes.Bits(dtype)!.Value / 8));
    }

    private static long Up(long value, long step) => (value + step - 1) / step;
}
