namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Bytes of quantised weights, by hand: two layers, hidden 256, one gated part of 512, 4 heads of 64, vocabulary 1000.</summary>
public sealed class QuantizationTests
{
    // 1000 × 256 twice, 2 × (4 × 256 × 256 + 3 × 512 × 256 + 2 × 256), 256.
    private const long Parameters = 1_824_000;

    // Linear layers of both: 2 × 655,360.
    private const long Linear = 1_310_720;

    private const long OthersBytes = (Parameters - Linear) * 2;

    [Fact]
    public void Without_a_word_about_it_nothing_is_quantised() => Weighs("", Parameters * 2, null);

    // A float32 scale for each of 14 matrices.
    [Fact]
    public void Float8_by_matrix() => Weighs("""{"quant_method":"fp8"}""", OthersBytes + Linear + (14 * 4), "fp8");

    // Blocks of 128 × 128: 4 matrices of 2 × 2 and 3 of 4 × 2 or 2 × 4 a layer, four bytes each.
    [Fact]
    public void Float8_by_block() => Weighs("""{"quant_method":"fp8","weight_block_size":[128,128]}""", OthersBytes + Linear + (2 * 40 * 4), "fp8");

    // One float32 scale a row: 4 × 256 + 2 × 512 + 256 rows a layer.
    [Fact]
    public void Float8_by_row_as_fbgemm_writes_it() => Weighs("""{"quant_method":"fbgemm_fp8","activation_scale_ub":1200.0,"modules_to_not_convert":["lm_head"]}""",
        OthersBytes + Linear + (2 * 2304 * 4), "fp8");

    [Fact]
    public void With_the_tensors_at_hand_a_method_nobody_knows_costs_nothing_but_a_note()
    {
        var weighed = Architecture.Weigh(Weighing.Config(Config("""{"quant_method":"hqq"}""")) with
        {
            Tensors = [new StoredTensor("model.embed_tokens.weight", "bfloat16", [1000, 256], 512_000)],
        });
        Assert.Equal(512_000, weighed.Weights.Value);
        // Keys and values of 4 heads of 64.
        Assert.Equal(512, weighed.Shape!.Layers[0].Cache.ElementsPerToken);
        Assert.Contains(weighed.Notes, note => note.Contains("quant_method is hqq", StringComparison.Ordinal));
    }

    // One bfloat16 scale a row: 4 × 256 + 2 × 512 + 256 rows a layer.
    [Fact]
    public void Int8_by_row() => Weighs("""
        {"quant_method":"compressed-tensors","format":"int-quantized","ignore":["lm_head"],
         "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":8,"type":"int","strategy":"channel"}}}}
        """, OthersBytes + Linear + (2 * 2304 * 2), "int8");

    // Half a byte a weight, a bfloat16 scale for each 128, 16 bytes of shape for each of 14 matrices.
    [Fact]
    public void Int4_packed() => Weighs("""
        {"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head"],
         "config_groups":{"group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","strategy":"group","group_size":128,"symmetric":true}}}}
        """, OthersBytes + (Linear / 2) + (Linear / 128 * 2) + (14 * 16), "int4");

    // GPTQ: scales at two bytes and zero points at half a byte for each 128, and four bytes for each input's group.
    [Fact]
    public void Gptq() => Weighs("""{"quant_method":"gptq","bits":4,"group_size":128}""",
        OthersBytes + (Linear / 2) + (Linear / 128 * 2) + (Linear / 128 / 2) + (2 * ((6 * 256) + 512) * 4), "gptq");

    [Fact]
    public void Awq() => Weighs("""{"quant_method":"awq","bits":4,"group_size":128}""",
        OthersBytes + (Linear / 2) + (Linear / 128 * 2) + (Linear / 128 / 2), "awq");

    // A float32 maximum for each 64, a table of 16 for each of 14 matrices.
    [Fact]
    public void Bitsandbytes_4_bit() => Weighs("""{"quant_method":"bitsandbytes","load_in_4bit":true,"bnb_4bit_quant_type":"nf4"}""",
        OthersBytes + (Linear / 2) + (Linear / 64 * 4) + (14 * 64), "bitsandbytes");

