using System.IO.Compression;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Plimsoll.Json;

namespace Plimsoll.Local;

/// <summary>Canonical JSON, compressed with Brotli at its fastest useful level.</summary>
internal static class JournalCodec
{
    // A row that unfolds to more than this is damage, not a fleet: 1,000 models are some 5 MB.
    private const int MostBytes = 256 * 1024 * 1024;

    public static byte[] Pack(ReadOnlySpan<byte> json)
    {
        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(json.Length)];
        if (!BrotliEncoder.TryCompress(json, packed, out var written, quality: 3, window: 18))
            throw new InvalidOperationException($"{json.Length} bytes of JSON did not compress into {packed.Length}");
        return packed[..written];
    }

    public static byte[] Pack<T>(T value, JsonTypeInfo<T> type) => Pack(PlimsollJson.ToBytes(value, type));

    public static byte[] Unpack(byte[] packed)
    {
        using var brotli = new BrotliStream(new MemoryStream(packed), CompressionMode.Decompress);
        var json = new MemoryStream();
        var buffer = new byte[64 * 1024];
        for (int read; (read = brotli.Read(buffer)) > 0;)
        {
            if (json.Length + read > MostBytes) throw new InvalidDataException($"a row holds more than {MostBytes} bytes of JSON");
            json.Write(buffer, 0, read);
        }

        return json.ToArray();
    }

    public static T Unpack<T>(byte[] packed, JsonTypeInfo<T> type) =>
        JsonSerializer.Deserialize(Unpack(packed), type) ?? throw new InvalidDataException($"a row holds no {typeof(T).Name}");
}
