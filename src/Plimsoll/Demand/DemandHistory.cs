using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// Arrivals of one model in buckets of equal width, newest last. A bucket nobody counted is -1, which no rule may
/// read as silence. What a model is planned by until its forecast has seen enough. A value: nothing in it changes.
/// </summary>
public sealed partial record DemandHistory
{
    public static readonly DemandHistory None = new(null, []);

    // All but the newest bucket, at this place of an array that those before and after it share.
    private readonly Past _past;
    private readonly int _from;
    private readonly int _closed;
    private readonly double? _newest;

    /// <param name="end">End of the newest bucket; null when nothing was counted yet.</param>
    /// <param name="arrivals">Arrivals per bucket, -1 where not observed; at most the settings' number of buckets.</param>
    [JsonConstructor]
    public DemandHistory(DateTimeOffset? end, ImmutableArray<double> arrivals)
    {
        // Full, so that nothing is ever written behind it.
        var buckets = ImmutableCollectionsMarshal.AsArray(arrivals) ?? [];
        (End, _past) = (end, new Past(buckets, buckets.Length));
        if (buckets is [.., var newest]) (_closed, _newest) = (buckets.Length - 1, newest);
    }

    private DemandHistory(DateTimeOffset end, Past past, int from, int closed, double newest) =>
        (End, _past, _from, _closed, _newest) = (end, past, from, closed, newest);

    public DateTimeOffset? End { get; }

    public ImmutableArray<double> Arrivals
    {
        get
        {
            var buckets = new double[Length];
            CopyNewest(buckets);
            return ImmutableCollectionsMarshal.AsImmutableArray(buckets);
        }
    }

    // An interval this many buckets old came late; an older one, after a clock that was set back.
    private const int LateBuckets = 10;

    // Buckets that are looked at on the stack.
    private const int OnStack = 256;

    private int Length => _closed + (_newest is null ? 0 : 1);

    /// <summary>Adds what arrived between two moments, spread evenly; a gap before it stays unobserved.</summary>
    public DemandHistory Add(DateTimeOffset from, DateTimeOffset to, double arrivals, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (to <= from || arrivals < 0 || !double.IsFinite(arrivals)) return this;
        var (width, capacity) = (settings.DemandBucket.Ticks, settings.DemandBuckets);
        var endBucket = Index(to.UtcTicks - 1, width);
        var fromBucket = Math.Max(Index(from.UtcTicks, width), endBucket - capacity + 1);
        var previousEnd = End is { } end ? Index(end.UtcTicks - 1, width) : fromBucket - 1;

        // What is late neither erases nor invents: it goes into the newest bucket. After a clock that was set back all would, until the
        // clock has caught up: an hour's arrivals in a bucket of a second. What there is then lies ahead, and is let go.
        if (previousEnd - endBucket > LateBuckets) return None.Add(from, to, arrivals, settings);
        if (endBucket < previousEnd)
            return _newest is { } before ? new DemandHistory(End!.Value, _past, _from, _closed, Math.Max(0, before) + arrivals) : this;
        var shift = endBucket - previousEnd;
        var grown = (int)Math.Min(capacity, Length + Math.Min(capacity, shift));
        var next = new DateTimeOffset((endBucket + 1) * width, TimeSpan.Zero);

        // What the newest bucket holds and those after it: the usual case, in which those before are shared.
        if (fromBucket >= previousEnd && shift < capacity)
        {
            var newest = _newest;
            Span<double> closing = shift < 32 ? stackalloc double[(int)shift] : new double[shift];
            var count = 0;
            for (var bucket = previousEnd; bucket <= endBucket; bucket++)
            {
                var held = bucket > previousEnd ? -1 : newest;
                if (bucket >= fromBucket) held = Math.Max(0, held ?? -1) + Share(bucket);
                if (bucket == endBucket) newest = held;
                else if (held is { } closed) closing[count++] = closed;
            }

            var (past, first) = _past.Append(_from, _closed, closing[..count], grown - 1);
            return new DemandHistory(next, past, first, grown - 1, newest!.Value);
        }

        var buckets = new double[grown];
        Array.Fill(buckets, -1);
        var known = Arrivals;
        for (var i = 0; i < known.Length; i++)
        {
            var at = grown - 1 - shift - (known.Length - 1 - i);
            if (at >= 0 && at < grown) buckets[at] = known[i];
        }

        for (var bucket = fromBucket; bucket <= endBucket; bucket++)
        {
            var at = grown - 1 - (int)(endBucket - bucket);
            if (at >= 0) buckets[at] = Math.Max(0, buckets[at]) + Share(bucket);
        }

        return new DemandHistory(next, ImmutableCollectionsMarshal.AsImmutableArray(buckets));

        double Share(long bucket)
        {
            if (fromBucket == endBucket) return arrivals;
            var overlap = Math.Min(to.UtcTicks, (bucket + 1) * width) - Math.Max(from.UtcTicks, bucket * width);
            return arrivals * Math.Max(0, overlap) / (to - from).Ticks;
        }
    }

