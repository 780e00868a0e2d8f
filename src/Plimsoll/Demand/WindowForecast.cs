using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// What is learned of the maximum over windows of one length: how simple rules' predictions of it missed, which rule
/// missed least, and how far the quantiles they gave together were off. A window is cut into steps; at the end of each
/// step the window that ends there is scored and one that begins there is predicted, so learning costs the same
/// whatever the length.
/// </summary>
public sealed partial record WindowForecast
{
    /// <summary>Quantiles learned; one in between is interpolated on the normal scale, one beyond is the nearest.</summary>
    internal static readonly ImmutableArray<double> Grid = [0.1, 0.5, 0.8, 0.9, 0.95, 0.99, 0.999];

    // After the grid, which it is made of: initialisers run in the order they are written.
    private static readonly ImmutableArray<double> Scores = [.. Grid.Select(CountMaximum.NormalQuantile)];

    /// <summary>Length of the window, in buckets.</summary>
    public required int Buckets { get; init; }

    /// <summary>Steps of a window; divides <see cref="Buckets"/>.</summary>
    public required int Steps { get; init; }

    /// <summary>Buckets observed so far.</summary>
    public double Seen { get; init; }

    /// <summary>Exponential means of the rate, over half a window and over eight; arrivals a second.</summary>
    public double LevelShort { get; init; }

    public double LevelLong { get; init; }

    /// <summary>Largest rate in the open step, -1 before one was observed; its buckets, and those of them observed.</summary>
    public double OpenMaximum { get; init; } = -1;

    public int OpenBuckets { get; init; }

    public int OpenObserved { get; init; }

    /// <summary>Ring position of the open step.</summary>
    public int Head { get; init; }

    /// <summary>Largest rate of each of the last steps, -1 where too little of it was observed.</summary>
    public required ImmutableArray<float> Maxima { get; init; }

    /// <summary>For each open window the rules' predictions, the buckets before it and the quantiles given; -1 where there are none.</summary>
    public required ImmutableArray<float> Pending { get; init; }

    /// <summary>Exponential mean, over eight windows, of the log of (maximum + half an arrival a bucket).</summary>
    public double MeanLogMaximum { get; init; }

    /// <summary>Slow mean of the maxima, arrivals a second.</summary>
    public double Scale { get; init; }

    /// <summary>Unit of the differences: the scale, to a factor of two, so that a difference once learned stays what it was.</summary>
    public double Unit { get; init; }

    /// <summary>Windows scored, overlapping ones each for itself.</summary>
    public double Scored { get; init; }

    /// <summary>For each rule the decayed histogram of log((came + half) / (predicted + half)); then of (came - predicted) / unit.</summary>
    public required ImmutableArray<float> Residuals { get; init; }

    /// <summary>For each of them and each quantile the decayed mean pinball loss.</summary>
    public required ImmutableArray<float> Losses { get; init; }

    /// <summary>For each quantile how much further out, as a normal score, past exceedance asks to go.</summary>
    public required ImmutableArray<double> Corrections { get; init; }

    /// <summary>Of logs on logs, and of rates on rates in units of the scale.</summary>
    public required OnlineRegression LogRegression { get; init; }

    public required OnlineRegression RateRegression { get; init; }

    private int StepBuckets => Buckets / Steps;

    /// <summary>A window nothing is known of.</summary>
    public static WindowForecast Start(int buckets)
    {
        // At most twelve overlapping windows at once: of the divisors, so that steps fill the window exactly.
        var steps = Enumerable.Range(1, 12).Last(count => buckets % count == 0);
        return new WindowForecast
        {
            Buckets = buckets,
            Steps = steps,
            Maxima = Filled(steps, -1),
            Pending = Filled(steps * PendingWidth, -1),
            Residuals = Filled(Experts * ResidualHistogram.Bins, 0),
            Losses = Filled(Experts * Grid.Length, 0),
            Corrections = [.. new double[Grid.Length]],
            LogRegression = OnlineRegression.Start(InputCount),
            RateRegression = OnlineRegression.Start(InputCount),
        };
    }

    /// <summary>One bucket more.</summary>
    internal WindowForecast Observe(double ratePerSecond, in ForecastContext context)
    {
        var next = this with
        {
            Seen = Seen + 1,
            LevelShort = LevelShort + (Math.Max(1 / (Seen + 1), 1 / (1 + (ShortWindows * Buckets))) * (ratePerSecond - LevelShort)),
            LevelLong = LevelLong + (Math.Max(1 / (Seen + 1), 1 / (1 + (LongWindows * Buckets))) * (ratePerSecond - LevelLong)),
            OpenMaximum = Math.Max(OpenMaximum, ratePerSecond),
            OpenBuckets = OpenBuckets + 1,
            OpenObserved = OpenObserved + 1,
        };
        return next.OpenBuckets == next.StepBuckets ? next.CloseStep(context) : next;
    }

    /// <summary>Buckets nobody observed: the windows they fall into lose them, and are dropped when they lose too many.</summary>
    internal WindowForecast Skip(long buckets, in ForecastContext context)
    {
        if (buckets >= Buckets) return Forget();
        var next = this;
        while (buckets > 0)
        {
            var taken = Math.Min(buckets, next.StepBuckets - next.OpenBuckets);
            buckets -= taken;
            next = next with { OpenBuckets = next.OpenBuckets + (int)taken };
            if (next.OpenBuckets == next.StepBuckets)
                next = next.CloseStep(context with { At = context.At - (buckets * TimeSpan.FromSeconds(context.BucketSeconds)) });
        }

        return next;
    }

    /// <summary>Drops what is open and keeps what was learned: the clock jumped, or nobody looked for a whole window.</summary>
    internal WindowForecast Forget() => this with
    {
        Maxima = Filled(Steps, -1),
        Pending = Filled(Steps * PendingWidth, -1),
        OpenMaximum = -1,
        OpenBuckets = 0,
        OpenObserved = 0,
    };

    /// <summary>The largest rate of the last window as far as it was observed; -1 where nothing was.</summary>
    internal double LastMaximum()
    {
        var most = OpenMaximum;
        foreach (var maximum in Maxima) most = Math.Max(most, maximum);
        return most;
    }

    private static ImmutableArray<float> Filled(int length, float value) => [.. Enumerable.Repeat(value, length)];
}
