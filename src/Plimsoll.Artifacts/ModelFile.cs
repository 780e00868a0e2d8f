namespace Plimsoll.Artifacts;

/// <summary>One file that a model consists of, with its size on disk in bytes.</summary>
public sealed record ModelFile(string Path, long Bytes);
