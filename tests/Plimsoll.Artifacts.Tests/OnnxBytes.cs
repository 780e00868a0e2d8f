using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Writes protobuf by hand, so that the reader is not tested against the project's own writer alone.</summary>
internal static class OnnxBytes
{
    public static byte[] Varint(ulong value)
    {
        var bytes = new List<byte>();
        for (; value >= 128; value /= 128)
            bytes.Add((byte)(value % 128 + 128));
        bytes.Add((byte)value);
        return [.. bytes];
    }

    public static byte[] Number(int field, long value) => [.. Varint((ulong)field * 8), .. Varint(unchecked((ulong)value))];

    public static byte[] Content(int field, params byte[][] parts)
    {
        var content = parts.SelectMany(part => part).ToArray();
        return [.. Varint((ulong)field * 8 + 2), .. Varint((ulong)content.Length), .. content];
    }

    public static byte[] Text(int field, string text) => Content(field, Encoding.UTF8.GetBytes(text));

    public static byte[] Entry(string key, string value) => Content(13, Text(1, key), Text(2, value));

    /// <summary>A model whose graph holds the given fields.</summary>
    public static byte[] Model(params byte[][] graph) =>
        [.. Number(1, 8), .. Content(8, Text(1, ""), Number(2, 17)), .. Content(7, graph)];

    /// <summary>An initialiser "w" of a type and shape, with further fields.</summary>
    public static byte[] Tensor(int type, long[] shape, params byte[][] rest) =>
        Content(5, [.. shape.Select(length => Number(1, length)), Number(2, type), Text(8, "w"), .. rest]);
}
