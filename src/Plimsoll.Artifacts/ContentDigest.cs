using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>
/// Names the content of an artefact. Reading every byte of a fleet's weights would take minutes; the tensor table, the sizes,
/// what a store says of each file and both ends of it tell versions of a model apart. The model cache checks whole files.
/// </summary>
internal static class ContentDigest
{
    private const int SampleBytes = 64 * 1024;

    // Of many files mostly a few kilobytes each, so that a folder of hundreds of shards costs no more than a handful.
    private const int SampledBytesMax = 8 * 1024 * 1024;

    /// <param name="files">In the order of their names in the artefact.</param>
    /// <param name="tensors">As the headers list them.</param>
    /// <param name="open">Opens one of the files; null takes no samples.</param>
    public static string Of(
        ImmutableArray<ModelFile> files, IEnumerable<StoredTensor> tensors, Func<ModelFile, ByteSource>? open)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var tensor in tensors) Append(hash, $"{tensor.Name}:{tensor.Dtype}:{string.Join(',', tensor.Shape)}");
        var buffer = new byte[files.IsEmpty ? 0 : Math.Clamp(SampledBytesMax / 2 / files.Length, 1024, SampleBytes)];
        foreach (var file in files)
        {
            Append(hash, string.Create(CultureInfo.InvariantCulture, $"{file.Name}:{file.Bytes}"));
            if (file.Validator is not null) Append(hash, file.Validator);
            if (file.Sha256 is not null) Append(hash, file.Sha256);
            if (open is null) continue;
            using var source = open(file);
            foreach (var start in new[] { 0, Math.Max(0, source.Length - buffer.Length) }) hash.AppendData(Sample(source, start, buffer));
        }

        return (open is null ? "listed-sha256:" : "sampled-sha256:") + Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    private static void Append(IncrementalHash hash, string line) => hash.AppendData(Encoding.UTF8.GetBytes(line + "\n"));

    private static ReadOnlySpan<byte> Sample(ByteSource source, long start, byte[] buffer)
    {
        var part = buffer.AsSpan(0, (int)Math.Min(buffer.Length, source.Length - start));
        for (var (at, read) = (0, 0); at < part.Length; at += read)
        {
            read = source.Read(part[at..], start + at);
            if (read == 0)
                throw new ArtifactException($"{source.Name} is truncated: it ended at byte {start + at} while it was being read.");
        }

        return part;
    }
}
