using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Plimsoll.Artifacts.Tests.Architectures;

public sealed class PublishedCountTests
{
    /// <summary>Parameters as the publishers' model pages count them, from the configurations in the repository.</summary>
    [Theory]
    [InlineData("codellama/CodeLlama-7b-hf", 6_738_546_688)]
    [InlineData("deepseek-ai/DeepSeek-V2-Lite-Chat", 15_706_484_224)]
    [InlineData("google/gemma-2-2b-it", 2_614_341_888)]
    [InlineData("google/gemma-2-27b-it", 27_227_128_320)]
    [InlineData("google/gemma-3-4b-it", 4_300_079_472)]
    [InlineData("google/gemma-3-12b-it", 12_187_325_040)]
    [InlineData("google/gemma-3-27b-it", 27_432_406_640)]
    [InlineData("ibm-granite/granite-3.1-2b-instruct", 2_533_531_648)]
    [InlineData("ibm-granite/granite-3.1-8b-instruct", 8_170_848_256)]
    [InlineData("ibm-granite/granite-3.3-8b-instruct", 8_170_864_640)]
    [InlineData("ibm-granite/granite-vision-3.3-2b", 2_975_396_928)]
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 8_030_261_248)]
    [InlineData("meta-llama/Llama-3.1-405B", 405_853_388_800)]
    [InlineData("meta-llama/Llama-4-Scout-17B-16E-Instruct", 108_641_793_536)]
    [InlineData("microsoft/phi-2", 2_779_683_840)]
    [InlineData("microsoft/phi-1_5", 1_418_270_720)]
    [InlineData("mistralai/Mistral-Small-3.1-24B-Instruct-2503", 24_011_361_280)]
    [InlineData("mistralai/Mixtral-8x7B-Instruct-v0.1", 46_702_792_704)]
    [InlineData("openai/gpt-oss-20b", 20_914_757_184)]
    [InlineData("Qwen/Qwen1.5-MoE-A2.7B", 14_315_784_192)]
    [InlineData("Qwen/Qwen2.5-72B-Instruct", 72_706_203_648)]
    [InlineData("Qwen/Qwen3-30B-A3B", 30_532_122_624)]
    [InlineData("Qwen/Qwen3-8B", 8_190_735_360)]
    [InlineData("RedHatAI/Meta-Llama-3.1-8B-Instruct-quantized.w4a16", 8_030_261_248)]
    [InlineData("RedHatAI/Qwen2.5-7B-Instruct-fp8-dynamic", 7_615_616_512)]
    [InlineData("tiiuae/falcon-40b", 41_303_293_952)]
    public void A_published_configuration_gives_the_published_count(string model, long parameters) =>
        Assert.Equal(parameters, Weighing.Published(model).Parameters);

    [Fact]
    public void Every_official_count_of_the_table_is_met_to_the_last_one()
    {
        var rows = Table(PublicData.PathOrSkip("modelconfigs", "model_configs.csv"));
        var folder = PublicData.PathOrSkip("modelconfigs", "huggingface");
        var official = rows.Where(row => row["params_official"].Length > 0).ToList();
        Assert.Equal(23, official.Count);
        Assert.All(official, row =>
        {
            var file = Path.Combine(folder, row["model"].Replace("/", "--", StringComparison.Ordinal) + "_config.json");
            var config = File.Exists(file) ? File.ReadAllText(file) : FromColumns(row);
            var counted = Weighing.Model(config).Parameters;
            Assert.True(Count(row["params_official"]) == counted, $"{row["model"]}: {counted} counted, {row["params_official"]} published");
        });
    }

    [Fact]
    public void The_rows_without_an_official_count_are_berts_and_mixtral_8x22Bs()
    {
        var rows = Table(PublicData.PathOrSkip("modelconfigs", "model_configs.csv"));
        Assert.Equal(["BertModel", "MixtralForCausalLM"],
            rows.Where(row => row["params_official"].Length == 0).Select(row => row["architecture"]).Order(StringComparer.Ordinal));
        var bert = rows.Single(row => row["architecture"] == "BertModel");
        // 30,522 × 768 + 512 × 768 + 2 × 768 + 1,536 of embeddings; 12 × 7,087,872 of layers; 590,592 of pooler.
        Assert.Equal(109_482_240, Weighing.Model(FromColumns(bert)).Parameters);
    }

    internal static List<Dictionary<string, string>> Table(string path)
    {
        var lines = File.ReadAllLines(path);
        var names = lines[0].Split(',');
        return [.. lines.Skip(1).Select(line => names.Zip(line.Split(',')).ToDictionary(pair => pair.First, pair => pair.Second))];
    }

    private static string FromColumns(Dictionary<string, string> row)
    {
        var config = new JsonObject { ["architectures"] = new JsonArray(row["architecture"]) };
        foreach (var (column, field) in new[]
        {
            ("layers", "num_hidden_layers"), ("hidden", "hidden_size"), ("heads", "num_attention_heads"), ("kv_heads", "num_key_value_heads"),
            ("head_dim", "head_dim"), ("intermediate", "intermediate_size"), ("vocab", "vocab_size"), ("experts", "num_local_experts"),
            ("experts_per_tok", "num_experts_per_tok"), ("moe_intermediate", "moe_intermediate_size"), ("kv_lora_rank", "kv_lora_rank"),
            ("qk_rope_head_dim", "qk_rope_head_dim"), ("q_lora_rank", "q_lora_rank"), ("max_position", "max_position_embeddings"),
        })
        {
            if (row[column].Length > 0)
                config[field] = Count(row[column]);
        }

        if (row["tie_embeddings"].Length > 0)
            config["tie_word_embeddings"] = row["tie_embeddings"] == "True";
        if (row["dtype"].Length > 0)
            config["torch_dtype"] = row["dtype"];
        return config.ToJsonString(new JsonSerializerOptions());
    }

    private static long Count(string text) => long.Parse(text, CultureInfo.InvariantCulture);
}
