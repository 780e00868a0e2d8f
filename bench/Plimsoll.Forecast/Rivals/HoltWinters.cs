namespace Plimsoll.Forecast.Rivals;

/// <summary>Additive Holt-Winters with a damped trend (Hyndman and Athanasopoulos, ch. 8); no season where there is none.</summary>
internal sealed class HoltWinters(int season, double levelGain, double trendGain, double seasonGain) : IPointForecaster
{
    private const double Damping = 0.95;
    private readonly double[] seasonal = new double[Math.Max(1, season)];
    private double level;
    private double trend;
    private int seen;

    public void Observe(double rate)
    {
        var at = seen % seasonal.Length;
        if (season > 1 && seen < season)
        {
            // The first season only fills the profile; its mean is the level to start from.
            seasonal[at] = rate;
            level += (rate - level) / (seen + 1);
            if (++seen == season)
                for (var i = 0; i < season; i++) seasonal[i] -= level;
            return;
        }

        if (seen == 0) level = rate;
        var (before, s) = (level, season > 1 ? seasonal[at] : 0);
        level = (levelGain * (rate - s)) + ((1 - levelGain) * (level + (Damping * trend)));
        trend = (trendGain * (level - before)) + ((1 - trendGain) * Damping * trend);
        if (season > 1) seasonal[at] = (seasonGain * (rate - level)) + ((1 - seasonGain) * s);
        seen++;
    }

    public double MaximumAhead(int buckets)
    {
        if (season > 1 && seen < season) return level;
        var (most, ahead, damping) = (0.0, level, 1.0);
        for (var h = 0; h < buckets; h++)
        {
            ahead += trend * (damping *= Damping);
            most = Math.Max(most, ahead + (season > 1 ? seasonal[(seen + h) % season] : 0));
        }

        return most;
    }
}
