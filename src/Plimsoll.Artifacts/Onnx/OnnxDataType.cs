using System.Diagnostics.CodeAnalysis;

namespace Plimsoll.Artifacts;

/// <summary>ONNX's tensor element types, with ONNX's own numbers.</summary>
[SuppressMessage("Naming", "CA1720:Identifier contains type name", Justification = "These are type names.")]
public enum OnnxDataType
{
    Undefined = 0,
    Float32 = 1,
    UInt8 = 2,
    Int8 = 3,
    UInt16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    Text = 8,
    Boolean = 9,
    Float16 = 10,
    Float64 = 11,
    UInt32 = 12,
    UInt64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    BFloat16 = 16,
    Float8E4M3FN = 17,
    Float8E4M3FNUZ = 18,
    Float8E5M2 = 19,
    Float8E5M2FNUZ = 20,
    UInt4 = 21,
    Int4 = 22,
    Float4E2M1 = 23,
    Float8E8M0 = 24,
    UInt2 = 25,
    Int2 = 26,
}

public static class OnnxDataTypes
{
    /// <summary>Bits that one element takes when stored raw; 0 for text, whose elements have no fixed size.</summary>
    public static int Bits(this OnnxDataType type) => type switch
    {
        OnnxDataType.Int2 or OnnxDataType.UInt2 => 2,
        OnnxDataType.Int4 or OnnxDataType.UInt4 or OnnxDataType.Float4E2M1 => 4,
        OnnxDataType.UInt8 or OnnxDataType.Int8 or OnnxDataType.Boolean or OnnxDataType.Float8E4M3FN
            or OnnxDataType.Float8E4M3FNUZ or OnnxDataType.Float8E5M2 or OnnxDataType.Float8E5M2FNUZ
            or OnnxDataType.Float8E8M0 => 8,
        OnnxDataType.UInt16 or OnnxDataType.Int16 or OnnxDataType.Float16 or OnnxDataType.BFloat16 => 16,
        OnnxDataType.Float32 or OnnxDataType.Int32 or OnnxDataType.UInt32 => 32,
        OnnxDataType.Float64 or OnnxDataType.Int64 or OnnxDataType.UInt64 or OnnxDataType.Complex64 => 64,
        OnnxDataType.Complex128 => 128,
        _ => 0,
    };

    /// <summary>Bytes of <paramref name="elements"/> packed elements, or null where that passes 2^63.
    /// Three int4 take two bytes.</summary>
    public static long? PackedBytes(this OnnxDataType type, long elements)
    {
        var bits = (Int128)elements * type.Bits();
        var bytes = (bits + 7) / 8;
        return bytes > long.MaxValue ? null : (long)bytes;
    }
}
