namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Words that hold weights of several widths, and what is not packed at all: two layers, hidden 256, one gated part of
/// 512, 4 heads of 64, vocabulary 1000.</summary>
public sealed class PackedBitsTests
{
    private const long Parameters = 1_824_000;

    // Embedding, head and norms at two bytes.
    private const long OthersBytes = 2 * (Parameters - 1_310_720);

    private const string Mixed = """
        {"quant_method":"compressed-tensors","format":"pack-quantized","ignore":["lm_head"],"config_groups":{
          "group_0":{"targets":["Linear"],"weights":{"num_bits":4,"type":"int","strategy":"group","group_size":128,"symmetric":true}},
          "group_1":{"targets":["re:.*mlp.*"],"weights":{"num_bits":8,"type":"int","strategy":"group","group_size":128,"symmetric":true}}}}
        """;

    // Attention, 524,288 weights, at half a byte, the feed-forward parts, 786,432, at a byte; scales and 14 shapes.
    [Fact]
    public void Groups_of_other_bits_are_counted_each_by_its_own()
    {
        var weighed = Weighing.Model(Config(Mixed));

        Assert.Equal(Parameters, weighed.Parameters);
        Assert.Equal(OthersBytes + 262_144 + 786_432 + (1_310_720 / 128 * 2) + (14 * 16), weighed.Weights.Value);
    }

    // Two matrices of 256 × 512 in words of eight weights and of four.
    [Fact]
    public void Tensors_of_such_a_file_are_unpacked_by_their_groups()
    {
        var header = Weighing.Config(Config(Mixed)) with
        {
            Tensors =
            [
                new StoredTensor("model.layers.0.self_attn.q_proj.weight_packed", "int32", [256, 64], 65_536),
                new StoredTensor("model.layers.0.mlp.up_proj.weight_packed", "int32", [256, 128], 131_072),
            ],
        };

        Assert.Equal(2 * 131_072, Architecture.Weigh(header).Parameters);
    }

    // 512 inputs and 256 outputs at eight, four and three bits: the zero points' columns beside the scales' tell.
    [Theory]
    [InlineData(128, 64)]
    [InlineData(64, 32)]
    [InlineData(48, 24)]
    public void Zero_points_tell_how_gptqs_words_are_packed(long rows, long zeros)
    {
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.Safetensors,
            Source = "m",
            Files = [],
            Tensors =
            [
                new StoredTensor("model.layers.0.mlp.up_proj.qweight", "int32", [rows, 256], rows * 1024),
                new StoredTensor("model.layers.0.mlp.up_proj.qzeros", "int32", [4, zeros], zeros * 16),
                new StoredTensor("model.layers.0.mlp.up_proj.scales", "float16", [4, 256], 2048),
                new StoredTensor("model.layers.0.mlp.down_proj.qweight", "int32", [64, 256], 65_536),
            ],
        });

        Assert.Equal(2 * 131_072, weighed.Parameters);
    }

    // Attention is left out: 524,288 weights at two bytes. Gate and up, 524,288, at half a byte with a scale and a zero point for
    // each 128 and four bytes for each input; down, 262,144, at a byte with them for each 64.
    [Fact]
    public void Exceptions_of_gptq_are_left_out_or_have_bits_of_their_own()
    {
        var weighed = Weighing.Model(Config("""
            {"quant_method":"gptq","bits":4,"group_size":128,"dynamic":{"-:.*self_attn.*":{},"+:.*down_proj":{"bits":8,"group_size":64}}}
            """));

        Assert.Equal(Parameters, weighed.Parameters);
        Assert.Equal(OthersBytes + 1_048_576 + 262_144 + 8_192 + 2_048 + 4_096 + 262_144 + 8_192 + 4_096 + 4_096, weighed.Weights.Value);
    }

    // Qwen/Qwen2-VL-2B-Instruct-GPTQ-Int4 says nothing of its tower, which is not packed (vLLM pull request 10169);
    // Qwen/Qwen2.5-VL-7B-Instruct-AWQ names it. The tower is 290,240 parameters: patches 75,264, two blocks of 41,664, a merger of 131,648.
    [Theory]
    [InlineData("""{"quant_method":"gptq","bits":4,"group_size":128}""", 416_768)]
    [InlineData("""{"quant_method":"awq","bits":4,"group_size":128}""", 408_576)]
    [InlineData("""{"quant_method":"awq","bits":4,"group_size":128,"modules_to_not_convert":["visual"]}""", 408_576)]
    public void A_tower_of_images_is_not_packed_with_the_texts_layers(string quantization, long feedForwardBytes)
    {
        var weighed = Weighing.Model($$"""
            {"architectures":["Qwen2_5_VLForConditionalGeneration"],"model_type":"qwen2_5_vl","hidden_size":256,"intermediate_size":512,
             "num_attention_heads":4,"num_hidden_layers":2,"vocab_size":1000,"torch_dtype":"float16","quantization_config":{{quantization}},
             "vision_config":{"depth":2,"hidden_size":64,"intermediate_size":128,"out_hidden_size":256,"patch_size":14,"spatial_merge_size":2,
              "temporal_patch_size":2,"in_chans":3} }
            """);

        var vision = weighed.Components.Single(component => component.Component == "vision");
        Assert.Equal((290_240, 580_480), (vision.Parameters, vision.Weights.Value));
        Assert.Equal(feedForwardBytes, weighed.Components.Single(component => component.Component == "mlp").Weights.Value);
    }

    private static string Config(string quantization) => $$"""
        {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":256,"intermediate_size":512,"num_attention_heads":4,
         "num_hidden_layers":2,"vocab_size":1000,"torch_dtype":"bfloat16","quantization_config":{{quantization}} }
        """;
}
