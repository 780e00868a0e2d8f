namespace Plimsoll.Artifacts;

/// <summary>Weighs a model before it runs, wherever it is and whatever its format, by its headers alone.</summary>
public static class ArtifactWeigher
{
    // Both ends of one or two files behind a server are worth looking at; of many, what its listing says tells enough.
    private const int SampledRemoteFilesMax = 2;

    /// <summary>Weighs a file or folder of this machine.</summary>
    /// <exception cref="ArtifactException">It is missing, truncated or contradicts itself; one sentence says what would do.</exception>
    public static WeighedArtifact Weigh(string path)
    {
        var header = ArtifactReader.Read(path);
        return Of(header, file => new LocalFile(file.Path));
    }

    /// <summary>Weighs an artefact that was found, here or behind an address; of one behind an address a few hundred
    /// kilobytes are read.</summary>
    /// <exception cref="ArtifactException">It cannot be read, or contradicts itself; one sentence without secrets.</exception>
    public static WeighedArtifact Weigh(ArtifactSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.LocalPath is { } path) return Weigh(path);
        if (!source.IsFile) return Of(ArtifactReader.Read(source.OpenFolder()), null);
        var header = ArtifactReader.Read(source.OpenFile());
        return Of(header, header.Files.Length <= SampledRemoteFilesMax ? source.Opened : null);
    }

    private static WeighedArtifact Of(ArtifactHeader header, Func<ModelFile, ByteSource>? open)
    {
        var tensors = header.Tensors.Concat(header.Parts.SelectMany(part => part.Header.Tensors));
        return new WeighedArtifact(Architecture.FootprintOf(header, ContentDigest.Of(header.Files, tensors, open)), header.Files);
    }
}
