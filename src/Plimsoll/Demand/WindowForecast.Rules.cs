using System.Collections.Immutable;

namespace Plimsoll;

// The rules: what each says of the window that begins now.
public sealed partial record WindowForecast
{
    private const int ShortRule = 0;
    private const int LongRule = 1;
    private const int LastMaximumRule = 2;
    private const int MeanMaximumRule = 3;
    private const int LastBucketRule = 4;
    private const int PeakRule = 5;
    private const int RegressionRule = 6;
    private const int PathRule = 7;
    private const int EverRule = 8;
    private const int PlainRules = 9;

    // Those of the profiles, which only a window as long as a slot has.
    private const int DayRule = 9;
    private const int YesterdayRule = 10;
    private const int WeekRule = 11;
    private const int DayShiftedRule = 12;
    private const int Rules = 13;

    // The planner's windows of hours have one more.
    private const int WeekShiftedRule = 13;

    // The regression's: the rules up to the last bucket, and those of the profiles.
    private const int PlainInputs = 5;
    private const int Inputs = PlainInputs + Rules - PlainRules;

    // Steps the autoregression looks back.
    private const int PathLags = 6;

    private const double ShortWindows = 0.5;
    private const double LongWindows = 8;
    private const double EverWindows = 128;

    // How far a regression may go beyond what its inputs say, in units; and a path, which would feed on itself.
    private const double BeyondInputs = 0.2;
    private const double PathMost = 20;

    // Those of the profiles last, so that a window without profiles has the first ones alone. Which rules count as
    // experts, and by which errors, was chosen on the benchmark's tuning part.
    private static readonly ImmutableArray<Expert> Experts =
    [
        new(ShortRule, OfRoots: false),
        new(LastMaximumRule, OfRoots: false),
        new(LastMaximumRule, OfRoots: true),
        new(LastBucketRule, OfRoots: false),
        new(PeakRule, OfRoots: false),
        new(RegressionRule, OfRoots: false),
        new(RegressionRule, OfRoots: true),
        new(PathRule, OfRoots: false),
        new(PathRule, OfRoots: true),
        new(EverRule, OfRoots: false),
        new(LastBucketRule, OfRoots: true),
        new(LastBucketRule, OfRoots: false, AsItIs: true),
        new(DayRule, OfRoots: false),
        new(WeekRule, OfRoots: false),
        new(YesterdayRule, OfRoots: false),
        new(DayShiftedRule, OfRoots: false),
    ];

    private const int PlainExperts = 12;

    // The first experts, and the rules they rest on: those that ask for no regression. What a window that is open keeps.
    private const int CompactExperts = 5;
    private static readonly ImmutableArray<int> CompactRules = [ShortRule, LastMaximumRule, LastBucketRule, PeakRule];

    // Those of the planner's windows of hours, and the rules they rest on: chosen on the tuning part of the days.
    private static readonly ImmutableArray<Expert> SeasonalExperts =
    [
        .. Experts.AsSpan()[..CompactExperts],
        new(DayRule, OfRoots: false),
        new(DayShiftedRule, OfRoots: false),
        new(WeekShiftedRule, OfRoots: false),
    ];

    private static readonly ImmutableArray<int> SeasonalRules = [.. CompactRules, DayRule, DayShiftedRule, WeekShiftedRule];

    // How many rules' words are kept of an open window, and whose the i-th is.
    private int KeptCount => !Compact ? RuleCount : Seasonal ? SeasonalRules.Length : CompactRules.Length;

    private int Kept(int i) => !Compact ? i : Seasonal ? SeasonalRules[i] : CompactRules[i];

    private ReadOnlySpan<Expert> Minds => Compact && Seasonal ? SeasonalExperts.AsSpan() : Experts.AsSpan();

    private int InputCount => Seasonal ? Inputs : PlainInputs;

    // Where the autoregression begins among the regressions.
    private int PathAt => AgedRegression.Width(InputCount);

