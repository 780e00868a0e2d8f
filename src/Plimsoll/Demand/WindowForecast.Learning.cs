using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

// The rules, how they are scored, and how they are put together.
public sealed partial record WindowForecast
{
    // Short level, long level, last maximum, mean maximum, day's profile, yesterday, week's profile, last bucket; then
    // the regressions of logs and of rates on all of them and on the buckets before the last.
    private const int SimpleRules = 8;
    private const int MeanMaximumRule = 3;
    private const int LogRule = SimpleRules;
    private const int RateRule = SimpleRules + 1;
    internal const int Rules = SimpleRules + 2;

    // Buckets before the last that count for themselves.
    private const int Lags = 5;

    /// <summary>Buckets remembered: the last and those lags.</summary>
    internal const int Recent = Lags + 1;
    private const int InputCount = SimpleRules + Lags;

    // Each rule with two models of its errors: as ratios, which suit a level that moves by the hour, and as differences,
    // which suit bursts out of nothing, where a ratio says nothing.
    internal const int Experts = 2 * Rules;

    private const double ShortWindows = 0.5;
    private const double LongWindows = 8;

    // About this many scored windows are kept in mind, overlapping ones each for itself.
    private const double ScoresKept = 1000;

    // A rule with twice the loss of the best has 2^-8 of its weight.
    private const double Sharpness = 40;

    // The count model counts as much as this many scored windows that did not overlap.
    private const double CountModelWindows = 0.5;
    private const double CorrectionGain = 0.05;

    private static int PendingWidth => Rules + Lags + Grid.Length;

    private WindowForecast CloseStep(in ForecastContext context)
    {
        var maxima = Maxima.SetItem(Head, 5 * OpenObserved >= 4 * OpenBuckets ? (float)OpenMaximum : -1);
        var next = this with { Maxima = maxima, OpenMaximum = -1, OpenBuckets = 0, OpenObserved = 0 };
        if (Valid(maxima, out var came)) next = next.Score(came, context.Half);
        Span<double> rules = stackalloc double[Rules];
        Span<double> quantiles = stackalloc double[Grid.Length];
        next.Predict(context, rules, quantiles);
        var pending = Pending.ToArray();
        for (var i = 0; i < PendingWidth; i++)
            pending[(Head * PendingWidth) + i] = i < Rules ? (float)rules[i]
                : i < Rules + Lags ? context.Recent[i - Rules + 1] : (float)quantiles[i - Rules - Lags];
        return next with { Pending = ImmutableCollectionsMarshal.AsImmutableArray(pending), Head = (Head + 1) % Steps };
    }

    private static bool Valid(ImmutableArray<float> maxima, out double came)
    {
        var observed = 0;
        came = -1;
        foreach (var maximum in maxima)
        {
            if (maximum < 0) continue;
            came = Math.Max(came, maximum);
            observed++;
        }

        return 5 * observed >= 4 * maxima.Length;
    }

