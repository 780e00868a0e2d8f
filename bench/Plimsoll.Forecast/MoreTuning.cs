namespace Plimsoll.Forecast;

/// <summary>
/// More to tune by than the tuning part has of what forecasts lost on: single days, clients that come and go, and hours. Of
/// clients that are in neither part; of the days of those in the tuning part; and of hours drawn from their rates.
/// </summary>
internal static class MoreTuning
{
    private const int Day = 144;
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan TenMinutes = TimeSpan.FromMinutes(10);

    // Place among the clients of m-mid, first bucket, seconds a bucket is drawn out over, arrivals a second, and variation of
    // the gaps between them.
    private static readonly (int Client, int From, int Pace, double Mean, double Variation)[] Hours =
    [
        (10, 200, 300, 6, 1.1), (11, 900, 60, 4, 1.4), (12, 1200, 600, 10, 1), (14, 400, 30, 2, 2.5), (15, 600, 120, 50, 1.5), (17, 1000, 60, 5, 3),
    ];

    public static IEnumerable<Series> Read(string dataFolder)
    {
        var small = Traces.Ranked(dataFolder, "language__m-small").Select(client => client.Rates.ToArray()).ToArray();
        var mid = Traces.Ranked(dataFolder, "language__m-mid").Select(client => client.Rates.ToArray()).ToArray();
        for (var rank = 12; rank < 20; rank++) yield return Days($"m-small, place {rank + 1}", small[rank]);
        for (var rank = 10; rank < 26; rank++) yield return Days($"m-mid, place {rank + 1}", mid[rank]);
        foreach (var rank in (int[])[1, 3, 5, 7, 9, 11])
            foreach (var from in (int[])[Day, (4 * Day) + 50, (9 * Day) + 100]) yield return OneDay("m-small", rank, from, small[rank]);
        for (var rank = 12; rank < 30; rank++) yield return OneDay("m-small", rank, rank * 7 % 12 * Day + (rank * 13 % 100), small[rank]);
        for (var rank = 10; rank < 58; rank++) yield return OneDay("m-mid", rank, rank * 7 % 12 * Day + (rank * 13 % 100), mid[rank]);
        foreach (var (client, from, pace, mean, variation) in Hours)
            yield return Hour($"hour from m-mid, place {client + 1}", Drawn(mid[client].AsSpan(from), pace, mean, variation, new Random(100 + client)));
        var code = Traces.Read(dataFolder)!.First(series => series.Part == Part.Tuning).Rates;
        yield return Hour("azure code backwards", [.. Enumerable.Reverse(code)]);
        var random = new Random(5);
        yield return Hour("azure code, every other request", [.. code.Select(count => (double)Enumerable.Range(0, (int)count).Count(_ => random.NextDouble() < 0.5))]);
    }

    private static Series Days(string name, double[] rates) => new("14 days", name, Part.Tuning, TenMinutes, Day, 2 * Day, rates);

    private static Series OneDay(string of, int rank, int from, double[] rates) =>
        new("one day", $"{of}, place {rank + 1}, from {from}", Part.Tuning, TenMinutes, 1, Day / 4, rates[from..(from + Day)]);

    private static Series Hour(string name, double[] rates) => new("hours", name, Part.Tuning, Second, 1, 600, rates);

    // Arrivals whose gaps vary by a Gamma distribution, in a time that runs as fast as the rates say.
    private static double[] Drawn(ReadOnlySpan<double> rates, int pace, double mean, double variation, Random random)
    {
        var (counts, of, time) = (new double[3600], 0.0, 0.0);
        var buckets = 3600 / pace;
        for (var i = 0; i < buckets; i++) of += rates[i] / buckets;
        if (!(of > 0)) return counts;
        var shape = 1 / (variation * variation);
        var next = Gamma(shape, random) / shape;
        for (var second = 0; second < counts.Length; second++)
        {
            var (bucket, into) = (second / pace, second % pace / (double)pace);
            time += (((1 - into) * rates[bucket]) + (into * rates[bucket + 1])) / of * mean;
            for (; next <= time; next += Gamma(shape, random) / shape) counts[second]++;
        }

        return counts;
    }

    // Marsaglia and Tsang 2000.
    private static double Gamma(double shape, Random random)
    {
        if (shape < 1) return Gamma(shape + 1, random) * Math.Pow(1 - random.NextDouble(), 1 / shape);
        var d = shape - (1.0 / 3);
        while (true)
        {
            var z = Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
            var v = Math.Pow(1 + (z / Math.Sqrt(9 * d)), 3);
            if (v > 0 && Math.Log(1 - random.NextDouble()) < (0.5 * z * z) + d - (d * v) + (d * Math.Log(v))) return d * v;
        }
    }
}
