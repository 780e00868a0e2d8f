using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>A model as weighed, with the files it consists of, the one that names the others first.</summary>
public sealed record WeighedArtifact(Footprint Footprint, ImmutableArray<ModelFile> Files)
{
    /// <summary>True when a folder was weighed, false for one file with those it names.</summary>
    public bool IsFolder { get; init; }
}
