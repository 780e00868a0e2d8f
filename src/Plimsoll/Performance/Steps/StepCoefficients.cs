using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// What a roofline leaves open and measurements fit. Efficiencies are of the data sheet's peak. All are positive.
/// </summary>
public enum StepCoefficient
{
    /// <summary>Share of the peak FLOP/s that matrices of 16-bit operands reach.</summary>
    Compute16,

    /// <summary>The same of 8-bit operands.</summary>
    Compute8,

    /// <summary>The same of 4-bit operands.</summary>
    Compute4,

    /// <summary>Share of the memory bandwidth at which dense weights are read.</summary>
    WeightBandwidth,

    /// <summary>Share of the peak that grouped matrices of experts reach, uneven load included.</summary>
    ExpertCompute,

    /// <summary>Share of the memory bandwidth at which experts are read, uneven load included.</summary>
    ExpertBandwidth,

    /// <summary>Share of the 16-bit peak that attention over prompts reaches.</summary>
    AttentionCompute,

    /// <summary>Share of the memory bandwidth at which keys and values are read.</summary>
    CacheBandwidth,

    /// <summary>Times a layer's hidden state passes memory beside the matrices: norms, rotary, activation, residuals.</summary>
    ActivationPasses,

    /// <summary>Seconds of a layer that no width explains: kernels' starts and ends.</summary>
    LayerSeconds,

    /// <summary>
    /// Seconds that the host takes to start a layer's kernels in a pass with prompts, which is seldom a graph's replay. The device
    /// computes meanwhile, so that the longer of both counts: a short prompt takes as long as its launch.
    /// </summary>
    PromptLaunchSeconds,

    /// <summary>As <see cref="LayerSeconds"/>, more, for a layer with experts: routing, sorting tokens.</summary>
    ExpertLayerSeconds,

    /// <summary>Seconds of a collective of two ranks without bytes.</summary>
    CollectiveSeconds,

    /// <summary>Share of the link's bandwidth that collectives reach.</summary>
    LinkBandwidth,

    /// <summary>Seconds of a step outside the layers: scheduling, input preparation, sampling.</summary>
    StepSeconds,

    /// <summary>The same for each sequence in the step.</summary>
    SequenceSeconds,

    /// <summary>Seconds from a request's arrival to its first step and from its token to the client, a step apart.</summary>
    RequestSeconds,

    /// <summary>The same for each token of its prompt: tokenising, copying.</summary>
    RequestTokenSeconds,

    /// <summary>What is left of a model on a device, as a factor of all decode steps; 1 where not measured.</summary>
    DecodeScale,

    /// <summary>The same of what prompts add to a step.</summary>
    PrefillScale,
}

/// <summary>One value for each coefficient.</summary>
public sealed class StepCoefficients
{
    public static readonly int Count = Enum.GetValues<StepCoefficient>().Length;

    private readonly ImmutableArray<double> _values;

    /// <param name="values">In the order of <see cref="StepCoefficient"/>.</param>
    /// <exception cref="ArgumentException">One is missing, not finite, zero or negative.</exception>
    public StepCoefficients(ImmutableArray<double> values)
    {
        if (values.IsDefault || values.Length != Count || values.Any(value => !double.IsFinite(value) || value <= 0))
            throw new ArgumentException($"expected {Count} positive numbers", nameof(values));
        _values = values;
    }

    public double this[StepCoefficient which] => _values[(int)which];

    /// <summary>
    /// The same with no share of a peak above 1: factors of levels that were fitted each for itself may multiply to more where
    /// nothing was measured, and no device does more than its peak.
    /// </summary>
    public StepCoefficients WithinPeaks() => new([.. _values.Select((value, i) => (StepCoefficient)i is
        StepCoefficient.Compute16 or StepCoefficient.Compute8 or StepCoefficient.Compute4 or StepCoefficient.WeightBandwidth or StepCoefficient.ExpertCompute
        or StepCoefficient.ExpertBandwidth or StepCoefficient.AttentionCompute or StepCoefficient.CacheBandwidth or StepCoefficient.LinkBandwidth ? Math.Min(value, 1) : value)]);

    /// <summary>The bare roofline: every efficiency 1, nothing takes time but FLOPs and bytes.</summary>
    public static readonly StepCoefficients Roofline = new([.. Enum.GetValues<StepCoefficient>().Select(one =>
        one is StepCoefficient.ActivationPasses || one.ToString().EndsWith("Seconds", StringComparison.Ordinal) ? 1e-12 : 1.0)]);
}
