namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>What a class ends in decides the task and the head: two layers, hidden 256, one gated part of 512, 4 heads of 64,
/// vocabulary 1000. The layers, the embedding and the last norm are 1,568,000 parameters.</summary>
public sealed class ModelClassTests
{
    // A head of 1000 × 256; none; a row of 256 for each of 3 labels; and for each of 5 with a bias.
    [Theory]
    [InlineData("LlamaForCausalLM", "", 1_824_000, ModelTask.Generate)]
    [InlineData("LlamaModel", "", 1_568_000, ModelTask.Embed)]
    [InlineData("LlamaForSequenceClassification", "\"id2label\":{\"0\":\"a\",\"1\":\"b\",\"2\":\"c\"},", 1_568_768, ModelTask.Classify)]
    [InlineData("LlamaForSequenceClassification", "", 1_568_512, ModelTask.Classify)]
    [InlineData("LlamaForTokenClassification", "\"num_labels\":5,", 1_569_285, ModelTask.Classify)]
    public void Of_the_layers_alone_and_of_classifiers_no_vocabulary_is_scored(string name, string more, long parameters, ModelTask task)
    {
        var weighed = Weighing.Model(Config(name, "llama", more));

        Assert.Equal((parameters, task), (weighed.Parameters, weighed.Shape!.Task));
        Assert.Equal(2 * parameters, weighed.Weights.Value);
        Assert.False(weighed.Shape.TiedEmbeddings);
    }

    // Biases of 3 × 256 a layer, a square layer of 256 with its bias, and one row with a bias.
    [Fact]
    public void Qwen2s_reward_models_have_a_layer_before_the_score()
    {
        var weighed = Weighing.Model(Config("Qwen2ForRewardModel", "qwen2", ""));

        Assert.Equal((1_568_000 + 1_536 + 65_792 + 257, ModelTask.Classify), (weighed.Parameters, weighed.Shape!.Task));
    }

    [Fact]
    public void A_class_that_ends_in_a_model_with_its_head_writes_text() =>
        Assert.Equal(ModelTask.Generate, Weighing.Model("""
            {"architectures":["GPT2LMHeadModel"],"model_type":"gpt2","n_embd":64,"n_head":4,"n_layer":2,"n_positions":32,"vocab_size":100}
            """).Shape!.Task);

    // intfloat/e5-mistral-7b-instruct, whose page counts 7.11 billion: 32,000 × 4096, 32 × 218,112,000, 4096.
    [Fact]
    public void A_published_embedding_model_has_the_parameters_its_page_says()
    {
        var weighed = Weighing.Model("""
            {"architectures":["MistralModel"],"model_type":"mistral","hidden_size":4096,"intermediate_size":14336,"max_position_embeddings":32768,
             "num_attention_heads":32,"num_hidden_layers":32,"num_key_value_heads":8,"sliding_window":4096,"tie_word_embeddings":false,"vocab_size":32000}
            """);

        Assert.Equal(7_110_660_096, weighed.Parameters);
    }

    [Fact]
    public void What_says_how_a_model_is_pooled_makes_it_an_embedding_model_whatever_its_class()
    {
        var header = Weighing.Config(Config("LlamaForCausalLM", "llama", "")) with { Files = [new ModelFile("m/modules.json", 349)] };

        Assert.Equal(ModelTask.Embed, Architecture.Weigh(header).Shape!.Task);
    }

    // llava-hf/llava-1.5-7b-hf, 7,063,427,072 on its page. Its text_config leaves out all that equals Llama's defaults.
    [Fact]
    public void A_text_part_that_names_no_width_has_its_types_defaults()
    {
        var weighed = Weighing.Model("""
            {"architectures":["LlavaForConditionalGeneration"],"model_type":"llava","image_token_index":32000,
             "text_config":{"architectures":["LlamaForCausalLM"],"max_position_embeddings":4096,"model_type":"llama","torch_dtype":"float16","vocab_size":32064},
             "tie_word_embeddings":false,"torch_dtype":"float16",
             "vision_config":{"hidden_size":1024,"image_size":336,"intermediate_size":4096,"model_type":"clip_vision_model","num_attention_heads":16,
              "num_hidden_layers":24,"patch_size":14,"projection_dim":768,"vocab_size":32000},"vision_feature_layer":-2}
            """);

        Assert.Equal((7_063_427_072, ModelTask.Generate), (weighed.Parameters, weighed.Shape!.Task));
        Assert.Equal((32, 4096), (weighed.Shape.AttentionHeads, weighed.Shape.MaxPositions));
    }

    [Theory]
    [InlineData("", 4096)]
    [InlineData("\"sliding_window\":null,", null)]
    public void A_null_is_no_field_left_out(string window, int? tokens)
    {
        var shape = Weighing.Model($$$"""
            {"model_type":"llava","text_config":{"model_type":"mistral",{{{window}}}"vocab_size":32064},"torch_dtype":"float16",
             "vision_config":{"model_type":"clip_vision_model","patch_size":14} }
            """).Shape!;

        Assert.Equal((8, tokens), (shape.Layers[0].Cache.KvHeads, shape.Layers[0].Cache.Window));
    }

    private static string Config(string name, string type, string more) => $$"""
        {"architectures":["{{name}}"],"model_type":"{{type}}",{{more}}"hidden_size":256,"intermediate_size":512,"num_attention_heads":4,
         "num_hidden_layers":2,"vocab_size":1000,"torch_dtype":"bfloat16"}
        """;
}
