using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

// What is learned at the end of a step.
public sealed partial record WindowForecast
{
    // Of each scored window a thousandth is forgotten, overlapping ones each for itself.
    private const double Fading = 0.999;
    private const double ScoresKept = 1000;

    // Where the newest error weighs this much all are weighed anew.
    private const double ErrorWeightMost = 16;

    // How far a window that exceeds its quantile moves the correction, in normal scores; a window that does not moves it
    // back by the odds.
    private const double CorrectionGain = 0.002;
    internal const double CorrectionLeast = -0.7;
    internal const double CorrectionMost = 1.5;

    // In units: one monstrous window says no more than this of which expert to trust.
    private const double CompactGainMost = 5;

    // Within what a half float holds.
    private const float SquaresMost = 60000;

    // Of a copy that is still nobody's, as are those below.
    private void CloseStep(in ForecastContext context)
    {
        var code = 5 * OpenObserved >= 4 * OpenBuckets ? RateCode.Of(OpenMaximum) : RateCode.Unknown;
        if (code != RateCode.Unknown)
        {
            if (Maxima[^1] != RateCode.Unknown && Unit > 0 && !Compact) _regressions = LearnPath(OpenMaximum);
            _peak = Faded(Peak, LongWindows);
            _ever = Compact ? 0 : Faded(Ever, EverWindows);
        }

        _maxima = [code, .. Maxima.AsSpan()[..^1]];
        (_openMaximum, _openBuckets, _openObserved) = (-1, 0, 0);
        if (WindowMaximum() is var came && came != RateCode.Unknown) Score(came, context.Half);
        Span<double> rules = stackalloc double[RuleCount];
        Span<double> quantiles = stackalloc double[Grid.Length];
        Predict(context, rules, quantiles);
        var pending = Pending.ToArray();
        var window = pending.AsSpan(Head * (KeptCount + Grid.Length), KeptCount + Grid.Length);
        for (var i = 0; i < KeptCount; i++) window[i] = RateCode.Of(rules[Kept(i)]);
        for (var q = 0; q < Grid.Length; q++) window[KeptCount + q] = RateCode.Of(quantiles[q]);
        (_pending, _head) = (ImmutableCollectionsMarshal.AsImmutableArray(pending), (Head + 1) % Steps);
    }

    private float Faded(float peak, double windows) =>
        (float)Math.Max(OpenMaximum, peak + ((OpenMaximum - peak) / (1 + (windows * Steps))));

    // The window that ends now; unknown where a fifth of its steps is.
    private ushort WindowMaximum()
    {
        var (observed, most) = (0, RateCode.Unknown);
        for (var step = 0; step < Steps; step++)
        {
            if (Maxima[step] == RateCode.Unknown) continue;
            most = Math.Max(most, Maxima[step]);
            observed++;
        }

        return 5 * observed >= 4 * Steps ? most : RateCode.Unknown;
    }

    private ImmutableArray<float> LearnPath(double stepMaximum)
    {
        Span<double> lags = stackalloc double[PathLags];
        Span<double> coefficients = stackalloc double[PathLags + 1];
        FillLags(Unit, lags);
        SolvePath(coefficients);
        var products = Regressions.ToArray();
        AgedRegression.Learn(products.AsSpan(PathAt), lags, stepMaximum / Unit, AgedRegression.Predict(coefficients, lags));
        return ImmutableCollectionsMarshal.AsImmutableArray(products);
    }

    private void Score(ushort cameCode, double half)
    {
        var came = RateCode.Rate(cameCode);
        Rescale(came, half);
        var codes = Pending.AsSpan().Slice(Head * (KeptCount + Grid.Length), KeptCount + Grid.Length);
        if (codes[0] == RateCode.Unknown) return;
        Span<double> rules = stackalloc double[RuleCount];
        rules.Fill(-1);
        for (var i = 0; i < KeptCount; i++) rules[Kept(i)] = RateCode.Rate(codes[i]);
        var corrections = Corrections.ToArray();
        for (var q = 0; q < Grid.Length; q++)
        {
            // Adaptive conformal inference (Gibbs and Candès 2021), spread over the windows that overlap. What was said to
            // the last bit was neither exceeded nor too much: where half of all windows are silent, nought is the median.
            if (cameCode == codes[KeptCount + q]) continue;
            var exceeded = cameCode > codes[KeptCount + q] ? 1 : 0;
            corrections[q] = (float)Math.Clamp(
                corrections[q] + (CorrectionGain / Steps * (exceeded - (1 - Grid[q]))), CorrectionLeast, CorrectionMost);
        }

        LearnErrors(rules, came, half);
        _scored = Math.Min(Scored, int.MaxValue - 1) + 1;
        _corrections = ImmutableCollectionsMarshal.AsImmutableArray(corrections);
        if (!Compact) _regressions = LearnRegression(rules, came);
    }

    private ImmutableArray<float> LearnRegression(ReadOnlySpan<double> rules, double came)
    {
        Span<double> inputs = stackalloc double[InputCount];
        FillInputs(rules, Unit, inputs);
        var regressions = Regressions.ToArray();
        AgedRegression.Learn(regressions.AsSpan(0, PathAt), inputs, came / Unit, Math.Max(0, rules[RegressionRule]) / Unit);
        return ImmutableCollectionsMarshal.AsImmutableArray(regressions);
    }

