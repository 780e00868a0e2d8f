using System.Globalization;
using System.IO.Compression;

namespace Plimsoll.Prediction.Steps;

/// <summary>
/// The kernel tables: single matrices, attention, experts and all-reduces. Each is a part of <see cref="StepModel"/>
/// alone, so they say what a device reaches where no whole model was measured on it.
/// </summary>
internal static class KernelRows
{
    /// <summary>Rows taken of each table, evenly spread over it: enough for a handful of coefficients.</summary>
    private const int RowsPerTable = 60;

    /// <summary>Kernels shorter than this are mostly their launch, which whole steps hide in graphs.</summary>
    private const double ShortestSeconds = 30e-6;

    /// <summary>
    /// One roofline with a few coefficients is seldom closer to single kernels than this, so they weigh less than whole runs; with less
    /// weight still, time per token of dense models held out was 36 % off in place of 20.
    /// </summary>
    private const double Noise = 0.2;

    public static IEnumerable<Observation> All(string folder) =>
        Directory.EnumerateFiles(folder, "*.csv.gz").Order(StringComparer.Ordinal).SelectMany(Table);

    private static IEnumerable<Observation> Table(string file)
    {
        var parts = Path.GetFileName(file).Split("__");
        var engine = parts[2].Split('-')[0];
        var kind = parts[^1].Replace("_perf.csv.gz", "", StringComparison.Ordinal);
        var device = DeviceCatalogue.BuiltIn.Find(parts[0] switch { "a100_sxm" => "a100-80gb", "l40s" => "l40s-48gb", var name => name.Replace("_sxm", "", StringComparison.Ordinal) });
        if (device is null || kind is not ("gemm" or "context_attention" or "generation_attention" or "moe" or "custom_allreduce")) yield break;
        var subject = new StepSubject(device.Name, StepCalibration.GenerationOf(device), engine, "");
        foreach (var row in Sample(file))
        {
            double Number(string name) => double.Parse(row[name], CultureInfo.InvariantCulture);
            if (row.GetValueOrDefault("window_size", "0") is not ("0" or "")) continue;
            var seconds = Number("latency") / 1000;
            if (seconds < (kind == "custom_allreduce" ? 0 : ShortestSeconds)) continue;
            if (Part(kind, row, Number, device) is not { } predict) continue;
            yield return new Observation(kind, $"{Path.GetFileName(file)} {string.Join(' ', row.Values)}", subject, seconds, predict, Noise)
            {
                Calibration = true,
                IsKernel = true,
                Stratum = device.Name,
            };
        }
    }

    private static Func<StepCoefficients, double, double>? Part(
        string kind, Dictionary<string, string> row, Func<string, double> number, Accelerator device)
    {
        var bandwidth = (double)device.MemoryBandwidth.Value;
        var wide = StepLayersPeak(device, 16);
        switch (kind)
        {
            case "gemm":
                var (m, n, k) = (number("m"), number("n"), number("k"));
                if (Operands(row["gemm_dtype"]) is not { } gemm) return null;
                var matrix = new StepMatrix(n * k, (n * k * gemm.Bytes) + (m * (n + k) * 2), StepLayersPeak(device, gemm.Bits), gemm.Efficiency(device));
                return (fitted, _) => matrix.Seconds(m, bandwidth, fitted);
            case "context_attention" or "generation_attention":
                var (heads, width) = (number("num_heads"), number("head_dim"));
                var kv = Math.Max(1, number("num_key_value_heads")) * width * 2 * (row["kv_cache_dtype"] == "fp8" ? 1 : 2);
                var attention = new StepAttention(4 * heads * width, 4 * heads * width, kv, 0, null, wide);
                var batch = kind[0] == 'c' ? StepBatch.Prefill(number("batch_size"), number("isl"))
                    : StepBatch.Decode(number("batch_size"), number("isl") + number("step"));
                return (fitted, _) => attention.Seconds(batch, bandwidth, fitted);
            case "moe":
                if (Operands(row["moe_dtype"]) is not { } moe || row["distribution"] == "balanced") return null;
                var one = number("hidden_size") * number("inter_size") * 3;
                var ranks = (int)(number("moe_tp_size") * number("moe_ep_size"));
                var experts = new StepExperts(number("num_experts"), number("topk"), one, one * moe.Bytes, ranks, StepLayersPeak(device, moe.Bits));
                return (fitted, _) => experts.Seconds(number("num_tokens"), bandwidth, fitted);
            default:
                var (gpus, bytes) = ((int)number("num_gpus"), number("message_size") * 2);
                var link = (double)(device.LinkBandwidth.Value > 0 ? device.LinkBandwidth : device.HostBandwidth).Value;
                return (fitted, _) => Roofline.Collective(gpus, 2.0 * (gpus - 1) / gpus * bytes,
                    link * fitted[StepCoefficient.LinkBandwidth], fitted[StepCoefficient.CollectiveSeconds]);
        }
    }

    private static double StepLayersPeak(Accelerator device, int bits) => StepLayers.Peak(device, bits, weightOnly: false) ?? 1;

    /// <summary>Bytes of a stored weight, bits computed in; null for formats the model takes for another's.</summary>
    private static (double Bytes, int Bits, Func<Accelerator, StepCoefficient> Efficiency)? Operands(string dtype) => dtype switch
    {
        "bfloat16" or "float16" => (2, 16, _ => StepCoefficient.Compute16),
        "fp8" or "fp8_block" => (1, 8, device => StepLayers.Efficiency(device, 8, weightOnly: false)),
        "int8_wo" => (1, 16, _ => StepCoefficient.Compute16),
        "int4_wo" => (0.5, 16, _ => StepCoefficient.Compute16),
        _ => null,
    };

    private static IEnumerable<Dictionary<string, string>> Sample(string file)
    {
        var lines = new List<string>();
        using (var reader = new StreamReader(new GZipStream(File.OpenRead(file), CompressionMode.Decompress)))
            while (reader.ReadLine() is { } line) lines.Add(line);
        var header = lines[0].Split(',');

        // A stride that has no factor in common with the tables' grids.
        var stride = Math.Max(1, lines.Count / RowsPerTable) | 1;
        for (var at = 1; at < lines.Count; at += stride)
        {
            var cells = lines[at].Split(',');
            yield return header.Select((name, i) => (name, i)).Where(one => one.i < cells.Length).ToDictionary(one => one.name, one => cells[one.i]);
        }
    }
}
