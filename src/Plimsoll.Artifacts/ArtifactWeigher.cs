using System.Collections.Immutable;

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
        return Of(header, file => new LocalFile(file.Path)) with { IsFolder = Directory.Exists(path) };
    }

    /// <summary>Weighs an artefact that was found, here or behind an address; of one behind an address a few hundred
    /// kilobytes are read.</summary>
    /// <exception cref="ArtifactException">It cannot be read, or contradicts itself; one sentence without secrets.</exception>
    public static WeighedArtifact Weigh(ArtifactSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        if (source.LocalPath is { } path) return Weigh(path);
        if (!HasRanges(source))
            throw new ArtifactException($"{source.Shown} cannot be weighed by its header: its server knows no ranges.");
        var header = source.ReadHeader();
        return Of(header, source.IsFile && header.Files.Length <= SampledRemoteFilesMax ? source.Opened : null) with { IsFolder = !source.IsFile };
    }

    /// <summary>False when it is one file and its server sends it only whole, and it is too large to look at its header so.</summary>
    public static bool HasRanges(ArtifactSource source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return source.LocalPath is not null || source.RemoteFile is not { HasRanges: false };
    }

    /// <summary>What an artefact behind an address is by declaration. On disk it takes the sizes its store tells, which are
    /// more than its weights.</summary>
    /// <exception cref="ArtifactException">Its files cannot be found.</exception>
    public static WeighedArtifact Declared(ArtifactSource source, ArtifactFormat format, Bytes weights)
    {
        ArgumentNullException.ThrowIfNull(source);
        ImmutableArray<ModelFile> files = [.. source.Files ?? throw new ArtifactException($"{source.Shown} is a folder whose server does not list its files; the address of its model's file would do.")];
        var sampled = source.IsFile && HasRanges(source);
        var footprint = new Footprint
        {
            Format = format,
            Source = FootprintSource.Declared,
            Digest = ContentDigest.Of(files, [], sampled ? source.Opened : null),
            OnDisk = new Bytes(files.Sum(file => file.Bytes)),
            Weights = weights,
        };
        return new WeighedArtifact(footprint, files) { IsFolder = !source.IsFile };
    }

    private static WeighedArtifact Of(ArtifactHeader header, Func<ModelFile, ByteSource>? open)
    {
        var tensors = header.Tensors.Concat(header.Parts.SelectMany(part => part.Header.Tensors));
        var footprint = Architecture.FootprintOf(header, ContentDigest.Of(header.Files, tensors, open));
        return new WeighedArtifact(UsualRun.AddTo(footprint), header.Files);
    }
}
