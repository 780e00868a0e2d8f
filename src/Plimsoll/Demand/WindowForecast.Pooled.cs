using System.Collections.Immutable;

namespace Plimsoll;

// What is expected of a model seen for few windows: what any model's next window held against its last ones.
public sealed partial record WindowForecast
{
    // How many windows of its own outweigh it, by quantile of the grid; and after how many it counts nothing, falling
    // in a straight line until then. Chosen on what the benchmark has to tune by, as the growths are.
    private static readonly ImmutableArray<double> PooledWindows = [3, 2, 3, 3, 8];
    private const double PooledUntil = 100;

    // By how much more, as a log, than what the quantile is measured against: the pooled quantiles of single days in
    // buckets of 10 min and of hours in buckets of 1 s, between 10 s and 4 h, for which they differ little.
    private static readonly ImmutableArray<double> PooledGrowth = [-0.1, 0.05, 0.15, 0.35, 0.5];

    /// <summary>
    /// Draws quantiles towards the pooled ones. The lowest is measured against the last step, the median against the last step and
    /// the last window, those above against the last window and the most ever seen, which is what a window not seen yet tends to.
    /// Never less than the largest of as many independent counts of the same mean.
    /// </summary>
    /// <param name="context">The present.</param>
    /// <param name="scored">Windows scored, overlapping ones counted once.</param>
    /// <param name="quantiles">Arrivals a second; changed in place.</param>
    private void Pool(in ForecastContext context, double scored, Span<double> quantiles)
    {
        var half = context.Half;
        var last = Math.Max(0, LastMaximum());
        var step = Math.Max(0, Math.Max(OpenMaximum, RateCode.Rate(Maxima[0])));
        var ever = Math.Max(Compact ? Peak : Ever, last);
        var counted = Math.Max(LevelShort, LevelLong) * context.BucketSeconds;
        ReadOnlySpan<double> against = [step, Middle(step, last), Middle(last, ever), Middle(last, ever), (last + ever) / 2];
        for (var q = 0; q < Grid.Length; q++)
        {
            var grown = against[q] > 0 ? ((against[q] + half) * Math.Exp(PooledGrowth[q])) - half : 0;
            var pooled = Math.Max(grown, CountMaximum.Quantile(counted, Buckets, Grid[q]) / context.BucketSeconds);
            var weight = PooledWindows[q] * (1 - (scored / PooledUntil));
            var mean = ((scored * Bent(q, quantiles[q], half)) + (weight * Bent(q, pooled, half))) / (scored + weight);
            quantiles[q] = Straight(q, mean, half);
        }

        double Middle(double low, double high) => Math.Sqrt((low + half) * (high + half)) - half;
    }
}
