using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>How ggml stores elements: blocks of <paramref name="BlockElements"/> in <paramref name="BlockBytes"/>.</summary>
internal sealed record GgmlType(uint Number, string Name, int BlockElements, int BlockBytes)
{
    // Sizes are those of ggml's block structs: half-precision scales (2 bytes) and packed quants per block of 32 or 256.
    private static readonly FrozenDictionary<uint, GgmlType> ByNumber = new GgmlType[]
    {
        new(0, "F32", 1, 4), new(1, "F16", 1, 2),
        new(2, "Q4_0", 32, 18), new(3, "Q4_1", 32, 20), new(6, "Q5_0", 32, 22), new(7, "Q5_1", 32, 24),
        new(8, "Q8_0", 32, 34), new(9, "Q8_1", 32, 36),
        new(10, "Q2_K", 256, 84), new(11, "Q3_K", 256, 110), new(12, "Q4_K", 256, 144), new(13, "Q5_K", 256, 176),
        new(14, "Q6_K", 256, 210), new(15, "Q8_K", 256, 292),
        new(16, "IQ2_XXS", 256, 66), new(17, "IQ2_XS", 256, 74), new(18, "IQ3_XXS", 256, 98),
        new(19, "IQ1_S", 256, 50), new(20, "IQ4_NL", 32, 18), new(21, "IQ3_S", 256, 110), new(22, "IQ2_S", 256, 82),
        new(23, "IQ4_XS", 256, 136), new(24, "I8", 1, 1), new(25, "I16", 1, 2), new(26, "I32", 1, 4),
        new(27, "I64", 1, 8), new(28, "F64", 1, 8), new(29, "IQ1_M", 256, 56), new(30, "BF16", 1, 2),
        new(34, "TQ1_0", 256, 54), new(35, "TQ2_0", 256, 66), new(39, "MXFP4", 32, 17),
        new(40, "NVFP4", 64, 36), new(41, "Q1_0", 128, 18), new(42, "Q2_0", 64, 18),
    }.ToFrozenDictionary(type => type.Number);

    public static GgmlType? Of(uint number) => ByNumber.GetValueOrDefault(number);

    /// <summary>Numbers that ggml once used (Q4_2, and formats packed for one processor): nothing reads them any more.</summary>
    public static bool IsRemoved(uint number) => number is 4 or 5 or 31 or 32 or 33 or 36 or 37 or 38;

    /// <summary>PyTorch's name where the elements are plain numbers, ggml's own for its blocks.</summary>
    public string Dtype => Name switch
    {
        "F16" => "float16",
        "F32" => "float32",
        "F64" => "float64",
        "BF16" => "bfloat16",
        "I8" => "int8",
        "I16" => "int16",
        "I32" => "int32",
        "I64" => "int64",
        _ => Name,
    };

    /// <summary>The type of that name, which is one of ours.</summary>
    public static GgmlType Named(string name) => ByNumber.Values.First(type => type.Name == name);

    /// <summary>Bytes of a tensor, or null when its first axis is no whole number of blocks or the size is absurd.</summary>
    public long? Bytes(long firstAxis, long elements)
    {
        if (firstAxis % BlockElements != 0)
            return null;
        var bytes = (Int128)elements / BlockElements * BlockBytes;
        return bytes > long.MaxValue ? null : (long)bytes;
    }
}
