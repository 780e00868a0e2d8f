namespace Plimsoll.Footprints.Memory;

/// <summary>How a quoted log is read: its model's configuration, the device, the engine, and whether it served.</summary>
/// <param name="Starts">How the row's model cell begins.</param>
/// <param name="Model">The published configuration.</param>
/// <param name="DeviceGiB">Memory the device shows, where the row doesn't say; null when nobody does.</param>
/// <param name="Engine">The engine and a version of the row's date.</param>
/// <param name="Failed">The engine refused to start, or ran out of memory.</param>
/// <param name="Context">Tokens of one sequence where the row doesn't say; 0 for the model's own.</param>
/// <param name="BatchedTokens">Tokens of the largest step, where the row's note says; null for the engine's default.</param>
internal sealed record OlderRun(
    string Starts, string Model, double? DeviceGiB, string Engine, bool Failed = false, int Context = 2048,
    int? BatchedTokens = null)
{
    public static readonly IReadOnlyList<OlderRun> All =
    [
        new("Llama-2-7B", "meta-llama/Llama-2-7b-hf", 79.15, "vllm@0.2.6", Context: 4096),
        new("Llama-2-70B", "meta-llama/Llama-2-70b-hf", 79.15, "vllm@0.2.6", Context: 4096),
        new("Qwen/Qwen3-235B-A22B-FP8", "Qwen/Qwen3-235B-A22B-FP8", 79.19, "vllm@0.9.2"),
        new("Qwen2.5-32B-Instruct", "Qwen/Qwen2.5-32B-Instruct", null, "vllm@0.7.3"),
        new("DeepSeek-R1-Distill-Qwen-32B", "Qwen/Qwen2.5-32B-Instruct", null, "vllm@0.7.2"),
        new("deepseek-ai/DeepSeek-R1", "deepseek-ai/DeepSeek-R1", null, "vllm@0.7.2"),
        new("openai/gpt-oss-120b", "openai/gpt-oss-120b", 79.19, "vllm@0.11.0", Failed: true, Context: 0, BatchedTokens: 1024),
        new("Qwen3-30B-A3B", "Qwen/Qwen3-30B-A3B", null, "vllm@0.8.5"),
        new("DeepSeek-R1-Distill-Qwen-14B", "deepseek-ai/DeepSeek-R1-Distill-Qwen-14B", null, "vllm@0.7.3", Failed: true),
        new("(deepseek 70b)", "meta-llama/Llama-3.1-70B", null, "vllm@0.8.4", Failed: true),
        new("Qwen3-4B", "Qwen/Qwen3-4B", null, "vllm@0.8.5"),
    ];

    public static OlderRun? Of(CsvRow row) =>
        All.FirstOrDefault(run => row.Text("model").StartsWith(run.Starts, StringComparison.Ordinal));

    /// <summary>The variant of a row; null where no memory of the device or fraction is known.</summary>
    public ServingVariant? Variant(CsvRow row)
    {
        if ((row.Number("total_gpu_gib") ?? DeviceGiB) is not { } memory) return null;
        var named = row.Text("engine").StartsWith("SGLang", StringComparison.Ordinal) ? "sglang" : Engine;
        if (!ServingEngine.TryParse(named, out var engine)) throw new InvalidDataException($"'{named}' is no engine");
        return new ServingVariant
        {
            Device = new Accelerator
            {
                Name = row.Text("gpu").StartsWith("A100", StringComparison.Ordinal) ? "a100-80gb" : "logged",
                Vendor = "nvidia",
                Memory = Bytes.GiB(memory),
                Source = "the quoted log",
            },
            TensorParallel = row.Int("tp"),
            PipelineParallel = row.Int("pp"),
            Context = row.Number("max_model_len") is { } length ? (long)length : Context,
            MemoryFraction = named == "sglang" ? 0.93 : row.Number("gpu_mem_util"),
            MaxBatchedTokens = BatchedTokens,
            Engine = engine,
        };
    }
}
