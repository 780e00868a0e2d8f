using System.Globalization;
using System.Text;

namespace Plimsoll.Prediction.Loads;

/// <summary>Priors against rows, one by one and together.</summary>
internal static class PriorTables
{
    public static void Write(StringBuilder text, PublishedLoads published, IReadOnlyList<PriorCase> startUps)
    {
        text.Append("| | n | median factor | worst | within the p90 % (95 % interval) |\n| --- | ---: | ---: | ---: | --- |\n");
        foreach (var calibration in new[] { false, true })
        {
            var split = calibration ? "calibration" : "validation";
            Summary(text, $"{split}, published rows", [.. published.Cases.Where(one => one.Calibration == calibration)]);
            foreach (var what in new[] { "read", "initialise", "fetch" })
                Summary(text, $"{split}, start-ups of vLLM on H100: {what}", [.. startUps.Where(one => one.Calibration == calibration && one.What == what)]);
        }

        text.Append("\nThe published validation rows:\n\n| row | time | predicted: median s | p90 s | measured s | factor |\n| --- | --- | ---: | ---: | ---: | ---: |\n");
        foreach (var one in published.Cases.Where(one => !one.Calibration))
            text.Append(CultureInfo.InvariantCulture, $"| {one.Row} | {one.What} | {one.Said.Median.TotalSeconds:0.0#} | {one.Said.P90.TotalSeconds:0.0#} | {one.Measured:0.0#} | {one.Factor:F2}{(one.Covered ? "" : ", beyond the p90")} |\n");

        text.Append("\nValidation rows that cannot be predicted, and why:\n\n");
        foreach (var group in published.LeftOut.Where(one => !one.Calibration).GroupBy(one => one.Why).OrderBy(one => one.Key, StringComparer.Ordinal))
            text.Append(CultureInfo.InvariantCulture, $"- {group.Key}: {string.Join("; ", group.Select(one => $"{one.Row} ({one.What})"))}.\n");
    }

    private static void Summary(StringBuilder text, string name, IReadOnlyList<PriorCase> cases)
    {
        if (cases.Count == 0) return;
        var covered = cases.Count(one => one.Covered);
        var (from, to) = StreamJudge.Interval(covered, cases.Count);
        text.Append(CultureInfo.InvariantCulture, $"| {name} | {cases.Count} | {StreamJudge.Quantile(cases.Select(one => one.Factor), 0.5):F2} | {cases.Max(one => one.Factor):F2} | {100.0 * covered / cases.Count:F0} ({100 * from:F0} to {100 * to:F0}) |\n");
    }
}
