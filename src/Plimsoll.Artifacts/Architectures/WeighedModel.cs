using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>What an architecture weighs, before a file's identity and disk are added to make a <see cref="Footprint"/>.</summary>
public sealed record WeighedModel
{
    /// <summary>Whether tensors were seen, or written down from the configuration.</summary>
    public required FootprintSource Source { get; init; }

    /// <summary>
    /// Parameters of all that is served: quantised ones unpacked, tied ones once, scales and predictors of further
    /// tokens not counted.
    /// </summary>
    public required long Parameters { get; init; }

    /// <summary>
    /// Parameters that one token of text passes: all but the experts it does not choose and encoders of images and
    /// sound; 0 where nothing says how many experts that is.
    /// </summary>
    public required long ActiveParameters { get; init; }

    /// <summary>Bytes of all tensors as stored, scales and what is not served included.</summary>
    public required Bytes Weights { get; init; }

    public required Bytes LargestTensor { get; init; }

    public required ImmutableArray<DtypeWeight> ByDtype { get; init; }

    /// <summary>By component, ordered by name; "predictor" is in the files but not among <see cref="Parameters"/>.</summary>
    public required ImmutableArray<ComponentWeight> Components { get; init; }

    /// <summary>Null where the architecture is not known.</summary>
    public ModelShape? Shape { get; init; }

    /// <summary>True where the architecture is not known and was taken for the usual one with its fields.</summary>
    public bool Estimated { get; init; }

    /// <summary>True where something that the configuration does not say was filled in, a dtype or a part; the notes say what.</summary>
    public bool Assumed { get; init; }

    public ImmutableArray<Provenance> Provenance { get; init; } = [];

    public ImmutableArray<string> Notes { get; init; } = [];
}
