using System.Globalization;
using System.Text.RegularExpressions;
using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Steps;

/// <summary>The tables that measure whole models: steps of a batch (Splitwise), and requests end to end (aiconfigurator).</summary>
internal static partial class WholeRuns
{
    private const double StepNoise = 0.05, PerTokenNoise = 0.1, FirstTokenNoise = 0.15;

    public static IEnumerable<Observation> Splitwise(string file, PublishedModels models)
    {
        var rows = CsvTable.Read(file).Rows
            // A trap of the data: a prompt phase eight times shorter than that of half the batch.
            .Where(row => !(row.Text("model") == "llama2-70b" && row.Int("tensor_parallel") == 2 && row.Int("prompt_size") == 512 && row.Int("batch_size") == 64));
        foreach (var cell in rows.GroupBy(row => string.Join(' ', row.Text("model"), row.Text("hardware"), row.Text("tensor_parallel"),
            row.Text("prompt_size"), row.Text("batch_size"), row.Text("token_size"), row.Text("split"))))
        {
            var row = cell.First();
            var device = DeviceCatalogue.BuiltIn.Find(row.Text("hardware").Replace("-pcap", "", StringComparison.Ordinal));
            if (models.Find(row.Text("model"), "") is not { } shape || device is null) continue;
            var split = new StepSplit { Tensor = row.Int("tensor_parallel") };
            if (StepModel.Of(shape, device, split) is not { } model) continue;
            var subject = new StepSubject(row.Text("hardware"), StepCalibration.GenerationOf(device), "splitwise", StepCalibration.ModelKey(shape));
            var (prompt, batch, answer) = (row.Int("prompt_size"), row.Int("batch_size"), row.Int("token_size"));
            var decode = StepBatch.Decode(batch, prompt + (answer / 2.0));
            var prefill = StepBatch.Prefill(batch, prompt);
            var seed = new Observation("", cell.Key, subject, 0, (_, _) => 0, StepNoise)
            {
                Calibration = row.Text("split") == "calibration",
                Stratum = "with tables, dense, steps",
                Series = string.Join(' ', row.Text("model"), row.Text("hardware"), row.Text("tensor_parallel"), prompt, answer),
                Batch = batch,
                Label = cell.Key,
            };
            yield return seed with { Kind = "decode step", Seconds = Median(cell, "token_time"), Predict = (fitted, _) => model.Seconds(decode, fitted) };
            yield return seed with { Kind = "prefill step", Seconds = Median(cell, "prompt_time"), Predict = (fitted, _) => model.Seconds(prefill, fitted) };
        }
    }

    public static IEnumerable<Observation> EndToEnd(string file, PublishedModels models, Action<string> skipped)
    {
        foreach (var row in CsvTable.Read(file).Rows)
        {
            var device = DeviceCatalogue.BuiltIn.Find(row.Text("system").Replace("_sxm", "", StringComparison.Ordinal));
            var shape = models.Find(row.Text("model_path"), row.Text("precision"));
            if (device is null || shape is null)
            {
                skipped($"no configuration of {row.Text("model_path")} {row.Text("precision")}, or device {row.Text("system")}");
                continue;
            }

            var (prompt, answer) = (row.Number("isl") ?? 0, row.Number("osl") ?? 0);
            var concurrency = Concurrency().Match(row.Text("silicon_data_source")) is { Success: true } found
                ? double.Parse(found.Groups[1].Value, CultureInfo.InvariantCulture) : (double?)null;
            var disaggregated = row.Text("mode") == "disagg";
            Func<StepCoefficients, double, ClientTimes> times;
            Serving decode;
            if (disaggregated)
            {
                var prefill = Of(row, shape, device, "prefill_");
                decode = Of(row, shape, device, "decode_")!;
                if (prefill is null || decode is null || concurrency is null) { skipped("disaggregated without a split or a concurrency"); continue; }
                var (prefillWorkers, decodeWorkers) = (row.Number("prefill_num_workers"), row.Number("decode_num_workers"));
                var (first, second, requests) = (prefill, decode, concurrency.Value);
                if (decodeWorkers is null) { skipped("disaggregated without the number of workers: the batch is not known"); continue; }
                times = (fitted, burst) => ClosedLoop.Disaggregated(
                    first, second, requests, prefillWorkers ?? 1, decodeWorkers.Value, prompt, answer, fitted, fitted, burst);
            }
            else
            {
                decode = Of(row, shape, device, "")!;
                if (decode is null) { skipped("a tensor-parallel size that the heads cannot be divided by: a whole deployment's devices"); continue; }

                var batch = Requests(row, decode.Split, concurrency);
                var serving = decode;
                times = (fitted, burst) => ClosedLoop.Aggregated(serving, batch, prompt, answer, fitted, burst);
            }

            var series = string.Join(' ', ModelName(row), row.Text("system"), row.Text("backend"), row.Text("precision"), row.Text("mode"), prompt, answer, decode.Split);
            var measuredBatch = concurrency ?? row.Number("batch_size") ?? 1;
            var cell = $"{series} {measuredBatch}";
            var seed = new Observation("", cell, decode.Subject, 0, (_, _) => 0, PerTokenNoise)
            {
                Calibration = row.Text("split") == "calibration",
                Series = series,
                Version = row.Text("backend_version"),
                Batch = measuredBatch,
                Stratum = string.Join(", ",
                    row.Text("system") is "a100_sxm" or "h100_sxm" or "h200_sxm" or "l40s" ? "with tables" : "without tables",
                    shape.Layers.Any(run => run.Experts > 0) ? "mixture" : "dense", disaggregated ? "disaggregated" : "aggregated"),
                Label = $"{row.Text("model_path")} {row.Text("system")} {row.Text("backend")} {row.Text("backend_version")} {row.Text("precision")} {row.Text("mode")} {prompt}/{answer} c{measuredBatch} tp{decode.Split.Tensor} dp{decode.Split.Data} ep{decode.Split.Expert}",
            };
            if (row.Number("silicon_tpot_ms") is > 0 and var tpot)
                yield return seed with { Kind = "TPOT", Seconds = tpot / 1000, Predict = (fitted, burst) => times(fitted, burst).PerToken };
            if (row.Number("silicon_ttft_ms") is > 0 and var ttft)
                yield return seed with { Kind = "TTFT", Noise = FirstTokenNoise, Seconds = ttft / 1000, Predict = (fitted, burst) => times(fitted, burst).FirstToken };
        }
    }

