using System.Buffers.Binary;

namespace Plimsoll.Artifacts;

/// <summary>What a file is, by its first bytes; by its name only where the format has no mark of its own.</summary>
internal enum FileKind
{
    Unknown,
    Gguf,
    Onnx,

    /// <summary>It begins as an ONNX model may, and so may other things.</summary>
    MaybeOnnx,
    Safetensors,

    /// <summary>"*.index.json".</summary>
    Index,

    /// <summary>Any other JSON object.</summary>
    Config,
    Zip,

    /// <summary>PyTorch's format before 1.6: pickles one after another.</summary>
    LegacyTorch,
    TensorRt,
}

internal static class FileKinds
{
    // What torch.save wrote before it wrote zip archives: protocol 2, then a long of ten bytes.
    private static ReadOnlySpan<byte> LegacyTorchMagic => [0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19];

    public static FileKind Of(ByteSource source, string name)
    {
        Span<byte> first = stackalloc byte[16];
        var file = new HeaderFile(source, "a model");
        var count = (int)Math.Min(first.Length, file.Length);
        file.ReadExactly(first[..count]);
        if (file.IsPointer()) throw file.Broken("");
        return ByMark(first[..count], file.Length) ?? ByName(first[..count], name);
    }

    private static FileKind? ByMark(ReadOnlySpan<byte> first, long length)
    {
        if (first.StartsWith("GGUF"u8)) return FileKind.Gguf;
        if (first.StartsWith("PK\x03\x04"u8) || first.StartsWith("PK\x05\x06"u8)) return FileKind.Zip;
        if (first.StartsWith(LegacyTorchMagic)) return FileKind.LegacyTorch;
        // TensorRT's two marks, of older plans and newer ones.
        if (first.StartsWith("ptrt"u8) || first.StartsWith("ftrt"u8)) return FileKind.TensorRt;
        return first.Length > 9 && first[8] == '{' && BinaryPrimitives.ReadUInt64LittleEndian(first) <= (ulong)length - 8
            ? FileKind.Safetensors : null;
    }

    private static FileKind ByName(ReadOnlySpan<byte> first, string name)
    {
        if (name.EndsWith(".safetensors", StringComparison.OrdinalIgnoreCase)) return FileKind.Safetensors;
        if (name.EndsWith(".onnx", StringComparison.OrdinalIgnoreCase)) return FileKind.Onnx;
        if (name.EndsWith(".gguf", StringComparison.OrdinalIgnoreCase)) return FileKind.Gguf;
        if (name.EndsWith(".engine", StringComparison.OrdinalIgnoreCase) || name.EndsWith(".plan", StringComparison.OrdinalIgnoreCase)) return FileKind.TensorRt;
        if (name.EndsWith(".json", StringComparison.OrdinalIgnoreCase))
            return name.Contains(".safetensors.index.", StringComparison.Ordinal) || name.Contains(".bin.index.", StringComparison.Ordinal)
                ? FileKind.Index : FileKind.Config;
        // An ONNX model's first field is its IR version, a small number, and then comes another of its fields.
        return first.Length > 3 && first[0] == 0x08 && first[1] is > 0 and < 32 && first[2] is 0x12 or 0x1A or 0x22 or 0x28 or 0x32 or 0x3A or 0x42
            ? FileKind.MaybeOnnx : FileKind.Unknown;
    }
}
