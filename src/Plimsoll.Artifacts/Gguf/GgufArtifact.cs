using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Artifacts;

/// <summary>A GGUF model: one file, or several that were split from one ("m-00001-of-00003.gguf").</summary>
internal static class GgufArtifact
{
    private const int FilesMax = 10_000;

    public static ArtifactHeader Read(ByteSource source)
    {
        var first = GgufHeader.Read(source);
        if (Number(first, "split.count") is not (> 1 and var count))
            return Header(source.Name, [(source, first, FileOf(source, null))]);
        if (count > FilesMax)
            throw new ArtifactException($"{source.Name} is not a GGUF model: it claims to be one of {count} files.");
        var folder = source.Name.LastIndexOf('/') + 1;
        var match = GgufNames.SplitOf(source.Name[folder..]);
        if (!match.Success || int.Parse(match.Groups[3].ValueSpan, CultureInfo.InvariantCulture) != count)
        {
            throw new ArtifactException($"{source.Name} is one of {count} files of a GGUF model, and its name does not tell the others'; "
                + $"name them as \"model-00001-of-{count:00000}.gguf\".");
        }

        return ReadSplit(source, first, match.Groups[1].Value, (int)count);
    }

    private static ArtifactHeader ReadSplit(ByteSource asked, GgufHeader askedHeader, string stem, int count)
    {
        var parts = new List<(ByteSource Source, GgufHeader Header, ModelFile File)>();
        try
        {
            for (var i = 0; i < count; i++)
            {
                var name = string.Create(CultureInfo.InvariantCulture, $"{stem}-{i + 1:00000}-of-{count:00000}.gguf");
                var isAsked = asked.Name.EndsWith(name, StringComparison.Ordinal);
                var source = isAsked ? asked : asked.OpenBeside(name)
                    ?? throw new ArtifactException($"{asked.Name} is one of {count} files, and '{name}' is not beside it.");
                parts.Add((source, askedHeader, FileOf(source, name)));
                var header = isAsked ? askedHeader : GgufHeader.Read(source);
                parts[^1] = parts[^1] with { Header = header };
                var (no, of) = (Number(header, "split.no"), Number(header, "split.count"));
                if (no == i && of == count)
                    continue;
                throw new ArtifactException(no is null || of is null
                    ? $"{source.Name} does not say which file of a split model it is (split.no and split.count), and its name says {i + 1} of {count}."
                    : $"{source.Name} says that it is file {(Int128)no + 1} of {of}, and its name says {i + 1} of {count}.");
            }

            return Header(parts[0].Source.Name, parts);
        }
        finally
        {
            foreach (var part in parts.Where(part => part.Source != asked))
                part.Source.Dispose();
        }
    }

    private static ArtifactHeader Header(string name, List<(ByteSource Source, GgufHeader Header, ModelFile File)> parts)
    {
        var tensors = ImmutableArray.CreateBuilder<StoredTensor>();
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (source, header, _) in parts)
        {
            foreach (var tensor in header.Tensors)
            {
                if (!names.Add(tensor.Name))
                    throw new ArtifactException($"{source.Name} has tensor '{Messages.Shown(tensor.Name)}', which another of its model's files has too.");
                // ggml counts axes from the innermost.
                tensors.Add(new StoredTensor(
                    tensor.Name, GgmlType.Named(tensor.Type).Dtype, [.. tensor.Dimensions.Reverse()], tensor.Bytes));
            }
        }

        var expected = Number(parts[0].Header, "split.tensors.count");
        if (parts.Count > 1 && expected is not null && expected != tensors.Count)
            throw new ArtifactException($"{name} says that its model has {expected} tensors, and its {parts.Count} files hold {tensors.Count}.");
        return new ArtifactHeader
        {
            Format = ArtifactFormat.Gguf,
            Source = name,
            Files = [.. parts.Select(part => part.File)],
            Tensors = tensors.ToImmutable(),
            Metadata = parts[0].Header.Metadata,
            Notes = parts[0].Header.Architecture is null ? ["The header names no architecture."] : [],
        };
    }

    private static ModelFile FileOf(ByteSource source, string? name)
    {
        var file = new ModelFile(source.Name, source.Length) { Validator = source.Validator };
        return name is null ? file : file with { Name = name };
    }

    private static long? Number(GgufHeader header, string key) =>
        header.Metadata.TryGetValue(key, out var text) && long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value : null;
}
