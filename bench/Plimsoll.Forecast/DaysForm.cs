using System.Globalization;
using System.Text;
using Plimsoll.Json;

namespace Plimsoll.Forecast;

/// <summary>
/// What the planner forecasts of hours ahead on the series of days: by its window of ten minutes, which longer ones counted as; by windows
/// as long that know no days; with the days; and by the full form, which learns each window itself.
/// </summary>
internal static class DaysForm
{
    private static readonly DateTimeOffset Monday = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
    private static readonly TimeSpan Ten = TimeSpan.FromMinutes(10);
    private const int Forecasters = 4;
    private const int WithDays = 2;

    public static string Page(IReadOnlyList<Series> all, IReadOnlyList<Series> more, string machine)
    {
        var text = new StringBuilder();
        void Line(string line) => text.Append(line).Append('\n');
        Line("# Hours ahead: what the planner forecasts with the days before\n");
        Line($"{machine}. Written by\n`artifacts/bin/Plimsoll.Forecast/release/Plimsoll.Forecast days`, which reads the traces from the folder PLIMSOLL_DATA.\n");
        Line("The ServeGen days in buckets of ten minutes: series, parts, origins, warm-up and windows of [the other page](forecast.md). *Ten minutes* is what a");
        Line("longer window counted as before; *no days* are windows of 10 min, 1 h and 4 h with the same rules and without those of day and week; *days* is what");
        Line("the planner keeps of a model that is looked ahead for by more than ten minutes; *full* is the other page's forecast, which learns each");
        Line("window itself. Weighted quantile loss, the mean over series; in how many of them the loss with days is lower than of ten minutes; how often more came.");
        Line("Rules and windows were chosen on the tuning part and on more to tune by. The held-back part was run when they were fixed, and again after gaps within an hour were mended.\n");
        foreach (var (name, series) in (ReadOnlySpan<(string, IEnumerable<Series>)>)[("Held-back part", all.Where(one => one.Part == Part.HeldBack)), ("Tuning part", all.Where(one => one.Part == Part.Tuning)), ("More to tune by", more)])
        {
            var cells = series.Where(one => one.Season > 1).SelectMany(Evaluate).Where(cell => cell.Came > 0).ToArray();
            Line($"## {name}\n");
            Line("| window | quantile | series | loss: ten minutes | no days | days | full | days lower than ten minutes in | exceeded: ten minutes | no days | days | full |");
            Line("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
            foreach (var group in cells.GroupBy(cell => (cell.Window, cell.Quantile)).OrderBy(one => one.Key))
            {
                var of = group.ToArray();
                var losses = string.Join(" | ", Enumerable.Range(0, Forecasters).Select(f => of.Average(cell => cell.Loss[f]).ToString("f4", CultureInfo.InvariantCulture)));
                var exceeded = string.Join(" | ", Enumerable.Range(0, Forecasters).Select(f => of.Average(cell => cell.Exceeded[f]).ToString("p1", CultureInfo.InvariantCulture)));
                Line(string.Create(CultureInfo.InvariantCulture,
                    $"| {Durations.Show(group.Key.Window)} | {group.Key.Quantile} | {of.Length} | {losses} | {of.Count(cell => cell.Loss[WithDays] < cell.Loss[0])} | {exceeded} |"));
            }

            Line("");
        }

        var (memory, update, bytes) = Cost();
        Line("## Cost\n");
        Line(string.Create(CultureInfo.InvariantCulture,
            $"Of one of {Count} models after {CostDays} days: {memory / 1000.0:f1} kB of memory, {bytes / 1000.0:f1} kB in the journal as base64, {update:f2} µs an update of a second, slots that close among them. Models without have none of it."));
        return text.ToString();
    }

    private const int Count = 1000;
    private const int CostDays = 8;

    private static (long Memory, double UpdateMicroseconds, int Bytes) Cost()
    {
        var clock = TimeProvider.System;
        var before = GC.GetTotalMemory(forceFullCollection: true);
        var series = new SeasonalForecast[Count];
        Array.Fill(series, SeasonalForecast.None);
        var at = Monday;
        for (var slot = 0; slot < CostDays * SeasonalProfile.DaySlots; slot++, at += Ten)
            for (var i = 0; i < Count; i++) series[i] = series[i].Add(at, at + Ten, Rate(slot, i));
        var memory = (GC.GetTotalMemory(forceFullCollection: true) - before) / Count;
        const int Seconds = 1200;
        var began = clock.GetTimestamp();
        for (var second = 0; second < Seconds; second++, at = at.AddSeconds(1))
            for (var i = 0; i < Count; i++) series[i] = series[i].Add(at, at.AddSeconds(1), Rate(second, i));
        var update = 1e6 * clock.GetElapsedTime(began).TotalSeconds / Seconds / Count;
        var model = new ModelId("m");
        int Json(SeasonalForecast? seasons) => PlimsollJson.ToBytes(
            Knowledge.Empty with { Models = Knowledge.Empty.Models.Add(model, ModelKnowledge.Nothing with { Seasons = seasons }) }, PlimsollJson.Default.Knowledge).Length;
        return (memory, update, Json(series[^1]) - Json(null));

        static double Rate(int at, int series) => (20 + (15 * Math.Sin(at / 23.0))) * ((at * 7919) + series) % 101 / 50.0;
    }

    private sealed record Cell(TimeSpan Window, double Quantile, double Came, double[] Loss, double[] Exceeded);

    private static IEnumerable<Cell> Evaluate(Series series)
    {
        var full = DemandForecast.Start(new DemandForecastSettings { Bucket = series.Bucket, Windows = [.. series.Windows] });
        var longer = DemandForecast.Start(new DemandForecastSettings { Bucket = series.Bucket, Windows = [Ten, TimeSpan.FromHours(1), TimeSpan.FromHours(4)], Compact = true });
        var (compact, days) = (DemandForecast.Start(DemandForecastSettings.ForPlanner(series.Bucket)), SeasonalForecast.None);
        var quantiles = RollingOrigin.Quantiles;
        var windows = series.Windows.Select(window => new WindowScores(series, window, Forecasters)).ToArray();
        var grids = new double[Forecasters][];
        for (var f = 0; f < Forecasters; f++) grids[f] = new double[WindowForecast.Grid.Length];
        for (var i = 0; i < series.Rates.Length; i++)
        {
            var at = Monday + (i * series.Bucket);
            var arrivals = series.Rates[i] * series.Bucket.TotalSeconds;
            full = full.Add(at, at + series.Bucket, arrivals);
            longer = longer.Add(at, at + series.Bucket, arrivals);
            compact = compact.Add(at, at + series.Bucket, arrivals);
            days = days.Add(at, at + series.Bucket, series.Rates[i]);
            foreach (var scores in windows)
            {
                if (!scores.IsOriginAfter(i)) continue;
                compact.Distribution(Ten, grids[0]);
                longer.Distribution(scores.Window, grids[1]);
                grids[0].CopyTo(grids[WithDays], 0);
                days.Distribution(scores.Window, grids[WithDays]);
                full.Distribution(scores.Window, grids[3]);
                for (var q = 0; q < quantiles.Length; q++)
                    for (var f = 0; f < Forecasters; f++) scores.Take(q, f, WindowForecast.Between(grids[f], quantiles[q]));
            }
        }

        return
            from scores in windows
            where scores.Origins >= RollingOrigin.OriginsLeast
            from q in Enumerable.Range(0, quantiles.Length)
            select new Cell(
                scores.Window, quantiles[q], scores.Came, [.. Enumerable.Range(0, Forecasters).Select(f => scores.Loss(q, f))],
                [.. Enumerable.Range(0, Forecasters).Select(f => scores.Exceeded(q, f))]);
    }
}
