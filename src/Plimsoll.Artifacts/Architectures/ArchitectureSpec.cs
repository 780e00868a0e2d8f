using System.Collections.Immutable;

namespace Plimsoll.Artifacts;

/// <summary>One layer as its configuration describes it.</summary>
internal sealed record LayerSpec(Mixer Mixer, FeedForward FeedForward)
{
    /// <summary>Caches beside the mixer's own: cross-attention keeps its keys and values for the whole sequence.</summary>
    public LayerCache Cache { get; init; } = Mixer.Cache;
}

/// <summary>
/// A model as its configuration describes it: the numbers of a shape, its layers, and how to write down its tensors.
/// </summary>
internal sealed record ArchitectureSpec
{
    public required string Architecture { get; init; }

    public ModelTask Task { get; init; } = ModelTask.Generate;

    public required int Hidden { get; init; }

    public required int Vocabulary { get; init; }

    public int MaxPositions { get; init; }

    public int Heads { get; init; }

    public int RotaryWidth { get; init; }

    /// <summary>Rows of rotary tables; 0 for as many as positions.</summary>
    public long RotaryRows { get; init; }

    public long ScaledPositions { get; init; }

    public bool Tied { get; init; }

    public required ImmutableArray<LayerSpec> Layers { get; init; }

    /// <summary>True where an encoder's layers come before the decoder's.</summary>
    public bool EncoderDecoder { get; init; }

    public int EncoderTokensMax { get; init; }

    public long EncoderInputElements { get; init; }

    public EncoderWork EncoderWork { get; init; }

    /// <summary>Dtype to take where the configuration names none.</summary>
    public string DefaultDtype { get; init; } = "bfloat16";

    /// <summary>Writes down every tensor.</summary>
    public required Action<TensorPlan> Plan { get; init; }

    /// <summary>Why the tensors cannot all be written down, to follow "because"; null when they can.</summary>
    public string? Unplanned { get; init; }

    public ImmutableArray<string> Notes { get; init; } = [];
}
