using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// The distribution of the largest rate over the next ten minutes, hour and four hours, of one model: by what the same time of day and of week
/// asked for on the days before, among the rules that the shorter windows have too, each weighed by what it would have gained. Learned
/// from the largest rate of slots of ten minutes, so that an update costs next to nothing, in bounded memory. A value: nothing in it
/// changes.
/// </summary>
public sealed record SeasonalForecast
{
    // The days say nothing of what is nearer.
    private static readonly TimeSpan Least = TimeSpan.FromMinutes(1);

    // More arrivals a second than any endpoint takes.
    private const float RateMost = 1e9f;

    // As of the buckets of a forecast: half a slot says enough of it, and a newest count so far ahead means a clock that was set back.
    private const double SlotLeast = 0.5;
    private static readonly TimeSpan SetBack = TimeSpan.FromMinutes(2);

    private static readonly ImmutableArray<int> Slots = [1, 6, 24];

    public static readonly SeasonalForecast None = new()
    {
        Seasons = SeasonalProfile.NoneCompact,
        Windows = [.. Slots.Select(slots => WindowForecast.Start(slots, seasonal: true, compact: true))],
    };

    /// <summary>End of the newest observation; null before the first.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Largest rate in the open slot, arrivals a second, and how much of the slot was observed, in seconds.</summary>
    public float OpenMaximum { get; init; }

    public float OpenSeconds { get; init; }

    /// <summary>Largest rate of the newest slot that was observed; arrivals a second.</summary>
    public float Newest { get; init; }

    public required SeasonalProfile Seasons { get; init; }

    /// <summary>Ascending by length, in slots.</summary>
    public required ImmutableArray<WindowForecast> Windows { get; init; }

    /// <summary>The largest rate that days like this one had within a window that begins at a moment; 0 where none were seen.</summary>
    internal double Usual(DateTimeOffset at, TimeSpan window) =>
        Math.Max(0, Math.Max(SeasonalProfile.MaximumOf(Seasons.Day, at, window), SeasonalProfile.MaximumOf(Seasons.Week, at, window)));

    /// <summary>Adds what was seen between two moments; time between intervals stays unobserved, and is not silence.</summary>
    /// <param name="from">Start of the interval.</param>
    /// <param name="to">Its end.</param>
    /// <param name="ratePerSecond">The largest rate in it, without known events.</param>
    public SeasonalForecast Add(DateTimeOffset from, DateTimeOffset to, double ratePerSecond)
    {
        if (to <= from || !(ratePerSecond >= 0) || !double.IsFinite(ratePerSecond)) return this;
        var next = this;
        if (Until is { } until && from < until)
        {
            if (to > until) from = until;
            else if (until - from <= SetBack) return this;
            else next = Forget();
        }

        // What was spread evenly over longer is the same in each slot; of more than a day the newest is enough.
        if (to - from > TimeSpan.FromDays(1)) from = to - TimeSpan.FromDays(1);
        next = next.To(from);
        while (from < to)
        {
            var end = EndOf(from);
            var part = end < to ? end : to;
            next = next with
            {
                Until = part,
                OpenMaximum = Math.Max(next.OpenMaximum, Math.Min((float)ratePerSecond, RateMost)),
                OpenSeconds = next.OpenSeconds + (float)(part - from).TotalSeconds,
            };
            if (part == end) next = next.Close(end);
            from = part;
        }

        return next;
    }

    /// <summary>
    /// Quantiles of the largest rate over a window that begins now, never less than the other forecast's: that one sees the last
    /// minutes, this one the days. Between the windows learned, as a maximum grows with the log of the window; below the shortest it has
    /// the less to say the shorter the window is, and of a minute nothing.
    /// </summary>
    /// <param name="window">Length of the window; beyond the longest learned that counts.</param>
    /// <param name="quantiles">In: what the other forecast says, at <see cref="WindowForecast.Grid"/>. Out: of both.</param>
    /// <returns>How many windows as long were scored, overlapping ones counted once; 0 where less than a day was seen, and nothing is changed.</returns>
    internal double Distribution(TimeSpan window, Span<double> quantiles)
    {
        if (window <= Least || Until is not { } until || Scored(0) * Windows[0].Buckets < SeasonalProfile.DaySlots) return 0;
        var above = 0;
        while (above < Windows.Length - 1 && LengthOf(above) < window) above++;
        var context = new ForecastContext(until, Seasons, SeasonalProfile.Slot.TotalSeconds, Newest)
        {
            // Whether nine is within the window the days know to the slot, whatever lies between two windows.
            Ahead = window < LengthOf(above) ? window : TimeSpan.Zero,
        };
        Span<double> longer = stackalloc double[WindowForecast.Grid.Length];
        Windows[above].Predict(context, longer);
        if (LengthOf(above) > window)
        {
            Span<double> shorter = stackalloc double[WindowForecast.Grid.Length];
            var from = above > 0 ? LengthOf(above - 1) : Least;
            if (above > 0) Windows[above - 1].Predict(context, shorter);
            else quantiles.CopyTo(shorter);
            var share = Math.Log(window / from) / Math.Log(LengthOf(above) / from);
            for (var q = 0; q < longer.Length; q++) longer[q] = ((1 - share) * shorter[q]) + (share * longer[q]);
        }

        for (var q = 0; q < longer.Length; q++) quantiles[q] = Math.Max(quantiles[q], longer[q]);
        return Scored(above);
    }

    private double Scored(int window) => (double)Windows[window].Scored / Windows[window].Steps;

    private TimeSpan LengthOf(int window) => Windows[window].Buckets * SeasonalProfile.Slot;

    private static DateTimeOffset EndOf(DateTimeOffset at) => new(((at.UtcTicks / SeasonalProfile.Slot.Ticks) + 1) * SeasonalProfile.Slot.Ticks, TimeSpan.Zero);

    private SeasonalForecast Close(DateTimeOffset end)
    {
        if (OpenSeconds < SlotLeast * SeasonalProfile.Slot.TotalSeconds) return Skip(1, end);
        var seasons = Seasons.AddSlot(end - SeasonalProfile.Slot, OpenMaximum);
        var context = new ForecastContext(end, seasons, SeasonalProfile.Slot.TotalSeconds, OpenMaximum);
        return this with
        {
            OpenMaximum = 0,
            OpenSeconds = 0,
            Newest = OpenMaximum,
            Seasons = seasons,
            Windows = [.. Windows.Select(window => window.Observe(OpenMaximum, context))],
        };
    }

    private SeasonalForecast To(DateTimeOffset from)
    {
        if (Until is not { } until || EndOf(until) == EndOf(from)) return this with { Until = from };
        var closed = Close(EndOf(until));
        var slots = (EndOf(from) - EndOf(until)).Ticks / SeasonalProfile.Slot.Ticks;
        return closed.Skip(slots - 1, EndOf(from) - SeasonalProfile.Slot) with { Until = from };
    }

    private SeasonalForecast Forget() => this with
    {
        OpenMaximum = 0,
        OpenSeconds = 0,
        Until = null,
        Seasons = Seasons with { HourSum = 0, HourSlots = 0 },
        Windows = [.. Windows.Select(window => window.Forget())],
    };

    private SeasonalForecast Skip(long slots, DateTimeOffset end) => slots == 0 ? this : this with
    {
        OpenMaximum = 0,
        OpenSeconds = 0,
        Seasons = Seasons.Skip(end - (slots * SeasonalProfile.Slot), end),
        Windows = [.. Windows.Select(window => window.Skip(slots, new ForecastContext(end, Seasons, SeasonalProfile.Slot.TotalSeconds, Newest)))],
    };
}
