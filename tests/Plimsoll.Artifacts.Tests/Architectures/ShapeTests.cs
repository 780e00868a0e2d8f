namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>What layers keep, and how weights split, by hand from the published configurations.</summary>
public sealed class ShapeTests
{
    [Theory]
    // Layers × key-value heads × (key + value width): 32 × 32 × 256.
    [InlineData("codellama/CodeLlama-7b-hf", 262_144)]
    // 32 × 8 × 256.
    [InlineData("meta-llama/Llama-3.1-8B-Instruct", 65_536)]
    // 27 × (512 + 64).
    [InlineData("deepseek-ai/DeepSeek-V2-Lite-Chat", 15_552)]
    [InlineData("moonshotai/Kimi-VL-A3B-Instruct", 15_552)]
    // 26 × 4 × 512.
    [InlineData("google/gemma-2-2b-it", 53_248)]
    // 34 × 4 × 512.
    [InlineData("google/gemma-3-4b-it", 69_632)]
    // 62 × 16 × 256.
    [InlineData("google/gemma-3-27b-it", 253_952)]
    // 40 × 8 × 128.
    [InlineData("ibm-granite/granite-vision-3.3-2b", 40_960)]
    // 24 × 8 × 128.
    [InlineData("openai/gpt-oss-20b", 24_576)]
    // 60 × 8 × 128.
    [InlineData("tiiuae/falcon-40b", 61_440)]
    public void Elements_kept_per_token(string model, long elements) =>
        Assert.Equal(elements, Weighing.Published(model).Shape!.Layers.Sum(run => run.Count * run.Cache.ElementsPerToken));

    [Fact]
    public void Windows_of_gemma_three_hold_for_five_layers_of_six()
    {
        var layers = Each(Weighing.Published("google/gemma-3-4b-it").Shape!);
        Assert.Equal(34, layers.Count);
        Assert.Equal(29, layers.Count(layer => layer.Cache.Window == 1024));
        Assert.Equal([5, 11, 17, 23, 29], layers.Select((layer, i) => (layer, i)).Where(one => one.layer.Cache.Window is null).Select(one => one.i));
    }

    [Fact]
    public void Windows_of_gemma_two_and_gpt_oss_alternate_and_begin_with_one()
    {
        Assert.Equal([4096, null, 4096, null], Each(Weighing.Published("google/gemma-2-2b-it").Shape!).Take(4).Select(layer => layer.Cache.Window));
        Assert.Equal([128, null, 128, null], Each(Weighing.Published("openai/gpt-oss-20b").Shape!).Take(4).Select(layer => layer.Cache.Window));
    }

    [Fact]
    public void Llama_four_attends_in_chunks_on_three_layers_of_four()
    {
        var layers = Each(Weighing.Published("meta-llama/Llama-4-Scout-17B-16E-Instruct").Shape!);
        Assert.Equal(36, layers.Count(layer => layer.Cache.Window == 8192));
        Assert.Equal([8192, 8192, 8192, null], layers.Take(4).Select(layer => layer.Cache.Window));
    }

    [Fact]
    public void A_window_that_is_switched_off_or_as_long_as_the_context_is_none() =>
        Assert.All(Each(Weighing.Published("Qwen/Qwen2.5-72B-Instruct").Shape!), layer => Assert.Null(layer.Cache.Window));

    [Fact]
    public void Llama_in_one_run_split_by_heads_and_vocabulary()
    {
        var shape = Weighing.Published("meta-llama/Llama-3.1-8B-Instruct").Shape!;
        var run = Assert.Single(shape.Layers);
        Assert.Equal((0, 32, 14336), (run.First, run.Count, run.ActiveWidth));
        Assert.Equal(
        [
            // Queries and output: 2 × 4096 × 4096. Keys and values: 2 × 1024 × 4096.
            new WeightGroup("attention", WeightSplit.Tensor, 33_554_432, new Bytes(67_108_864), "bfloat16"),
            new WeightGroup("attention", WeightSplit.KeyValueHeads, 8_388_608, new Bytes(16_777_216), "bfloat16"),
            new WeightGroup("mlp", WeightSplit.Tensor, 176_160_768, new Bytes(352_321_536), "bfloat16"),
            new WeightGroup("norm", WeightSplit.Replicated, 8192, new Bytes(16_384), "bfloat16"),
        ], run.Weights);
        Assert.Equal([new WeightGroup("embedding", WeightSplit.Vocabulary, 525_336_576, new Bytes(1_050_673_152), "bfloat16")], shape.Before);
        Assert.Equal(["head", "norm"], shape.After.Select(group => group.Component));
        Assert.False(shape.TiedEmbeddings);
    }

