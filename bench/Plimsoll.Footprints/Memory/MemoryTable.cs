using System.Text;

namespace Plimsoll.Footprints.Memory;

/// <summary>The section of docs/benchmarks/footprint.md on measured start-ups.</summary>
internal static class MemoryTable
{
    public static string Of(IReadOnlyList<StartUp> runs, IReadOnlyList<string> unknown)
    {
        var text = new StringBuilder();
        IReadOnlyList<StartUp> calibration = [.. runs.Where(run => !run.Validation)];
        IReadOnlyList<StartUp> validation = [.. runs.Where(run => run.Validation)];
        text.AppendLine("## Memory on measured start-ups").AppendLine();
        text.AppendLine(
            $"vLLM 0.19.0 on H100 80 GB: {runs.Count} start-ups, {calibration.Count} to fit on, {validation.Count} to judge by. "
            + "Weights and totals in GiB per device; tokens of keys and values as the engine reports them. "
            + "The total is weights, working set and overhead: all but keys and values.");
        text.AppendLine().AppendLine(
            "Coefficients are fitted on the calibration rows alone (`dotnet run --project bench/Plimsoll.Footprints -- refit` "
            + "prints them beside those in use); rules come from the engine's source, but were looked "
            + "for with the whole table in view, validation rows included. Plain medians: weights as stored over "
            + "the devices, and the calibration rows' median working set and overhead. KAITO's constants: weights × 1.02, "
            + "2.3 GiB and 5 % of the share, at the start-up's own fraction instead of its 84 %. None of the three knows "
            + "what an engine loads, so a model quantised on the way in or split unevenly is as they see it.");
        text.AppendLine().AppendLine(
            "Written by `dotnet run --project bench/Plimsoll.Footprints -- memory docs/benchmarks/footprint.md`, with "
            + "`PLIMSOLL_DATA` naming the folder of measurements.");
        if (unknown.Count > 0) text.AppendLine().AppendLine($"Not weighed, no configuration at hand: {string.Join(", ", unknown.Distinct())}.");
        Summary(text, "Validation", validation, calibration);
        Summary(text, "Calibration (what the coefficients were fitted on; not a result)", calibration, calibration);
        Rows(text, "Validation, row by row", validation);
        Rows(text, "Calibration, row by row", calibration);
        return text.ToString();
    }

    private static void Summary(
        StringBuilder text, string title, IReadOnlyList<StartUp> runs, IReadOnlyList<StartUp> calibration)
    {
        var tight = runs.Where(run => run.Tight).ToList();
        text.AppendLine().AppendLine($"### {title}, n = {runs.Count}").AppendLine();
        text.AppendLine(
            "| way | weights % median | worst | KV tokens % median | p90 | worst "
            + $"| total GiB, weights over 60 % of the budget (n = {tight.Count}): median | worst |");
        text.AppendLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (var (name, of) in Predictors.All(calibration))
        {
            var weights = runs.Select(run => Percent(of(run).WeightsGiB, run.WeightsGiB)).ToList();
            var tokens = runs.Select(run => Percent(of(run).KvTokens, run.KvTokens)).ToList();
            var total = tight.Select(run => Math.Abs(of(run).TotalGiB - run.TotalGiB)).ToList();
            text.AppendLine(
                $"| {name} | {StartUp.Fixed(Predictors.Median(weights))} | {StartUp.Fixed(weights.Max())} "
                + $"| {StartUp.Fixed(Predictors.Median(tokens))} | {StartUp.Fixed(Predictors.Quantile(tokens, 0.9))} "
                + $"| {StartUp.Fixed(tokens.Max())} "
                + (total.Count == 0 ? "| – | – |" : $"| {StartUp.Fixed(Predictors.Median(total))} | {StartUp.Fixed(total.Max())} |"));
        }
    }

    private static void Rows(StringBuilder text, string title, IReadOnlyList<StartUp> runs)
    {
        text.AppendLine().AppendLine($"### {title}").AppendLine();
        text.AppendLine("| start-up | weights measured | predicted | % | working set | predicted | overhead | predicted | graphs | predicted | KV tokens | predicted | % |");
        text.AppendLine("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |");
        foreach (var run in runs.OrderBy(run => run.Model, StringComparer.Ordinal).ThenBy(run => run.Row.Line))
        {
            var report = Fit.Of(run.Footprint, run.Variant);
            var need = report.PerDevice;
            var weights = report.Stages.Max(stage => StartUp.InGiB(stage.Weights.Bytes));
            var graphs = StartUp.InGiB(need.Outside.Bytes) - Context(run);
            text.AppendLine(
                $"| {run.Label} | {StartUp.Fixed(run.WeightsGiB)} | {StartUp.Fixed(weights)} | {Signed(weights, run.WeightsGiB)} "
                + $"| {StartUp.Fixed(run.ActivationGiB)} | {StartUp.Fixed(StartUp.InGiB(need.Activation.Bytes))} "
                + $"| {StartUp.Fixed(run.NonTorchGiB)} | {StartUp.Fixed(StartUp.InGiB(need.Overhead.Bytes))} "
                + $"| {StartUp.Fixed(run.GraphsGiB)} | {StartUp.Fixed(graphs)} "
                + $"| {run.KvTokens:F0} | {report.KvTokens} | {Signed(report.KvTokens, run.KvTokens)} |");
        }
    }

    private static double Context(StartUp run) => run.Variant.TensorParallel > 1
        ? FitCoefficients.Vllm019.ContextRanksGiB
        : FitCoefficients.Vllm019.ContextGiB;

    private static double Percent(double predicted, double measured) => Math.Abs(predicted - measured) / measured * 100;

    private static string Signed(double predicted, double measured)
    {
        var percent = (predicted - measured) / measured * 100;
        return (percent >= 0 ? "+" : "−") + StartUp.Fixed(Math.Abs(percent));
    }
}