    [Fact]
    public void Bitsandbytes_8_bit() => Weighs("""{"quant_method":"bitsandbytes","load_in_8bit":true}""",
        OthersBytes + Linear + (2 * 2304 * 4), "bitsandbytes");

    // Half a byte a weight and a byte for each 16; a global and an input scale for each of 14 matrices.
    [Fact]
    public void Nvfp4_beside_the_configuration()
    {
        var weighed = Weighing.Model(Config(""), """{"quantization":{"quant_algo":"NVFP4","group_size":16,"exclude_modules":["lm_head"]}}""");
        Assert.Equal(Parameters, weighed.Parameters);
        Assert.Equal(OthersBytes + (Linear / 2) + (Linear / 16) + (14 * 8), weighed.Weights.Value);
        Assert.Equal("nvfp4", weighed.Shape!.Quantization);
    }

    // Attention left out: 2 × 262,144 weights stay at two bytes; 6 matrices are quantised.
    [Theory]
    [InlineData("model.layers.0.self_attn*\",\"model.layers.1.self_attn*")]
    [InlineData("*.self_attn.*")]
    [InlineData("self_attn")]
    [InlineData("model.layers.*.self_attn")]
    public void Modules_left_out_stay_as_they_are(string left)
    {
        var weighed = Weighing.Model(Config(""), $$$"""{"quantization":{"quant_algo":"FP8","exclude_modules":["lm_head","{{{left}}}"]}}""");
        Assert.Equal(Parameters, weighed.Parameters);
        Assert.Equal(OthersBytes + (524_288 * 2) + 786_432 + (6 * 8), weighed.Weights.Value);
    }

    [Fact]
    public void Layers_named_one_by_one_are_quantised_each_in_its_way()
    {
        var weighed = Weighing.Model(Config(""), """
            {"quantization":{"quant_algo":"MIXED_PRECISION","quantized_layers":{
              "model.layers.0.mlp":{"quant_algo":"FP8"},"model.layers.1.mlp.down_proj":{"quant_algo":"W4A16_NVFP4","group_size":16}}}}
            """);
        // Three matrices of layer 0: 393,216 bytes and 24 of scales. One of layer 1: 65,536, 8,192 and 4.
        Assert.Equal((Parameters * 2) - (393_216 * 2) + 393_216 + 24 - (131_072 * 2) + 65_536 + 8_192 + 4, weighed.Weights.Value);
        Assert.Equal(Parameters, weighed.Parameters);
    }

    [Fact]
    public void Real_packed_tensors_are_unpacked_when_counted()
    {
        // A 256 × 512 matrix in six layouts: 131,072 parameters each, and a norm of 256.
        StoredTensor[] tensors =
        [
            new("model.layers.0.self_attn.q_proj.qweight", "int32", [64, 256], 65_536),
            new("model.layers.0.self_attn.q_proj.scales", "float16", [4, 256], 2_048),
            new("model.layers.0.self_attn.q_proj.g_idx", "int32", [512], 2_048),
            new("model.layers.0.self_attn.k_proj.weight_packed", "int32", [256, 64], 65_536),
            new("model.layers.0.self_attn.k_proj.weight_shape", "int64", [2], 16),
            new("model.layers.0.self_attn.v_proj.weight", "uint8", [256, 256], 65_536),
            new("model.layers.0.self_attn.v_proj.weight_scale", "float8_e4m3fn", [256, 32], 8_192),
            new("model.layers.0.self_attn.v_proj.weight_scale_2", "float32", [], 4),
            new("model.layers.0.self_attn.o_proj.weight", "uint8", [65_536, 1], 65_536),
            new("model.layers.0.self_attn.o_proj.weight.absmax", "float32", [2_048], 8_192),
            new("model.layers.0.self_attn.o_proj.weight.quant_state.bitsandbytes__nf4", "uint8", [80], 80),
            new("model.layers.0.mlp.up_proj.weight", "float8_e4m3fn", [256, 512], 131_072),
            new("model.layers.0.mlp.up_proj.weight_scale_inv", "float32", [2, 4], 32),
            new("model.layers.0.mlp.down_proj.weight", "int8", [256, 512], 131_072),
            new("model.layers.0.mlp.down_proj.SCB", "float32", [256], 1_024),
            new("model.norm.weight", "bfloat16", [256], 512),
        ];
        var weighed = Architecture.Weigh(new ArtifactHeader { Format = ArtifactFormat.Safetensors, Source = "m", Files = [], Tensors = [.. tensors] });
        Assert.Equal((6 * 131_072) + 256, weighed.Parameters);
        Assert.Equal(tensors.Sum(tensor => tensor.Bytes), weighed.Weights.Value);
        Assert.Equal(4 * 131_072, weighed.Components.Single(component => component.Component == "attention").Parameters);
    }

