using System.Globalization;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Footprints.Training;

/// <summary>One row of memory/training_memory_measured.csv.</summary>
internal sealed record TrainingRow
{
    public required string Method { get; init; }

    public required string Model { get; init; }

    public required string Precision { get; init; }

    public required string Gpu { get; init; }

    /// <summary>0 where the row has none.</summary>
    public required int MicroBatch { get; init; }

    /// <summary>Measured peak in <see cref="Unit"/>; null where the run failed or none was given.</summary>
    public required double? Peak { get; init; }

    /// <summary>"GB" or "GiB".</summary>
    public required string Unit { get; init; }

    public required bool RanOut { get; init; }

    public required string Source { get; init; }

    public required string Split { get; init; }

    public string Program => Source.StartsWith("Lightning-AI", StringComparison.Ordinal) ? "lit-gpt"
        : Source.StartsWith("pytorch/torchtitan", StringComparison.Ordinal) ? "torchtitan" : "torchtune";

    /// <summary>Short: "Llama 2 7B, LoRA, nf4, 1 x A100-40GB, micro-batch 1".</summary>
    public string Name => string.Join(", ", new[]
    {
        Model,
        Method.Replace("Finetuning with ", "", StringComparison.Ordinal).Replace(" on 1 GPU", "", StringComparison.Ordinal)
            .Replace(" on Multiple GPUs", " sharded", StringComparison.Ordinal).Replace("litgpt inference/other", "inference", StringComparison.Ordinal),
        Program == "lit-gpt" ? Precision.Replace("bf16 None", "bf16", StringComparison.Ordinal).Replace("bf16 bnb.", "", StringComparison.Ordinal) : "",
        Gpu,
        MicroBatch > 0 ? $"micro-batch {MicroBatch}" : "",
    }.Where(part => part.Length > 0));
}

internal static class TrainingRows
{
    public static List<TrainingRow> Read(string path) =>
    [
        .. CsvTable.Read(path).Rows.Select(row =>
        {
            var peak = row.Text("peak_mem_per_gpu").Split(' ');
            return new TrainingRow
            {
                Method = row.Text("method"),
                Model = $"{row.Text("model")} {row.Text("size").Replace(" B", "B", StringComparison.Ordinal)}".Trim(),
                Precision = row.Text("precision"),
                Gpu = row.Text("gpu"),
                MicroBatch = row.Int("microbatch", 0),
                Peak = peak.Length == 2 && double.TryParse(peak[0], CultureInfo.InvariantCulture, out var value) ? value : null,
                Unit = peak[^1] is "GiB" ? "GiB" : "GB",
                RanOut = peak[0] == "OOM",
                Source = row.Text("source"),
                Split = row.Text("split"),
            };
        }),
    ];
}
