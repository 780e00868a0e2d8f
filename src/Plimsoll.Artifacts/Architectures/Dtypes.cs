using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>Bits of an element by dtype, in PyTorch's names.</summary>
internal static class Dtypes
{
    private static readonly FrozenDictionary<string, int> BitsByName = new Dictionary<string, int>(StringComparer.Ordinal)
    {
        ["float64"] = 64,
        ["float32"] = 32,
        ["float16"] = 16,
        ["bfloat16"] = 16,
        ["float8_e4m3fn"] = 8,
        ["float8_e5m2"] = 8,
        ["float8_e8m0fnu"] = 8,
        ["float8_e4m3fnuz"] = 8,
        ["float8_e5m2fnuz"] = 8,
        ["float6_e2m3fn"] = 6,
        ["float6_e3m2fn"] = 6,
        ["float4_e2m1fn_x2"] = 4,
        ["float4_e2m1fn"] = 4,
        ["int64"] = 64,
        ["int32"] = 32,
        ["int16"] = 16,
        ["int8"] = 8,
        ["uint64"] = 64,
        ["uint32"] = 32,
        ["uint16"] = 16,
        ["uint8"] = 8,
        ["bool"] = 8,
        ["complex64"] = 64,
        ["complex128"] = 128,
        ["int4"] = 4,
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static int? Bits(string dtype) => BitsByName.TryGetValue(dtype, out var bits) ? bits : null;

    /// <summary>The name a configuration gives ("torch.bfloat16", "fp16"), in PyTorch's spelling; null for none known.</summary>
    public static string? Named(string? name) => name switch
    {
        null => null,
        "half" or "fp16" or "torch.float16" => "float16",
        "bf16" or "torch.bfloat16" => "bfloat16",
        "float" or "fp32" or "torch.float32" => "float32",
        _ => BitsByName.ContainsKey(name) ? name : null,
    };

    /// <summary>Whether a tensor of this dtype holds whole numbers: tables and packed words, not parameters by themselves.</summary>
    public static bool IsInteger(string dtype) => dtype.StartsWith("int", StringComparison.Ordinal)
        || dtype.StartsWith("uint", StringComparison.Ordinal) || dtype == "bool";
}
