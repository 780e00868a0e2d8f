using System.Collections.Immutable;

namespace Plimsoll;

// The same quantile in closed form, for a forecast that is straight on the normal scale between the quantiles of a grid.
public sealed partial record ShortageCost
{
    // The grid's normal scores and the one beyond which nobody forecasts; and the mean of what a normal variate has above each.
    private static readonly ImmutableArray<double> Knots =
        [.. WindowForecast.Grid.Append(QuantileMost).Select(CountMaximum.NormalQuantile)];

    private static readonly ImmutableArray<double> AboveKnots = [.. Knots.Select(Above)];

    /// <summary>
    /// The quantile c_under / (c_under + c_over) to cover, as the other <c>Quantile</c> finds it. Between two knots the forecast
    /// is a + s z, and ∫ (Q(u) − Q(q)) du over u &gt; q adds up from s (G(z) − G(z')) over the pieces, G(z) = φ(z) − z (1 − Φ(z)).
    /// </summary>
    /// <param name="grid">Quantiles of the window's maximum at <see cref="WindowForecast.Grid"/>, ascending.</param>
    /// <param name="attainment">Share of requests that must meet their objective, between 0 and 1.</param>
    /// <param name="least">What requests in time may have lowered it to.</param>
    internal double Quantile(ReadOnlySpan<double> grid, double attainment, double least = CorrectedLeast)
    {
        var solved = Math.Clamp(Solve(grid, 1 - Math.Clamp(attainment, 0, 1)), QuantileLeast, QuantileMost);
        var multiple = solved / (1 - solved) * Math.Exp(LogCorrection);
        return Math.Clamp(multiple / (1 + multiple), least, QuantileMost);
    }

    private static double Solve(ReadOnlySpan<double> grid, double allowed)
    {
        Span<double> slopes = stackalloc double[grid.Length];
        var total = grid[0];
        for (var i = 0; i < grid.Length; i++)
        {
            // The last piece goes on as the one before it.
            slopes[i] = i < grid.Length - 1 ? Math.Max(0, grid[i + 1] - grid[i]) / (Knots[i + 1] - Knots[i]) : slopes[i - 1];
            total += slopes[i] * (AboveKnots[i] - AboveKnots[i + 1]);
        }

        if (!(total > 0)) return 1 - allowed;
        var left = allowed * total;
        for (var i = grid.Length - 1; i >= 0; i--)
        {
            var piece = slopes[i] * (AboveKnots[i] - AboveKnots[i + 1]);
            if (piece <= left)
            {
                left -= piece;
                continue;
            }

            var (low, high, most) = (Knots[i], Knots[i + 1], AboveKnots[i + 1] + (left / slopes[i]));
            for (var step = 0; step < 24; step++)
            {
                var middle = (low + high) / 2;
                if (Above(middle) > most) low = middle;
                else high = middle;
            }

            return 1 - Tail(high);
        }

        return QuantileLeast;
    }

    private static double Above(double score) => Density(score) - (score * Tail(score));

    private static double Density(double score) => Math.Exp(-score * score / 2) / Math.Sqrt(2 * Math.PI);

    /// <summary>1 − Φ, |error| &lt; 7.5e-8 (Abramowitz and Stegun 26.2.17).</summary>
    private static double Tail(double score)
    {
        var t = 1 / (1 + (0.2316419 * Math.Abs(score)));
        var tail = Density(score)
            * t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return score < 0 ? 1 - tail : tail;
    }
}
