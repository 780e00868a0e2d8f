using Plimsoll.Footprints.Memory;

namespace Plimsoll.Prediction.Steps;

/// <summary>Shapes of the models that were measured, by the name and the precision the tables give them.</summary>
internal sealed class PublishedModels(Configurations configurations)
{
    // The tables name a model and a precision; what was served is another repository with those weights. Kimi K2.5's own
    // configuration is not at hand: K2.6 has the same text model; of Kimi's int4 only the routed experts are packed, as
    // in NVIDIA's NVFP4 files. DeepSeek V3 and R1 differ in weights alone.
    private static readonly Dictionary<(string Model, string Precision), string> Served = new()
    {
        [("deepseek-ai/DeepSeek-R1", "fp8")] = "deepseek-ai/DeepSeek-R1",
        [("deepseek-ai/DeepSeek-V3", "fp8")] = "deepseek-ai/DeepSeek-R1",
        [("deepseek-ai/DeepSeek-R1", "fp4")] = "nvidia/DeepSeek-V3.1-NVFP4",
        [("deepseek-ai/DeepSeek-V3", "fp4")] = "nvidia/DeepSeek-V3.1-NVFP4",
        [("nvidia/DeepSeek-R1-NVFP4", "fp4")] = "nvidia/DeepSeek-V3.1-NVFP4",
        [("nvidia/DeepSeek-V3.1-NVFP4", "fp4")] = "nvidia/DeepSeek-V3.1-NVFP4",
        [("MiniMaxAI/MiniMax-M2.5", "fp8")] = "MiniMaxAI/MiniMax-M2.5",
        [("MiniMaxAI/MiniMax-M2.5", "fp4")] = "nvidia/MiniMax-M2.5-NVFP4",
        [("moonshotai/Kimi-K2.5", "fp4")] = "nvidia/Kimi-K2.6-NVFP4",
        [("moonshotai/Kimi-K2.5", "int4")] = "nvidia/Kimi-K2.6-NVFP4",
        [("Qwen/Qwen3-32B", "fp8")] = "Qwen/Qwen3-32B-FP8",
        [("Qwen/Qwen3-32B", "")] = "Qwen/Qwen3-32B-FP8",
        [("Qwen/Qwen3-32B", "fp4")] = "Qwen/Qwen3-32B-FP8",
        [("nvidia/Qwen3-32B-NVFP4", "fp4")] = "Qwen/Qwen3-32B-FP8",
        [("Qwen/Qwen3.5-397B-A17B", "bf16")] = "Qwen/Qwen3.5-397B-A17B",
        [("Qwen/Qwen3.5-397B-A17B", "fp8")] = "Qwen/Qwen3.5-397B-A17B",
        [("Qwen/Qwen3.5-397B-A17B", "fp4")] = "nvidia/Qwen3.5-397B-A17B-NVFP4",
        [("Qwen/Qwen3-235B-A22B-FP8", "fp8")] = "Qwen/Qwen3-235B-A22B-FP8",
        [("meta-llama/Llama-3.1-70B", "fp8")] = "nvidia/Llama-3.1-70B-Instruct-FP8",
        [("meta-llama/Llama-3.1-8B-Instruct", "fp8")] = "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8",
        [("nvidia/Llama-3.1-8B-Instruct-FP8", "fp8")] = "RedHatAI/Meta-Llama-3.1-8B-Instruct-FP8",
        [("zhipuai/GLM-5", "fp8")] = "zai-org/GLM-5-FP8",
        [("openai/gpt-oss-120b", "fp4")] = "openai/gpt-oss-120b",
        [("openai/gpt-oss-120b", "fp8")] = "openai/gpt-oss-120b",
        [("llama2-70b", "")] = "meta-llama/Llama-2-70b-hf",
    };

    /// <summary>
    /// Whether what was served says itself that keys and values are kept in eight bits, as NVIDIA's quantised copies do
    /// (kv_cache_quant_algo, kv_cache_scheme); engines follow that.
    /// </summary>
    public static bool HasNarrowCache(string model, string precision) =>
        (Served.TryGetValue((model, precision), out var name) && name.StartsWith("nvidia/", StringComparison.Ordinal) && precision != "int4")
        || model.StartsWith("nvidia/", StringComparison.Ordinal);

    private readonly Dictionary<(string Model, string Precision), ModelShape?> _shapes = [];

    /// <summary>Null where no configuration of it is at hand.</summary>
    public ModelShape? Find(string model, string precision)
    {
        if (_shapes.TryGetValue((model, precision), out var known)) return known;
        if (model == Bloom.Name) return _shapes[(model, precision)] = Bloom.Shape;
        if (!Served.TryGetValue((model, precision), out var name)) return _shapes[(model, precision)] = null;
        var shape = configurations.Find(name)?.Shape;
        if (shape is not null && precision == "fp8" && shape.Quantization is null) shape = Narrowed(shape, 1, "fp8");
        if (shape is not null && precision is "fp4" && shape.Quantization == "fp8") shape = Narrowed(shape, 0.5625, "nvfp4");
        if (shape is not null && precision.Length == 0 && shape.Quantization == "fp8") shape = Widened(shape);
        if (shape is not null && precision == "int4") shape = shape with { Quantization = "int4" };
        return _shapes[(model, precision)] = shape;
    }

    /// <summary>A quantised copy as it was before: two bytes a parameter.</summary>
    private static ModelShape Widened(ModelShape shape) => shape with
    {
        Quantization = null,
        Layers = [.. shape.Layers.Select(run => run with
        {
            Weights = [.. run.Weights.Select(group => group with { Weights = new Bytes(2 * group.Parameters) })],
        })],
    };

    /// <summary>Every linear layer at so many bytes a parameter: how the quantised copy of a model is made.</summary>
    private static ModelShape Narrowed(ModelShape shape, double bytes, string kind) => shape with
    {
        Quantization = kind,
        Layers = [.. shape.Layers.Select(run => run with
        {
            Weights = [.. run.Weights.Select(group => group.Component is "attention" or "mlp" or "experts" or "shared experts"
                ? group with { Weights = Bytes.Estimate(Math.Min(group.Weights.Value, group.Parameters * bytes)) } : group)],
        })],
    };
}
