using System.Diagnostics;
using System.Globalization;
using System.Text;

namespace Plimsoll.Forecast;

/// <summary>Writes the page.</summary>
internal static class ForecastPage
{
    /// <summary>Shares and calibration, by trace and window.</summary>
    public static string Summary(Cell[] cells)
    {
        var text = new StringBuilder();
        text.AppendLine("| series | cells | best or within 2 % | median loss over the best rival's | worst | exceeded: 50 % | 90 % | 95 % | 99 % |");
        text.AppendLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        var counted = Counted(cells);
        foreach (var group in counted.GroupBy(cell => cell.Series.Group)) Row(text, group.Key, [.. group]);
        foreach (var window in counted.GroupBy(cell => cell.Window)) Row(text, $"window of {Text(window.Key)}", [.. window]);
        Row(text, "**all**", counted);
        return text.ToString();
    }

    /// <summary>The day, the machine and the commit.</summary>
    public static string Machine() => $"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}, {Processor()}, commit {Commit()}";

    public static string Of(Cell[] tuning, Cell[] more, Cell[] heldBack, Speed speed)
    {
        var text = new StringBuilder();
        Line(text, $"""
            # Forecasts of demand: the largest rate over a window ahead

            {TimeProvider.System.GetUtcNow():yyyy-MM-dd}, {Processor()}, commit {Commit()}. Written by
            `artifacts/bin/Plimsoll.Forecast/release/Plimsoll.Forecast page`, which reads the traces from the folder PLIMSOLL_DATA.

            From one origin after another each forecaster, which has seen only what lies before it, gives quantiles of the largest
            rate of a bucket (1 s on the Azure and Mooncake hours, 10 min on the ServeGen days) in the window that begins there.
            A cell is one series, window and quantile: the weighted quantile loss 2 Σ pinball / Σ came, and the share of origins
            at which more came than was said. Origins are a tenth of a window apart, so neighbours overlap: a cell of 85
            origins of five minutes over an hour holds fewer than ten windows that do not. Cells of fewer than
            {RollingOrigin.OriginsLeast} origins are n/a. The first 10 min of an hour, 2 days of fourteen, 6 h of one day are not scored.

            Rivals: seasonal naive (a day; without days, the last window), additive damped Holt-Winters, AR(8) of the series or
            of its differences, a Kalman filter of a local linear trend, each with the parameters whose one-step error was least so
            far, and with the quantile of its own past errors of the maximum over windows as long added; and the last value
            with the maximum of five minutes, as the HorizontalPodAutoscaler acts in effect, without quantiles and with.

            Rules and constants were chosen on the **tuning part**: {Names(tuning)}; and on **more to tune by**, made because that
            part has few windows, no single day and one hour: {more.Select(cell => cell.Series).Distinct().Count()} series of clients in neither part, of single days of theirs and of the tuning
            clients (6 h of warm-up, as a day is scored here), and of hours drawn from their rates. Figures of both flatter. The **held-back part**,
            {Names(heldBack)}, was run to its end only when they were fixed; its figures
            of before had been seen.
            "Nothing came": a series silent wherever it was scored. Its loss has no weight to be divided by; where a rival said
            exactly nought and Plimsoll a little more, the cell counts as lost.

            Of the cells held back Plimsoll wins {Share(heldBack)} where three quarters are aimed at: just short. It loses most on a single day (deepseek-r1):
            three in five cells, many of them of clients that fall silent, where the rival that is best differs from cell to cell; then at
            four hours. Upper quantiles are exceeded about as often as they say but at four hours of a day, and the 90 % on the hours.

            ## Held-back part

            {Summary(heldBack).TrimEnd()}

            {Calibration(heldBack)}

            ## Tuning part

            {Summary(tuning).TrimEnd()}

            {Calibration(tuning)}

            ## More to tune by

            {Summary(more).TrimEnd()}

            {Calibration(more)}

            ## Cost

            Ten thousand series of {DemandForecastSettings.Default.Windows.Length} windows ({Text(DemandForecastSettings.Default.Windows[0])} to a day, buckets of 1 s): {speed.BytesPerSeries / 1000.0:f1} kB a series,
            {speed.UpdatesPerSecond:n0} updates and {speed.QuantilesPerSecond:n0} quantiles a second on one thread
            ({1e6 / speed.UpdatesPerSecond:f1} and {1e6 / speed.QuantilesPerSecond:f1} µs each).

            ## Where it loses

            Cells in which some rival's loss is lower by more than 2 %: Plimsoll's loss, the best rival's, their ratio, and how often
            Plimsoll's quantile was exceeded.

            """);
        Losses(text, "held back", heldBack);
        Losses(text, "tuning", tuning);
        text.Append("\n## All cells\n\n");
        Cells(text, "held back", heldBack);
        Cells(text, "tuning", tuning);
        return text.ToString().ReplaceLineEndings("\n");
    }

    private static Cell[] Counted(Cell[] cells) => [.. cells.Where(cell => cell.Origins >= RollingOrigin.OriginsLeast)];

    private static string Share(Cell[] cells) => Number(100.0 * Counted(cells).Count(cell => cell.Won) / Counted(cells).Length, 0) + " %";

