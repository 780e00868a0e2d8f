namespace Plimsoll.Artifacts;

/// <summary>One file that a model consists of.</summary>
/// <param name="Path">Where it is: a path, or an address as it may be shown.</param>
/// <param name="Bytes">Its size as stored.</param>
public sealed record ModelFile(string Path, long Bytes)
{
    /// <summary>Path relative to the model file's folder, with forward slashes.</summary>
    public string Name { get; init; } = System.IO.Path.GetFileName(Path);

    /// <summary>What its server says tells versions apart, a strong ETag or a date; null for none, and for local files.</summary>
    public string? Validator { get; init; }

    /// <summary>SHA-256 of its bytes in lower-case hex where its store tells; null where it does not.</summary>
    public string? Sha256 { get; init; }
}
