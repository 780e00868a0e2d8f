using System.Diagnostics;
using System.Globalization;

namespace Plimsoll.Prediction.Steps;

/// <summary>What the page says before its tables: what was done, when, and what was left out.</summary>
internal static class Introduction
{
    public const string Title = "# Prediction: what is predicted, against what was measured or simulated\n";

    public static void Write(StepsReport report, IReadOnlyList<Observation> all, IReadOnlyDictionary<string, int> leftOut)
    {
        var date = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd", CultureInfo.InvariantCulture);
        report.Line("## Step times");
        report.Line("");
        report.Line($"{date}, commit {Commit()}, {Environment.ProcessorCount} cores; no GPU of our own: all is against what others measured. Written by `dotnet run --project bench/Plimsoll.Prediction -- steps`, with `PLIMSOLL_DATA` naming the folder of measurements.");
        report.Line("");
        report.Line($"Fitted on {all.Count(one => one.Calibration && one.IsSteady && !one.IsKernel)} calibration times of whole models and {all.Count(one => one.IsKernel)} kernels, sampled from the tables; judged by {all.Count(one => !one.Calibration)} validation times, which no fit saw. TPOT and TTFT are end to end: a closed loop of requests, whose tokens wait for the prompts in between (`Steps/Serving.cs`). Errors are absolute and relative to what was measured.");
        report.Line("");
        foreach (var (why, count) in leftOut.OrderBy(one => one.Key, StringComparer.Ordinal)) report.Line($"- {count} rows left out: {why}.");
        report.Line($"- {all.Count(one => one.Calibration && !one.IsSteady)} calibration rows are judged but not fitted: of series whose time per token falls by a quarter and more as requests are added, so that their rows are not of one configuration.");
        report.Line("- Validation rows whose very measurement is in the calibration split under a model's other name (DeepSeek V3, R1) are left out too.");
        report.Line("- Interpolation answers between two measured batch sizes of the same model, device, engine, split and lengths, and nothing else.");
        report.Line("");
    }

    private static string Commit()
    {
        using var git = Process.Start(new ProcessStartInfo("git", "rev-parse --short HEAD") { RedirectStandardOutput = true });
        return git?.StandardOutput.ReadToEnd().Trim() is { Length: > 0 } commit ? commit : "unknown";
    }
}
