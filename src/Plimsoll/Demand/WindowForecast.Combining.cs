namespace Plimsoll;

// How the experts' quantiles are put together.
public sealed partial record WindowForecast
{
    // Beyond it straight lines on the normal scale promise what nobody has seen.
    private const double QuantileMost = 0.999;

    // With one error a sketch has no quantiles.
    private const double ScoredLeast = 1.5;

    // Up to the median, the second of the grid, experts are averaged by their roots: one that stayed high while the others
    // fell does not hold the mean up.
    private const int Median = 1;

    // With nothing in the last window, less than this many arrivals in a bucket are nothing.
    private const double ArrivalsLeast = 0.01;

    // How much a gain that stands out from its own noise by once that noise makes of an expert's weight, as a log.
    private const double Sharpness = 2;

    private int SketchWidth => 2 * (Compact ? ErrorSketch.CompactPoints : ErrorSketch.Points);

    private int ExpertCount => Errors.Length / SketchWidth;

    // A share of all but e to this is all; beyond it, what garbage makes of a noise of nearly nothing, numbers end.
    private const double SureMost = 200;

    private int RuleCount => Seasonal ? Compact ? WeekShiftedRule + 1 : Rules : Compact ? PeakRule + 1 : PlainRules;

    /// <summary>The quantiles of the grid for the window that begins now; arrivals a second.</summary>
    internal void Predict(in ForecastContext context, Span<double> quantiles)
    {
        Span<double> rules = stackalloc double[RuleCount];
        Predict(context, rules, quantiles);
    }

    private void Predict(in ForecastContext context, Span<double> rules, Span<double> quantiles)
    {
        Expect(context, rules);
        Span<double> given = stackalloc double[ExpertCount * Grid.Length];
        Span<double> together = stackalloc double[Grid.Length];
        var scored = Mix(rules, context.Half, given, together) / Steps;
        if (scored < PooledUntil) Pool(context, scored, together);
        for (var q = 1; q < Grid.Length; q++) together[q] = Math.Max(together[q], together[q - 1]);
        var least = rules[LastMaximumRule] > 0 ? 0 : ArrivalsLeast / context.BucketSeconds;
        for (var q = 0; q < Grid.Length; q++)
        {
            quantiles[q] = Math.Max(0, AtScore(together, Scores[q] + Corrections[q]));
            if (quantiles[q] < least) quantiles[q] = 0;

            // Corrected each for itself they might cross.
            if (q > 0) quantiles[q] = Math.Max(quantiles[q], quantiles[q - 1]);
        }
    }

    /// <summary>
    /// The experts' quantiles and their means, weighed by what each would have gained: a softmax of the gain over its own
    /// noise, which is the weight of Bernstein's online aggregation (Wintenberger 2017) at its learning rate.
    /// </summary>
    /// <param name="rules">What the rules say, -1 from one that says nothing.</param>
    /// <param name="half">Half an arrival in a bucket, arrivals a second.</param>
    /// <param name="given">Out: for each expert its quantiles, -1 from one that has none.</param>
    /// <param name="together">Out: their weighed means, 0 where there are none.</param>
    /// <returns>Windows the expert that has scored most rests on, overlapping ones each for itself.</returns>
    private double Mix(ReadOnlySpan<double> rules, double half, Span<double> given, Span<double> together)
    {
        Span<double> errors = stackalloc double[Grid.Length];
        Span<double> scored = stackalloc double[ExpertCount];
        Span<double> shares = stackalloc double[Grid.Length];
        var minds = Minds;
        var most = 0.0;
        for (var expert = 0; expert < scored.Length; expert++)
        {
            scored[expert] = rules[minds[expert].Rule] < 0 ? 0 : ErrorSketch.Weight(Sketch(expert)) / ErrorWeight;
            most = Math.Max(most, scored[expert]);
        }

        together.Clear();
        for (var expert = 0; expert < scored.Length; expert++)
        {
            var quantiles = given.Slice(expert * Grid.Length, Grid.Length);
            quantiles.Fill(-1);
            if (scored[expert] < ScoredLeast) continue;
            ErrorSketch.Quantiles(Sketch(expert), scored[expert], Grid.AsSpan(), errors);
            for (var q = 0; q < (minds[expert].AsItIs ? Median + 1 : Grid.Length); q++)
            {
                var rule = rules[minds[expert].Rule];
                quantiles[q] = minds[expert].AsItIs ? rule : minds[expert].Given(rule, errors[q], half, Unit);
                var at = 2 * ((expert * Grid.Length) + q);

                // One that woke late has shown less than the others, whatever it gained.
                var share = scored[expert] / most
                    * (Gains[at + 1] > 0 ? Math.Exp(Math.Min(Sharpness * Gains[at] / Math.Sqrt(Gains[at + 1]), SureMost)) : 1);
                together[q] += share * Bent(q, quantiles[q], half);
                shares[q] += share;
            }
        }

        for (var q = 0; q < Grid.Length; q++) together[q] = shares[q] > 0 ? Straight(q, together[q] / shares[q], half) : 0;
        return shares[0] > 0 ? most : 0;
    }

    private ReadOnlySpan<Half> Sketch(int expert) => Errors.AsSpan().Slice(expert * SketchWidth, SketchWidth);

    private static double Bent(int q, double rate, double half) => q > Median ? rate : Math.Sqrt(rate + half);

    private static double Straight(int q, double mean, double half) => q > Median ? mean : Math.Max(0, (mean * mean) - half);

    /// <summary>A quantile from those of the grid: between or above them straight on the normal scale, below the lowest.</summary>
    /// <param name="quantiles">At <see cref="Grid"/>, ascending.</param>
    /// <param name="quantile">Which.</param>
    /// <param name="below">Whether one below the grid is drawn on straight too, to half of the lowest at the least.</param>
    internal static double Between(ReadOnlySpan<double> quantiles, double quantile, bool below = false)
    {
        if (quantile > Grid[0]) return AtScore(quantiles, CountMaximum.NormalQuantile(Math.Min(quantile, QuantileMost)));
        return below && quantile > 0 ? Math.Max(quantiles[0] / 2, AtScore(quantiles, CountMaximum.NormalQuantile(quantile))) : quantiles[0];
    }

    private static double AtScore(ReadOnlySpan<double> quantiles, double score)
    {
        var above = 1;
        while (above < Grid.Length - 1 && Scores[above] < score) above++;
        var (low, high) = (Scores[above - 1], Scores[above]);
        return quantiles[above - 1] + ((score - low) / (high - low) * (quantiles[above] - quantiles[above - 1]));
    }
}