    // The last are read as an engine reads them: a dynamic scheme, another width and an algorithm that is not known are none.
    [Theory]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"dynamic":false,"num_bits":8,"type":"float"}}""", "modelopt")]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_quant_algo":"FP8"}""", "modelopt")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","kv_cache_scheme":{"num_bits":8,"type":"float"},"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":8,"type":"float"}}}}""", "compressed-tensors")]
    [InlineData("""{"quant_method":"compressed-tensors","format":"float-quantized","kv_cache_scheme":null,"config_groups":{"g":{"targets":["Linear"],"weights":{"num_bits":8,"type":"float"}}}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"dynamic":true,"num_bits":8,"type":"float"}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"dynamic":false,"num_bits":4,"type":"float"}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_quant_algo":"fp8"}""", "modelopt")]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"num_bits":8,"type":"float"}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"dynamic":false,"type":"float"}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_scheme":{"dynamic":"no","num_bits":8,"type":7}}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_quant_algo":8}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8","kv_cache_quant_algo":"INT8"}""", null)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8"}""", null)]
    [InlineData("""{"quant_method":"fp8","kv_cache_scheme":"static"}""", null)]
    public void How_keys_and_values_are_kept_is_read_where_it_is_said(string quantization, string? method) =>
        Assert.Equal(method is null ? null : new StatedCache("fp8", method), Weighing.Model(Config(quantization)).Shape!.StatedCache);

    [Fact]
    public void Of_the_two_files_that_say_so_the_configuration_itself_holds()
    {
        const string beside = """{"producer":{"name":"modelopt"},"quantization":{"quant_algo":"FP8","kv_cache_quant_algo":"FP8"}}""";
        StatedCache? Cache(string quantization) => Architecture.Weigh(Weighing.Config(Config(quantization)) with { QuantizationConfig = beside }).Shape!.StatedCache;
        Assert.Equal(new StatedCache("fp8", "modelopt"), Cache(""));
        Assert.Null(Cache("""{"quant_method":"modelopt","quant_algo":"FP8"}"""));
    }

    [Theory]
    [InlineData("""{"quant_method":"fp8","weight_block_size":[128,64]}""", 128, 64)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"FP8_PB_WO"}""", 128, 128)]
    [InlineData("""{"quant_method":"fp8"}""", 0, 0)]
    [InlineData("""{"quant_method":"modelopt","quant_algo":"MXFP8"}""", 0, 0)]
    [InlineData("", 0, 0)]
    public void Blocks_that_share_a_scale_are_told(string quantization, int rows, int inputs) =>
        Assert.Equal(rows == 0 ? null : new WeightBlock(rows, inputs), Weighing.Model(Config(quantization)).Shape!.WeightBlock);

    private static void Weighs(string quantization, long bytes, string? method)
    {
        var weighed = Weighing.Model(Config(quantization));
        Assert.Equal(Parameters, weighed.Parameters);
        Assert.Equal(bytes, weighed.Weights.Value);
        Assert.Equal(bytes, weighed.ByDtype.Sum(weight => weight.Weights.Value));
        Assert.Equal(method, weighed.Shape!.Quantization);
    }

    private static string Config(string quantization) => $$"""
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":256,"intermediate_size":512,"num_attention_heads":4,
         "num_hidden_layers":2,"vocab_size":1000,"torch_dtype":"bfloat16"{{(quantization.Length == 0 ? "" : ",\"quantization_config\":" + quantization)}}}
        """;
}
