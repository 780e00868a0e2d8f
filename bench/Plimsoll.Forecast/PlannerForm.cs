using System.Globalization;
using System.Text;
using Plimsoll.Json;

namespace Plimsoll.Forecast;

/// <summary>
/// What the planner's compact form forecasts, beside the full one, which learns each window itself, and the first rule, the
/// most of the last eight windows. On the series of hours, whose windows are the planner's.
/// </summary>
internal static class PlannerForm
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    private static readonly string[] Names = ["full", "compact", "first rule"];

    public static string Page(IReadOnlyList<Series> all, string machine)
    {
        var hours = all.Where(series => series.Bucket < TimeSpan.FromMinutes(1)).ToArray();
        var (compact, full) = (Speed.Measure(DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(1))), Speed.Measure());
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        Line("# What the planner keeps of a forecast\n");
        Line($"{machine}. Written by\n`artifacts/bin/Plimsoll.Forecast/release/Plimsoll.Forecast planner`, which reads the traces from the folder PLIMSOLL_DATA.\n");
        Line("The planner keeps each model's forecast in a compact form: windows of 10 s, 1 min and 10 min, those between drawn from their");
        Line("neighbours, five experts of twelve, no regression, no profile of the day, half floats, half as many steps. *Full* is the");
        Line("forecast of [the other page](forecast.md), which learns each window asked for itself; the *first rule* is what the planner");
        Line("went by before, and still does with fewer than eight windows seen: the quantile of the most in windows of the last eight.");
        Line("Weighted quantile loss, and how often more came. Origins, parts and warm-up are that page's. Which experts and windows the");
        Line("compact form has was not chosen on any of these series.\n");
        Line("At 5 min the compact form has no window of its own, and an hour holds six of ten minutes: what it says there rests on pooled windows.");
        Line("The planner does not use it there: it asks for eight windows and goes by the first rule until then.\n");
        Line("| series | part | window | quantile | origins | loss: full | compact | first rule | exceeded: full | compact | first rule |");
        Line("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        var (cells, againstFull, againstFirst) = (0, new List<double>(), new List<double>());
        foreach (var series in hours)
        {
            foreach (var row in Evaluate(series))
            {
                cells++;
                againstFull.Add(row.Loss[1] / row.Loss[0]);
                againstFirst.Add(row.Loss[1] / row.Loss[2]);
                Line(string.Create(CultureInfo.InvariantCulture,
                    $"| {series.Name} | {(series.Part == Part.Tuning ? "tuning" : "held back")} | {Plimsoll.Durations.Show(row.Window)} | {row.Quantile} | {row.Origins} | {row.Loss[0]:f4} | {row.Loss[1]:f4} | {row.Loss[2]:f4} | {row.Exceeded[0]:p1} | {row.Exceeded[1]:p1} | {row.Exceeded[2]:p1} |"));
            }
        }

        againstFull.Sort();
        againstFirst.Sort();
        Line("");
        Line(string.Create(CultureInfo.InvariantCulture,
            $"Compact over full, {cells} cells: median {againstFull[cells / 2]:f3}, nine in ten below {againstFull[cells * 9 / 10]:f3}, worst {againstFull[^1]:f2}. Compact over the first rule: median {againstFirst[cells / 2]:f3}, better in {againstFirst.Count(ratio => ratio < 1)} of {cells}."));
        Line("\n## Cost\n");
        Line("| | memory a model | an update of a second | a quantile of two minutes | JSON a model |");
        Line("| --- | ---: | ---: | ---: | ---: |");
        Line(string.Create(CultureInfo.InvariantCulture, $"| full, 5 windows | {full.BytesPerSeries / 1000.0:f1} kB | {1e6 / full.UpdatesPerSecond:f1} µs | {1e6 / full.QuantilesPerSecond:f1} µs | {Json(DemandForecastSettings.Default) / 1000.0:f1} kB |"));
        Line(string.Create(CultureInfo.InvariantCulture, $"| compact, 3 windows | {compact.BytesPerSeries / 1000.0:f1} kB | {1e6 / compact.UpdatesPerSecond:f1} µs | {1e6 / compact.QuantilesPerSecond:f1} µs | {Json(DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(1))) / 1000.0:f1} kB |"));
        Line("\nJSON after four hours of a rate that varies; a model that is silent takes half as much or less.");
        return text.ToString();
    }

    private sealed record Row(TimeSpan Window, double Quantile, int Origins, double[] Loss, double[] Exceeded);

    private static IEnumerable<Row> Evaluate(Series series)
    {
        var settings = new PlannerSettings { DemandBucket = series.Bucket };
        var full = DemandForecast.Start(new DemandForecastSettings { Bucket = series.Bucket, Windows = [.. series.Windows] });
        var (compact, history) = (DemandForecast.Start(DemandForecastSettings.ForPlanner(series.Bucket)), DemandHistory.None);
        var quantiles = RollingOrigin.Quantiles;
        var windows = series.Windows.Select(window => new WindowScores(series, window, Names.Length)).ToArray();
        for (var i = 0; i < series.Rates.Length; i++)
        {
            var at = Monday + (i * series.Bucket);
            var arrivals = series.Rates[i] * series.Bucket.TotalSeconds;
            full = full.Add(at, at + series.Bucket, arrivals);
            compact = compact.Add(at, at + series.Bucket, arrivals);
            history = history.Add(at, at + series.Bucket, arrivals, settings);
            foreach (var scores in windows)
            {
                if (!scores.IsOriginAfter(i)) continue;
                for (var q = 0; q < quantiles.Length; q++)
                {
                    Signal<double>[] given =
                    [
                        full.Quantile(scores.Window, quantiles[q]), compact.Quantile(scores.Window, quantiles[q]),
                        history.Quantile(scores.Window, 8 * scores.Window, quantiles[q], settings),
                    ];
                    for (var f = 0; f < given.Length; f++) scores.Take(q, f, given[f].TryGetKnown(out var value) ? value : throw new InvalidOperationException("no forecast"));
                }
            }
        }

        return
            from scores in windows
            where scores.Origins >= RollingOrigin.OriginsLeast
            from q in Enumerable.Range(0, quantiles.Length)
            select new Row(
                scores.Window, quantiles[q], scores.Origins, [.. Enumerable.Range(0, Names.Length).Select(f => scores.Loss(q, f))],
                [.. Enumerable.Range(0, Names.Length).Select(f => scores.Exceeded(q, f))]);
    }

    private static int Json(DemandForecastSettings settings)
    {
        var (forecast, at) = (DemandForecast.Start(settings), Monday);
        for (var second = 0; second < 4 * 3600; second++)
            forecast = forecast.Add(at, at = at.AddSeconds(1), 40 * (1.2 + Math.Sin(second / 400.0)) * (second * 7919 % 101) / 101.0);
        if (!settings.Compact) return PlimsollJson.ToBytes(forecast, PlimsollJson.Default.DemandForecast).Length;
        var model = new ModelId("m");
        int Of(ModelKnowledge known) => PlimsollJson.ToBytes(Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(model, known) }, PlimsollJson.Default.Knowledge).Length;
        return Of(ModelKnowledge.Nothing with { Forecast = forecast }) - Of(ModelKnowledge.Nothing);
    }
}
