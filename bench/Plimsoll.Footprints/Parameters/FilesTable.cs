using System.Globalization;
using System.Text;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Footprints.Parameters;

/// <summary>Every published configuration: read, or refused with a reason, beside what its publisher says.</summary>
internal static class FilesTable
{
    public static string Of(IReadOnlyList<PublishedConfig> files, string publishedCounts)
    {
        var published = CsvTable.Read(publishedCounts).Rows.ToDictionary(row => row.Text("model"), StringComparer.Ordinal);
        var lines = new StringBuilder();
        var notes = new StringBuilder();
        lines.AppendLine("| file | architecture | parameters, B | published | active, B | published | predictor, B | weights, GiB | stored as | kept per token, KiB |")
            .AppendLine("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | --- | ---: |");
        var models = files.Where(file => file.Weighed is not null && !file.IsQuantization).ToList();
        foreach (var file in models)
        {
            var says = published.GetValueOrDefault(file.Model);
            lines.AppendLine(Row(file, says));
            if (says is not null && says.Text("note").Length > 0)
                notes.AppendLine(CultureInfo.InvariantCulture, $"- {file.Model}: {says.Text("note")}.");
        }

        var refused = new StringBuilder();
        foreach (var file in files.Where(file => file.Refused is not null))
            refused.AppendLine(CultureInfo.InvariantCulture, $"- `{file.File}`: {file.Refused}.");
        return $"""
            ### Every published configuration, n = {files.Count} files: {models.Count} configurations read, {files.Count(file => file.IsQuantization && file.Weighed is not null)} lists of quantised layers read with theirs, {files.Count(file => file.Refused is not null)} refused

            Parameters are those that are served: predictors of further tokens stand apart. Active are all but the experts a token does not choose and encoders of images and sound; embeddings and head count. Published counts (`bench/Plimsoll.Footprints/published_counts.csv`) are as rounded as their publishers give them, and from memory where no paper or report is named. Kept per token: keys and values of all layers at the model's dtype, no window applied.

            {lines}
            Where counts differ:

            {notes}
            Refused:

            {refused}
            """;
    }

    private static string Row(PublishedConfig file, CsvRow? says)
    {
        var weighed = file.Weighed!;
        var footprint = Plimsoll.Artifacts.Architecture.FootprintOf(
            new Plimsoll.Artifacts.ArtifactHeader { Format = ArtifactFormat.HuggingFace, Source = file.File, Files = [] }, weighed, file.File);
        var predictor = weighed.Components.FirstOrDefault(component => component.Component == "predictor")?.Parameters ?? 0;
        return string.Create(CultureInfo.InvariantCulture,
            $"| {file.File.Replace("_config.json", "", StringComparison.Ordinal)} | {weighed.Shape!.Architecture} | {weighed.Parameters / 1e9:0.00} | {says?.Text("total_billion") ?? ""} | {weighed.ActiveParameters / 1e9:0.00} | {says?.Text("active_billion") ?? ""} | {(predictor == 0 ? "" : (predictor / 1e9).ToString("0.00", CultureInfo.InvariantCulture))} | {weighed.Weights.Value / (double)(1L << 30):0.0} | {weighed.Shape.Quantization ?? weighed.Shape.ComputeDtype} | {footprint.KvPerToken.Value / 1024.0:0.0} |");
    }
}
