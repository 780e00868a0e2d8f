using System.Text;

namespace Plimsoll.Footprints.Memory;

/// <summary>Older engine versions, as their logs were quoted; and the verdicts over every row that ran or failed.</summary>
internal static class OlderTable
{
    public static string Of(string dataFolder, Configurations configurations, IReadOnlyList<StartUp> runs)
    {
        var text = new StringBuilder();
        var verdicts = new Verdicts();
        foreach (var run in runs)
            verdicts.Add(run.Label, ran: true, Fit.Of(run.Footprint, run.Variant).Fits);
        text.AppendLine("### Quoted logs of other versions").AppendLine();
        text.AppendLine(
            "Working set and overhead of these versions were not fitted; rows whose device, fraction or "
            + "configuration nobody states are listed as undetermined.").AppendLine();
        text.AppendLine("| log | engine | weights logged | predicted | KV tokens logged | predicted | served | fits |");
        text.AppendLine("| --- | --- | ---: | ---: | ---: | ---: | --- | --- |");
        var undetermined = new List<string>();
        foreach (var row in CsvTable.Read(Path.Combine(dataFolder, "memory", "vllm_issue_logs.csv")).Rows)
        {
            var older = OlderRun.Of(row);
            var footprint = older is null ? null : configurations.Find(older.Model);
            if (older is null || footprint is null || older.Variant(row) is not { } variant)
            {
                undetermined.Add($"{row.Text("model")} ({row.Text("source")})");
                continue;
            }

            var report = Fit.Of(footprint, variant);
            var tokens = row.Number("kv_tokens") ?? row.Number("kv_blocks") * 16;
            text.AppendLine(
                $"| {row.Text("model")} ({row.Text("source")}) | {row.Text("engine")} | {Cell(row.Number("weights_gib_per_gpu"))} "
                + $"| {StartUp.Fixed(report.Stages.Max(stage => StartUp.InGiB(stage.Weights.Bytes)))} "
                + $"| {(tokens is { } some ? StartUp.Fixed(some, 0) : "–")} | {report.KvTokens} "
                + $"| {(older.Failed ? "no" : "yes")} | {(report.Fits ? "yes" : "no: " + report.Failure!.Term)} |");
            verdicts.Add($"{row.Text("model")} ({row.Text("source")})", !older.Failed, report.Fits);
        }

        LitGpt.Add(dataFolder, configurations, verdicts);
        text.AppendLine().AppendLine($"Undetermined: {string.Join("; ", undetermined)}.").AppendLine();
        text.Append(verdicts.Text());
        return text.ToString();
    }

    private static string Cell(double? value) => value is { } some ? StartUp.Fixed(some) : "–";
}
