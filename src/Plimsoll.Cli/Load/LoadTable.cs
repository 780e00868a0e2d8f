using System.Globalization;

namespace Plimsoll.Cli.Load;

/// <summary>A load report for people, 80 columns wide, the same on a terminal and in a file.</summary>
public static class LoadTable
{
    public static IEnumerable<string> Lines(LoadReport report)
    {
        ArgumentNullException.ThrowIfNull(report);
        var slo = report.SloMs is { } ms ? "in " + Milliseconds(ms) : "";
        yield return $"{"model",-15}{"due",8}{"ok",8}{"failed",8}{"p50",8}{"p90",8}{"p99",8}{"max",8}{slo,9}";
        foreach (var model in report.Models) yield return Row(model);
        if (report.Models.Length > 1) yield return Row(report.All);
        yield return "";
        var notSent = report.All.NotSent > 0 ? $", {report.All.NotSent} not sent (bound on requests in flight)" : "";
        yield return $"{report.All.Due} {(report.All.Due == 1 ? "request" : "requests")} in "
            + $"{report.Seconds.ToString("0.0", CultureInfo.InvariantCulture)} s{notSent}"
            + (report.All.LatencyMs.Count == 0 ? "; none was answered with success." : $"; p99.9 {Milliseconds(report.All.LatencyMs.P999)}.");
        foreach (var model in report.Models)
        {
            if (model.Held > 0) yield return $"{model.Model}: {model.Held} held while it loaded, the longest {Milliseconds(model.LongestHeldMs)}.";
            foreach (var (kind, count) in model.Failures) yield return $"{model.Model}: {count} x {kind}.";
        }

        yield return $"Sent late by {Milliseconds(report.GeneratorLagMs.P50)} (p50), {Milliseconds(report.GeneratorLagMs.P99)} (p99), "
            + $"{Milliseconds(report.GeneratorLagMs.Max)} (max): the generator's own.";
        foreach (var note in report.Notes) yield return note;
    }

    /// <summary>Two or three digits with a unit: "0.84ms", "12ms", "1.25s", "63.0s".</summary>
    public static string Milliseconds(double ms) => ms switch
    {
        < 9.995 => ms.ToString("0.0#", CultureInfo.InvariantCulture) + "ms",
        < 999.5 => ms.ToString("0", CultureInfo.InvariantCulture) + "ms",
        < 9_995 => (ms / 1000).ToString("0.0#", CultureInfo.InvariantCulture) + "s",
        < 99_950 => (ms / 1000).ToString("0.0", CultureInfo.InvariantCulture) + "s",
        _ => (ms / 1000).ToString("0", CultureInfo.InvariantCulture) + "s",
    };

    private static string Row(ModelLoad model)
    {
        var latency = model.LatencyMs;
        var share = model.WithinSlo is { } within ? (within * 100).ToString("0.00", CultureInfo.InvariantCulture) + "%" : "";
        var name = model.Model.Length <= 14 ? model.Model : model.Model[..13] + "~";
        return $"{name,-15}{model.Due,8}{model.Succeeded,8}{model.Failed,8}{Shown(latency.P50)}{Shown(latency.P90)}"
            + $"{Shown(latency.P99)}{Shown(latency.Max)}{share,9}".TrimEnd();

        string Shown(double ms) => $"{(latency.Count == 0 ? "-" : Milliseconds(ms)),8}";
    }
}
