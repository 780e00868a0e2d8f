using System.Globalization;
using System.Text.Json;

namespace Plimsoll.Prediction.Runs;

/// <summary>A run of a real engine under real arrivals, as it was recorded: what was asked, and what each request saw.</summary>
internal sealed record RecordedRun
{
    public required string Name { get; init; }

    public required double[] Arrivals { get; init; }

    public required int[] Prompts { get; init; }

    public required int[] Answers { get; init; }

    /// <summary>Seconds from arrival to the first token.</summary>
    public required double[] Ttft { get; init; }

    /// <summary>Seconds from the first token to the last, for each token but the first.</summary>
    public required double[] Tpot { get; init; }

    public required double[] EndToEnd { get; init; }

    public required int MaxSequences { get; init; }

    public required int MaxStepTokens { get; init; }

    public required int TensorParallel { get; init; }

    /// <summary>As the engine said; null where the record has none.</summary>
    public long? Blocks { get; init; }

    public required string EngineVersion { get; init; }

    public int Count => Arrivals.Length;

    /// <param name="folder">Holds requests.jsonl and meta.json.</param>
    /// <param name="name">As the page shows it.</param>
    public static RecordedRun Read(string folder, string name)
    {
        using var meta = JsonDocument.Parse(File.ReadAllText(Path.Combine(folder, "meta.json")));
        var engine = meta.RootElement.GetProperty("engine_kwargs");
        var rows = File.ReadLines(Path.Combine(folder, "requests.jsonl")).Where(line => line.Length > 0).Select(Row.Parse).ToList();

        // Arrivals are of the wall clock, all else of the engine's own. They are apart by what the request that was queued
        // soonest after its arrival shows: nothing is queued before it arrives.
        var apart = rows.Min(row => row.Queued - row.Arrival);
        var arrivals = rows.Select(row => row.Arrival + apart).ToArray();
        return new RecordedRun
        {
            Name = name,
            Arrivals = [.. arrivals.Select(one => one - arrivals[0])],
            Prompts = [.. rows.Select(row => row.Prompt)],
            Answers = [.. rows.Select(row => row.Answer)],
            Ttft = [.. rows.Select((row, i) => row.First - arrivals[i])],
            Tpot = [.. rows.Select(row => (row.Last - row.First) / Math.Max(1, row.Answer - 1))],
            EndToEnd = [.. rows.Select((row, i) => row.Last - arrivals[i])],
            MaxSequences = engine.GetProperty("max_num_seqs").GetInt32(),
            MaxStepTokens = engine.GetProperty("max_num_batched_tokens").GetInt32(),
            TensorParallel = engine.GetProperty("tensor_parallel_size").GetInt32(),
            Blocks = meta.RootElement.TryGetProperty("kv_cache", out var cache) ? cache.GetProperty("num_gpu_blocks").GetInt64() : null,
            EngineVersion = meta.RootElement.GetProperty("vllm_version").GetString() ?? "",
        };
    }

    private sealed record Row(int Prompt, int Answer, double Arrival, double Queued, double First, double Last)
    {
        public static Row Parse(string line)
        {
            using var json = JsonDocument.Parse(line);
            double Number(string name) => double.Parse(json.RootElement.GetProperty(name).GetRawText(), CultureInfo.InvariantCulture);
            return new Row((int)Number("input_toks"), (int)Number("output_toks"), Number("arrival_time"), Number("queued_ts"), Number("first_token_ts"), Number("last_token_ts"));
        }
    }
}
