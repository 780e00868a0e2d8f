using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Steps;

internal static class StepsCommand
{
    private const string Coefficients = "src/Plimsoll/Performance/Data/step-times.json";

    public static int Fit()
    {
        if (Observations() is not { } all) return Skipped();
        var calibration = all.Where(one => one.Calibration).ToList();
        var (fitted, burst) = HierarchicalFit.Of(calibration, Priors.Coefficients, Source(calibration));
        Show(all, fitted, burst);
        using (var file = File.Create(Coefficients)) fitted.Write(file);
        return 0;
    }

    public static int Worst() => Skipped();

    public static int Report(string page) => Skipped();

    private static void Show(IReadOnlyList<Observation> all, StepCalibration fitted, Func<string, double> burst)
    {
        foreach (var group in all.GroupBy(one => (one.Calibration, one.Kind, one.Stratum)).OrderBy(group => group.Key.ToString()))
        {
            var errors = group.Select(one => Math.Abs(Math.Exp(one.LogError(fitted.For(one.Subject), burst(one.Subject.Engine))) - 1)).Order().ToArray();
            Console.WriteLine($"{(group.Key.Calibration ? "cal" : "VAL")} {group.Key.Kind,-14} {group.Key.Stratum,-40} n {errors.Length,5} median {errors[errors.Length / 2],7:P1} p95 {errors[(int)(errors.Length * 0.95)],8:P1}");
        }
    }

    private static string Source(List<Observation> rows) => $"{rows.Count} calibration rows";

    private static List<Observation>? Observations()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") ?? "../shared/data";
        var folder = Path.Combine(data, "performance");
        if (!Directory.Exists(folder)) return null;
        var models = new PublishedModels(new Configurations(Path.Combine(data, "modelconfigs/huggingface"), "bench/Plimsoll.Footprints/configs"));
        var skipped = new Dictionary<string, int>();
        List<Observation> all =
        [
            .. WholeRuns.Splitwise(Path.Combine(folder, "splitwise_perf_model.csv"), models),
            .. KernelRows.All(Path.Combine(folder, "kernels")),
            .. WholeRuns.EndToEnd(Path.Combine(folder, "silicon_end_to_end.csv"), models, why => skipped[why] = skipped.GetValueOrDefault(why) + 1),
        ];
        foreach (var (why, count) in skipped) Console.WriteLine($"left out {count}: {why}");
        return all;
    }

    private static int Skipped()
    {
        Console.Error.WriteLine("skipped: no folder 'performance' under PLIMSOLL_DATA");
        return Environment.GetEnvironmentVariable("CI") == "true" ? 1 : 0;
    }
}
