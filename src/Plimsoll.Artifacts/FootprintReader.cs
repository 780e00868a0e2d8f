using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>Weighs a model file from its header.</summary>
public static class FootprintReader
{
    // ggml's key-value cache holds halves unless told otherwise.
    private const int KvElementBytes = 2;
    private const int SampleBytes = 64 * 1024;

    /// <summary>Reads <paramref name="path"/>, an ONNX or GGUF file, told apart by its first bytes.</summary>
    /// <exception cref="ArtifactException">The file is missing, truncated, or neither.</exception>
    public static Footprint Read(string path) => IsGguf(path) ? Of(GgufHeader.Read(path)) : Of(OnnxHeader.Read(path));

    public static Footprint Of(OnnxHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        var tensors = header.Initializers.Concat(header.EmbeddedTensors).ToList();
        return new Footprint
        {
            Format = ArtifactFormat.Onnx,
            Source = FootprintSource.Header,
            Digest = Digest(header.Files, tensors.Select(tensor =>
                $"{tensor.Name}:{tensor.Type}:{string.Join(',', tensor.Dimensions)}")),
            OnDisk = new Bytes(header.FileBytes),
            Weights = new Bytes(header.TensorBytes),
            LargestTensor = new Bytes(tensors.Select(tensor => tensor.Bytes).DefaultIfEmpty(0).Max()),
            Parameters = header.ParameterCount,
            ByDtype = ByName(header.BytesByType.Select(pair =>
                new DtypeWeight(pair.Key.ToString().ToLowerInvariant(), new Bytes(pair.Value)))),
        };
    }

    public static Footprint Of(GgufHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        return new Footprint
        {
            Format = ArtifactFormat.Gguf,
            Source = FootprintSource.Header,
            Digest = Digest([new ModelFile(header.Path, header.FileBytes)], header.Tensors.Select(tensor =>
                $"{tensor.Name}:{tensor.Type}:{string.Join(',', tensor.Dimensions)}")),
            OnDisk = new Bytes(header.FileBytes),
            Weights = new Bytes(header.TensorBytes),
            LargestTensor = new Bytes(header.Tensors.Select(tensor => tensor.Bytes).DefaultIfEmpty(0).Max()),
            Parameters = header.ParameterCount,
            ByDtype = ByName(header.BytesByType.Select(pair => new DtypeWeight(pair.Key, new Bytes(pair.Value)))),
            KvPerToken = new Bytes(KvBytesPerToken(header)),
        };
    }

    // blocks · kv heads · (key width + value width) · 2 bytes; 0 where the header leaves a term out.
    private static long KvBytesPerToken(GgufHeader header)
    {
        if (header.BlockCount is not { } blocks || header.HeadCount is not { } heads)
            return 0;
        var width = header.EmbeddingLength / heads;
        var both = (header.KeyLength ?? width) + (header.ValueLength ?? width);
        var bytes = (Int128)blocks * (header.KeyValueHeadCount ?? heads) * (both ?? 0) * KvElementBytes;
        return bytes > 1L << 40 ? 0 : (long)bytes;
    }

    private static ImmutableArray<DtypeWeight> ByName(IEnumerable<DtypeWeight> weights) =>
        [.. weights.OrderBy(weight => weight.Dtype, StringComparer.Ordinal)];

    private static bool IsGguf(string path)
    {
        using var file = new HeaderFile(path, "a model");
        Span<byte> magic = stackalloc byte[4];
        if (file.Length < magic.Length)
            return false;
        file.ReadExactly(magic);
        return magic.SequenceEqual("GGUF"u8);
    }

    // Reading every byte of a fleet's weights to name them would take minutes; the tensor table, the sizes and both
    // ends of each file tell versions of a model apart. The model cache checks whole files.
    private static string Digest(ImmutableArray<ModelFile> files, IEnumerable<string> tensors)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors)
            hash.AppendData(Encoding.UTF8.GetBytes(tensor + "\n"));
        var buffer = new byte[SampleBytes];
        foreach (var (path, bytes) in files)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(bytes.ToString(CultureInfo.InvariantCulture) + "\n"));
            using var file = new HeaderFile(path, "a model");
            foreach (var start in new[] { 0, Math.Max(0, file.Length - SampleBytes) })
            {
                file.Position = start;
                var part = buffer.AsSpan(0, (int)Math.Min(SampleBytes, file.Length - start));
                file.ReadExactly(part);
                hash.AppendData(part);
            }
        }

        return "sampled-sha256:" + Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
