using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// The distribution of the largest arrival rate over a window ahead, of one model: learned from counts as they come, in
/// bounded memory and constant time, by as many windows as the settings name. A value: nothing in it changes, and its
/// JSON is all there is to it.
/// </summary>
public sealed record DemandForecast
{
    // Counts of an interval longer than this many buckets are spread over its newest ones: the work stays bounded.
    private const int BucketsAtOnce = 3600;

    // An interval this many buckets old is a scrape counted twice; an older one, a clock that was set back.
    private const int DuplicateBuckets = 120;

    // What a bucket may hold over the largest of late before it is held for garbage: it is cut, and the cut rises with it.
    private const double JumpMax = 100;

    // More arrivals a second than any endpoint takes; beyond it sums would leave what a float holds.
    private const double RateMax = 1e9;

    // An open bucket holds garbage until it closes, and must fit a float so long.
    private const double ArrivalsMost = 1e30;

    /// <summary>Width of a bucket.</summary>
    public required TimeSpan Bucket { get; init; }

    /// <summary>End of the newest observation; null before the first.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Arrivals in the open bucket, and how much of it was observed, in seconds.</summary>
    public double OpenArrivals { get; init; }

    public double OpenSeconds { get; init; }

    /// <summary>Largest arrivals of a bucket of late, decayed.</summary>
    public double Peak { get; init; }

    /// <summary>Rate of the newest bucket that was observed; arrivals a second.</summary>
    public double Newest { get; init; }

    public required SeasonalProfile Seasons { get; init; }

    /// <summary>Ascending by length.</summary>
    public required ImmutableArray<WindowForecast> Windows { get; init; }

    /// <summary>Whether it is in the form the planner keeps.</summary>
    [JsonIgnore]
    public bool Compact => Windows[0].Compact;

    /// <summary>Length of the longest window learned: what lies beyond counts as that.</summary>
    [JsonIgnore]
    public TimeSpan Longest => Windows[^1].Buckets * Bucket;

