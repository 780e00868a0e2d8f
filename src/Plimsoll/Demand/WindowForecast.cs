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

    // What a bucket changes, so that a step is learned in one copy of it all and not in one after another; nobody else sees one change.
    private double _seen;
    private double _levelShort;
    private double _levelLong;
    private float _peak;
    private float _ever;
    private double _openMaximum = -1;
    private int _openBuckets;
    private int _openObserved;
    private int _head;
    private ImmutableArray<ushort> _maxima;
    private ImmutableArray<ushort> _pending;
    private float _meanLogMaximum;
    private float _scale;
    private float _unit;
    private int _scored;
    private float _errorWeight = 1;
    private ImmutableArray<Half> _errors;
    private ImmutableArray<float> _gains;
    private ImmutableArray<float> _corrections;
    private ImmutableArray<float> _regressions;

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
    public double Seen { get => _seen; init => _seen = value; }

    /// <summary>Exponential means of the rate, over half a window and over eight; arrivals a second.</summary>
    public double LevelShort { get => _levelShort; init => _levelShort = value; }

    public double LevelLong { get => _levelLong; init => _levelLong = value; }

    /// <summary>Largest rate of a step of late, which fades over eight windows; arrivals a second.</summary>
    public float Peak { get => _peak; init => _peak = value; }

    /// <summary>The same, fading over 128 windows; the planner's short form goes by the peak of late.</summary>
    public float Ever { get => _ever; init => _ever = value; }

    /// <summary>Largest rate in the open step, -1 before one was observed; its buckets, and those of them observed.</summary>
    public double OpenMaximum { get => _openMaximum; init => _openMaximum = value; }

    public int OpenBuckets { get => _openBuckets; init => _openBuckets = value; }

    public int OpenObserved { get => _openObserved; init => _openObserved = value; }

    /// <summary>Place among the pending of the window that ends with the open step.</summary>
    public int Head { get => _head; init => _head = value; }

    /// <summary>Largest rate of each of the last steps, newest first, as <see cref="RateCode"/>; unknown where too little was observed.</summary>
    public required ImmutableArray<ushort> Maxima { get => _maxima; init => _maxima = value; }

    /// <summary>For each open window what the rules said and the quantiles given, as <see cref="RateCode"/>.</summary>
    public required ImmutableArray<ushort> Pending { get => _pending; init => _pending = value; }

    /// <summary>Exponential mean, over eight windows, of the log of (maximum + half an arrival a bucket).</summary>
    public float MeanLogMaximum { get => _meanLogMaximum; init => _meanLogMaximum = value; }

    /// <summary>Slow mean of the maxima, arrivals a second.</summary>
    public float Scale { get => _scale; init => _scale = value; }

    /// <summary>Unit of errors: the scale, to a factor of two, so that an error once learned stays what it was.</summary>
    public float Unit { get => _unit; init => _unit = value; }

    /// <summary>Windows scored, overlapping ones each for itself.</summary>
    public int Scored { get => _scored; init => _scored = value; }

    /// <summary>What the newest error weighs; it grows, which is the same as the older ones fading.</summary>
    public float ErrorWeight { get => _errorWeight; init => _errorWeight = value; }

    /// <summary>For each expert the sketch of its errors (<see cref="ErrorSketch"/>).</summary>
    public required ImmutableArray<Half> Errors { get => _errors; init => _errors = value; }

    /// <summary>For each expert and quantile the aged sum of what it would have gained over all together, and of its squares.</summary>
    public required ImmutableArray<float> Gains { get => _gains; init => _gains = value; }

    /// <summary>For each quantile how much further out, as a normal score, past exceedance asks to go.</summary>
    public required ImmutableArray<float> Corrections { get => _corrections; init => _corrections = value; }

    /// <summary>
    /// What <see cref="AgedRegression"/> learned of the maximum on what simple rules said of it, and after it of a step's
    /// maximum on those of the steps before.
    /// </summary>
    public required ImmutableArray<float> Regressions { get => _regressions; init => _regressions = value; }

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
        var next = this with { };
        next._seen = Compact ? Math.Min(Seen, SeenMost) + 1 : Seen + 1;
        next._levelShort = Short(LevelShort + (Math.Max(1 / (Seen + 1), 1 / (1 + (ShortWindows * Buckets))) * (ratePerSecond - LevelShort)));
        next._levelLong = Short(LevelLong + (Math.Max(1 / (Seen + 1), 1 / (1 + (LongWindows * Buckets))) * (ratePerSecond - LevelLong)));
        next._openMaximum = Short(Math.Max(OpenMaximum, ratePerSecond));
        next._openBuckets++;
        next._openObserved++;
        if (next._openBuckets == StepBuckets) next.CloseStep(context);
        return next;
    }

    // What the compact form is written as is what it goes on with: a journal read back plans the same.
    private double Short(double value) => Compact ? (float)value : value;

    /// <summary>Buckets nobody observed: the windows they fall into lose them, and are dropped when they lose too many.</summary>
    internal WindowForecast Skip(long buckets, in ForecastContext context)
    {
        if (buckets >= Buckets) return Forget();
        var next = this with { };
        while (buckets > 0)
        {
            var taken = Math.Min(buckets, StepBuckets - next._openBuckets);
            buckets -= taken;
            next._openBuckets += (int)taken;
            if (next._openBuckets == StepBuckets)
                next.CloseStep(context with { At = context.At - (buckets * TimeSpan.FromSeconds(context.BucketSeconds)) });
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
