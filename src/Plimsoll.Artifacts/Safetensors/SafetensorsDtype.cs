using System.Collections.Frozen;

namespace Plimsoll.Artifacts;

/// <summary>An element type of the safetensors format, by PyTorch's name.</summary>
/// <param name="Name">PyTorch's name; the six-bit types, which PyTorch lacks, in its manner.</param>
/// <param name="Bits">Bits of one element.</param>
internal sealed record SafetensorsDtype(string Name, int Bits)
{
    private static readonly FrozenDictionary<string, SafetensorsDtype> ByName = new Dictionary<string, SafetensorsDtype>
    {
        ["BOOL"] = new("bool", 8),
        // A shape counts single elements, although PyTorch's type holds two of them.
        ["F4"] = new("float4_e2m1fn_x2", 4),
        ["F6_E2M3"] = new("float6_e2m3fn", 6),
        ["F6_E3M2"] = new("float6_e3m2fn", 6),
        ["U8"] = new("uint8", 8),
        ["I8"] = new("int8", 8),
        ["F8_E5M2"] = new("float8_e5m2", 8),
        ["F8_E4M3"] = new("float8_e4m3fn", 8),
        ["F8_E8M0"] = new("float8_e8m0fnu", 8),
        ["F8_E4M3FNUZ"] = new("float8_e4m3fnuz", 8),
        ["F8_E5M2FNUZ"] = new("float8_e5m2fnuz", 8),
        ["I16"] = new("int16", 16),
        ["U16"] = new("uint16", 16),
        ["F16"] = new("float16", 16),
        ["BF16"] = new("bfloat16", 16),
        ["I32"] = new("int32", 32),
        ["U32"] = new("uint32", 32),
        ["F32"] = new("float32", 32),
        ["C64"] = new("complex64", 64),
        ["F64"] = new("float64", 64),
        ["I64"] = new("int64", 64),
        ["U64"] = new("uint64", 64),
    }.ToFrozenDictionary(StringComparer.Ordinal);

    public static SafetensorsDtype? Of(string name) => ByName.GetValueOrDefault(name);
}
