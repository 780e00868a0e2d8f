using System.Globalization;
using Plimsoll.Cli.Fleets;
using Plimsoll.Cli.Load;

namespace Plimsoll.Cli.Demo;

/// <summary>The demo's verdict for people: 80 columns, the same on a terminal and in a file.</summary>
public static class DemoTable
{
    public const int Width = 80;

    public const int SparklineWidth = 60;

    private const int Name = 28;

    private const int Column = 13;

    public static IEnumerable<string> Lines(DemoReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var models = report.Models;
        yield return Row($"policy {report.Policy}", model => model.Model);
        yield return Row("weights", model => Megabytes(model.WeightBytes));
        yield return Row("requests due", model => Count(model.Load.Due));
        yield return Row("answered", model => Count(model.Load.Succeeded));
        yield return Row("latency p50", model => Latency(model, latency => latency.P50));
        yield return Row("latency p90", model => Latency(model, latency => latency.P90));
        yield return Row("latency p99", model => Latency(model, latency => latency.P99));
        yield return Row("latency max", model => Latency(model, latency => latency.Max));
        yield return Row("SLO", model => "in " + LoadTable.Milliseconds(model.SloMs));
        yield return Row("requests within the SLO", model => Percent(model.Load.WithinSlo));
        yield return Row("requests held", model => Count(model.Load.Held));
        yield return Row("longest held", model => model.Load.Held == 0 ? "-" : LoadTable.Milliseconds(model.Load.LongestHeldMs));
        yield return Row("cold starts", model => Count(model.ColdStarts));
        yield return Row("times let go", model => Count(model.Releases));
        yield return Row("hold-and-release cycles", model => Count(model.Cycles));
        if (models.Any(model => model.Crashes > 0)) yield return Row("crashes", model => Count(model.Crashes));
        yield return Row("replica time", model => Number(model.ReplicaSeconds) + " s");
        yield return Row("memory held, GiB s", model => Number(model.GibSeconds));
        yield return Row("if always kept, GiB s", model => Number(model.KeptGibSeconds));
        yield return "";
        yield return "replicas over time ('#' serves, '~' loads, '.' gone)";
        foreach (var model in models) yield return $"{Cut(model.Model, 14),-15}{model.Replicas}";
        yield return "";
        foreach (var sentence in Verdict(report))
        {
            foreach (var line in FleetTable.Wrap(sentence, Width)) yield return line;
        }

        string Row(string name, Func<DemoModelResult, string> cell) =>
            $"{name,-Name}{string.Concat(models.Select(model => Cut(cell(model), Column - 1).PadLeft(Column)))}".TrimEnd();
    }

    /// <summary>What a person takes home, in plain sentences.</summary>
    public static IEnumerable<string> Verdict(DemoReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var (budget, largest) = (new Bytes(report.BudgetBytes), new Bytes(report.LargestBytes));
        var looks = $"{Count(report.MemorySamples)} samples";
        yield return report.IsBudgetHeld
            ? $"The memory budget held: at most {largest} of {budget} ({looks}); all loaded would be {new Bytes(report.AllLoadedBytes)}."
            : $"THE MEMORY BUDGET DID NOT HOLD: {largest} against {budget} ({looks}).";
        var unserved = report.Models.Where(model => model.Load is { Due: > 0, Succeeded: 0 }).Select(model => model.Model).ToList();
        yield return unserved.Count == 0
            ? $"Every model with traffic was served; {Count(report.All.Succeeded)} of {Count(report.All.Due)} requests were answered, "
                + $"{Percent(report.All.WithinSlo)} within their SLO, {Count(report.All.Held)} were held while a model loaded."
            : $"NOT SERVED AT ALL: {string.Join(", ", unserved)}. {Count(report.All.Succeeded)} of {Count(report.All.Due)} requests were "
                + $"answered, {Percent(report.All.WithinSlo)} within their SLO.";
        yield return "Hold-and-release cycles (loaded, held, let go): "
            + string.Join(", ", report.Models.Select(model => $"{model.Model} {Count(model.Cycles)}")) + ".";
        yield return $"Memory used over time was {Percent(report.MemoryShareOfKept)} of keeping every model loaded, which "
            + (report.AllLoadedBytes > report.BudgetBytes ? "this budget does not allow." : "this budget would allow.");
        if (report.All.NotSent > 0)
            yield return $"{Count(report.All.NotSent)} requests were not sent: too many were waiting for an answer.";
        if (report.GeneratorLagMs.P99 > 50)
            yield return $"The machine was too busy to send on time (late by {LoadTable.Milliseconds(report.GeneratorLagMs.P99)} at p99): "
                + "read the latencies with care.";
    }

    private static string Latency(DemoModelResult model, Func<Percentiles, double> of) =>
        model.Load.LatencyMs.Count == 0 ? "-" : LoadTable.Milliseconds(of(model.Load.LatencyMs));

    private static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Number(double number) => number.ToString("N0", CultureInfo.InvariantCulture);

    private static string Megabytes(long bytes) =>
        bytes >= 1_000_000_000 ? (bytes / 1e9).ToString("0.0#", CultureInfo.InvariantCulture) + " GB"
        : (bytes / 1e6).ToString("0", CultureInfo.InvariantCulture) + " MB";

    private static string Percent(double? share) =>
        share is { } known ? (known * 100).ToString("0.0", CultureInfo.InvariantCulture) + " %" : "-";

    private static string Cut(string text, int width) => text.Length <= width ? text : text[..(width - 1)] + "~";
}
