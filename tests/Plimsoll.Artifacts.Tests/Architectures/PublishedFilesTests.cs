namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Every published configuration at hand is read, or refused with a reason.</summary>
public sealed class PublishedFilesTests
{
    [Fact]
    public void Every_configuration_is_read_and_every_list_of_quantised_layers_with_its_own()
    {
        var folder = PublicData.PathOrSkip("modelconfigs", "huggingface");
        var files = Directory.EnumerateFiles(folder, "*_config.json").Where(file => !file.EndsWith("_hf_quant_config.json", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal).ToList();
        Assert.True(files.Count >= 73, $"{files.Count} files");
        Assert.All(files, file =>
        {
            var beside = file.Replace("_config.json", "_hf_quant_config.json", StringComparison.Ordinal);
            var weighed = Weighing.Model(File.ReadAllText(file), File.Exists(beside) ? File.ReadAllText(beside) : null);
            Assert.False(weighed.Estimated, Path.GetFileName(file));
            Assert.Equal(weighed.Weights.Value, weighed.Components.Sum(component => component.Weights.Value));
            Assert.Equal(weighed.Weights.Value, weighed.ByDtype.Sum(weight => weight.Weights.Value));
            Assert.Equal(weighed.Weights.Value, Groups(weighed.Shape!).Sum());
            Assert.DoesNotContain(weighed.Components, component => component.Component == "other" && component.Parameters > weighed.Parameters / 100);
        });
    }

    /// <summary>Billions as their publishers give them, of models whose quantised forms count the same.</summary>
    [Theory]
    [InlineData("deepseek-ai--DeepSeek-R1", 671.03, 37.6)]
    [InlineData("nvidia--DeepSeek-V3.1-NVFP4", 671.03, 37.6)]
    [InlineData("Qwen--Qwen3-235B-A22B-FP8", 235.09, 22.2)]
    [InlineData("openai--gpt-oss-120b", 116.83, 5.7)]
    [InlineData("Qwen--Qwen3-Next-80B-A3B-Thinking", 79.67, 3.9)]
    [InlineData("meta-llama--Llama-4-Scout-17B-16E-Instruct", 108.64, 17.2)]
    [InlineData("meta-llama--Llama-4-Maverick-17B-128E-Instruct", 401.58, 17.2)]
    [InlineData("nvidia--Llama-3.1-70B-Instruct-FP8", 70.55, 70.6)]
    [InlineData("mistralai--Mixtral-8x22B-v0.1", 140.62, 39.2)]
    [InlineData("nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-NVFP4", 31.58, 3.6)]
    [InlineData("nvidia--NVIDIA-Nemotron-3-Super-120B-A12B-FP8", 120.67, 12.8)]
    [InlineData("nvidia--Llama-3_3-Nemotron-Super-49B-v1", 49.87, 49.9)]
    [InlineData("zai-org--GLM-5-FP8", 743.91, 41.8)]
    [InlineData("moonshotai--Kimi-K3", 2779.9, 105.4)]
    [InlineData("XiaomiMiMo--MiMo-V2-Flash", 308.78, 15.4)]
    [InlineData("MiniMaxAI--MiniMax-M2.5", 228.69, 11.0)]
    [InlineData("google--gemma-4-26B-A4B", 25.81, 3.8)]
    public void Published_totals_come_out(string model, double billions, double active)
    {
        var file = PublicData.PathOrSkip("modelconfigs", "huggingface", model + "_config.json");
        var beside = file.Replace("_config.json", "_hf_quant_config.json", StringComparison.Ordinal);
        var weighed = Weighing.Model(File.ReadAllText(file), File.Exists(beside) ? File.ReadAllText(beside) : null);
        Assert.InRange(weighed.Parameters / 1e9, billions - 0.0501, billions + 0.0501);
        Assert.InRange(weighed.ActiveParameters / 1e9, active - 0.0501, active + 0.0501);
    }

    [Fact]
    public void Quantised_weights_have_the_size_their_publishers_report()
    {
        // gpt-oss-120b's checkpoint of 60.8 GiB (arXiv:2508.10925, table 1); DeepSeek-R1's 688.6 GB of shards, with its predictor.
        Assert.Equal(60.8, Weights("openai--gpt-oss-120b") / (1L << 30), 0.05);
        Assert.Equal(688.6, Weights("deepseek-ai--DeepSeek-R1") / 1e9, 0.1);
    }

    private static double Weights(string model) =>
        Weighing.Model(File.ReadAllText(PublicData.PathOrSkip("modelconfigs", "huggingface", model + "_config.json"))).Weights.Value;

    private static IEnumerable<long> Groups(ModelShape shape) =>
    [
        .. shape.Before.Concat(shape.After).Concat(shape.NotServed).Select(group => group.Weights.Value),
        .. shape.Layers.SelectMany(run => run.Weights.Select(group => group.Weights.Value * run.Count)),
    ];
}
