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
    public static Footprint Read(string path) => Weigh(path).Footprint;

    /// <summary>The same, with the files that the model consists of.</summary>
    /// <exception cref="ArtifactException">The file is missing, truncated, or neither.</exception>
    public static WeighedArtifact Weigh(string path)
    {
        using var file = new LocalFile(path);
        return Weigh(file, one => new LocalFile(one.Path));
    }

    public static Footprint Of(OnnxHeader header) => Of(header, file => new LocalFile(file.Path));

    public static Footprint Of(GgufHeader header)
    {
        ArgumentNullException.ThrowIfNull(header);
        return Of(header, new ModelFile(header.Path, header.FileBytes), file => new LocalFile(file.Path));
    }

    /// <summary>Weighs a model of which <paramref name="open"/> reads the files.</summary>
    internal static WeighedArtifact Weigh(ByteSource source, Func<ModelFile, ByteSource> open)
    {
        if (!IsGguf(source))
        {
            var onnx = OnnxHeader.Read(source);
            return new WeighedArtifact(Of(onnx, open), onnx.Files);
        }

        var gguf = GgufHeader.Read(source);
        var file = new ModelFile(source.Name, source.Length) { Validator = source.Validator };
        return new WeighedArtifact(Of(gguf, file, open), [file]);
    }

    private static Footprint Of(OnnxHeader header, Func<ModelFile, ByteSource> open)
    {
        ArgumentNullException.ThrowIfNull(header);
        var tensors = header.Initializers.Concat(header.EmbeddedTensors).ToList();
        return new Footprint
        {
            Format = ArtifactFormat.Onnx,
            Source = FootprintSource.Header,
            Digest = Digest(header.Files, tensors.Select(tensor =>
                $"{tensor.Name}:{tensor.Type}:{string.Join(',', tensor.Dimensions)}"), open),
            OnDisk = new Bytes(header.FileBytes),
            Weights = new Bytes(header.TensorBytes),
            LargestTensor = new Bytes(tensors.Select(tensor => tensor.Bytes).DefaultIfEmpty(0).Max()),
            Parameters = header.ParameterCount,
            ByDtype = ByName(header.BytesByType.Select(pair =>
                new DtypeWeight(pair.Key.ToString().ToLowerInvariant(), new Bytes(pair.Value)))),
        };
    }

    private static Footprint Of(GgufHeader header, ModelFile file, Func<ModelFile, ByteSource> open)
    {
        return new Footprint
        {
            Format = ArtifactFormat.Gguf,
            Source = FootprintSource.Header,
            Digest = Digest([file], header.Tensors.Select(tensor =>
                $"{tensor.Name}:{tensor.Type}:{string.Join(',', tensor.Dimensions)}"), open),
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

    private static bool IsGguf(ByteSource source)
    {
        var file = new HeaderFile(source, "a model");
        Span<byte> magic = stackalloc byte[4];
        if (file.Length < magic.Length)
            return false;
        file.ReadExactly(magic);
        return magic.SequenceEqual("GGUF"u8);
    }

    // Reading every byte of a fleet's weights to name them would take minutes; the tensor table, the sizes and both
    // ends of each file tell versions of a model apart. The model cache checks whole files.
    internal static string Digest(
        ImmutableArray<ModelFile> files, IEnumerable<string> tensors, Func<ModelFile, ByteSource> open, bool sampled = true)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors)
            hash.AppendData(Encoding.UTF8.GetBytes(tensor + "\n"));
        var buffer = new byte[SampleBytes];
        foreach (var file in files)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(file.Bytes.ToString(CultureInfo.InvariantCulture) + "\n"));
            if (file.Validator is not null)
                hash.AppendData(Encoding.UTF8.GetBytes(file.Validator + "\n"));
            if (!sampled)
                continue;
            using var source = open(file);
            foreach (var start in new[] { 0, Math.Max(0, source.Length - SampleBytes) })
            {
                var part = buffer.AsSpan(0, (int)Math.Min(SampleBytes, source.Length - start));
                for (var (at, read) = (0, 0); at < part.Length; at += read)
                {
                    read = source.Read(part[at..], start + at);
                    if (read == 0)
                        throw new ArtifactException($"{source.Name} is truncated: it ended at byte {start + at} while it was being read.");
                }

                hash.AppendData(part);
            }
        }

        return (sampled ? "sampled-sha256:" : "listed-sha256:") + Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}
