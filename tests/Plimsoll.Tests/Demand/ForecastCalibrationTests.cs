namespace Plimsoll.Tests.Demand;

/// <summary>Seeded series whose law is known: the quantiles must be exceeded as often as they say.</summary>
public class ForecastCalibrationTests
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    // SplitMix64: the numbers of the platform's generator are not promised from one version to the next.
    private sealed class Draws(ulong seed)
    {
        private ulong state = seed;

        public double Uniform()
        {
            unchecked
            {
                var z = state += 0x9E3779B97F4A7C15;
                z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
                z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
                return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
            }
        }

        public int Poisson(double mean)
        {
            var (limit, product, count) = (Math.Exp(-mean), Uniform(), 0);
            while (product > limit)
            {
                product *= Uniform();
                count++;
            }

            return count;
        }
    }

    public enum Law
    {
        Steady,
        OnAndOff,
        Bursts,
        Daily,
    }

    [Theory]
    [InlineData(Law.Steady, 0.9)]
    [InlineData(Law.Steady, 0.95)]
    [InlineData(Law.OnAndOff, 0.95)]
    [InlineData(Law.Bursts, 0.95)]
    [InlineData(Law.Daily, 0.9)]
    [InlineData(Law.Daily, 0.95)]
    public void A_quantile_is_exceeded_as_often_as_it_says(Law law, double quantile)
    {
        // Half an hour and eight windows of a minute tell little; four hours of ten-second windows do. Days go by in
        // buckets of ten minutes.
        var daily = law == Law.Daily;
        var bucket = daily ? TimeSpan.FromMinutes(10) : TimeSpan.FromSeconds(1);
        var ahead = daily ? 6 : 10;
        var rates = Rates(law, daily ? 144 * 28 : 8000);
        var forecast = DemandForecast.Start(new DemandForecastSettings { Bucket = bucket, Windows = [ahead * bucket] });
        var (exceeded, origins) = (0, 0);
        for (var i = 0; i + ahead < rates.Length; i++)
        {
            var at = Monday + (i * bucket);
            forecast = forecast.Add(at, at + bucket, rates[i] * bucket.TotalSeconds);
            if (i < rates.Length / 8) continue;
            origins++;
            Assert.True(forecast.Quantile(ahead * bucket, quantile).TryGetKnown(out var given));
            if (rates.Skip(i + 1).Take(ahead).Max() > given + 1e-9) exceeded++;
        }

        // Whole counts let a quantile say too much, never too little; overlap leaves a share uncertain by about 1.5 points.
        Assert.InRange(exceeded / (double)origins, 0.25 * (1 - quantile), (1 - quantile) + 0.03);
    }

    private static double[] Rates(Law law, int buckets)
    {
        var (draws, rates, on, mean) = (new Draws(20260105), new double[buckets], false, 4.0);
        for (var i = 0; i < buckets; i++)
        {
            if (draws.Uniform() < 0.01) on = !on;
            if (draws.Uniform() < 0.005) mean = 1 + (20 * draws.Uniform());
            rates[i] = law switch
            {
                Law.Steady => draws.Poisson(4),
                Law.OnAndOff => on ? draws.Poisson(6) : 0,
                Law.Bursts => draws.Poisson(mean) + (draws.Uniform() < 0.02 ? draws.Poisson(20) : 0),
                _ => draws.Poisson(600 * (5 + (4 * Math.Sin(2 * Math.PI * i / 144)))) / 600.0,
            };
        }

        return rates;
    }
}
