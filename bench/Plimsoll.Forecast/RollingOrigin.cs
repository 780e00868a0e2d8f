using Plimsoll.Forecast.Rivals;

namespace Plimsoll.Forecast;

/// <summary>One forecaster's result in one cell.</summary>
/// <param name="Forecaster">Its name.</param>
/// <param name="Loss">Weighted quantile loss: 2 Σ pinball / Σ of what came.</param>
/// <param name="Exceeded">Share of origins at which more came.</param>
internal sealed record Result(string Forecaster, double Loss, double Exceeded);

/// <summary>One series, window and quantile; the first result is Plimsoll's.</summary>
internal sealed record Cell(Series Series, TimeSpan Window, double Quantile, int Origins, IReadOnlyList<Result> Results)
{
    public Result Ours => Results[0];

    public double BestLoss => Results.Min(result => result.Loss);

    /// <summary>Plimsoll's loss over the least of the rivals'.</summary>
    public double Ratio => Ours.Loss / Math.Max(1e-12, Results.Skip(1).Min(result => result.Loss));

    public bool Won => Ours.Loss <= (1.02 * BestLoss) + 1e-12;
}

/// <summary>Forecasts from one origin after another, each seeing only what lies before it.</summary>
internal static class RollingOrigin
{
    public const int OriginsLeast = 20;
    public static readonly double[] Quantiles = [0.5, 0.9, 0.95, 0.99];
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    public static IEnumerable<Cell> Evaluate(Series series)
    {
        var forecast = DemandForecast.Start(new DemandForecastSettings { Bucket = series.Bucket, Windows = [.. series.Windows] });
        var runs = series.Windows.Select(window => new Run(series, window)).ToArray();
        for (var i = 0; i < series.Rates.Length; i++)
        {
            var at = Monday + (i * series.Bucket);
            forecast = forecast.Add(at, at + series.Bucket, series.Rates[i] * series.Bucket.TotalSeconds);
            foreach (var run in runs) run.Step(i, forecast);
        }

        return runs.SelectMany(run => run.Cells());
    }

    private sealed class Run(Series series, TimeSpan window)
    {
        private readonly int buckets = (int)(window / series.Bucket);
        private readonly Rival[] rivals = Rival.All(series, (int)(window / series.Bucket));
        private readonly WindowScores scores = new(series, window, 7);

        public void Step(int bucket, DemandForecast forecast)
        {
            double? ended = bucket + 1 >= buckets ? scores.Maximum(bucket + 1 - buckets) : null;
            foreach (var rival in rivals) rival.Observe(series.Rates[bucket], ended);
            if (!scores.IsOriginAfter(bucket)) return;
            for (var q = 0; q < Quantiles.Length; q++)
            {
                if (!forecast.Quantile(window, Quantiles[q]).TryGetKnown(out var ours)) throw new InvalidOperationException("no forecast");
                scores.Take(q, 0, ours);
                for (var r = 0; r < rivals.Length; r++) scores.Take(q, r + 1, rivals[r].Quantile(Quantiles[q]));
            }
        }

        public IEnumerable<Cell> Cells() => Quantiles.Select((quantile, q) => new Cell(series, window, quantile, scores.Origins,
        [
            .. rivals.Select(rival => rival.Name).Prepend("Plimsoll").Select((name, f) => new Result(name, scores.Loss(q, f), scores.Exceeded(q, f))),
        ]));
    }
}
