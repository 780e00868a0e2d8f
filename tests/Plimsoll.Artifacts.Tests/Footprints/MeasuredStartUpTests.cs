namespace Plimsoll.Artifacts.Tests.Footprints;

/// <summary>
/// From a published configuration to what vLLM 0.19 logged on H100s of 79.19 GiB at a fraction of 0.95: weights in
/// GiB per device, tokens of keys and values. The figures are the logs' own, of llm-d-incubation/llm-d-planner.
/// </summary>
public sealed class MeasuredStartUpTests
{
    private static readonly Accelerator H100 = new()
    {
        Name = "h100-80gb",
        Vendor = "nvidia",
        Memory = Bytes.GiB(79.19),
        Source = "the logs",
    };

    [Theory]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 1, 1, "bfloat16", "auto", 14.99, 476_016)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 1, 1, "bfloat16", "fp8", 14.99, 952_032)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 1, 1, "float32", "auto", 29.98, 175_296)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 4, 1, "bfloat16", "auto", 3.77, 2_209_792)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 1, 4, "bfloat16", "auto", 4.26, 2_257_264)]
    [InlineData("codellama/CodeLlama-7b-hf", 1, 1, "bfloat16", "auto", 12.56, 126_256)]
    [InlineData("microsoft/phi-2", 1, 1, "float16", "auto", 5.19, 226_112)]
    [InlineData("mistralai/Mixtral-8x7B-Instruct-v0.1", 2, 1, "bfloat16", "auto", 43.51, 465_936)]
    [InlineData("deepseek-ai/DeepSeek-V2-Lite-Chat", 1, 1, "bfloat16", "auto", 29.43, 1_505_552)]
    [InlineData("Qwen/Qwen3-30B-A3B", 1, 1, "bfloat16", "auto", 56.88, 168_288)]
    [InlineData("google/gemma-3-12b-it", 1, 1, "bfloat16", "auto", 23.31, 130_304)]
    [InlineData("RedHatAI/Qwen2.5-7B-Instruct-quantized.w8a8", 1, 1, "bfloat16", "auto", 8.14, 1_210_272)]
    public void A_start_up_is_met_within_half_a_percent(
        string model, int tensor, int stages, string dtype, string kv, double weightsGiB, long tokens)
    {
        var report = Fit.Of(FootprintOf(model), new ServingVariant
        {
            Device = H100,
            TensorParallel = tensor,
            PipelineParallel = stages,
            WeightDtype = dtype,
            KvDtype = kv,
            Context = 2048,
            MemoryFraction = 0.95,
        });
        var weights = report.Stages.Max(stage => stage.Weights.Bytes.Value) / (1024.0 * 1024 * 1024);
        Assert.InRange(weights, weightsGiB * 0.995, weightsGiB * 1.005);
        Assert.InRange(report.KvTokens, tokens * 0.995, tokens * 1.005);
        Assert.True(report.Fits, report.Reason);
    }

    [Fact]
    public void Every_published_configuration_is_fitted_on_every_engine_with_finite_terms()
    {
        var folder = PublicData.PathOrSkip("modelconfigs", "huggingface");
        var fitted = 0;
        foreach (var file in Directory.EnumerateFiles(folder, "*_config.json").Order(StringComparer.Ordinal))
        {
            if (file.EndsWith("_hf_quant_config.json", StringComparison.Ordinal)) continue;
            WeighedModel model;
            try
            {
                model = Architectures.Weighing.Model(File.ReadAllText(file));
            }
            catch (ArtifactException)
            {
                continue;
            }

            foreach (var engine in (string[])["vllm@0.19", "vllm@0.7", "sglang", "tgi", "llama.cpp", "triton"])
            {
                foreach (var ranks in (int[])[1, 2, 8]) Finite(Fitted(model, engine, ranks), Path.GetFileName(file));
            }

            fitted++;
        }

        Assert.True(fitted > 50, $"{fitted} configurations were fitted");
    }

    private static void Finite(FitReport report, string name)
    {
        Assert.All(report.Stages, stage =>
        {
            Assert.True(stage.Weights.Bytes.Value > 0, name);
            Assert.True(stage.Kv.Bytes.Value >= 0 && stage.Activation.Bytes.Value >= 0, name);
            Assert.True(stage.Total.Value < 1L << 60, name);
        });
        Assert.Equal(report.Fits, report.Failure is null);
        Assert.NotEmpty(report.Reason);
    }

    private static FitReport Fitted(WeighedModel model, string engine, int ranks)
    {
        Assert.True(ServingEngine.TryParse(engine, out var parsed));
        return Fit.Of(Wrapped(model), new ServingVariant
        {
            Device = H100,
            TensorParallel = ranks,
            Context = 4096,
            Concurrency = 4,
            Engine = parsed,
        });
    }

    private static Footprint FootprintOf(string model) => Wrapped(Architectures.Weighing.Published(model));

    private static Footprint Wrapped(WeighedModel model) => new()
    {
        Format = ArtifactFormat.HuggingFace,
        Source = model.Source,
        Digest = "",
        OnDisk = model.Weights,
        Weights = model.Weights,
        Shape = model.Shape,
    };
}
