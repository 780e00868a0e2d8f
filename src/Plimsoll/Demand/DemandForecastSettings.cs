using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>What a forecast of demand is asked for: the width of the buckets, and the windows it is kept for.</summary>
public sealed record DemandForecastSettings
{
    /// <summary>Peaks of a second, over the windows of a small encoder (10 s) to those of a day.</summary>
    public static readonly DemandForecastSettings Default = new();

    /// <summary>
    /// Width of one bucket; the rate in the busiest bucket of a window is what is forecast. 1 s. Where counts come in
    /// longer intervals they are spread evenly, so peaks shorter than an interval are not seen.
    /// </summary>
    public TimeSpan Bucket { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Windows a distribution is learned for, ascending whole buckets; one in between is interpolated.</summary>
    public ImmutableArray<TimeSpan> Windows { get; init; } =
    [
        TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(1), TimeSpan.FromMinutes(10), TimeSpan.FromHours(2), TimeSpan.FromDays(1),
    ];
}