    private static string ModelName(CsvRow row) => row.Text("model_path").Replace("DeepSeek-V3", "DeepSeek-R1", StringComparison.Ordinal);

    /// <summary>
    /// Requests under way at one replica. The batch is of one data-parallel rank; where no number of ranks is given it is of the
    /// replica if the concurrency is the same, and of each device if that is more (which then is of all replicas together).
    /// </summary>
    private static double Requests(CsvRow row, StepSplit split, double? concurrency)
    {
        var batch = row.Number("batch_size") ?? 1;
        if (row.Int("attention_dp_size", 0) is > 0 and var ranks) return batch * ranks;
        return concurrency is { } all && all > batch ? Math.Min(all, batch * split.Devices) : batch;
    }

    private static Serving? Of(CsvRow row, ModelShape shape, Accelerator device, string prefix)
    {
        int Size(string name) => Math.Max(1, row.Int(prefix + name, 1));
        var (tensor, data, expertTensor, expert) = (Size("tp_size"), Size("attention_dp_size"), Size("moe_tp_size"), Size("moe_ep_size"));

        // A trap of the data: some rows give the product of two sizes that are the same eight (or four) devices of one
        // machine: tensor 64, expert 8 of 8 devices, say.
        if (prefix.Length == 0 && device.LinkDomainDevices == 8 && tensor * data > 8)
        {
            var devices = (int)Math.Round(Math.Sqrt(tensor * data));
            (tensor, data) = data == 1 ? (devices, 1) : (1, devices);
            expert = Math.Min(expert, devices);
            expertTensor = devices / expert;
        }

        // Another: no number of data-parallel ranks, but more devices for the experts than for attention.
        if (row.Int(prefix + "attention_dp_size", 0) == 0 && expert * expertTensor > tensor) data = expert * expertTensor / tensor;
        if (shape.AttentionHeads % tensor != 0) return null;
        var split = new StepSplit { Tensor = tensor, Data = data, Pipeline = Size("pp_size"), Expert = expert, ExpertTensor = expertTensor };
        var engine = row.Text("backend");
        var kv = engine == "trtllm" || PublishedModels.HasNarrowCache(row.Text("model_path"), row.Text("precision")) ? 1 : 2;
        if (StepModel.Of(shape, device, split, kv) is not { } model) return null;
        var chunk = engine == "sglang" ? (device.Memory < Bytes.GiB(160) ? 8192 : 16384) : 8192;
        return new Serving(model,
            new StepSubject(device.Name, StepCalibration.GenerationOf(device), engine, StepCalibration.ModelKey(shape)), split, chunk, engine != "sglang");
    }

    private static double Median(IEnumerable<CsvRow> rows, string column)
    {
        var values = rows.Select(row => row.Number(column) ?? 0).Order().ToArray();
        return values[values.Length / 2] / 1000;
    }

    [GeneratedRegex("silicon_concurrency=([0-9]+)")]
    private static partial Regex Concurrency();
}
