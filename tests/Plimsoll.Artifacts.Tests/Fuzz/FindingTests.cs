using System.Collections.Immutable;

namespace Plimsoll.Artifacts.Tests;

/// <summary>What fuzzing the whole of weighing found, each by name.</summary>
public sealed class FindingTests
{
    private static ArtifactHeader Header(string config, params StoredTensor[] tensors) => new()
    {
        Format = ArtifactFormat.HuggingFace,
        Source = "model",
        Files = [new ModelFile("model/model.safetensors", 4096)],
        Tensors = [.. tensors],
        Config = config,
    };

    private static StoredTensor Tensor(string name, params ImmutableArray<long> shape) => new(name, "bfloat16", shape, 2 * shape.Aggregate(1L, (product, size) => product * size));

    [Fact]
    public void A_fused_projection_beside_attention_of_no_width_is_weighed_whole()
    {
        var config = """
            {"model_type":"gemma4_text","hidden_size":64,"vocab_size":256,"num_hidden_layers":1,"num_attention_heads":4,"head_dim":16,"intermediate_size":128,
             "global_head_dim":0,"layer_types":["full_attention"]}
            """;
        var footprint = Architecture.FootprintOf(Header(config, Tensor("model.layers.0.self_attn.qkv_proj.weight", 96, 64)), "");
        Assert.Equal(12_288, footprint.Components.Single(part => part.Component == "attention").Weights.Value);
    }

    [Fact]
    public void A_cache_larger_than_any_model_keeps_is_refused_though_the_weights_are_small()
    {
        var config = """
            {"model_type":"llama","hidden_size":64,"vocab_size":256,"num_hidden_layers":64,"num_attention_heads":4,"num_key_value_heads":268435456,"head_dim":268435456,"intermediate_size":128}
            """;
        var wrong = Assert.Throws<ArtifactException>(() => Architecture.FootprintOf(Header(config, Tensor("model.norm.weight", 64)), ""));
        Assert.Equal("model describes more than 32.0 PiB, which no model has: a size in its header or config.json is wrong.", wrong.Message);
    }

    [Fact]
    public void A_decoder_of_no_layers_loses_no_weights()
    {
        var config = """{"model_type":"t5","d_model":64,"vocab_size":256,"num_heads":4,"d_kv":16,"d_ff":128,"num_layers":2,"num_decoder_layers":0}""";
        var footprint = Architecture.FootprintOf(Header(config, Tensor("decoder.block.0.layer.0.SelfAttention.q.weight", 64, 64)), "");
        Assert.Null(footprint.Shape);
        Assert.Equal(8192, footprint.Weights.Value);
    }

    [Fact]
    public void Files_of_more_bytes_than_a_number_counts_are_refused()
    {
        var header = Header("""{"model_type":"x"}""", Tensor("a", 4)) with { Files = [new ModelFile("a", long.MaxValue), new ModelFile("b", long.MaxValue)] };
        Assert.Contains("more than 32.0 PiB", Assert.Throws<ArtifactException>(() => Architecture.FootprintOf(header, "")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("model.layers.7.mlp.experts.12.up_proj.weight", 7, "experts")]
    [InlineData("model.layers.7.mlp.experts.1234567.up_proj.weight", 7, "experts")]
    [InlineData("blocks.3.layers.999999.attn.x", 3, "attention")]
    [InlineData("0.layers.1.mlp.fc1.weight", 1, "mlp")]
    public void A_tensor_is_placed_in_its_own_layer_whichever_of_its_like_came_before(string name, int layer, string component)
    {
        var places = new TensorPlaces(encoderDecoder: false, layers: 0);
        foreach (var before in new[] { "model.layers.6.mlp.experts.3.up_proj.weight", "blocks.1.layers.2.attn.x", "9.layers.0.mlp.fc1.weight" })
            places.Of(before);
        Assert.Equal((ModelSection.Layers, layer, component), (places.Of(name).Section, places.Of(name).Layer, places.Of(name).Component));
    }

    [Fact]
    public void A_name_with_the_sign_for_numbers_in_it_is_not_taken_for_a_layer()
    {
        var places = new TensorPlaces(encoderDecoder: false, layers: 0);
        Assert.Equal(ModelSection.Layers, places.Of("layers.3.mlp.fc1").Section);
        Assert.Equal(ModelSection.Before, places.Of("layers.#.mlp.fc1").Section);
        Assert.Equal(ModelSection.Before, places.Of(string.Join('.', Enumerable.Repeat("#", 400))).Section);
    }

    [Fact]
    public void The_digest_of_a_tensor_table_is_that_of_its_lines()
    {
        // sha256 of "a.b:bfloat16:2,3\nc:uint8:\nm:5\n".
        var digest = ContentDigest.Of([new ModelFile("m", 5) { Name = "m" }], [new StoredTensor("a.b", "bfloat16", [2, 3], 12), new StoredTensor("c", "uint8", [], 1)], null);
        Assert.Equal("listed-sha256:57bba35d1a09933083c0afa3bb81648a42ee6576ac747276009c3577c706f2a5", digest);
    }

    [Fact]
    public void A_text_with_a_number_that_json_does_not_know_costs_a_few_times_its_length()
    {
        var text = "{\"a\":-Infinity}" + new string('\0', 100_000);
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.StartsWith("{\"a\":null}", JsonNumbers.Finite(text), StringComparison.Ordinal);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
    }

    [Fact]
    public void More_taps_than_a_tower_has_layers_are_refused_before_each_is_read_for_each()
    {
        var config = SmallConfigs.Of("qwen3_vl").Replace("[0,1]", $"[{string.Join(',', Enumerable.Repeat(1, 4000))}]", StringComparison.Ordinal);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<ArtifactException>(() => Architecture.FootprintOf(Header(config), ""));
        Assert.Equal("config.json: vision_config.deepstack_visual_indexes is 4000 entries; expected at most one for each of 2 layers.", refused.Message);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 10_000_000);
    }

    [Theory]
    [InlineData("gemma3_text")]
    [InlineData("cohere2")]
    public void A_pattern_of_windows_with_no_period_is_no_division(string type)
    {
        var config = $$"""
            {"model_type":"{{type}}","hidden_size":64,"vocab_size":256,"num_hidden_layers":2,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":16,
             "intermediate_size":128,"sliding_window":32,"sliding_window_pattern":0}
            """;
        Assert.NotNull(Architecture.FootprintOf(Header(config, Tensor("model.norm.weight", 64)), "").Shape);
    }

    [Theory]
    [InlineData("a\nb")]
    [InlineData("a\u001b]0;x")]
    [InlineData("../a")]
    public void A_name_that_is_no_plain_path_is_none(string name) => Assert.Null(ByteFolder.Checked(name));
}
