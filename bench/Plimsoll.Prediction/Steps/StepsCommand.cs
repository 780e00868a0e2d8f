using System.Globalization;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Steps;

internal static class StepsCommand
{
    private const string Coefficients = "src/Plimsoll/Performance/Data/step-times.json";

    private static readonly Dictionary<string, int> _leftOut = new(StringComparer.Ordinal);

    public static int Fit()
    {
        if (Observations() is not { } all) return Skipped();
        var calibration = all.Where(one => one.Calibration).ToList();
        var (fitted, burst) = HierarchicalFit.Of(calibration, Priors.Coefficients, Source(calibration));
        Show(all, fitted, burst);
        using (var file = File.Create(Coefficients)) fitted.Write(file);
        return 0;
    }

    /// <summary>
    /// Calibration rows as fits without them see them, every one into a file: what rules and levels are chosen by. Says
    /// nothing of validation rows.
    /// </summary>
    public static int HeldOutRows(string file)
    {
        if (Observations() is not { } all) return Skipped();
        var calibration = all.Where(one => one.Calibration).ToList();
        using var writer = new StreamWriter(file);
        writer.WriteLine("held,kind,seconds,predicted,interpolated,batch,subject,stratum,label,cell");
        foreach (var (held, rows) in CrossValidation.All(calibration))
        {
            foreach (var one in rows)
                writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{held},{one.Row.Kind},{one.Row.Seconds},{one.Predicted},{one.Interpolated},{one.Row.Batch},{one.Row.Subject.Pair},{one.Row.Stratum.Replace(",", "")},{one.Row.Label},{one.Row.Cell}"));
            foreach (var group in rows.GroupBy(one => (one.Row.Kind, one.Row.Stratum)).OrderBy(group => group.Key))
            {
                var errors = Errors.Of(group.Select(one => one.Error));
                var sign = group.Select(one => one.LogError).Order().ElementAt(group.Count() / 2);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{held,-8} {group.Key.Kind,-13} {group.Key.Stratum,-38} n {errors.Count,4} median {errors.Quantile(0.5) * 100,6:F1} p95 {errors.Quantile(0.95) * 100,6:F1} sign {sign,6:F2}"));
            }
        }

        return 0;
    }

    /// <summary>Fits, cross-validates and judges, and writes the page's section and the coefficients it is about.</summary>
    public static int Report(string page)
    {
        if (Observations() is not { } all) return Skipped();
        var calibration = all.Where(one => one.Calibration).ToList();
        var cells = CrossValidation.ByCell(calibration, 5);
        var pairs = CrossValidation.ByPair(calibration, 6);
        var devices = CrossValidation.ByDevice(calibration);
        var spreads = new Dictionary<string, double>
        {
            ["pair"] = StepsReport.Spread(cells),
            ["device"] = Math.Max(StepsReport.Spread(cells), StepsReport.Spread(pairs)),
            ["generation"] = Math.Max(StepsReport.Spread(pairs), StepsReport.Spread(devices)),
        };

        // Of a device unlike any that was measured nothing is known; it is given half as much again.
        spreads["none"] = spreads["generation"] * 1.5;
        var (fitted, burst) = HierarchicalFit.Of(calibration, Priors.Coefficients, Source(calibration), spreads);
        using (var file = File.Create(Coefficients)) fitted.Write(file);
        Show(all, fitted, burst);

        var report = new StepsReport(all, fitted, burst);
        Introduction.Write(report, all, _leftOut);
        report.Calibration(cells);
        report.Line("");
        report.Validation();
        report.Line("");
        report.Line("| held out of calibration | n | median % | p95 % | log spread of the error bar |");
        report.Line("| --- | ---: | ---: | ---: | ---: |");
        report.Distance("cells", cells);
        report.Distance("models on a device", pairs);
        report.Distance("devices, their kernel tables too", devices);
        if (!File.Exists(page)) File.WriteAllText(page, Introduction.Title);
        MarkdownSection.Write(page, "step times", report.Text);
        Console.Write(report.Text);
        return 0;
    }

    private static void Show(IReadOnlyList<Observation> all, StepCalibration fitted, Func<string, double> burst)
    {
        foreach (var group in all.GroupBy(one => (one.Calibration, one.Kind, one.Stratum)).OrderBy(group => group.Key.ToString()))
        {
            var errors = group.Select(one => Math.Abs(Math.Exp(one.LogError(fitted.For(one.Subject), burst(one.Subject.Engine))) - 1)).Order().ToArray();
            var signed = group.Select(one => one.LogError(fitted.For(one.Subject), burst(one.Subject.Engine))).Order().ToArray();
            Console.Write($"{signed[signed.Length / 2],6:F2} ");
            Console.WriteLine($"{(group.Key.Calibration ? "cal" : "VAL")} {group.Key.Kind,-14} {group.Key.Stratum,-40} n {errors.Length,5} median {errors[errors.Length / 2],7:P1} p95 {errors[(int)(errors.Length * 0.95)],8:P1}");
        }
    }

    private static string Source(List<Observation> rows) => string.Create(CultureInfo.InvariantCulture,
        $"{rows.Count(one => one.IsSteady)} calibration rows of Mutinifni/splitwise-sim@8f99e7dc and ai-dynamo/aiconfigurator@095f58a5, fitted {TimeProvider.System.GetUtcNow():yyyy-MM-dd}");

    private static List<Observation>? Observations()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        var folder = Path.Combine(data, "performance");
        if (!Directory.Exists(folder)) return null;
        var models = new PublishedModels(new Configurations(Path.Combine(data, "modelconfigs/huggingface"), "bench/Plimsoll.Footprints/configs"));
        List<Observation> all =
        [
            .. WholeRuns.Splitwise(Path.Combine(folder, "splitwise_perf_model.csv"), models),
            .. KernelRows.All(Path.Combine(folder, "kernels")),
            .. WholeRuns.EndToEnd(Path.Combine(folder, "silicon_end_to_end.csv"), models, why => _leftOut[why] = _leftOut.GetValueOrDefault(why) + 1),
        ];
        return Marked(all);
    }

    private static List<Observation> Marked(List<Observation> all)
    {
        var unsteady = all.Where(one => one.Kind == "TPOT").GroupBy(one => (one.Series, one.Version))
            .Where(series => series.Any(few => series.Any(many => many.Batch > few.Batch && few.Seconds > 1.25 * many.Seconds)))
            .Select(series => series.Key).ToHashSet();
        return [.. all.Select(one => unsteady.Contains((one.Series, one.Version)) ? one with { IsSteady = false } : one)];
    }

    private static int Skipped()
    {
        Console.Error.WriteLine("skipped: no folder 'performance' under PLIMSOLL_DATA");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }
}
