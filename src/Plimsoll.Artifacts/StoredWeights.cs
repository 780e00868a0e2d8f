using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>The weights of one artefact, or one file of them, before they are put beside a configuration.</summary>
internal sealed record StoredWeights
{
    /// <summary>The file that names the others first.</summary>
    public required ImmutableArray<ModelFile> Files { get; init; }

    public ImmutableArray<StoredTensor> Tensors { get; init; } = [];

    /// <summary>Names under which the files hold tensors that are not listed, as they take no bytes of their own.</summary>
    public ImmutableArray<string> SecondNames { get; init; } = [];

    /// <summary>See <see cref="ArtifactHeader.StorageBytes"/>.</summary>
    public long? StorageBytes { get; init; }

    public ImmutableDictionary<string, string> Metadata { get; init; } = ImmutableDictionary<string, string>.Empty;

    public ImmutableArray<string> Notes { get; init; } = [];

    public long Bytes => StorageBytes ?? Tensors.Sum(tensor => tensor.Bytes);

    /// <summary>An artefact that is nothing but these.</summary>
    public ArtifactHeader As(ArtifactFormat format, string source) => new()
    {
        Format = format,
        Source = source,
        Files = Files,
        Tensors = Tensors,
        StorageBytes = StorageBytes,
        Metadata = Metadata,
        Notes = Notes,
    };
}
