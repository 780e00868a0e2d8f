namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// Hyndman and Khandakar's search for an order (Journal of Statistical Software 27, 2008) as pmdarima's auto_arima makes it with its
/// defaults: KPSS at 5 % for at most two differences, then AIC. Lags go up to a third of the values, so to 1 for five, and then the
/// models it begins with are all there are.
/// </summary>
public static class ArimaSearch
{
    private const int MaxDifferences = 2;

    /// <summary>Level stationarity is rejected above it at 5 % (Kwiatkowski et al. 1992, table 1).</summary>
    private const double KpssCritical = 0.463;

    /// <summary>A model with an inverse root beyond it is not taken.</summary>
    private const double NearUnit = 0.99;

    public static (ArimaOrder Order, ArimaFit Fit) Best(double[] series)
    {
        var differences = Differences(series);
        var stationary = Difference(series, differences);
        var constant = differences < 2;
        if (IsConstant(stationary)) return Try(new(0, differences, 0, constant));

        var best = Try(new(1, differences, 1, constant));
        ArimaOrder[] others =
            [new(0, differences, 0, constant), new(1, differences, 0, constant), new(0, differences, 1, constant), new(0, differences, 0, false)];
        foreach (var order in others)
        {
            var other = Try(order);
            if (other.Fit.Aic < best.Fit.Aic) best = other;
        }

        return best;

        (ArimaOrder Order, ArimaFit Fit) Try(ArimaOrder order)
        {
            var fit = ArimaFit.Anywhere(stationary, order);
            // The source looks at the roots of both lags, but the second look forgets the first.
            var root = Math.Abs(order.Ma > 0 ? fit.Ma : fit.Ar);
            return (order, root > NearUnit ? fit with { Aic = double.PositiveInfinity } : fit);
        }
    }

    public static double[] Difference(double[] series, int times)
    {
        ArgumentNullException.ThrowIfNull(series);
        for (; times > 0; times--)
        {
            var differences = new double[series.Length - 1];
            for (var i = 0; i < differences.Length; i++) differences[i] = series[i + 1] - series[i];
            series = differences;
        }

        return series;
    }

    /// <summary>KPSS's statistic for a level, with Bartlett weights over ⌊3√n / 13⌋ lags.</summary>
    public static double Kpss(double[] series)
    {
        ArgumentNullException.ThrowIfNull(series);
        var (n, mean) = (series.Length, series.Average());
        var errors = series.Select(value => value - mean).ToArray();
        double sum = 0, squares = 0;
        foreach (var error in errors)
        {
            sum += error;
            squares += sum * sum;
        }

        var lags = (int)(3 * Math.Sqrt(n) / 13);
        var variance = errors.Sum(error => error * error) / n;
        for (var lag = 1; lag <= lags; lag++)
            variance += 2.0 / n * (1 - lag / (lags + 1.0)) * errors.Skip(lag).Zip(errors, (later, earlier) => later * earlier).Sum();
        return squares / n / n / variance;
    }

    private static int Differences(double[] series)
    {
        var taken = 0;
        while (taken < MaxDifferences && !IsConstant(series) && Kpss(series) > KpssCritical)
        {
            series = Difference(series, 1);
            taken++;
        }

        return taken;
    }

    private static bool IsConstant(double[] series) => Array.TrueForAll(series, value => value == series[0]);
}
