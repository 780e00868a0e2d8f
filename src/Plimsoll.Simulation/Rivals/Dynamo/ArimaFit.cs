namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// One ARMA(1,1) or less with its exact Gaussian likelihood, by the innovations of Brockwell and Davis (Time Series: Theory and
/// Methods, example 5.3.1); mean and variance are solved for, so that only two coefficients are searched.
/// </summary>
/// <param name="Aic">−2 log likelihood + 2 parameters, the variance among them; infinite outside of the unit circle.</param>
/// <param name="Next">Forecast of the next value of the differenced series.</param>
public readonly record struct ArimaFit(double Ar, double Ma, double Aic, double Next)
{
    private const int GridSteps = 20;
    private const double Finest = 1e-4;

    /// <summary>The best of a grid, refined.</summary>
    public static ArimaFit Anywhere(double[] series, ArimaOrder order)
    {
        var best = At(series, order, 0, 0);
        for (var a = order.Ar == 0 ? 0 : -GridSteps + 1; a <= (order.Ar == 0 ? 0 : GridSteps - 1); a++)
            for (var m = order.Ma == 0 ? 0 : -GridSteps + 1; m <= (order.Ma == 0 ? 0 : GridSteps - 1); m++)
            {
                var fit = At(series, order, (double)a / GridSteps, (double)m / GridSteps);
                if (fit.Aic < best.Aic) best = fit;
            }

        return Near(series, order, best.Ar, best.Ma, 0.5 / GridSteps);
    }

    /// <summary>Downhill from where the coefficients were, in steps that halve.</summary>
    /// <param name="step">The first; one more value moves the coefficients of a long series little.</param>
    public static ArimaFit Near(double[] series, ArimaOrder order, double ar, double ma, double step)
    {
        var best = At(series, order, ar, ma);
        if (order is { Ar: 0, Ma: 0 }) return best;
        while (step > Finest)
        {
            var moved = false;
            foreach (var (a, m) in new[] { (step * order.Ar, 0.0), (-step * order.Ar, 0), (0, step * order.Ma), (0, -step * order.Ma) })
            {
                var fit = At(series, order, best.Ar + a, best.Ma + m);
                if (!(fit.Aic < best.Aic)) continue;
                (best, moved) = (fit, true);
            }

            if (!moved) step /= 2;
        }

        return best;
    }

    public static ArimaFit At(double[] series, ArimaOrder order, double ar, double ma)
    {
        ArgumentNullException.ThrowIfNull(series);
        if (Math.Abs(ar) >= 1 || Math.Abs(ma) >= 1) return new(ar, ma, double.PositiveInfinity, double.NaN);
        var mean = order.Constant ? Mean(series, ar, ma) : 0;
        var (variance, squares, logs) = (FirstVariance(ar, ma), 0.0, 0.0);
        var predicted = 0.0;
        foreach (var value in series)
        {
            var error = value - mean - predicted;
            squares += error * error / variance;
            if (variance != 1) logs += Math.Log(variance);
            predicted = ar * (value - mean) + ma / variance * error;
            variance = 1 + ma * ma - ma * ma / variance;
        }

        double n = series.Length;
        // A fit without any error has no likelihood; it is as good as one with errors a millionth of the series'.
        var sigma2 = Math.Max(squares / n, 1e-12 * series.Sum(value => value * value) / n);
        var parameters = order.Ar + order.Ma + 1 + (order.Constant ? 1 : 0);
        var aic = n * Math.Log(2 * Math.PI * sigma2) + logs + n + 2 * parameters;
        return new(ar, ma, double.IsNaN(aic) ? double.PositiveInfinity : aic, mean + predicted);
    }

    /// <summary>Of the process over that of its errors.</summary>
    private static double FirstVariance(double ar, double ma) => (1 + 2 * ar * ma + ma * ma) / (1 - ar * ar);

    /// <summary>By generalised least squares: errors of the series against errors of a series of ones.</summary>
    private static double Mean(double[] series, double ar, double ma)
    {
        var (variance, top, bottom) = (FirstVariance(ar, ma), 0.0, 0.0);
        var (predicted, predictedOne) = (0.0, 0.0);
        foreach (var value in series)
        {
            var (error, errorOne) = (value - predicted, 1 - predictedOne);
            top += error * errorOne / variance;
            bottom += errorOne * errorOne / variance;
            (predicted, predictedOne) = (ar * value + ma / variance * error, ar + ma / variance * errorOne);
            variance = 1 + ma * ma - ma * ma / variance;
        }

        return top / bottom;
    }
}
