using System.Text;

namespace Plimsoll.Artifacts.Tests.Architectures;

/// <summary>Artefacts without an architecture of their own: graphs, adapters, pipelines, unknown files.</summary>
public sealed class OtherFormatTests
{
    [Fact]
    public void A_plain_graph_is_one_component_without_a_shape()
    {
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.Onnx,
            Source = "model.onnx",
            Files = [new ModelFile("model.onnx", 5000)],
            Tensors = [new StoredTensor("encoder.layer.0.weight", "float32", [10, 100], 4000), new StoredTensor("shape", "int64", [2], 16)],
        });
        Assert.Equal((1000, 1000, 4016), (weighed.Parameters, weighed.ActiveParameters, weighed.Weights.Value));
        Assert.Equal("other", Assert.Single(weighed.Components).Component);
        Assert.Null(weighed.Shape);
    }

    [Fact]
    public void An_adapter_is_one_component()
    {
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.Lora,
            Source = "adapter",
            Files = [],
            Config = """{"peft_type":"LORA","r":8}""",
            Tensors = [new StoredTensor("base_model.model.model.layers.0.self_attn.q_proj.lora_A.weight", "bfloat16", [8, 64], 1024)],
        });
        Assert.Equal(512, weighed.Parameters);
        Assert.Equal("adapter", Assert.Single(weighed.Components).Component);
    }

    [Fact]
    public void A_pipeline_is_the_sum_of_its_parts_by_name()
    {
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.Diffusers,
            Source = "pipeline",
            Files = [],
            Config = """{"_class_name":"StableDiffusionPipeline"}""",
            Parts =
            [
                new ArtifactPart("unet", Part("conv_in.weight", 320, 36)),
                new ArtifactPart("vae", Part("decoder.conv_in.weight", 512, 36)),
                new ArtifactPart("scheduler", new ArtifactHeader { Format = ArtifactFormat.HuggingFace, Source = "scheduler", Files = [], Config = "{}" }),
            ],
        });
        Assert.Equal(["unet 11520", "vae 18432"], weighed.Components.Select(component => $"{component.Component} {component.Parameters}"));
        Assert.Equal((11_520 + 18_432) * 2, weighed.Weights.Value);
        Assert.Contains(weighed.Notes, note => note.StartsWith("scheduler is not in these numbers: ", StringComparison.Ordinal));
    }

    [Fact]
    public void A_file_that_is_not_understood_weighs_no_more_than_it_takes_on_disk()
    {
        var header = new ArtifactHeader { Format = ArtifactFormat.TensorRt, Source = "model.plan", Files = [new ModelFile("model.plan", 123_456)] };
        var footprint = Architecture.FootprintOf(header, "d");
        Assert.Equal((123_456, 123_456, 0), (footprint.Weights.Value, footprint.OnDisk.Value, footprint.Parameters));
        Assert.Equal(Certainty.Assumed, footprint.Provenance.Single(one => one.Number == "weightBytes").Certainty);
    }

    [Fact]
    public void A_projector_beside_a_gguf_model_is_weighed_with_it()
    {
        var weighed = Architecture.Weigh(new ArtifactHeader
        {
            Format = ArtifactFormat.Gguf,
            Source = "m.gguf",
            Files = [],
            Tensors = [new StoredTensor("token_embd.weight", "F16", [10, 8], 160)],
            Parts = [new ArtifactPart("mmproj", Part("v.blk.0.attn_q.weight", 8, 8) with { Format = ArtifactFormat.Gguf })],
        });
        Assert.Equal((144, 80), (weighed.Parameters, weighed.ActiveParameters));
        Assert.Equal(["embedding", "vision"], weighed.Components.Select(component => component.Component));
    }

    [Fact]
    public void Tensors_whose_sizes_cannot_be_added_up_are_refused()
    {
        var header = Part("a", long.MaxValue / 4, 2) with { Tensors = [.. Enumerable.Repeat(new StoredTensor("a", "bfloat16", [4], long.MaxValue / 2), 3)] };
        Assert.Equal("part describes more than 32.0 PiB, which no model has: a size in its header or config.json is wrong.",
            Assert.Throws<ArtifactException>(() => Architecture.Weigh(header)).Message);
    }

    [Fact]
    public void A_million_layers_and_a_list_of_patterns_as_long_as_a_book_end_all_the_same()
    {
        // Each tensor in a layer of its own, with a scale beside it.
        var tensors = Enumerable.Range(0, 200_000).SelectMany(i => new StoredTensor[]
        {
            new($"model.layers.{i}.mlp.up_proj.weight", "float8_e4m3fn", [1, 1], 1), new($"model.layers.{i}.mlp.up_proj.weight_scale", "float32", [1], 4),
        });
        var weighed = Architecture.Weigh(Part("a", 1, 1) with { Tensors = [.. tensors] });
        Assert.Equal((200_000, 1_000_000), (weighed.Parameters, weighed.Weights.Value));

        var patterns = new StringBuilder().AppendJoin(',', Enumerable.Repeat("\"*a*b*c*d\"", 19_000));
        var config = $$$"""
            {"model_type":"llama","hidden_size":64,"intermediate_size":64,"num_attention_heads":4,"num_hidden_layers":4096,"vocab_size":64,"torch_dtype":"bfloat16",
             "layer_types":[{{{string.Join(',', Enumerable.Repeat("\"full_attention\"", 4096))}}}],
             "quantization_config":{"quant_method":"fp8","modules_to_not_convert":[{{{patterns}}}]}}
            """;
        Assert.StartsWith("config.json leaves out 19000 patterns of modules", Assert.Throws<ArtifactException>(() => Weighing.Model(config)).Message, StringComparison.Ordinal);
    }

    private static ArtifactHeader Part(string tensor, long rows, long columns) => new()
    {
        Format = ArtifactFormat.Safetensors,
        Source = "part",
        Files = [],
        Tensors = [new StoredTensor(tensor, "bfloat16", [rows, columns], unchecked(rows * columns * 2))],
    };
}
