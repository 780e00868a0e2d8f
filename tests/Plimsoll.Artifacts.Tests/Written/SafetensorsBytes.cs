using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Writes safetensors files: 8 bytes of length, the header's JSON, the data.</summary>
internal static class SafetensorsBytes
{
    /// <summary>A file of a header as given, and so many bytes of data.</summary>
    public static byte[] Raw(string header, int dataBytes)
    {
        var text = Encoding.UTF8.GetBytes(header);
        var file = new byte[8 + text.Length + dataBytes];
        BinaryPrimitives.WriteInt64LittleEndian(file, text.Length);
        text.CopyTo(file, 8);
        return file;
    }

    /// <summary>The header's bytes alone, for a file that is longer, and how long.</summary>
    public static (byte[] Header, long Length) Sparse(params (string Name, string Dtype, long[] Shape, long Bytes)[] tensors)
    {
        var (header, bytes) = Header(tensors);
        var content = Raw(header, 0);
        return (content, content.Length + bytes);
    }

    /// <summary>Tensors one after another.</summary>
    public static byte[] File(params (string Name, string Dtype, long[] Shape, long Bytes)[] tensors)
    {
        var (header, bytes) = Header(tensors);
        return Raw(header, checked((int)bytes));
    }

    private static (string Header, long Bytes) Header((string Name, string Dtype, long[] Shape, long Bytes)[] tensors)
    {
        var at = 0L;
        var entries = new List<string> { "\"__metadata__\":{\"format\":\"pt\"}" };
        foreach (var (name, dtype, shape, bytes) in tensors)
        {
            entries.Add($"\"{name}\":{{\"dtype\":\"{dtype}\",\"shape\":[{string.Join(',', shape)}],\"data_offsets\":[{at},{at + bytes}]}}");
            at += bytes;
        }

        var header = "{" + string.Join(',', entries) + "}";
        // Writers fill up to a multiple of eight with spaces.
        return (header.PadRight((header.Length + 7) / 8 * 8), at);
    }
}
