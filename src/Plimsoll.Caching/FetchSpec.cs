using System.Collections.Immutable;

namespace Plimsoll.Caching;

/// <summary>How an artefact is fetched into the model cache.</summary>
public sealed record FetchSpec
{
    /// <summary>A path, or an address of http(s), s3, gs, hf or pvc, of a file or a folder; a folder is taken with all its files.</summary>
    public required string Source { get; init; }

    /// <summary>It is known to be a folder, although its address does not end in a slash.</summary>
    public bool IsFolder { get; init; }

    /// <summary>A server is given the first of <see cref="Files"/>, although the source is the folder that holds them.</summary>
    public bool ServesFirstFile { get; init; }

    /// <summary>What to do when the source has changed since it was weighed; ends a sentence.</summary>
    public string WhenChanged { get; init; } = "end this fleet and start it again to take the new version";

    /// <summary>Expected SHA-256 per file name, lower-case hex, where known; a file that differs is refused.</summary>
    public ImmutableSortedDictionary<string, string> Sha256 { get; init; } =
        ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>
    /// The files it was weighed by, the model file first; the others are named relative to its folder. Empty takes the
    /// file or folder as it is found.
    /// </summary>
    public ImmutableArray<FetchFile> Files { get; init; } = [];

    /// <summary>The source without what may be a secret in a URL: the only form that is shown or stored.</summary>
    public string Shown => FetchSource.Shown(Source);

    /// <summary>The name that a file behind an address has in the cache: plain characters only, never a path.</summary>
    public static string FileNameOf(Uri url)
    {
        ArgumentNullException.ThrowIfNull(url);
        return CacheNames.FileOf(url);
    }
}

/// <param name="Name">Path relative to the model file's folder, with forward slashes.</param>
/// <param name="Size">Bytes; null when it is not known. One that has another size is another version, and refused.</param>
/// <param name="Validator">Its strong ETag or date when it was weighed; one that has another is refused too.</param>
public sealed record FetchFile(string Name, Bytes? Size = null, string? Validator = null);