    private static string Names(Cell[] cells) => string.Join(", ", cells.Select(cell => cell.Series.Name).Distinct());

    private static void Losses(StringBuilder text, string part, Cell[] cells)
    {
        Line(text, $"| {part}: series | window | quantile | loss | best rival's | whose | ratio | exceeded |");
        Line(text, $"| --- | ---: | ---: | ---: | ---: | --- | ---: | ---: |");
        foreach (var cell in Counted(cells).Where(cell => !cell.Won))
        {
            var rival = cell.Results.Skip(1).MinBy(result => result.Loss)!;
            Line(text, $"| {cell.Series.Name} | {Text(cell.Window)} | {cell.Quantile} | {Number(cell.Ours.Loss, 4)} | {Number(rival.Loss, 4)} | {rival.Forecaster} | {Number(cell.Ratio, 3)} | {Number(100 * cell.Ours.Exceeded, 1)} % |");
        }

        text.Append('\n');
    }

    private static void Cells(StringBuilder text, string part, Cell[] cells)
    {
        var names = cells[0].Results.Select(result => result.Forecaster);
        Line(text, $"| {part}: series | window | quantile | origins | {string.Join(" | ", names)} | ratio | exceeded |");
        Line(text, $"| --- | ---: | ---: | ---: |{string.Concat(cells[0].Results.Select(_ => " ---: |"))} ---: | ---: |");
        foreach (var cell in cells)
        {
            if (cell.Origins < RollingOrigin.OriginsLeast)
            {
                Line(text, $"| {cell.Series.Name} | {Text(cell.Window)} | {cell.Quantile} | {cell.Origins} |{string.Concat(cell.Results.Select(_ => " n/a |"))} n/a | n/a |");
                continue;
            }

            var ratio = Number(cell.Ratio, 3);
            Line(text, $"| {cell.Series.Name} | {Text(cell.Window)} | {cell.Quantile} | {cell.Origins} | {string.Join(" | ", cell.Results.Select(result => Number(result.Loss, 4)))} | {(cell.Won ? ratio : $"**{ratio}**")} | {Number(100 * cell.Ours.Exceeded, 1)} % |");
        }

        text.Append('\n');
    }

    private static string Calibration(Cell[] cells)
    {
        var counted = Counted(cells);
        var names = counted[0].Results.Select(result => result.Forecaster).ToArray();
        var text = new StringBuilder("Exceeded in the mean over all cells, and how often a cell's best was whose:\n\n");
        Line(text, $"| quantile | {string.Join(" | ", names)} |");
        Line(text, $"| ---: |{string.Concat(names.Select(_ => " ---: |"))}");
        foreach (var quantile in counted.GroupBy(cell => cell.Quantile))
            Line(text, $"| {quantile.Key} | {string.Join(" | ", names.Select((_, i) => Number(100 * quantile.Average(cell => cell.Results[i].Exceeded), 1) + " %"))} |");
        Line(text, $"| best | {string.Join(" | ", names.Select((_, i) => counted.Count(cell => cell.Results[i].Loss <= cell.BestLoss)))} |");
        return text.ToString().TrimEnd();
    }

    private static void Row(StringBuilder text, string name, Cell[] cells)
    {
        var ratios = cells.Select(cell => cell.Ratio).Order().ToArray();
        var exceeded = RollingOrigin.Quantiles.Select(quantile =>
            Number(100 * cells.Where(cell => cell.Quantile == quantile).Average(cell => cell.Ours.Exceeded), 1) + " %");
        Line(text, $"| {name} | {cells.Length} | {Number(100.0 * cells.Count(cell => cell.Won) / cells.Length, 0)} % | {Number(ratios[ratios.Length / 2], 3)} | {Number(ratios[^1], 2)} | {string.Join(" | ", exceeded)} |");
    }

    private static void Line(StringBuilder text, FormattableString line) =>
        text.Append(line.ToString(CultureInfo.InvariantCulture)).Append('\n');

    // A series that was silent wherever it was scored has nothing to weigh losses by: no number, though its cells count.
    private static string Number(double value, int digits) => value > 1e6 ? "nothing came" : value.ToString($"f{digits}", CultureInfo.InvariantCulture);

    private static string Text(TimeSpan time) =>
        time.TotalHours >= 1 ? $"{time.TotalHours:f0} h" : time.TotalMinutes >= 1 ? $"{time.TotalMinutes:f0} min" : $"{time.TotalSeconds:f0} s";

    private static string Processor()
    {
        const string File = "/proc/cpuinfo";
        var model = System.IO.File.Exists(File)
            ? System.IO.File.ReadLines(File).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal))?.Split(':')[1].Trim() : null;
        return $"{model ?? "unknown processor"}, {Environment.ProcessorCount} cores";
    }

    private static string Commit()
    {
        using var git = Process.Start(new ProcessStartInfo("git", ["rev-parse", "--short", "HEAD"]) { RedirectStandardOutput = true });
        return git?.StandardOutput.ReadToEnd().Trim() ?? "unknown";
    }
}
