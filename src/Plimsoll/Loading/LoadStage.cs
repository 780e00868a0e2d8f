using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// One stage of a load: a fixed part and bytes over bandwidth (design §5). The bandwidth is the lesser of what one load can take by
/// itself and of its part of a link that others use too.
/// </summary>
public sealed record LoadStage
{
    /// <summary>What is done, in a word: "fetch", "read", "initialise".</summary>
    public required string Name { get; init; }

    public Bytes Bytes { get; init; }

    /// <summary>What one load gets when nothing else uses the link; null where no bytes move.</summary>
    public BytesPerSecond? Alone { get; init; }

    /// <summary>What the link carries for all loads together; null where loads don't share one.</summary>
    public BytesPerSecond? Shared { get; init; }

    public TimeSpan Fixed { get; init; }

    /// <summary>Standard deviation of the logarithm of how long it takes, over what is not known of it.</summary>
    public double Spread { get; init; }

    /// <summary>Seconds that half of such stages stay under, with so many loads at the same time, itself included.</summary>
    public double Seconds(int concurrent = 1)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(concurrent, 1);
        double? alone = Alone?.Value, share = Shared?.Value / (double)concurrent;
        var rate = Math.Min(alone ?? double.MaxValue, share ?? double.MaxValue);
        return Math.Max(0, Fixed.TotalSeconds) + (Math.Max(0, Bytes.Value) / Math.Max(1, rate));
    }
}

/// <summary>The stages from deciding to serving (or to being gone), one after another.</summary>
public sealed record LoadPath(ImmutableArray<LoadStage> Stages)
{
    // Nine of ten of a normal distribution.
    private const double P90 = 1.2815516;

    /// <summary>
    /// Medians add up. What the p90s lie above them adds up as spreads of independent things do, by squares: it seldom happens that all are late.
    /// </summary>
    /// <param name="concurrent">Loads at the same time on the same links, itself included.</param>
    public LoadEstimate Estimate(int concurrent = 1)
    {
        double median = 0, squares = 0;
        foreach (var stage in Stages)
        {
            var seconds = stage.Seconds(concurrent);
            var above = seconds * (Math.Exp(P90 * stage.Spread) - 1);
            median += seconds;
            squares += above * above;
        }

        return LoadEstimate.Of(median, median + Math.Sqrt(squares), 0);
    }
}