    private WindowForecast Score(double came, double half)
    {
        var log = Math.Log(came + half);
        var mean = MeanLogMaximum + (Math.Max(1 / (Scored + 1), 1 / (1 + (LongWindows * Steps))) * (log - MeanLogMaximum));
        var predicted = Pending.AsSpan().Slice(Head * PendingWidth, PendingWidth);
        if (predicted[0] < 0) return this with { MeanLogMaximum = Scored > 0 ? mean : log, Scale = Rescaled(came) };

        var (residuals, losses, corrections) = (Residuals.ToArray(), Losses.ToArray(), Corrections.ToArray());
        Span<double> ratios = stackalloc double[Grid.Length];
        var (scale, unit) = (Rescaled(came), Unit);
        if (!(scale + half < 2 * unit && scale + half > 0.5 * unit))
        {
            unit = scale + half;
            for (var expert = Rules; Unit > 0 && expert < Experts; expert++)
                ResidualHistogram.Rescale(residuals.AsSpan(expert * ResidualHistogram.Bins, ResidualHistogram.Bins), Unit / unit);
        }

        for (var expert = 0; expert < Experts; expert++)
        {
            var rule = expert % Rules;
            if (predicted[rule] < 0) continue;
            var bins = residuals.AsSpan(expert * ResidualHistogram.Bins, ResidualHistogram.Bins);
            var weight = ResidualHistogram.Weight(bins);
            if (weight >= 1)
            {
                ResidualHistogram.Quantiles(bins, weight, Grid.AsSpan(), ratios);
                for (var q = 0; q < Grid.Length; q++)
                {
                    var given = Given(expert, predicted[rule], ratios[q], half, unit);
                    ref var loss = ref losses[(expert * Grid.Length) + q];
                    loss += (float)(Math.Max(1 / weight, 1 / ScoresKept) * (Pinball(came, given, Grid[q]) - loss));
                }
            }

            ResidualHistogram.Add(
                bins, expert < Rules ? log - Math.Log(predicted[rule] + half) : (came - predicted[rule]) / unit, 1 - (1 / ScoresKept));
        }

        for (var q = 0; q < Grid.Length; q++)
        {
            // Adaptive conformal inference (Gibbs and Candès 2021), spread over the windows that overlap.
            var exceeded = came > predicted[Rules + Lags + q] + 1e-9 ? 1 : 0;
            corrections[q] = Math.Clamp(corrections[q] + (CorrectionGain / Steps * (exceeded - (1 - Grid[q]))), -0.7, 1.5);
        }

        Span<double> inputs = stackalloc double[InputCount];
        Inputs(predicted[..SimpleRules], predicted.Slice(Rules, Lags), inputs);
        Span<double> scaled = stackalloc double[InputCount];
        for (var i = 0; i < InputCount; i++) (scaled[i], inputs[i]) = (inputs[i] / unit, Math.Log(inputs[i] + half));
        return this with
        {
            MeanLogMaximum = mean,
            Scale = scale,
            Unit = unit,
            Scored = Scored + 1,
            Residuals = ImmutableCollectionsMarshal.AsImmutableArray(residuals),
            Losses = ImmutableCollectionsMarshal.AsImmutableArray(losses),
            Corrections = ImmutableCollectionsMarshal.AsImmutableArray(corrections),
            LogRegression = LogRegression.Learn(inputs, log),
            RateRegression = RateRegression.Learn(scaled, came / unit),
        };
    }

    /// <summary>The rules' predictions, -1 from one that knows nothing yet, and the quantiles of the grid they give together.</summary>
    internal void Predict(in ForecastContext context, Span<double> rules, Span<double> quantiles)
    {
        var (half, seasons) = (context.Half, context.Seasons);
        var window = TimeSpan.FromSeconds(context.BucketSeconds * Buckets);
        var last = LastMaximum();
        rules[0] = LevelShort;
        rules[1] = LevelLong;
        rules[2] = last < 0 ? LevelShort : last;
        rules[MeanMaximumRule] = Scored > 0 ? Math.Max(0, Math.Exp(MeanLogMaximum) - half) : rules[2];
        rules[4] = Scaled(SeasonalProfile.MaximumOf(seasons.Day, context.At, window), seasons.Now, seasons.NowOfDay, half);
        rules[5] = SeasonalProfile.MaximumOf(seasons.Yesterday, context.At, window);
        rules[6] = Scaled(SeasonalProfile.MaximumOf(seasons.Week, context.At, window), seasons.Now, seasons.NowOfWeek, half);
        rules[7] = context.Recent[0];
        Span<float> simple = stackalloc float[SimpleRules];
        for (var i = 0; i < SimpleRules; i++) simple[i] = (float)rules[i];
        Span<double> inputs = stackalloc double[InputCount];
        Inputs(simple, context.Recent.AsSpan().Slice(1, Lags), inputs);
        var unit = Unit > 0 ? Unit : half;
        for (var i = 0; i < InputCount; i++) inputs[i] /= unit;
        rules[RateRule] = Math.Max(0, RateRegression.Predict(inputs) * unit);
        for (var i = 0; i < InputCount; i++) inputs[i] = Math.Log((inputs[i] * unit) + half);
        rules[LogRule] = Math.Max(0, Math.Exp(LogRegression.Predict(inputs)) - half);
        Combine(rules, context.BucketSeconds, quantiles);
    }

