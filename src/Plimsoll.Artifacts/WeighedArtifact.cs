using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>A model as weighed, with the files it consists of, the model file first.</summary>
public sealed record WeighedArtifact(Footprint Footprint, ImmutableArray<ModelFile> Files);