    [Fact]
    public void A_fused_projection_is_parted_into_what_splits_by_heads_and_what_does_not()
    {
        // Falcon 40B's: (128 × 64 + 16 × 64) × 8192, of which 16 of 144 parts are keys and values.
        var groups = Weighing.Published("tiiuae/falcon-40b").Shape!.Layers[0].Weights.Where(group => group.Component == "attention").ToList();
        Assert.Equal(8_388_608, groups.Single(group => group.Split == WeightSplit.KeyValueHeads).Parameters);
        // 8192 × 8192 of queries and as much of the output.
        Assert.Equal(134_217_728, groups.Single(group => group.Split == WeightSplit.Tensor).Parameters);
    }

    [Fact]
    public void Latent_attention_keeps_its_down_projections_on_every_rank()
    {
        var groups = Weighing.Published("deepseek-ai/DeepSeek-V2-Lite-Chat").Shape!.Layers[1].Weights;
        // 576 × 2048 down; 3072 × 2048 + 4096 × 512 + 2048 × 2048 split.
        Assert.Equal(1_179_648, groups.Single(group => group is { Component: "attention", Split: WeightSplit.Replicated }).Parameters);
        Assert.Equal(12_582_912, groups.Single(group => group is { Component: "attention", Split: WeightSplit.Tensor }).Parameters);
        // 64 × 3 × 1408 × 2048; 3 × 2816 × 2048; 64 × 2048.
        Assert.Equal(553_648_128, groups.Single(group => group.Component == "experts").Parameters);
        Assert.Equal(17_301_504, groups.Single(group => group.Component == "shared experts").Parameters);
        Assert.Equal(131_072, groups.Single(group => group.Component == "router").Parameters);
    }

    [Fact]
    public void Mixtures_say_how_many_experts_a_token_passes_and_what_is_active()
    {
        var mixtral = Weighing.Published("mistralai/Mixtral-8x7B-Instruct-v0.1");
        Assert.Equal((8, 2, 14336, 28672), (mixtral.Shape!.Layers[0].Experts, mixtral.Shape.Layers[0].ExpertsPerToken, mixtral.Shape.Layers[0].ExpertWidth, mixtral.Shape.Layers[0].ActiveWidth));
        // 46,702,792,704 less 6 of 8 experts of 32 layers: 32 × 6 × 176,160,768.
        Assert.Equal(12_879_925_248, mixtral.ActiveParameters);
        var scout = Weighing.Published("meta-llama/Llama-4-Scout-17B-16E-Instruct");
        // The text's 107,769,861,120 less 15 of 16 experts of 48 layers: 48 × 15 × 125,829,120.
        Assert.Equal(17_172_894_720, scout.ActiveParameters);
    }

    [Fact]
    public void A_state_counts_its_matrix_in_full_width_and_its_convolution_in_half()
    {
        // Mamba 2.7B-like in small: 2 heads of 4 × state 8, one group, a kernel of 4 over 8 + 2 × 8 channels.
        var shape = Weighing.Model("""
            {"architectures":["NemotronHForCausalLM"],"model_type":"nemotron_h","hidden_size":16,"vocab_size":32,"hybrid_override_pattern":"M*-",
             "mamba_num_heads":2,"mamba_head_dim":4,"n_groups":1,"ssm_state_size":8,"conv_kernel":4,"mamba_ssm_cache_dtype":"float32",
             "num_attention_heads":2,"num_key_value_heads":1,"head_dim":8,"intermediate_size":64}
            """).Shape!;
        Assert.Equal([CacheKind.State, CacheKind.KeyValue, CacheKind.None], shape.Layers.Select(run => run.Cache.Kind));
        // 3 × 24 at two bytes, 2 × 4 × 8 at four: 200 elements of two bytes.
        Assert.Equal((200, 2), (shape.Layers[0].Cache.StateElements, shape.Layers[0].Cache.StateElementBytes));
        Assert.Equal(16, shape.Layers[1].Cache.ElementsPerToken);
    }

