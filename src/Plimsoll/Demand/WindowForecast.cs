using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// What is learned of the maximum over windows of one length: how simple rules' predictions of it missed, which rule
/// missed least, and how far the quantiles they gave together were off. A window is cut into steps; at the end of each
/// step the window that ends there is scored and one that begins there is predicted, so learning costs the same
/// whatever the length.
/// </summary>
public sealed partial record WindowForecast
{
    /// <summary>Quantiles learned; one between or above is drawn straight on the normal scale, one below is the lowest.</summary>
    internal static readonly ImmutableArray<double> Grid = [0.1, 0.5, 0.9, 0.95, 0.99];

    // After the grid, which it is made of: initialisers run in the order they are written.
    private static readonly ImmutableArray<double> Scores = [.. Grid.Select(CountMaximum.NormalQuantile)];

    // Windows that overlap at once.
    private const int StepsMost = 6;
    private const int CompactStepsMost = 3;

    // Of the buckets seen the compact form counts this many; after eight windows the number changes nothing more.
    private const double SeenMost = 1_000_000;

    /// <summary>Length of the window, in buckets.</summary>
    public required int Buckets { get; init; }

    /// <summary>Steps of a window; divides <see cref="Buckets"/>.</summary>
    public required int Steps { get; init; }

    /// <summary>Long enough for the profiles of day and week to say something the levels do not.</summary>
    public required bool Seasonal { get; init; }

    /// <summary>The planner's short form: the rules that need no regression, and numbers rounded as they are learned.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Compact { get; init; }

    /// <summary>Buckets observed so far.</summary>
    public double Seen { get; init; }

    /// <summary>Exponential means of the rate, over half a window and over eight; arrivals a second.</summary>
    public double LevelShort { get; init; }

    public double LevelLong { get; init; }

    /// <summary>Largest rate of a step of late, which fades over eight windows; arrivals a second.</summary>
    public float Peak { get; init; }

    /// <summary>The same, fading over 128 windows; the planner's short form goes by the peak of late.</summary>
    public float Ever { get; init; }

    /// <summary>Largest rate in the open step, -1 before one was observed; its buckets, and those of them observed.</summary>
    public double OpenMaximum { get; init; } = -1;

    public int OpenBuckets { get; init; }

    public int OpenObserved { get; init; }

    /// <summary>Place among the pending of the window that ends with the open step.</summary>
    public int Head { get; init; }

    /// <summary>Largest rate of each of the last steps, newest first, as <see cref="RateCode"/>; unknown where too little was observed.</summary>
    public required ImmutableArray<ushort> Maxima { get; init; }

    /// <summary>For each open window what the rules said and the quantiles given, as <see cref="RateCode"/>.</summary>
    public required ImmutableArray<ushort> Pending { get; init; }

    /// <summary>Exponential mean, over eight windows, of the log of (maximum + half an arrival a bucket).</summary>
    public float MeanLogMaximum { get; init; }

    /// <summary>Slow mean of the maxima, arrivals a second.</summary>
    public float Scale { get; init; }

    /// <summary>Unit of errors: the scale, to a factor of two, so that an error once learned stays what it was.</summary>
    public float Unit { get; init; }

    /// <summary>Windows scored, overlapping ones each for itself.</summary>
    public int Scored { get; init; }

    /// <summary>What the newest error weighs; it grows, which is the same as the older ones fading.</summary>
    public float ErrorWeight { get; init; } = 1;

    /// <summary>For each expert the sketch of its errors (<see cref="ErrorSketch"/>).</summary>
    public required ImmutableArray<Half> Errors { get; init; }

    /// <summary>For each expert and quantile the aged sum of what it would have gained over all together, and of its squares.</summary>
    public required ImmutableArray<float> Gains { get; init; }

    /// <summary>For each quantile how much further out, as a normal score, past exceedance asks to go.</summary>
    public required ImmutableArray<float> Corrections { get; init; }

    /// <summary>
    /// What <see cref="AgedRegression"/> learned of the maximum on what simple rules said of it, and after it of a step's
    /// maximum on those of the steps before.
    /// </summary>
    public required ImmutableArray<float> Regressions { get; init; }

    private int StepBuckets => Buckets / Steps;

    /// <summary>A window nothing is known of.</summary>
    /// <param name="buckets">Its length.</param>
    /// <param name="seasonal">Whether it is at least as long as a slot of the day's profile.</param>
    /// <param name="compact">In the planner's form.</param>
    public static WindowForecast Start(int buckets, bool seasonal, bool compact = false)
    {
        // Of the divisors, so that steps fill the window exactly.
        var steps = Enumerable.Range(1, compact ? CompactStepsMost : StepsMost).Last(count => buckets % count == 0);
        var experts = compact ? seasonal ? SeasonalExperts.Length : CompactExperts : seasonal ? Experts.Length : PlainExperts;
        var rules = compact ? seasonal ? SeasonalRules.Length : CompactRules.Length : seasonal ? Rules : PlainRules;
        return new WindowForecast
        {
            Buckets = buckets,
            Steps = steps,
            Seasonal = seasonal,
            Compact = compact,
            Maxima = [.. new ushort[compact ? steps : PathLags]],
            Pending = [.. new ushort[steps * (rules + Grid.Length)]],
            Errors = [.. new Half[experts * 2 * (compact ? ErrorSketch.CompactPoints : ErrorSketch.Points)]],
            Gains = [.. new float[2 * experts * Grid.Length]],
            Corrections = [.. new float[Grid.Length]],
            Regressions = compact ? [] : [.. new float[AgedRegression.Width(seasonal ? Inputs : PlainInputs) + AgedRegression.Width(PathLags)]],
        };
    }

    /// <summary>One bucket more.</summary>
    internal WindowForecast Observe(double ratePerSecond, in ForecastContext context)
    {
        var next = this with
        {
            Seen = Compact ? Math.Min(Seen, SeenMost) + 1 : Seen + 1,
            LevelShort = Short(LevelShort + (Math.Max(1 / (Seen + 1), 1 / (1 + (ShortWindows * Buckets))) * (ratePerSecond - LevelShort))),
            LevelLong = Short(LevelLong + (Math.Max(1 / (Seen + 1), 1 / (1 + (LongWindows * Buckets))) * (ratePerSecond - LevelLong))),
            OpenMaximum = Short(Math.Max(OpenMaximum, ratePerSecond)),
            OpenBuckets = OpenBuckets + 1,
            OpenObserved = OpenObserved + 1,
        };
        return next.OpenBuckets == next.StepBuckets ? next.CloseStep(context) : next;
    }

    // What the compact form is written as is what it goes on with: a journal read back plans the same.
    private double Short(double value) => Compact ? (float)value : value;

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
        Maxima = [.. new ushort[Maxima.Length]],
        Pending = [.. new ushort[Pending.Length]],
        OpenMaximum = -1,
        OpenBuckets = 0,
        OpenObserved = 0,
    };

    /// <summary>The largest rate of the last window as far as it was observed; -1 where nothing was.</summary>
    private double LastMaximum()
    {
        var most = RateCode.Unknown;
        for (var step = 0; step < Steps; step++) most = Math.Max(most, Maxima[step]);
        return Math.Max(OpenMaximum, RateCode.Rate(most));
    }
}
