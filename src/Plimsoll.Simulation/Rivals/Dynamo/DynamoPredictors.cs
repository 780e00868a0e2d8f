namespace Plimsoll.Simulation.Rivals.Dynamo;

public enum DynamoPredictor
{
    /// <summary>The peer's default.</summary>
    Arima,

    /// <summary>As last time.</summary>
    Constant,

    /// <summary>A local linear trend.</summary>
    Kalman,
}

/// <summary>
/// One series' forecast of its next value: rivals-rules §8.1. Prophet, which no default uses, is left out.
/// </summary>
/// <param name="Level">Of the filter, with its trend and their covariance [p00, p01, p11].</param>
public sealed record DynamoForecast(
    DynamoPredictor Kind, int Seen, double Level, double Trend, double P00, double P01, double P11, DynamoArima Arima)
{
    private const double LevelNoise = 1.0;
    private const double TrendNoise = 0.1;
    private const double ObservationNoise = 10;
    private const double StartVariance = 1000;

    public static DynamoForecast Fresh(DynamoPredictor kind) => new(kind, 0, 0, 0, StartVariance, 0, StartVariance, DynamoArima.Fresh);

    /// <summary>Zeros before the first request are no history; what is no number counts as zero.</summary>
    public DynamoForecast Observe(double value)
    {
        if (!double.IsFinite(value)) value = 0;
        if (Seen == 0 && value == 0) return this;
        if (Kind == DynamoPredictor.Arima) return this with { Seen = Seen + 1, Arima = Arima.Observe(value) };
        if (Seen == 0 || Kind == DynamoPredictor.Constant) return this with { Seen = Seen + 1, Level = value };

        // Predict with F = [[1, 1], [0, 1]] and Q = diag(1, 0.1), then update with H = [1, 0] and R = 10.
        var (level, trend) = (Level + Trend, Trend);
        var p00 = P00 + 2 * P01 + P11 + LevelNoise;
        var p01 = P01 + P11;
        var p11 = P11 + TrendNoise;
        var (gainLevel, gainTrend) = (p00 / (p00 + ObservationNoise), p01 / (p00 + ObservationNoise));
        var error = value - level;
        return this with
        {
            Seen = Seen + 1,
            Level = level + gainLevel * error,
            Trend = trend + gainTrend * error,
            P00 = (1 - gainLevel) * p00,
            P01 = (1 - gainLevel) * p01,
            P11 = p11 - gainTrend * p01,
        };
    }

    /// <summary>Of the next interval; the filter's may go below zero with a falling trend, as the peer's does.</summary>
    public double Next => Kind == DynamoPredictor.Arima ? Arima.Next : Level + Trend;
}
