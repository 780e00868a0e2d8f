using System.Globalization;

namespace Plimsoll.Footprints.Memory;

/// <summary>One measured start-up of vLLM, and what it is predicted to be.</summary>
internal sealed record StartUp
{
    private const double GiB = 1024.0 * 1024 * 1024;

    public required CsvRow Row { get; init; }

    public required string Model { get; init; }

    public required Footprint Footprint { get; init; }

    public required ServingVariant Variant { get; init; }

    public bool Validation => Row.Text("split") == "validation";

    /// <summary>GiB per device.</summary>
    public double RequestedGiB => Row.Number("requested_gib")!.Value;

    public double WeightsGiB => Row.Number("weights_gib_per_gpu_max")!.Value;

    public double ActivationGiB => Row.Number("activation_peak_gib_max")!.Value;

    public double NonTorchGiB => Row.Number("non_torch_gib_max")!.Value;

    public double GraphsGiB => Row.Number("cudagraph_gib_max")!.Value;

    public double KvTokens => Row.Number("kv_cache_tokens_min")!.Value;

    /// <summary>What a device held beside keys and values, inside the fraction.</summary>
    public double TotalGiB => WeightsGiB + ActivationGiB + NonTorchGiB;

    /// <summary>Weights take over 60 % of the budget: runs that a wrong term refuses, or lets start and die.</summary>
    public bool Tight => WeightsGiB > 0.6 * RequestedGiB;

    public string Label =>
        $"{Model[(Model.IndexOf('/', StringComparison.Ordinal) + 1)..]} tp{Variant.TensorParallel} pp{Variant.PipelineParallel}"
        + (Row.Text("kv_cache_dtype") == "auto" ? "" : " kv " + Row.Text("kv_cache_dtype"))
        + (Variant.QuantizeOnLoad is null ? "" : " quantised on load")
        + (Row.Text("dtype") == "bfloat16" ? "" : " " + Row.Text("dtype"));

    /// <summary>All start-ups whose configuration is at hand; the models of the others.</summary>
    public static (IReadOnlyList<StartUp> Known, IReadOnlyList<string> Unknown) Read(string dataFolder, Configurations configurations)
    {
        var known = new List<StartUp>();
        var unknown = new List<string>();
        foreach (var row in CsvTable.Read(Path.Combine(dataFolder, "memory", "vllm_h100_startup.csv")).Rows)
        {
            var model = row.Text("model");
            if (configurations.Find(model) is not { } footprint)
            {
                unknown.Add(model);
                continue;
            }

            known.Add(new StartUp { Row = row, Model = model, Footprint = footprint, Variant = VariantOf(row, footprint) });
        }

        return (known, unknown);
    }

    private static ServingVariant VariantOf(CsvRow row, Footprint footprint)
    {
        var total = row.Number("total_gpu_mem_gib")!.Value;
        return new ServingVariant
        {
            Device = new Accelerator
            {
                Name = "h100-80gb",
                Vendor = "nvidia",
                Memory = Bytes.GiB(total),
                Source = "the start-up's own log",
            },
            TensorParallel = row.Int("tp"),
            PipelineParallel = row.Int("pp"),
            Context = row.Int("max_model_len"),
            MemoryFraction = row.Number("gpu_memory_utilization") ?? Math.Round(row.Number("requested_gib")!.Value / total, 2),
            WeightDtype = row.Text("dtype"),
            KvDtype = row.Text("kv_cache_dtype"),
            QuantizeOnLoad = row.Text("quantization") == "fp8" && footprint.Shape?.Quantization is null ? "fp8" : null,
            Engine = ServingEngine.Vllm(Version.Parse(row.Text("vllm"))),
        };
    }

    public static double InGiB(Bytes bytes) => bytes.Value / GiB;

    public static string Fixed(double value, int digits = 2) => value.ToString("F" + digits, CultureInfo.InvariantCulture);
}
