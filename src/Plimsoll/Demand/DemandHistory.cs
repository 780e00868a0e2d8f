using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Arrivals of one model in buckets of equal width, newest last. A bucket nobody counted is -1, which no rule may
/// read as silence. What a model is planned by until its forecast has seen enough.
/// </summary>
/// <param name="End">End of the newest bucket; null when nothing was counted yet.</param>
/// <param name="Arrivals">Arrivals per bucket, -1 where not observed; at most the settings' number of buckets.</param>
public sealed record DemandHistory(DateTimeOffset? End, ImmutableArray<double> Arrivals)
{
    public static readonly DemandHistory None = new(null, []);

    /// <summary>Adds what arrived between two moments, spread evenly; a gap before it stays unobserved.</summary>
    public DemandHistory Add(DateTimeOffset from, DateTimeOffset to, double arrivals, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (to <= from || arrivals < 0 || !double.IsFinite(arrivals)) return this;
        var width = settings.DemandBucket.Ticks;
        var endBucket = Index(to.UtcTicks - 1, width);
        var fromBucket = Math.Max(Index(from.UtcTicks, width), endBucket - settings.DemandBuckets + 1);
        var previousEnd = End is { } end ? Index(end.UtcTicks - 1, width) : fromBucket - 1;

        // A clock that jumped back must neither erase nor invent: what lies before the newest bucket goes into it.
        if (endBucket < previousEnd)
            return this with { Arrivals = Arrivals.SetItem(Arrivals.Length - 1, Math.Max(0, Arrivals[^1]) + arrivals) };
        var capacity = settings.DemandBuckets;
        var grown = Math.Min(capacity, Arrivals.Length + Math.Min(capacity, endBucket - previousEnd));
        var buckets = new double[grown];
        Array.Fill(buckets, -1);
        var shift = endBucket - previousEnd;
        for (var i = 0; i < Arrivals.Length; i++)
        {
            var at = grown - 1 - shift - (Arrivals.Length - 1 - i);
            if (at >= 0 && at < grown) buckets[at] = Arrivals[i];
        }

        var span = (double)(to - from).Ticks;
        for (var bucket = fromBucket; bucket <= endBucket; bucket++)
        {
            var at = grown - 1 - (int)(endBucket - bucket);
            if (at < 0) continue;
            var overlap = Math.Min(to.UtcTicks, (bucket + 1) * width) - Math.Max(from.UtcTicks, bucket * width);
            var share = fromBucket == endBucket ? arrivals : arrivals * Math.Max(0, overlap) / span;
            buckets[at] = Math.Max(0, buckets[at]) + share;
        }

        return new DemandHistory(new DateTimeOffset((endBucket + 1) * width, TimeSpan.Zero), [.. buckets]);
    }

    /// <summary>Mean arrivals a second over the last stretch; missing when no bucket of it was observed.</summary>
    public Signal<double> MeanRate(TimeSpan over, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var (sum, seen) = (0.0, 0);
        for (var i = Math.Max(0, Arrivals.Length - Buckets(over, settings)); i < Arrivals.Length; i++)
        {
            if (Arrivals[i] < 0) continue;
            sum += Arrivals[i];
            seen++;
        }

        return seen == 0
            ? Signal.Missing<double>("no arrivals were counted")
            : Signal.Known(sum / (seen * settings.DemandBucket.TotalSeconds), End!.Value);
    }

    /// <summary>The same as it would have been without known events; what they left too little of to tell was not observed.</summary>
    public DemandHistory WithoutEvents(DemandCalendar calendar, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(calendar);
        ArgumentNullException.ThrowIfNull(settings);
        if (End is not { } end || !calendar.Any(end - (settings.DemandBucket * Arrivals.Length), end)) return this;
        var buckets = new double[Arrivals.Length];
        for (var i = 0; i < buckets.Length; i++)
        {
            var from = end - (settings.DemandBucket * (buckets.Length - i));
            buckets[i] = Arrivals[i] < 0 ? -1 : calendar.WithoutEvents(from, from + settings.DemandBucket, Arrivals[i]) ?? -1;
        }

        return this with { Arrivals = [.. buckets] };
    }

    /// <summary>
    /// The empirical quantile of the largest bucket in windows as long as the one the decision covers: what a window
    /// of that length held at the most, in all but (1 − quantile) of the recent past. The first rule, before a forecast.
    /// </summary>
    /// <param name="window">Length of the window to cover, [T_load, T_load + review].</param>
    /// <param name="lookback">How much of the past counts.</param>
    /// <param name="quantile">Between 0 and 1.</param>
    /// <param name="settings">Bucket width.</param>
    /// <param name="averaged">What a rate is the mean of; of no more than a bucket where it is shorter.</param>
    /// <returns>Arrivals a second; missing when nothing was observed.</returns>
    public Signal<double> Quantile(TimeSpan window, TimeSpan lookback, double quantile, PlannerSettings settings, TimeSpan averaged = default)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var start = Math.Max(0, Arrivals.Length - Buckets(lookback, settings));
        var length = Arrivals.Length - start;
        if (length == 0) return Signal.Missing<double>("no arrivals were counted");
        var width = Math.Min(length, Buckets(window, settings));
        var over = Buckets(averaged, settings);
        var maxima = RollingMaxima(over > 1 ? RollingMeans(Arrivals.AsSpan()[start..], over) : Arrivals.AsSpan()[start..], width);
        if (maxima.Count == 0) return Signal.Missing<double>("no arrivals were counted");
        maxima.Sort();

        // The higher of the two neighbours: a quantile that interpolates downwards promises less than was seen.
        var index = Math.Min(maxima.Count - 1, (int)Math.Ceiling(quantile * maxima.Count) - 1);
        return Signal.Known(maxima[Math.Max(0, index)] / settings.DemandBucket.TotalSeconds, End!.Value);
    }

    /// <summary>Whole buckets that cover a time, at least one.</summary>
    private static int Buckets(TimeSpan time, PlannerSettings settings) =>
        (int)Math.Clamp(Math.Ceiling((double)time.Ticks / settings.DemandBucket.Ticks), 1, settings.DemandBuckets);

    private static long Index(long ticks, long width) => ticks / width;

    // Buckets nobody counted are left out of the mean; where none was counted there is none.
    private static double[] RollingMeans(ReadOnlySpan<double> buckets, int over)
    {
        var means = new double[buckets.Length];
        var (sum, seen) = (0.0, 0);
        for (var i = 0; i < buckets.Length; i++)
        {
            if (buckets[i] >= 0) (sum, seen) = (sum + buckets[i], seen + 1);
            if (i >= over && buckets[i - over] >= 0) (sum, seen) = (sum - buckets[i - over], seen - 1);
            means[i] = seen > 0 ? Math.Max(0, sum / seen) : -1;
        }

        return means;
    }

    // A monotone queue: each bucket enters and leaves once, so an hour of heavy model costs no more than a minute's.
    private static List<double> RollingMaxima(ReadOnlySpan<double> buckets, int width)
    {
        var maxima = new List<double>(buckets.Length - width + 1);
        var queue = new int[buckets.Length];
        var (head, tail) = (0, 0);
        for (var i = 0; i < buckets.Length; i++)
        {
            while (tail > head && buckets[queue[tail - 1]] <= buckets[i]) tail--;
            queue[tail++] = i;
            if (queue[head] <= i - width) head++;
            if (i >= width - 1 && buckets[queue[head]] >= 0) maxima.Add(buckets[queue[head]]);
        }

        return maxima;
    }
}
