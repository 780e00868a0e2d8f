namespace Plimsoll;

/// <summary>
/// What a shortage costs, as a multiple of what an excess costs (c_under / c_over): the multiple at which the target
/// attainment is met. Solved from the forecast, then corrected by what was attained (design §6.2).
/// </summary>
/// <param name="LogCorrection">Added to the log of the solved multiple; between -10 and 3.</param>
public sealed partial record ShortageCost(double LogCorrection)
{
    public static readonly ShortageCost Uncorrected = new(0);

    // So far down that what was attained can take any solved quantile, 0.99 with its odds of 99 too, below the median.
    private const double CorrectionLeast = -6;

    // And any of them to a hundredth.
    private const double CorrectionFurthest = -10;
    private const double CorrectionMost = 3;

    // A window in which as much was missed as the target allows twice over raises the multiple by a tenth.
    private const double Gain = 0.1;
    private const double QuantileLeast = 0.5;

    // A peak that is carried late for a moment is in time still, so even half of all peaks may be left uncovered where requests say so.
    internal const double CorrectedLeast = 0.05;

    // The longer a window the further is the most in it above its mean, so that all requests but the allowed ones are in time with less than
    // what is covered at a twentieth; in one of seconds they are as good as the same, and what is saved there goes into starts.
    private const double CorrectedFurthest = 0.01;
    private static readonly TimeSpan FurtherFrom = TimeSpan.FromSeconds(30);

    /// <summary>The least quantile that requests in time may lower it to, where they may take it further the longer the time ahead.</summary>
    internal static double LeastFor(TimeSpan horizon) => Math.Clamp(CorrectedLeast * (FurtherFrom / horizon), CorrectedFurthest, CorrectedLeast);
    private const double QuantileMost = 0.999;

    /// <summary>
    /// The quantile c_under / (c_under + c_over) to cover. It is the least q at which the expected share of the
    /// window's peak above Q(q), (∫ from q to 1 of Q(u) − Q(q) du) / ∫ Q, is at most what the target allows.
    /// </summary>
    /// <param name="forecast">Forecast quantile of the window's maximum, rising in its argument.</param>
    /// <param name="attainment">Share of requests that must meet their objective, between 0 and 1.</param>
    public double Quantile(Func<double, double> forecast, double attainment)
    {
        ArgumentNullException.ThrowIfNull(forecast);
        var solved = Solve(forecast, 1 - Math.Clamp(attainment, 0, 1));
        var multiple = solved / (1 - solved) * Math.Exp(LogCorrection);
        return Math.Clamp(multiple / (1 + multiple), CorrectedLeast, QuantileMost);
    }

    /// <summary>c_under for a price of excess, at the quantile that is to be covered.</summary>
    public static double PerUnit(double overPrice, double quantile) => overPrice * quantile / (1 - quantile);

    /// <summary>Corrects by what a window's requests attained; a window without requests says nothing.</summary>
    /// <param name="attained">Share of them that met the objective.</param>
    /// <param name="target">Share that had to.</param>
    /// <param name="weight">Share of a usual window's requests it held, 1 at most.</param>
    /// <param name="further">Whether what came in time may lower the quantile to a hundredth, and not to a twentieth alone.</param>
    public ShortageCost Observe(double attained, double target, double weight, bool further = false)
    {
        if (!(attained >= 0 && attained <= 1 && target > 0 && target < 1 && weight > 0)) return this;
        var missed = Math.Min((1 - attained) / (1 - target), 20);
        return new ShortageCost(Math.Clamp(
            LogCorrection + (Gain * Math.Min(weight, 1) * (missed - 1)), further ? CorrectionFurthest : CorrectionLeast, CorrectionMost));
    }

    private static double Solve(Func<double, double> forecast, double allowed)
    {
        var total = Above(forecast, 0, 0);
        if (!(total > 0)) return Math.Clamp(1 - allowed, QuantileLeast, QuantileMost);
        var (low, high) = (QuantileLeast, QuantileMost);
        for (var i = 0; i < 20; i++)
        {
            var middle = (low + high) / 2;
            if (Above(forecast, middle, forecast(middle)) > allowed * total) low = middle;
            else high = middle;
        }

        return high;
    }

    // Sixty-four slices, spaced by the log of what is left above: most of the shortage is in the last per cent.
    private static double Above(Func<double, double> forecast, double from, double level)
    {
        const int Slices = 64;
        var (sum, left) = (0.0, 1 - from);
        for (var i = 0; i < Slices; i++)
        {
            var next = i == Slices - 1 ? 0 : left * 0.9;
            sum += (left - next) * Math.Max(0, forecast(1 - ((left + next) / 2)) - level);
            left = next;
        }

        return sum;
    }
}
