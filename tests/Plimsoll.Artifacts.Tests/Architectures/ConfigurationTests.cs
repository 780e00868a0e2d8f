using System.Text;
using CsCheck;

namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Configurations from strangers: what is refused, and in which words.</summary>
public sealed class ConfigurationTests
{
    private const string Small = """
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":64,"intermediate_size":128,
         "num_attention_heads":4,"num_hidden_layers":2,"vocab_size":100,"torch_dtype":"bfloat16"}
        """;

    [Theory]
    [InlineData("\"hidden_size\":64", "\"hidden_size\":-1", "config.json: hidden_size is -1; expected a whole number from 0 to 268435456.")]
    [InlineData("\"hidden_size\":64", "\"hidden_size\":1e300", "config.json: hidden_size is 1e300; expected a whole number of at most 268435456.")]
    [InlineData("\"hidden_size\":64", "\"hidden_size\":4611686018427387904", "config.json: hidden_size is 4611686018427387904; expected a whole number from 0 to 268435456.")]
    [InlineData("\"hidden_size\":64", "\"hidden_size\":\"64\"", "config.json: hidden_size is \"64\"; expected a whole number.")]
    [InlineData("\"hidden_size\":64", "\"hidden_size\":63", "config.json: hidden_size is 63; expected a multiple of num_attention_heads (4), or a head_dim beside it.")]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":1000000", "config.json: num_hidden_layers is 1000000; expected at most 4096.")]
    [InlineData("\"num_hidden_layers\":2", "\"num_hidden_layers\":0", "config.json: num_hidden_layers is 0; it must be above 0.")]
    [InlineData("\"num_attention_heads\":4", "\"num_attention_heads\":0", "config.json has no num_attention_heads above 0, which its architecture needs.")]
    [InlineData("\"vocab_size\":100,", "", "config.json has no vocab_size, which its architecture needs.")]
    [InlineData("\"vocab_size\":100", "\"vocab_size\":100,\"layer_types\":[\"full_attention\"]", "config.json: layer_types is 1 entries; expected one for each of 2 layers.")]
    [InlineData("\"vocab_size\":100", "\"vocab_size\":100,\"quantization_config\":{\"quant_method\":\"new\"}", "config.json: quantization_config.quant_method is new; known are fp8, fbgemm_fp8, compressed-tensors, gptq, awq, bitsandbytes, mxfp4 and modelopt.")]
    [InlineData("\"vocab_size\":100", "\"vocab_size\":100,\"quantization_config\":{\"quant_method\":\"gptq\",\"bits\":5}", "config.json: quantization_config.bits is 5; expected 2, 3, 4 or 8.")]
    public void A_field_that_cannot_be_is_named(string field, string instead, string message)
    {
        var config = Small.Replace(field, instead, StringComparison.Ordinal);
        Assert.NotEqual(Small, config);
        Assert.Equal(message, Assert.Throws<ArtifactException>(() => Weighing.Model(config)).Message);
    }

    [Fact]
    public void Sizes_whose_product_is_beyond_any_disk_are_refused()
    {
        var config = """
            {"model_type":"mixtral","hidden_size":268435456,"intermediate_size":268435456,"num_attention_heads":1,
             "num_hidden_layers":4096,"num_local_experts":65536,"num_experts_per_tok":1,"vocab_size":268435456}
            """;
        Assert.Equal("model describes more than 32.0 PiB, which no model has: a size in its header or config.json is wrong.", Assert.Throws<ArtifactException>(() => Weighing.Model(config)).Message);
    }

    [Fact]
    public void An_architecture_that_is_not_known_is_estimated_from_the_usual_fields_and_says_so()
    {
        var known = Weighing.Model(Small);
        var unknown = Weighing.Model(Small.Replace("LlamaForCausalLM", "NewForCausalLM", StringComparison.Ordinal).Replace("\"llama\"", "\"new\"", StringComparison.Ordinal));
        Assert.Equal(known.Parameters, unknown.Parameters);
        Assert.True(unknown.Estimated);
        Assert.All(unknown.Provenance, one => Assert.Equal(Certainty.Assumed, one.Certainty));
        var refused = Assert.Throws<ArtifactException>(() => Weighing.Model("""{"architectures":["NewForCausalLM"],"hidden_size":64}"""));
        Assert.Equal("config.json names NewForCausalLM as its architecture, which is not known, and lacks num_hidden_layers, num_attention_heads, intermediate_size, vocab_size to estimate it from.", refused.Message);
    }

    [Fact]
    public void A_width_that_differs_by_layer_is_taken_to_be_the_widest()
    {
        var widest = Weighing.Model(Small.Replace("\"intermediate_size\":128", "\"intermediate_size\":[64,128]", StringComparison.Ordinal));
        Assert.Equal(Weighing.Model(Small).Parameters, widest.Parameters);
    }

    // What neither reads a cache nor writes text, by the end of its class or the begin of its type.
    [Theory]
    [InlineData("NewForMaskedLM", "new", ModelTask.Embed)]
    [InlineData("NewForPreTraining", "new", ModelTask.Embed)]
    [InlineData("NewForCTC", "new", ModelTask.Transcribe)]
    [InlineData("NewTextModelWithProjection", "clip_text_model", ModelTask.Embed)]
    [InlineData("NewVision", "siglip3_vision_model", ModelTask.Embed)]
    public void An_encoder_that_is_not_known_is_not_taken_for_a_generator(string name, string type, ModelTask task)
    {
        var footprint = Architecture.FootprintOf(Weighing.Config(Small.Replace("LlamaForCausalLM", name, StringComparison.Ordinal).Replace("\"llama\"", $"\"{type}\"", StringComparison.Ordinal)), "d");
        Assert.Equal((0, task), (footprint.KvPerToken.Value, footprint.Shape!.Task));
        Assert.Equal(CacheKind.None, Assert.Single(footprint.Shape.Layers).Cache.Kind);
    }

    [Fact]
    public void A_hybrid_that_is_not_known_keeps_keys_and_values_where_its_layers_attend_alone()
    {
        // Granite 4.0-H in small: a layer of attention beside states, whose size nothing says.
        var weighed = Weighing.Model(Small.Replace("\"model_type\":\"llama\"", "\"model_type\":\"granitemoehybrid\",\"num_key_value_heads\":2,\"layer_types\":[\"mamba\",\"attention\"]", StringComparison.Ordinal)
            .Replace("LlamaForCausalLM", "GraniteMoeHybridForCausalLM", StringComparison.Ordinal));
        // 2 × 2 × 16.
        Assert.Equal([(CacheKind.None, 0), (CacheKind.KeyValue, 64)], weighed.Shape!.Layers.Select(run => (run.Cache.Kind, (int)run.Cache.ElementsPerToken)));
        Assert.Contains("1 of 2 layers ('mamba') are no attention: what they keep of a sequence is not counted.", weighed.Notes);
        var linear = Weighing.Model(Small.Replace("LlamaForCausalLM", "NewForCausalLM", StringComparison.Ordinal)
            .Replace("\"model_type\":\"llama\"", "\"model_type\":\"new\",\"layer_types\":[\"linear_attention\",\"full_attention\"]", StringComparison.Ordinal));
        Assert.Equal([CacheKind.None, CacheKind.KeyValue], linear.Shape!.Layers.Select(run => run.Cache.Kind));
    }

    // DeepSeek-OCR's text part: 12 layers × 10 heads × 2 × 128 elements, and no latent.
    [Theory]
    [InlineData("\"kv_lora_rank\":null,\"q_lora_rank\":null,\"qk_nope_head_dim\":0,\"qk_rope_head_dim\":0,\"use_mla\":false,\"v_head_dim\":0", 30_720)]
    [InlineData("\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"use_mla\":false,\"v_head_dim\":128", 30_720)]
    [InlineData("\"kv_lora_rank\":512,\"qk_nope_head_dim\":128,\"qk_rope_head_dim\":64,\"v_head_dim\":128", 12 * 576)]
    public void DeepSeeks_layers_without_a_latent_attend_as_usual(string attention, long elements)
    {
        var weighed = Weighing.Model($$"""
            {"architectures":["DeepseekV2ForCausalLM"],{{attention}},"first_k_dense_replace":1,"hidden_size":1280,"intermediate_size":6848,"moe_intermediate_size":896,
             "n_routed_experts":64,"n_shared_experts":2,"num_attention_heads":10,"num_experts_per_tok":6,"num_hidden_layers":12,"num_key_value_heads":10,"vocab_size":129280}
            """);
        Assert.Equal(elements, weighed.Shape!.Layers.Sum(run => run.Count * run.Cache.ElementsPerToken));
        if (elements == 30_720)
        {
            // 2 × 165,478,400; 4 × 1,638,400 and 2 × 1280 each layer; 26,296,320 once; 64 × 3,440,640 + 6,881,280 + 81,920 eleven times; 1280.
            Assert.Equal(2_934_734_080, weighed.Parameters);
        }
    }

    [Fact]
    public void Infinity_and_nan_as_python_writes_them_are_read_as_nothing()
    {
        var config = Small.Replace("\"vocab_size\":100", "\"vocab_size\":100,\"time_step_limit\":[0.0,Infinity],\"x\":-Infinity,\"y\":NaN,\"name\":\"NaN and Infinity\"", StringComparison.Ordinal);
        Assert.Equal(Weighing.Model(Small).Parameters, Weighing.Model(config).Parameters);
    }

    [Fact]
    public void A_configuration_deeper_than_any_is_refused()
    {
        var deep = new StringBuilder("{\"a\":").Insert(0, "", 0).Append('[', 200_000).Append(']', 200_000).Append('}').ToString();
        Assert.StartsWith("config.json is no configuration", Assert.Throws<ArtifactException>(() => Weighing.Model(deep)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_module_pattern_that_would_take_forever_is_matched_in_linear_time_or_refused()
    {
        var quantized = Small.Replace("\"vocab_size\":100", """
            "vocab_size":100,"quantization_config":{"quant_method":"compressed-tensors","format":"int-quantized","ignore":["re:(a+)+$","*a*a*a*a*a*a*a*a*b"],
            "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"int","strategy":"channel"}}}}
            """, StringComparison.Ordinal);
        Assert.Equal("int8", Weighing.Model(quantized).Shape!.Quantization);
        var behind = quantized.Replace("re:(a+)+$", "re:(a)\\\\1", StringComparison.Ordinal);
        Assert.StartsWith("config.json has the module pattern re:(a)\\1, which cannot be matched", Assert.Throws<ArtifactException>(() => Weighing.Model(behind)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_changed_anywhere_weighs_or_is_refused_in_words()
    {
        var configs = Directory.EnumerateFiles(PublicData.Configurations, "*.json").Order(StringComparer.Ordinal).Select(File.ReadAllText).ToArray();
        var replacements = new[] { "", "0", "-1", "null", "true", "\"x\"", "[]", "{}", "9223372036854775808", "1e-9", "[[1,2],[3]]", "{\"a\":{\"b\":[1]}}" };
        Gen.Select(Gen.Int[0, configs.Length - 1], Gen.Double[0, 1], Gen.Int[0, replacements.Length - 1], Gen.Int[0, 12]).Sample((which, where, what, length) =>
        {
            var text = configs[which];
            var at = (int)(where * (text.Length - 1));
            var end = Math.Min(text.Length, at + length);
            // A value in place of another where there is one, else a cut of the text.
            var colon = text.IndexOf(": ", at, StringComparison.Ordinal);
            var comma = colon < 0 ? -1 : text.IndexOfAny([',', '\n'], colon);
            var changed = colon >= 0 && comma > 0 ? text[..(colon + 2)] + replacements[what] + text[comma..] : text[..at] + replacements[what] + text[end..];
            try
            {
                var weighed = Weighing.Model(changed);
                Assert.True(weighed.Parameters >= 0 && weighed.Weights.Value >= 0);
            }
            catch (ArtifactException refused)
            {
                Assert.NotEmpty(refused.Message);
            }
        }, iter: 2000, threads: 1);
    }

    [Fact]
    public void Rows_of_rotary_tables_are_not_positions()
    {
        var shape = Weighing.Model(PublicData.Configuration("deepseek-ai/DeepSeek-V2-Lite-Chat")).Shape!;

        // 4,096 positions × 40; its table is kept in float32 and counts twice.
        Assert.Equal((163_840L, 327_680L), (shape.PositionsMax, shape.RotaryRows));
    }
}
