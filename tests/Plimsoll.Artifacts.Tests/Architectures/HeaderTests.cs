using System.Collections.Immutable;

namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Models weighed from their tensors, and that this agrees with their configurations.</summary>
public sealed class HeaderTests
{
    public static TheoryData<string> Models => ["Llama2", "Qwen25", "Mixtral", "Gemma2", "Phi2", "Gpt2", "GptOss", "DeepSeekLite"];

    [Theory]
    [MemberData(nameof(HandTyped.Published), MemberType = typeof(HandTyped))]
    public void Tensors_typed_by_hand_give_the_published_count_and_their_bytes(string model, long parameters, long bytes)
    {
        var weighed = Architecture.Weigh(Header(HandTyped.Named(model), config: null));
        Assert.Equal(parameters, weighed.Parameters);
        Assert.Equal(bytes, weighed.Weights.Value);
        Assert.Equal(FootprintSource.Header, weighed.Source);
        Assert.Null(weighed.Shape);
    }

    [Theory]
    [MemberData(nameof(Models))]
    public void A_configuration_gives_what_the_tensors_give_part_by_part(string model)
    {
        var typed = HandTyped.Named(model);
        var config = HandTyped.Configuration(typed);
        var (listed, written) = (Architecture.Weigh(Header(typed, config)), Weighing.Model(config));
        Assert.Equal(written.Parameters, listed.Parameters);
        Assert.Equal(written.ActiveParameters, listed.ActiveParameters);
        Assert.Equal(written.Weights, listed.Weights);
        Assert.Equal(written.LargestTensor, listed.LargestTensor);
        Assert.Equal(written.Components, listed.Components.AsEnumerable());
        Assert.Equal(written.ByDtype, listed.ByDtype.AsEnumerable());
        Assert.Equal(written.Shape!.Before, listed.Shape!.Before.AsEnumerable());
        Assert.Equal(written.Shape.After, listed.Shape.After.AsEnumerable());
        Assert.Equal(written.Shape.TiedEmbeddings, listed.Shape.TiedEmbeddings);
        Assert.Equal(written.Shape.Layers.Length, listed.Shape.Layers.Length);
        Assert.All(written.Shape.Layers.Zip(listed.Shape.Layers), pair =>
        {
            Assert.Equal((pair.First.First, pair.First.Count, pair.First.Cache, pair.First.Experts, pair.First.ActiveWidth),
                (pair.Second.First, pair.Second.Count, pair.Second.Cache, pair.Second.Experts, pair.Second.ActiveWidth));
            Assert.Equal(pair.First.Weights, pair.Second.Weights.AsEnumerable());
        });
    }

    [Fact]
    public void A_head_stored_beside_the_embedding_it_equals_is_counted_once()
    {
        var typed = HandTyped.Qwen25;
        var header = Header(typed, HandTyped.Configuration(typed));
        var twice = header with { Tensors = header.Tensors.Add(new StoredTensor("lm_head.weight", "bfloat16", [151936, 1536], 466_747_392)) };
        var weighed = Architecture.Weigh(twice);
        Assert.Equal(1_543_714_304, weighed.Parameters);
        // 3,087,428,608 and the copy.
        Assert.Equal(3_554_176_000, weighed.Weights.Value);
        Assert.True(weighed.Shape!.TiedEmbeddings);
        Assert.Equal(466_747_392, Assert.Single(weighed.Shape.NotServed).Weights.Value);
    }

    [Fact]
    public void An_unknown_architecture_gives_exact_bytes_and_says_what_is_estimated()
    {
        var typed = HandTyped.Llama2;
        var named = Architecture.Weigh(Header(typed, """
            {"architectures":["NewForCausalLM"],"model_type":"new","hidden_size":4096,"num_hidden_layers":32,
             "num_attention_heads":32,"intermediate_size":11008,"vocab_size":32000,"torch_dtype":"float16"}
            """));
        Assert.Equal(6_738_415_616, named.Parameters);
        Assert.Equal(13_476_831_232, named.Weights.Value);
        Assert.True(named.Estimated);
        Assert.Contains(named.Notes, note => note.StartsWith("NewForCausalLM is not a known architecture", StringComparison.Ordinal));
        Assert.Contains(named.Provenance, one => one is { Number: "kvBytesPerToken", Certainty: Certainty.Assumed });
        Assert.Contains(named.Provenance, one => one is { Number: "weightBytes", Certainty: Certainty.Exact });

        var bare = Architecture.Weigh(Header(typed, """{"architectures":["NewForCausalLM"],"model_type":"new"}"""));
        Assert.Equal(13_476_831_232, bare.Weights.Value);
        Assert.Null(bare.Shape);
        Assert.Contains("lacks hidden_size, num_hidden_layers", Assert.Single(bare.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void A_layer_that_predicts_further_tokens_is_in_the_bytes_and_not_among_the_parameters()
    {
        // DeepSeek's pattern in small: two layers of the model and one more with two inputs.
        var tensors = ImmutableArray.Create(
            Tensor("model.embed_tokens.weight", 100, 8),
            Tensor("model.layers.0.mlp.up_proj.weight", 16, 8),
            Tensor("model.layers.1.mlp.up_proj.weight", 16, 8),
            Tensor("model.layers.2.eh_proj.weight", 8, 16),
            Tensor("model.layers.2.mlp.up_proj.weight", 16, 8),
            Tensor("lm_head.weight", 100, 8));
        var weighed = Architecture.Weigh(new ArtifactHeader { Format = ArtifactFormat.Safetensors, Source = "m", Files = [], Tensors = tensors });
        // 800 + 128 + 128 + 800; 128 + 128 predict.
        Assert.Equal(1856, weighed.Parameters);
        Assert.Equal(4224, weighed.Weights.Value);
        Assert.Equal(256, weighed.Components.Single(part => part.Component == "predictor").Parameters);
    }

    private static StoredTensor Tensor(string name, long rows, long columns) => new(name, "bfloat16", [rows, columns], rows * columns * 2);

    private static ArtifactHeader Header(HandTyped typed, string? config) => new()
    {
        Format = ArtifactFormat.HuggingFace,
        Source = typed.Model,
        Files = [],
        Config = config,
        Tensors = [.. typed.Written()],
    };
}
