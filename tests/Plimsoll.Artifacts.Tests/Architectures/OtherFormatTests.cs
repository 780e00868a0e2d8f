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
    public void Plans_of_a_triton_repository_weigh_their_files_and_are_not_called_exact()
    {
        ArtifactPart Plan(string name, long bytes) => new(name, new ArtifactHeader
        {
            Format = ArtifactFormat.TensorRt,
            Source = name,
            Config = "backend: 'tensorrt'",
            Files = [new ModelFile("config.pbtxt", 30) { Name = $"{name}/config.pbtxt" }, new ModelFile("model.plan", bytes) { Name = $"{name}/1/model.plan" }],
        });
        var footprint = Architecture.FootprintOf(new ArtifactHeader
        {
            Format = ArtifactFormat.TritonRepository,
            Source = "models",
            Files = [],
            Parts = [Plan("a", 700), Plan("b", 77)],
        }, "d");
        Assert.Equal(777, footprint.Weights.Value);
        Assert.Equal(Certainty.Assumed, footprint.Provenance.Single(one => one.Number == "weightBytes").Certainty);
    }

    [Fact]
    public void A_tensor_called_a_is_no_part_of_an_audio_encoder()
    {
        Assert.Equal(["audio", "other"], Architecture.Weigh(Part("a.weight", 4, 4) with
        {
            Tensors = [new StoredTensor("a.weight", "bfloat16", [4, 4], 32), new StoredTensor("a.blk.0.attn_q.weight", "bfloat16", [4, 4], 32)],
        }).Components.Select(component => component.Component));
    }

    [Fact]
    public void Files_that_hold_much_less_than_their_configuration_describes_are_noted()
    {
        var config = Weighing.Config("""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":256,"intermediate_size":512,"num_attention_heads":4,
             "num_hidden_layers":2,"vocab_size":1000,"torch_dtype":"bfloat16"}
            """);
        var weighed = Architecture.Weigh(config with { Tensors = [new StoredTensor("model.embed_tokens.weight", "bfloat16", [1000, 256], 512_000)] });
        Assert.Contains("config.json describes a model of 1,824,000 parameters, and the files hold 256,000: some may be missing, or be another model's.", weighed.Notes);
    }

    [Fact]
    public void A_component_of_a_pipeline_is_not_asked_for_its_attention_heads()
    {
        var weighed = Architecture.Weigh(Part("conv_in.weight", 320, 36) with
        {
            Format = ArtifactFormat.HuggingFace,
            Config = """{"_class_name":"UNet2DConditionModel"}""",
        });
        Assert.Equal((11_520, 0), (weighed.Parameters, weighed.Notes.Length));
    }

    [Fact]
    public void Weights_that_were_not_seen_are_taken_to_lie_in_files_of_five_gigabytes()
    {
        var footprint = Architecture.FootprintOf(Weighing.Config("""
            {"architectures":["LlamaForCausalLM"],"model_type":"llama","hidden_size":4096,"intermediate_size":14336,"num_attention_heads":32,
             "num_key_value_heads":8,"num_hidden_layers":32,"vocab_size":128256,"torch_dtype":"bfloat16"}
            """), "d");
        // The largest tensor is the embedding: 128,256 × 4,096 × 2.
        Assert.Equal(5_000_000_000 + 1_050_673_152, footprint.HostLoadPeak.Value);
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
