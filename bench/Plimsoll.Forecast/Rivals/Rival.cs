namespace Plimsoll.Forecast.Rivals;

/// <summary>
/// A point forecaster with quantiles: its maximum ahead, plus the quantile of its own past errors of it over windows as
/// long (split conformal prediction), which is kinder than the normal interval of the textbook.
/// </summary>
/// <param name="name">As the page calls it.</param>
/// <param name="forecaster">The method.</param>
/// <param name="buckets">Length of the window.</param>
/// <param name="withErrors">False for a method that knows no quantiles: it says the same at each.</param>
internal sealed class Rival(string name, IPointForecaster forecaster, int buckets, bool withErrors)
{
    private const int ErrorsKept = 1000;
    private static readonly double[] LevelGains = [0.05, 0.2, 0.5];
    private static readonly double[] TrendGains = [0.01, 0.1];
    private static readonly double[] LevelNoises = [0.001, 0.01, 0.1, 1];
    private static readonly double[] SlopeNoises = [1e-6, 1e-3];
    private readonly Queue<double> pending = [];
    private readonly List<double> errors = [];
    private double[]? sorted;
    private double now;

    public string Name => name;

    /// <summary>One bucket more; the maximum of the window that ends with it is given once it is full.</summary>
    public void Observe(double rate, double? maximumOfWindow)
    {
        forecaster.Observe(rate);
        now = Math.Max(0, forecaster.MaximumAhead(buckets));
        if (!withErrors) return;
        if (pending.Count == buckets && pending.TryDequeue(out var predicted) && maximumOfWindow is { } came)
        {
            errors.Add(came - predicted);
            if (errors.Count > ErrorsKept) errors.RemoveAt(0);
            sorted = null;
        }

        pending.Enqueue(now);
    }

    public double Quantile(double quantile)
    {
        if (errors.Count < 5) return now;
        sorted ??= [.. errors.Order()];
        var at = Math.Min(sorted.Length - 1, (int)Math.Ceiling(quantile * (sorted.Length + 1)) - 1);
        return Math.Max(0, now + sorted[at]);
    }

    /// <summary>Those the issue names.</summary>
    public static Rival[] All(Series series, int buckets)
    {
        var season = series.Season;
        return
        [
            new("seasonal naive", new SeasonalNaive(season), buckets, true),
            new("Holt-Winters", new BestOf([.. LevelGains.SelectMany(level => TrendGains.Select(trend =>
                (IPointForecaster)new HoltWinters(season, level, trend, 0.2)))]), buckets, true),
            new("ARIMA-like", new BestOf(new Autoregression(8, false), new Autoregression(8, true)), buckets, true),
            new("Kalman", new BestOf([.. LevelNoises.SelectMany(noise => SlopeNoises.Select(slope =>
                (IPointForecaster)new KalmanTrend(noise, noise * slope)))]), buckets, true),
            new("last value + window maximum (HPA)", new RecentMaximum(series.Bucket), buckets, false),
            new("the same with its errors", new RecentMaximum(series.Bucket), buckets, true),
        ];
    }
}
