namespace Plimsoll.Forecast.Rivals;

/// <summary>
/// Kalman filter of a local linear trend (Harvey 1989): level and slope walk at random, the rate is the level and noise.
/// </summary>
/// <param name="levelNoise">Variance of the level's steps, over that of the rate's noise.</param>
/// <param name="slopeNoise">The same of the slope's.</param>
internal sealed class KalmanTrend(double levelNoise, double slopeNoise) : IPointForecaster
{
    private double level;
    private double slope;
    private double p11 = 1e6;
    private double p12;
    private double p22 = 1e-2;

    public void Observe(double rate)
    {
        level += slope;
        (p11, p12, p22) = (p11 + (2 * p12) + p22 + levelNoise, p12 + p22, p22 + slopeNoise);
        var (innovation, variance) = (rate - level, p11 + 1);
        var (k1, k2) = (p11 / variance, p12 / variance);
        level += k1 * innovation;
        slope += k2 * innovation;
        (p11, p12, p22) = ((1 - k1) * p11, (1 - k1) * p12, p22 - (k2 * p12));
    }

    public double MaximumAhead(int buckets) => Math.Max(0, Math.Max(level + slope, level + (slope * buckets)));
}
