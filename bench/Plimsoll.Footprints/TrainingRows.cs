using System.Globalization;

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

    public string Name => string.Join(", ", new[] { Model, Method, Program == "lit-gpt" ? Precision : null, Gpu, MicroBatch > 0 ? $"micro-batch {MicroBatch}" : null }
        .Where(part => !string.IsNullOrEmpty(part)));
}

internal static class TrainingRows
{
    public static List<TrainingRow> Read(string path)
    {
        var lines = File.ReadAllLines(path);
        var head = Fields(lines[0]);
        return [.. lines.Skip(1).Where(line => line.Length > 0).Select(line =>
        {
            var fields = Fields(line);
            string Of(string name) => fields[head.IndexOf(name)];
            var peak = Of("peak_mem_per_gpu").Split(' ');
            return new TrainingRow
            {
                Method = Of("method"),
                Model = $"{Of("model")} {Of("size").Replace(" B", "B", StringComparison.Ordinal)}".Trim(),
                Precision = Of("precision"),
                Gpu = Of("gpu"),
                MicroBatch = int.TryParse(Of("microbatch"), CultureInfo.InvariantCulture, out var batch) ? batch : 0,
                Peak = peak.Length == 2 && double.TryParse(peak[0], CultureInfo.InvariantCulture, out var value) ? value : null,
                Unit = peak[^1] is "GiB" ? "GiB" : "GB",
                RanOut = peak[0] == "OOM",
                Source = Of("source"),
                Split = Of("split"),
            };
        })];
    }

    // Quotes only around whole fields, and none within: the file has no others.
    private static List<string> Fields(string line)
    {
        var fields = new List<string>();
        var start = 0;
        while (start <= line.Length)
        {
            var quoted = start < line.Length && line[start] == '"';
            var end = quoted ? line.IndexOf('"', start + 1) : line.IndexOf(',', start);
            if (end < 0) end = line.Length;
            fields.Add(line[(quoted ? start + 1 : start)..end]);
            start = (quoted ? end + 1 : end) + 1;
        }

        return fields;
    }
}