    [Fact]
    public void A_decoder_beside_an_encoder_keeps_the_encoders_output_for_the_sequence()
    {
        var whisper = Weighing.Model("""
            {"architectures":["WhisperForConditionalGeneration"],"model_type":"whisper","d_model":384,"decoder_attention_heads":6,"decoder_ffn_dim":1536,
             "decoder_layers":4,"encoder_attention_heads":6,"encoder_ffn_dim":1536,"encoder_layers":4,"max_source_positions":1500,"max_target_positions":448,
             "num_mel_bins":80,"vocab_size":51865}
            """).Shape!;
        Assert.Equal(ModelTask.Transcribe, whisper.Task);
        Assert.Equal(4, whisper.LayerCount);
        // 2 × 384 × 1500.
        Assert.Equal(1_152_000, whisper.Layers[0].Cache.StateElements);
        Assert.Equal(768, whisper.Layers[0].Cache.ElementsPerToken);
        Assert.Equal(1500, whisper.EncoderTokensMax);
        Assert.Contains(whisper.Before, group => group.Component == "encoder");
    }

    [Fact]
    public void Encoders_of_images_come_first_and_a_text_token_does_not_pass_them()
    {
        var gemma = Weighing.Published("google/gemma-3-4b-it");
        // SigLIP without its head: 678,528 + 4,718,592 + 27 × 15,239,504 + 2,304; the projection: 1152 × 2560 + 1152.
        var vision = gemma.Components.Single(component => component.Component == "vision");
        Assert.Equal(gemma.Parameters - vision.Parameters, gemma.ActiveParameters);
        Assert.Equal(419_816_304, vision.Parameters);
        Assert.Equal(256, gemma.Shape!.EncoderTokensMax);
        // 64 × 64 patches of 1152, that a layer widens to 4304.
        Assert.Equal(new EncoderWork(4096 * 1152 * 2, 4096 * 4304 * 2), gemma.Shape!.EncoderWork);
    }

    [Fact]
    public void An_encoder_that_taps_its_layers_makes_more_of_each_token()
    {
        var shape = Weighing.Model("""
            {"architectures":["Qwen3VLForConditionalGeneration"],"model_type":"qwen3_vl",
             "text_config":{"model_type":"qwen3_vl_text","hidden_size":4096,"intermediate_size":12288,"num_attention_heads":32,"num_key_value_heads":8,"head_dim":128,"num_hidden_layers":36,"vocab_size":151936},
             "vision_config":{"model_type":"qwen3_vl","deepstack_visual_indexes":[8,16,24],"depth":27,"hidden_size":1152,"intermediate_size":4304,"num_heads":16,"out_hidden_size":4096,"patch_size":16,"spatial_merge_size":2}}
            """).Shape!;
        // 16,384 tokens of 2 × 2 patches of 1152, widened to 4304, and three taps.
        Assert.Equal(new EncoderWork(65_536L * 1152 * 2, 65_536L * 4304 * 2) { OutputWidths = 4 }, shape.EncoderWork);
    }

    [Theory]
    [InlineData("[-2, -1]", 24)]
    [InlineData("-2", 0)]
    public void What_each_layer_makes_is_kept_where_more_than_one_of_them_is_taken(string taken, int kept)
    {
        var shape = Weighing.Model($$"""
            {"architectures":["LlavaForConditionalGeneration"],"model_type":"llava","vision_feature_layer":{{taken}},"vision_config":{"model_type":"clip_vision_model"},
             "text_config":{"model_type":"llama","hidden_size":4096,"intermediate_size":11008,"num_attention_heads":32,"num_hidden_layers":32,"vocab_size":32064} }
            """).Shape!;
        // CLIP's usual: 24 × 24 patches of 1024, 24 layers, widened to 4096.
        Assert.Equal(new EncoderWork(576 * 1024 * (2 + kept), 576 * 4096 * 2), shape.EncoderWork);
    }

    [Fact]
    public void Nothing_is_kept_by_an_encoder()
    {
        var shape = Weighing.Model("""{"architectures":["BertModel"],"model_type":"bert","hidden_size":768,"intermediate_size":3072,"max_position_embeddings":512,"num_attention_heads":12,"num_hidden_layers":12,"vocab_size":30522}""").Shape!;
        Assert.Equal(ModelTask.Embed, shape.Task);
        Assert.Equal(LayerCache.None, Assert.Single(shape.Layers).Cache);
    }

    private static List<LayerRun> Each(ModelShape shape) => [.. shape.Layers.SelectMany(run => Enumerable.Repeat(run, run.Count))];
}