    // What each expert would have gained over all together, and what it missed by.
    private void LearnErrors(ReadOnlySpan<double> rules, double came, double half)
    {
        Span<double> given = stackalloc double[ExpertCount * Grid.Length];
        Span<double> together = stackalloc double[Grid.Length];
        Mix(rules, half, given, together);
        var gains = Gains.ToArray();
        for (var i = 0; i < given.Length; i++)
        {
            var (quantile, at) = (Grid[i % Grid.Length], 2 * i);
            if (given[i] < 0) continue;
            var gain = (Pinball(came, together[i % Grid.Length], quantile) - Pinball(came, given[i], quantile)) / Unit;
            if (Compact) gain = Math.Clamp(gain, -CompactGainMost, CompactGainMost);
            gains[at] = (float)((Fading * gains[at]) + (gain / Steps));
            gains[at + 1] = (float)((Fading * gains[at + 1]) + (gain * gain / Steps));
        }

        if (Compact) Shorten(gains, Seasonal);

        var errors = Errors.ToArray();
        var (weight, fade) = (ErrorWeight / Fading, 1.0);
        if (weight > ErrorWeightMost) (weight, fade) = (1, 1 / weight);
        for (var i = 0; i < ExpertCount; i++)
        {
            var expert = Minds[i];
            var sketch = errors.AsSpan(i * SketchWidth, SketchWidth);
            if (fade < 1) ErrorSketch.Scale(sketch, 1, fade);
            if (rules[expert.Rule] >= 0) ErrorSketch.Add(sketch, expert.Error(rules[expert.Rule], came, half, Unit), weight);
        }

        _errorWeight = (float)weight;
        _errors = ImmutableCollectionsMarshal.AsImmutableArray(errors);
        _gains = ImmutableCollectionsMarshal.AsImmutableArray(gains);
    }

    // The mean of the maxima, and all that is kept in its unit where that has changed by a factor of two.
    private void Rescale(double came, double half)
    {
        var log = Math.Log(came + half);
        var mean = Compact ? 0 : Scale > 0 || Scored > 0
            ? MeanLogMaximum + (Math.Max(1.0 / (Scored + 1), 1 / (1 + (LongWindows * Steps))) * (log - MeanLogMaximum)) : log;
        var scale = Scale + (Math.Max(Scored > 0 ? 0 : 1, 1 / (1 + Math.Min(Scored, ScoresKept))) * (came - Scale));
        (_meanLogMaximum, _scale) = ((float)mean, (float)scale);
        if (scale + half < 2 * Unit && scale + half > 0.5 * Unit) return;
        var (unit, ratio) = (scale + half, Unit / (scale + half));
        var first = !(Unit > 0);
        _unit = (float)unit;
        if (first) return;
        var (errors, gains) = (Errors.ToArray(), Gains.ToArray());
        for (var i = 0; i < ExpertCount; i++)
            ErrorSketch.Scale(errors.AsSpan(i * SketchWidth, SketchWidth), Minds[i].Resized(ratio), 1);
        for (var at = 0; at < gains.Length; at += 2)
            (gains[at], gains[at + 1]) = ((float)(gains[at] * ratio), (float)(gains[at + 1] * ratio * ratio));
        if (Compact) Shorten(gains, Seasonal);
        _errors = ImmutableCollectionsMarshal.AsImmutableArray(errors);
        _gains = ImmutableCollectionsMarshal.AsImmutableArray(gains);
        if (Compact) return;
        var regressions = Regressions.ToArray();
        AgedRegression.Resize(regressions.AsSpan(0, PathAt), InputCount, ratio);
        AgedRegression.Resize(regressions.AsSpan(PathAt), PathLags, ratio);
        _regressions = ImmutableCollectionsMarshal.AsImmutableArray(regressions);
    }

    // Of windows of minutes the experts count alike at the lowest quantile, and nothing is kept. Of hours ahead it is asked for: where
    // requests were in time all night the quantile is low by the morning, and whoever knows nothing of mornings would hold it down.
    internal static bool IsUnasked(int gain, bool seasonal) => !seasonal && gain / 2 % Grid.Length == 0;

    // To half floats, which is how they are written. A sum of as many gains is never further from nought than the root of
    // their number times their squares; what leaves a half float's range is brought back within that.
    internal static void Shorten(Span<float> gains, bool seasonal)
    {
        for (var at = 0; at < gains.Length; at += 2)
        {
            if (IsUnasked(at, seasonal))
            {
                gains[at] = gains[at + 1] = 0;
                continue;
            }

            var squares = (float)(Half)Math.Clamp(gains[at + 1], 0, SquaresMost);
            var most = Math.Min(Math.Sqrt(ScoresKept * squares), SquaresMost);
            gains[at] = (float)(Half)Math.Clamp(gains[at], -most, most);
            gains[at + 1] = squares;
        }
    }

    private static double Pinball(double came, double given, double quantile) =>
        came > given ? quantile * (came - given) : (1 - quantile) * (given - came);
}