    private void Combine(ReadOnlySpan<double> rules, double bucketSeconds, Span<double> quantiles)
    {
        var half = 0.5 / bucketSeconds;
        Span<double> given = stackalloc double[Experts * Grid.Length];
        Span<double> weights = stackalloc double[Experts];
        Span<double> ratios = stackalloc double[Grid.Length];
        var most = 0.0;
        for (var expert = 0; expert < Experts; expert++)
        {
            var bins = Residuals.AsSpan().Slice(expert * ResidualHistogram.Bins, ResidualHistogram.Bins);
            var rule = rules[expert % Rules];
            weights[expert] = rule < 0 ? 0 : ResidualHistogram.Weight(bins);
            most = Math.Max(most, weights[expert]);
            if (weights[expert] < 1) continue;
            ResidualHistogram.Quantiles(bins, weights[expert], Grid.AsSpan(), ratios);
            for (var q = 0; q < Grid.Length; q++) given[(expert * Grid.Length) + q] = Given(expert, rule, ratios[q], half, Unit);
        }

        var counted = Math.Max(LevelShort, LevelLong) * bucketSeconds;
        Span<double> together = stackalloc double[Grid.Length];
        for (var q = 0; q < Grid.Length; q++)
        {
            var (sum, share) = (0.0, 0.0);
            var least = double.MaxValue;
            for (var expert = 0; expert < Experts; expert++)
                if (weights[expert] >= 1) least = Math.Min(least, Losses[(expert * Grid.Length) + q]);
            for (var expert = 0; expert < Experts; expert++)
            {
                // One that woke late has shown less than the others, whatever its loss.
                if (weights[expert] < 1) continue;
                var loss = Losses[(expert * Grid.Length) + q];
                var weight = Math.Pow((least + 1e-12) / (loss + 1e-12), Sharpness) * weights[expert] / most;
                sum += weight * given[(expert * Grid.Length) + q];
                share += weight;
            }

            var count = CountMaximum.Quantile(counted, Buckets, Grid[q]) / bucketSeconds;
            var known = most / Steps;
            together[q] = share > 0
                ? ((known * sum / share) + (CountModelWindows * count)) / (known + CountModelWindows) : count;
            if (q > 0) together[q] = Math.Max(together[q], together[q - 1]);
        }

        for (var q = 0; q < Grid.Length; q++)
        {
            quantiles[q] = Math.Max(0, AtScore(together, Scores[q] + Corrections[q]));

            // Corrected each for itself they might cross.
            if (q > 0) quantiles[q] = Math.Max(quantiles[q], quantiles[q - 1]);
        }
    }

    /// <summary>A quantile from those of the grid: between two of them on the normal scale, beyond them the nearest.</summary>
    internal static double Between(ReadOnlySpan<double> quantiles, double quantile)
    {
        if (!(quantile > Grid[0])) return quantiles[0];
        if (quantile >= Grid[^1]) return quantiles[^1];
        return AtScore(quantiles, CountMaximum.NormalQuantile(quantile));
    }

    // Straight on the normal scale, beyond the last as between the last two.
    private static double AtScore(ReadOnlySpan<double> quantiles, double score)
    {
        var above = 1;
        while (above < Grid.Length - 1 && Scores[above] < score) above++;
        var (low, high) = (Scores[above - 1], Scores[above]);
        return quantiles[above - 1] + ((score - low) / (high - low) * (quantiles[above] - quantiles[above - 1]));
    }

    // A rule that knows nothing yet says what the mean of the maxima says.
    private static void Inputs(ReadOnlySpan<float> simple, ReadOnlySpan<float> lags, Span<double> inputs)
    {
        for (var i = 0; i < SimpleRules; i++) inputs[i] = simple[i] < 0 ? simple[MeanMaximumRule] : simple[i];
        for (var i = 0; i < Lags; i++) inputs[SimpleRules + i] = Math.Max(0, lags[i]);
    }

    private static double Given(int expert, double predicted, double residual, double half, double unit) => Math.Max(0, expert < Rules
        ? ((predicted + half) * Math.Exp(residual)) - half : predicted + (residual * unit));

    private double Rescaled(double came) =>
        Scale + (Math.Max(Scored > 0 ? 0 : 1, 1 / (1 + Math.Min(Scored, ScoresKept))) * (came - Scale));

    // A profile speaks of its shape; how high the present stands over it is carried on, within a factor of ten.
    private static double Scaled(double profile, double now, double nowOfProfile, double half) =>
        profile < 0 ? -1 : profile * Math.Clamp((now + half) / (nowOfProfile + half), 0.1, 10);

    private static double Pinball(double came, double given, double quantile) =>
        came > given ? quantile * (came - given) : (1 - quantile) * (given - came);
}
