namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// Hyndman and Khandakar's search for an order (Journal of Statistical Software 27, 2008) with the defaults of pmdarima's
/// auto_arima: KPSS at 5 % for at most two differences, AIC, both lags at most 1 (a third of five values).
/// </summary>
public static class ArimaSearch
{
    private const int MaxDifferences = 2;
    private const int MaxLag = 1;

    /// <summary>Level stationarity is rejected above it at 5 % (Kwiatkowski et al. 1992, table 1).</summary>
    private const double KpssCritical = 0.463;

    public static (ArimaOrder Order, ArimaFit Fit) Best(double[] series)
    {
        var differences = Differences(series);
        var stationary = Difference(series, differences);
        var constant = differences < 2;
        if (IsConstant(stationary)) return Try(new(0, differences, 0, constant));

        var best = Try(new(MaxLag, differences, MaxLag, constant));
        HashSet<ArimaOrder> tried = [best.Order];
        Consider(new(0, differences, 0, constant), new(MaxLag, differences, 0, constant), new(0, differences, MaxLag, constant), new(0, differences, 0, false));
        while (Consider([.. Around(best.Order)]))
        {
        }

        return best;

        (ArimaOrder Order, ArimaFit Fit) Try(ArimaOrder order) => (order, ArimaFit.Anywhere(stationary, order));

        bool Consider(params ArimaOrder[] orders)
        {
            var before = best.Order;
            foreach (var order in orders.Where(order => tried.Add(order)))
            {
                var fit = Try(order);
                if (fit.Fit.Aic < best.Fit.Aic) best = fit;
            }

            return best.Order != before;
        }
    }

    public static double[] Difference(double[] series, int times)
    {
        ArgumentNullException.ThrowIfNull(series);
        for (; times > 0; times--) series = [.. series.Skip(1).Zip(series, (later, earlier) => later - earlier)];
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

    private static IEnumerable<ArimaOrder> Around(ArimaOrder order)
    {
        for (var ar = Math.Max(0, order.Ar - 1); ar <= Math.Min(MaxLag, order.Ar + 1); ar++)
            for (var ma = Math.Max(0, order.Ma - 1); ma <= Math.Min(MaxLag, order.Ma + 1); ma++)
                yield return order with { Ar = ar, Ma = ma };
        if (order.Differences < 2) yield return order with { Constant = !order.Constant };
    }
}
