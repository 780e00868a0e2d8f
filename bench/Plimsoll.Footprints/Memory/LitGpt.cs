namespace Plimsoll.Footprints.Memory;

/// <summary>
/// The inference rows of the training table: LitGPT's generate on one A100 of 40 GB, plain PyTorch without a paged
/// cache, so weighed as an engine without one. Short prompts: 128 tokens are charged.
/// </summary>
internal static class LitGpt
{
    private static readonly Dictionary<(string Model, string Size), string> Models = new()
    {
        [("Llama 2", "7 B")] = "meta-llama/Llama-2-7b-hf",
        [("Llama 2", "13 B")] = "meta-llama/Llama-2-13b-hf",
        [("Llama 2", "70 B")] = "meta-llama/Llama-2-70b-hf",
        [("phi-1.5", "1.3 B")] = "microsoft/phi-1_5",
        [("StableLM Alpha", "3 B")] = "stabilityai/stablelm-base-alpha-3b",
    };

    public static void Add(string dataFolder, Configurations configurations, Verdicts verdicts)
    {
        foreach (var row in CsvTable.Read(Path.Combine(dataFolder, "memory", "training_memory_measured.csv")).Rows)
        {
            if (!row.Text("method").StartsWith("litgpt inference", StringComparison.Ordinal)) continue;
            if (!Models.TryGetValue((row.Text("model"), row.Text("size")), out var model)) continue;
            if (configurations.Find(model) is not { } footprint) continue;
            var measured = row.Text("peak_mem_per_gpu");
            var failed = measured.Contains("OOM", StringComparison.Ordinal) || measured.Contains("error", StringComparison.Ordinal);
            var report = Fit.Of(footprint, Variant(row.Text("precision")));
            verdicts.Add(
                $"{row.Text("model")} {row.Text("size")} {row.Text("precision")} ({measured.Split('|')[1]}; predicted {report.PerDevice.Total})",
                !failed, report.Fits);
        }
    }

    private static ServingVariant Variant(string precision) => new()
    {
        // 40,536 MiB as nvidia-smi shows it, less what the driver keeps: 39.39 GiB.
        Device = new Accelerator
        {
            Name = "a100-40gb",
            Vendor = "nvidia",
            Memory = Bytes.GiB(39.39),
            Source = "the usable memory PyTorch reports",
        },
        Context = 128,
        MaxBatchedTokens = 128,
        WeightDtype = "bfloat16",
        QuantizeOnLoad = precision.EndsWith("nf4-dq", StringComparison.Ordinal) ? "nf4-dq"
            : precision.EndsWith("nf4", StringComparison.Ordinal) ? "nf4" : null,
        Engine = ServingEngine.OnnxRuntime(new Version(1, 0)),
    };
}
