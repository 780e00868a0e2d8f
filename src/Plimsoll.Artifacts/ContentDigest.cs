using System.Buffers;
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
    private const int TableBytes = 16 * 1024;
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
        AppendTable(hash, tensors);
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

    // "name:dtype:2,3" and a line's end for each tensor; through one buffer, as a model may have 100,000 of them.
    private static void AppendTable(IncrementalHash hash, IEnumerable<StoredTensor> tensors)
    {
        var lines = new ArrayBufferWriter<byte>(2 * TableBytes);
        foreach (var tensor in tensors)
        {
            Encoding.UTF8.GetBytes(tensor.Name, lines);
            lines.Write(":"u8);
            Encoding.UTF8.GetBytes(tensor.Dtype, lines);
            lines.Write(":"u8);
            for (var axis = 0; axis < tensor.Shape.Length; axis++)
            {
                if (axis > 0) lines.Write(","u8);
                tensor.Shape[axis].TryFormat(lines.GetSpan(24), out var written, provider: CultureInfo.InvariantCulture);
                lines.Advance(written);
            }

            lines.Write("\n"u8);
            if (lines.WrittenCount < TableBytes) continue;
            hash.AppendData(lines.WrittenSpan);
            lines.ResetWrittenCount();
        }

        hash.AppendData(lines.WrittenSpan);
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
