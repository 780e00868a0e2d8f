using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>A tensor of a GGUF file; <see cref="Offset"/> counts from the file's start.</summary>
public sealed record GgufTensor(string Name, string Type, ImmutableArray<long> Dimensions, long Elements, long Bytes, long Offset);

/// <summary>What a GGUF file (versions 2 and 3, little-endian) says about itself, its tensors unread. Values that the file
/// does not state are null.</summary>
public sealed record GgufHeader
{
    public required string Path { get; init; }

    public required int Version { get; init; }

    public required ImmutableArray<GgufTensor> Tensors { get; init; }

    public required long FileBytes { get; init; }

    /// <summary>"llama", "qwen2", …; null when the file does not say.</summary>
    public string? Architecture { get; init; }

    /// <summary>Longest context that the model was made for, in tokens.</summary>
    public long? ContextLength { get; init; }

    /// <summary>Number of transformer blocks.</summary>
    public long? BlockCount { get; init; }

    public long? EmbeddingLength { get; init; }

    public long? HeadCount { get; init; }

    public long? KeyValueHeadCount { get; init; }

    /// <summary>Width of one head's key and value, where they differ from embedding / heads.</summary>
    public long? KeyLength { get; init; }

    public long? ValueLength { get; init; }

    /// <summary>What the key-values say about the model, as text: numbers and short texts of "general", "split" and the
    /// architecture, those kept per block joined by commas, and the number of tokens.</summary>
    public ImmutableDictionary<string, string> Metadata { get; init; } = ImmutableDictionary<string, string>.Empty;

    public long ParameterCount => Tensors.Sum(tensor => tensor.Elements);

    public long TensorBytes => Tensors.Sum(tensor => tensor.Bytes);

    public ImmutableSortedDictionary<string, long> BytesByType => Tensors
        .GroupBy(tensor => tensor.Type)
        .ToImmutableSortedDictionary(group => group.Key, group => group.Sum(tensor => tensor.Bytes), StringComparer.Ordinal);

    /// <summary>Reads the header of the model at <paramref name="path"/>.</summary>
    /// <exception cref="ArtifactException">The file is missing, truncated or not GGUF.</exception>
    public static GgufHeader Read(string path)
    {
        using var file = new LocalFile(path);
        return Read(file);
    }

    internal static GgufHeader Read(ByteSource source) => new GgufHeaderReader(new HeaderFile(source, "a GGUF model")).Read();
}
