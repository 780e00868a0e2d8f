using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>One observed load or fetch.</summary>
public sealed record LoadSample(Bytes Size, TimeSpan Took);

/// <summary>The last few loads, newest last; enough for a quantile. The Predict issue learns stages from them.</summary>
public sealed record LoadStatistics(ImmutableArray<LoadSample> Samples)
{
    /// <summary>Samples remembered.</summary>
    public const int Window = 20;

    public static readonly LoadStatistics None = new(ImmutableArray<LoadSample>.Empty);
}
