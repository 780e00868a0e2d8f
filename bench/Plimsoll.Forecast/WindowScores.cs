namespace Plimsoll.Forecast;

/// <summary>How several forecasters do on one series and window, at the quantiles of <see cref="RollingOrigin"/>.</summary>
/// <param name="series">Whose rates come.</param>
/// <param name="window">How far ahead is asked.</param>
/// <param name="forecasters">How many are scored.</param>
internal sealed class WindowScores(Series series, TimeSpan window, int forecasters)
{
    private readonly int _buckets = (int)(window / series.Bucket);
    private readonly double[,] _losses = new double[RollingOrigin.Quantiles.Length, forecasters];
    private readonly int[,] _exceeded = new int[RollingOrigin.Quantiles.Length, forecasters];
    private double _actual;

    public TimeSpan Window => window;

    public int Origins { get; private set; }

    /// <summary>The sum of what came, over the origins.</summary>
    public double Came { get; private set; }

    /// <summary>Whether a forecast is asked for once a bucket is over; those given next are held against what came.</summary>
    public bool IsOriginAfter(int bucket)
    {
        var origin = bucket + 1;
        if (origin < series.WarmUp || origin + _buckets > series.Rates.Length || origin % Math.Max(1, _buckets / 10) != 0) return false;
        _actual = Maximum(origin);
        Came += _actual;
        Origins++;
        return true;
    }

    /// <summary>A forecaster's quantile at the origin.</summary>
    public void Take(int quantile, int forecaster, double given)
    {
        var (share, over) = (RollingOrigin.Quantiles[quantile], _actual - given);
        _losses[quantile, forecaster] += over > 0 ? share * over : (share - 1) * over;
        if (over > 1e-9 * Math.Max(1, _actual)) _exceeded[quantile, forecaster]++;
    }

    /// <summary>Weighted quantile loss: twice the pinball over what came.</summary>
    public double Loss(int quantile, int forecaster) => 2 * _losses[quantile, forecaster] / Math.Max(Came, 1e-12);

    /// <summary>Share of origins at which more came.</summary>
    public double Exceeded(int quantile, int forecaster) => _exceeded[quantile, forecaster] / (double)Math.Max(1, Origins);

    /// <summary>The highest rate of a window that begins with a bucket.</summary>
    public double Maximum(int from)
    {
        var most = 0.0;
        for (var i = from; i < from + _buckets; i++) most = Math.Max(most, series.Rates[i]);
        return most;
    }
}