    /// <summary>A model nobody has seen demand of.</summary>
    /// <exception cref="ArgumentException">A bucket or window that is not positive, or windows that do not ascend.</exception>
    public static DemandForecast Start(DemandForecastSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.Bucket <= TimeSpan.Zero || settings.Windows.IsDefaultOrEmpty)
            throw new ArgumentException("the bucket must be positive and a window named", nameof(settings));
        var buckets = settings.Windows.Select(window => window.Ticks / settings.Bucket.Ticks).ToArray();
        if (buckets[0] < 1 || buckets.Zip(buckets.Skip(1)).Any(pair => pair.First >= pair.Second))
            throw new ArgumentException("windows must be of at least one bucket and ascend", nameof(settings));
        return new DemandForecast
        {
            Bucket = settings.Bucket,
            Seasons = SeasonalProfile.None,
            Windows = [.. buckets.Select(count => WindowForecast.Start((int)count, !settings.Compact && count * settings.Bucket >= SeasonalProfile.Slot, settings.Compact))],
        };
    }

    /// <summary>
    /// Adds what arrived between two moments, spread evenly. Nothing that is no count, and no interval that was counted
    /// before, changes anything; time between intervals stays unobserved, and is not silence.
    /// </summary>
    /// <param name="from">Start of the interval.</param>
    /// <param name="to">End of the interval.</param>
    /// <param name="arrivals">Requests that arrived in it; never negative.</param>
    /// <param name="calendar">Known events: what they add is not learned as if it were every day's.</param>
    public DemandForecast Add(DateTimeOffset from, DateTimeOffset to, double arrivals, DemandCalendar? calendar = null)
    {
        if (to <= from || !(arrivals >= 0) || !double.IsFinite(arrivals)) return this;
        var next = this;
        if (Until is { } until && from < until)
        {
            if (until - from > DuplicateBuckets * Bucket && to <= until) next = Forget();
            else if (to <= until) return this;
            else
            {
                arrivals *= (to - until) / (to - from);
                from = until;
            }
        }

        if (to - from > BucketsAtOnce * Bucket)
        {
            var newest = to - (BucketsAtOnce * Bucket);
            arrivals *= (to - newest) / (to - from);
            from = newest;
        }

        if (calendar is not null)
        {
            if (calendar.WithoutEvents(from, to, arrivals) is not { } usual) return next;
            arrivals = usual;
        }

        var perTick = arrivals / (to - from).Ticks;
        next = next.SkipTo(from);
        while (from < to)
        {
            var end = next.BucketEnd(from);
            var part = end < to ? end : to;
            next = next with
            {
                Until = part,
                OpenArrivals = Short(Math.Min(next.OpenArrivals + (perTick * (part - from).Ticks), RateMax * Bucket.TotalSeconds)),
                OpenSeconds = Short(next.OpenSeconds + (part - from).TotalSeconds),
            };
            if (part == end) next = next.Close(end);
            from = part;
        }

        return next;
    }

    /// <summary>The quantile of the largest rate of a bucket within the window that begins now.</summary>
    /// <param name="window">Length of the window; below the shortest learned the shortest counts, above the longest the longest.</param>
    /// <param name="quantile">Between 0 and 1; learned from 0.1 to 0.99 and carried on to 0.999, the nearest beyond.</param>
    /// <param name="calendar">Known events.</param>
    /// <returns>Arrivals a second; missing before anything was observed.</returns>
    public Signal<double> Quantile(TimeSpan window, double quantile, DemandCalendar? calendar = null)
    {
        if (Until is not { } until || Windows[0].Seen == 0) return Signal.Missing<double>("no arrivals were counted");
        Span<double> quantiles = stackalloc double[WindowForecast.Grid.Length];
        Distribution(window, quantiles);
        var value = WindowForecast.Between(quantiles, quantile);
        return Signal.Known(calendar is null ? value : calendar.WithEvents(until, until + window, value), until);
    }

    /// <summary>
    /// The same for every quantile of <see cref="WindowForecast.Grid"/> at once, from which <see cref="WindowForecast.Between"/> reads any.
    /// </summary>
    /// <param name="window">Length of the window that begins now.</param>
    /// <param name="quantiles">Out: arrivals a second, at the grid.</param>
    /// <param name="told">What each window learned says, where it was asked before: a grid each, NaN first where not. Empty to keep nothing.</param>
    /// <param name="between">Whether windows between two lengths are counted between them, as their distribution is drawn, and not as the longer.</param>
    /// <returns>How many windows as long were scored, overlapping ones counted once; 0 before anything was.</returns>
    internal double Distribution(TimeSpan window, Span<double> quantiles, Span<double> told = default, bool between = false)
    {
        quantiles.Clear();
        if (Until is not { } until || Windows[0].Seen == 0) return 0;
        var buckets = (double)window.Ticks / Bucket.Ticks;
        var above = 0;
        while (above < Windows.Length - 1 && Windows[above].Buckets < buckets) above++;
        var context = new ForecastContext(until, Seasons, Bucket.TotalSeconds, Newest);
        Predict(above, context, quantiles, told);
        var scored = Scored(above);
        if (above > 0 && Windows[above].Buckets > buckets)
        {
            // A maximum grows with the log of the window, as extreme values do.
            Span<double> shorter = stackalloc double[WindowForecast.Grid.Length];
            Predict(above - 1, context, shorter, told);
            var share = Math.Log(buckets / Windows[above - 1].Buckets) / Math.Log((double)Windows[above].Buckets / Windows[above - 1].Buckets);
            for (var q = 0; q < quantiles.Length; q++) quantiles[q] = ((1 - share) * shorter[q]) + (share * quantiles[q]);

            // As many as fit into the time that was seen: lengths are drawn between on the log scale.
            if (between) scored = Math.Pow(Scored(above - 1), 1 - share) * Math.Pow(scored, share);
        }

        return scored;

        double Scored(int at) => (double)Windows[at].Scored / Windows[at].Steps;
    }

    private void Predict(int at, in ForecastContext context, Span<double> quantiles, Span<double> told)
    {
        if (told.IsEmpty)
        {
            Windows[at].Predict(context, quantiles);
            return;
        }

        var kept = told.Slice(at * WindowForecast.Grid.Length, WindowForecast.Grid.Length);
        if (double.IsNaN(kept[0])) Windows[at].Predict(context, kept);
        kept.CopyTo(quantiles);
    }

    // What the compact form is written as is what it goes on with.
    private double Short(double value) => Compact ? (float)Math.Min(value, ArrivalsMost) : value;

    private DateTimeOffset BucketEnd(DateTimeOffset at) =>
        new(((at.UtcTicks / Bucket.Ticks) + 1) * Bucket.Ticks, TimeSpan.Zero);

    private DemandForecast Close(DateTimeOffset end)
    {
        // Half a bucket says enough of its rate; less would make a peak of a single request.
        if (OpenSeconds < 0.5 * Bucket.TotalSeconds) return SkipBuckets(1, end);
        var arrivals = Math.Min(OpenArrivals / OpenSeconds * Bucket.TotalSeconds, JumpMax * Math.Max(Peak, 100));
        arrivals = Math.Min(arrivals, RateMax * Bucket.TotalSeconds);
        var rate = arrivals / Bucket.TotalSeconds;
        var seasons = Seasons;
        if (Compact) rate = (float)rate;
        else seasons = Seasons.Add(end - Bucket, rate);
        var context = new ForecastContext(end, seasons, Bucket.TotalSeconds, rate);
        var windows = ImmutableArray.CreateBuilder<WindowForecast>(Windows.Length);
        foreach (var window in Windows) windows.Add(window.Observe(rate, context));
        return this with
        {
            OpenArrivals = 0,
            OpenSeconds = 0,
            Peak = Short(Math.Max(arrivals, Peak * 0.9999)),
            Newest = rate,
            Seasons = seasons,
            Windows = windows.MoveToImmutable(),
        };
    }

    private DemandForecast SkipTo(DateTimeOffset from)
    {
        if (Until is not { } until || from <= until) return this with { Until = from };
        var (open, wanted) = (until.UtcTicks / Bucket.Ticks, from.UtcTicks / Bucket.Ticks);
        if (open == wanted) return this with { Until = from };
        var closed = Close(BucketEnd(until));
        return closed.SkipBuckets(wanted - open - 1, new DateTimeOffset(wanted * Bucket.Ticks, TimeSpan.Zero)) with { Until = from };
    }

    private DemandForecast SkipBuckets(long buckets, DateTimeOffset end) => buckets == 0 ? this : this with
    {
        OpenArrivals = 0,
        OpenSeconds = 0,
        Windows = [.. Windows.Select(window => window.Skip(buckets, new ForecastContext(end, Seasons, Bucket.TotalSeconds, Newest)))],
    };

    private DemandForecast Forget() => this with
    {
        Until = null,
        OpenArrivals = 0,
        OpenSeconds = 0,
        Windows = [.. Windows.Select(window => window.Forget())],
    };
}