    /// <summary>What each rule expects the maximum to be, arrivals a second; -1 from one that knows nothing yet.</summary>
    private void Expect(in ForecastContext context, Span<double> rules)
    {
        var (half, last) = (context.Half, LastMaximum());
        rules[ShortRule] = LevelShort;
        rules[LongRule] = LevelLong;
        rules[LastMaximumRule] = last < 0 ? LevelShort : last;
        rules[MeanMaximumRule] = Scored > 0 && !Compact ? Math.Max(0, Math.Exp(MeanLogMaximum) - half) : rules[LastMaximumRule];
        rules[LastBucketRule] = context.Newest;
        rules[PeakRule] = Peak;
        if (!Compact) rules[EverRule] = Math.Max(Ever, last);
        if (Seasonal)
        {
            var seasons = context.Seasons;
            var window = context.Ahead > TimeSpan.Zero ? context.Ahead : TimeSpan.FromSeconds(context.BucketSeconds * Buckets);
            var day = SeasonalProfile.MaximumOf(seasons.Day, context.At, window);
            rules[DayRule] = Scaled(day, seasons.Now, seasons.NowOfDay, half);
            rules[DayShiftedRule] = Shifted(day, seasons.Now, seasons.NowOfDay);
            rules[YesterdayRule] = SeasonalProfile.MaximumOf(seasons.Yesterday, context.At, window);
            var week = SeasonalProfile.MaximumOf(seasons.Week, context.At, window);
            rules[WeekRule] = Scaled(week, seasons.Now, seasons.NowOfWeek, half);
            if (Compact) rules[WeekShiftedRule] = Shifted(week, seasons.Now, seasons.NowOfWeek);
        }

        if (Compact) return;
        rules[RegressionRule] = Unit > 0 ? Told(Regress(rules) * Unit) : -1;
        rules[PathRule] = Unit > 0 && Maxima[^1] != RateCode.Unknown ? Told(PathMaximum() * Unit) : -1;

        // Products that garbage made too large for a number say nothing.
        static double Told(double rule) => double.IsFinite(rule) ? rule : -1;
    }

    // Of the rules' predictions, in units; never far beyond what any of them says.
    private double Regress(ReadOnlySpan<double> rules)
    {
        Span<double> inputs = stackalloc double[InputCount];
        Span<double> start = stackalloc double[inputs.Length + 1];
        Span<double> coefficients = stackalloc double[inputs.Length + 1];
        FillInputs(rules, Unit, inputs);
        start[..^1].Fill(1.0 / inputs.Length);
        AgedRegression.Solve(Regressions.AsSpan()[..PathAt], start, coefficients);
        var (low, high) = (double.MaxValue, 0.0);
        foreach (var input in inputs) (low, high) = (Math.Min(low, input), Math.Max(high, input));
        return Math.Clamp(AgedRegression.Predict(coefficients, inputs), Math.Max(0, low - BeyondInputs), high + BeyondInputs);
    }

    // A rule that knows nothing yet says what the mean of the maxima says.
    private static void FillInputs(ReadOnlySpan<double> rules, double unit, Span<double> inputs)
    {
        for (var i = 0; i < inputs.Length; i++)
        {
            var rule = rules[i < PlainInputs ? i : PlainRules + i - PlainInputs];
            inputs[i] = (rule < 0 ? rules[MeanMaximumRule] : rule) / unit;
        }
    }

    // The most on the path that the steps' autoregression expects, in units.
    private double PathMaximum()
    {
        Span<double> lags = stackalloc double[PathLags];
        Span<double> coefficients = stackalloc double[PathLags + 1];
        FillLags(Unit, lags);
        SolvePath(coefficients);
        var most = 0.0;
        for (var step = 0; step < Steps; step++)
        {
            var next = Math.Clamp(AgedRegression.Predict(coefficients, lags), 0, Math.Max(PathMost, lags[0]));
            lags[..^1].CopyTo(lags[1..]);
            lags[0] = next;
            most = Math.Max(most, next);
        }

        return most;
    }

    private void FillLags(double unit, Span<double> lags)
    {
        for (var i = 0; i < lags.Length; i++) lags[i] = Math.Max(0, RateCode.Rate(Maxima[i])) / unit;
    }

    // Starts as a random walk: the next step is as the last.
    private void SolvePath(Span<double> coefficients)
    {
        Span<double> start = stackalloc double[PathLags + 1];
        start[0] = 1;
        AgedRegression.Solve(Regressions.AsSpan()[PathAt..], start, coefficients);
    }

    // A profile speaks of its shape; how high the present stands over it is carried on, within a factor of ten.
    private static double Scaled(double profile, double now, double nowOfProfile, double half) =>
        profile < 0 ? -1 : profile * Math.Clamp((now + half) / (nowOfProfile + half), 0.1, 10);

    // The same, carried on as a difference: what is asked for at all hours does not grow with the day.
    private static double Shifted(double profile, double now, double nowOfProfile) => profile < 0 ? -1 : Math.Max(0, profile + now - nowOfProfile);
}