    /// <summary>Mean arrivals a second over the last stretch; missing when no bucket of it was observed.</summary>
    /// <param name="over">How long a stretch, in whole buckets.</param>
    /// <param name="settings">Bucket width.</param>
    /// <param name="until">Until when was counted: the newest bucket may have just begun. Null where it is whole.</param>
    public Signal<double> MeanRate(TimeSpan over, PlannerSettings settings, DateTimeOffset? until = null)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var (sum, seen, buckets) = (0.0, 0, Buckets(over, settings));

        // One that just began is looked at beside as many whole ones.
        var ahead = settings.IdleIsSeen && _newest >= 0 && End!.Value - until is { } left && left > TimeSpan.Zero && left < settings.DemandBucket ? left : TimeSpan.Zero;
        if (ahead > TimeSpan.Zero && buckets < settings.DemandBuckets) buckets++;
        for (var i = Math.Max(0, Length - buckets); i < Length; i++)
        {
            if (At(i) is not (>= 0 and var arrivals)) continue;
            sum += arrivals;
            seen++;
        }

        if (seen == 0) return Signal.Missing<double>("no arrivals were counted");
        var seconds = seen * settings.DemandBucket.TotalSeconds;

        // By itself it says too little.
        if (seen > 1) seconds -= ahead.TotalSeconds;
        return Signal.Known(sum / seconds, End!.Value);
    }

    /// <summary>The same as it would have been without known events; what they left too little of to tell was not observed.</summary>
    public DemandHistory WithoutEvents(DemandCalendar calendar, PlannerSettings settings)
    {
        ArgumentNullException.ThrowIfNull(calendar);
        ArgumentNullException.ThrowIfNull(settings);
        if (End is not { } end || !calendar.Any(end - (settings.DemandBucket * Length), end)) return this;
        var buckets = new double[Length];
        CopyNewest(buckets);
        for (var i = 0; i < buckets.Length; i++)
        {
            var from = end - (settings.DemandBucket * (buckets.Length - i));
            if (buckets[i] >= 0) buckets[i] = calendar.WithoutEvents(from, from + settings.DemandBucket, buckets[i]) ?? -1;
        }

        return new DemandHistory(end, ImmutableCollectionsMarshal.AsImmutableArray(buckets));
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
        var length = Math.Min(Length, Buckets(lookback, settings));
        if (length == 0) return Signal.Missing<double>("no arrivals were counted");
        var buckets = length <= OnStack ? stackalloc double[length] : new double[length];
        CopyNewest(buckets);
        var width = Math.Min(length, Buckets(window, settings));
        var over = Buckets(averaged, settings);
        if (over > 1) Average(buckets, over, settings.LearnsSoberly ? (over + 1) / 2 : 1);
        var maxima = RollingMaxima(buckets, width);
        if (maxima.IsEmpty) return Signal.Missing<double>("no arrivals were counted");
        maxima.Sort();

        // The higher of the two neighbours: a quantile that interpolates downwards promises less than was seen.
        var index = Math.Min(maxima.Length - 1, (int)Math.Ceiling(quantile * maxima.Length) - 1);
        return Signal.Known(maxima[Math.Max(0, index)] / settings.DemandBucket.TotalSeconds, End!.Value);
    }

    /// <summary>Most arrivals of a bucket.</summary>
    internal double Most
    {
        get
        {
            var most = 0.0;
            for (var i = 0; i < Length; i++) most = Math.Max(most, At(i));
            return most;
        }
    }

    /// <summary>Whether that quantile is known and above nothing: what is asked where a forecast says the rest.</summary>
    internal bool IsAbove(TimeSpan window, TimeSpan lookback, double quantile, PlannerSettings settings, TimeSpan averaged)
    {
        var (above, length) = (0, Math.Min(Length, Buckets(lookback, settings)));
        for (var i = Length - length; i < Length; i++) above += At(i) > 0 ? 1 : 0;
        return above > 0 && (above == length || (Quantile(window, lookback, quantile, settings, averaged).TryGetKnown(out var most) && most > 0));
    }

    private double At(int bucket) => bucket < _closed ? _past.Values[_from + bucket] : _newest!.Value;

    // As many of the newest as there is room for, no more than there are.
    private void CopyNewest(Span<double> buckets)
    {
        if (buckets.IsEmpty) return;
        _past.Values.AsSpan(_from + _closed - (buckets.Length - 1), buckets.Length - 1).CopyTo(buckets);
        buckets[^1] = _newest!.Value;
    }

    /// <summary>Whole buckets that cover a time, at least one.</summary>
    private static int Buckets(TimeSpan time, PlannerSettings settings) =>
        (int)Math.Clamp(Math.Ceiling((double)time.Ticks / settings.DemandBucket.Ticks), 1, settings.DemandBuckets);

    private static long Index(long ticks, long width) => ticks / width;

    // Each becomes the mean of so many that end with it. Buckets nobody counted are left out; where fewer than the least were counted there
    // is none, but for the newest: the first request after a gap is no second full of them.
    private static void Average(Span<double> buckets, int over, int least)
    {
        var before = buckets.Length <= OnStack ? stackalloc double[buckets.Length] : new double[buckets.Length];
        buckets.CopyTo(before);
        var (sum, seen) = (0.0, 0);
        for (var i = 0; i < before.Length; i++)
        {
            if (before[i] >= 0) (sum, seen) = (sum + before[i], seen + 1);
            if (i >= over && before[i - over] >= 0) (sum, seen) = (sum - before[i - over], seen - 1);
            buckets[i] = seen > 0 && (seen >= least || i == before.Length - 1) ? Math.Max(0, sum / seen) : -1;
        }
    }

    // A monotone queue: each bucket enters and leaves once, so an hour of heavy model costs no more than a minute's. In place: a
    // maximum is written where no bucket is read any more.
    private static Span<double> RollingMaxima(Span<double> buckets, int width)
    {
        var queue = buckets.Length <= OnStack ? stackalloc (double Arrivals, int At)[buckets.Length] : new (double, int)[buckets.Length];
        var (head, tail, count) = (0, 0, 0);
        for (var i = 0; i < buckets.Length; i++)
        {
            var arrivals = buckets[i];
            while (tail > head && queue[tail - 1].Arrivals <= arrivals) tail--;
            queue[tail++] = (arrivals, i);
            if (queue[head].At <= i - width) head++;
            if (i >= width - 1 && queue[head].Arrivals >= 0) buckets[count++] = queue[head].Arrivals;
        }

        return buckets[..count];
    }
}
