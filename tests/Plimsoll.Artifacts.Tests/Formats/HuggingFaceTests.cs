using System.Collections.Immutable;
using System.Text;
using static Plimsoll.Artifacts.Tests.PickleBytes;

namespace Plimsoll.Artifacts.Tests;

public sealed class HuggingFaceTests
{
    private const string Config = """{"model_type":"llama","hidden_size":4}""";

    [Fact]
    public void A_folder_is_its_configuration_its_weights_and_the_small_files_beside_them()
    {
        var header = ArtifactReader.Read(Folder(("config.json", Config), ("tokenizer.json", "{}"), ("README.md", "x"), ("hf_quant_config.json", "{\"q\":1}"))
            .With("model.safetensors", Weights("w")));

        Assert.Equal((ArtifactFormat.HuggingFace, Config, "{\"q\":1}"), (header.Format, header.Config, header.QuantizationConfig));
        Assert.Equal(["config.json", "model.safetensors", "hf_quant_config.json", "tokenizer.json"], header.Files.Select(file => file.Name));
        Assert.Equal(["w"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Empty(header.Notes);
    }

    [Fact]
    public void Safetensors_come_before_PyTorch_files_and_other_copies_are_named_and_not_counted()
    {
        var header = ArtifactReader.Read(Folder(("config.json", Config))
            .With("model.safetensors", Weights("w")).With("pytorch_model.bin", [1, 2, 3]).With("consolidated.safetensors", Weights("x"))
            .With("original/consolidated.00.pth", new byte[997]));

        Assert.Equal(["w"], header.Tensors.Select(tensor => tensor.Name));
        var note = Assert.Single(header.Notes);
        Assert.StartsWith("Not counted, as other copies or parts that serving does not need: 'consolidated.safetensors', 'original/', 'pytorch_model.bin' (", note, StringComparison.Ordinal);
    }

    [Fact]
    public void PyTorch_shards_are_read_by_their_index()
    {
        var header = ArtifactReader.Read(Folder(("config.json", Config),
                ("pytorch_model.bin.index.json", """{"metadata":{"total_size":8},"weight_map":{"a":"pytorch_model-00001-of-00002.bin","b":"pytorch_model-00002-of-00002.bin"}}"""))
            .With("pytorch_model-00001-of-00002.bin", Torch("a")).With("pytorch_model-00002-of-00002.bin", Torch("b")));

        Assert.Equal(["a", "b"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Empty(header.Notes);
    }

    [Fact]
    public void A_tensor_that_no_index_names_and_two_shards_hold_is_told_with_both()
    {
        var folder = Folder(("config.json", Config), ("model.safetensors.index.json", """{"weight_map":{"a":"1.safetensors","b":"2.safetensors"}}"""))
            .With("1.safetensors", SafetensorsBytes.File(("a", "BF16", [2, 2], 8), ("x", "BF16", [2, 2], 8)))
            .With("2.safetensors", SafetensorsBytes.File(("b", "BF16", [2, 2], 8), ("x", "BF16", [2, 2], 8)));

        Assert.Equal("memory/model.safetensors.index.json does not name tensor 'x', which both '1.safetensors' and '2.safetensors' hold.", Refusal(folder));
    }

    [Fact]
    public void A_shard_that_the_index_spells_in_two_ways_is_one_shard()
    {
        var header = ArtifactReader.Read(Folder(("config.json", Config), ("model.safetensors.index.json", """{"weight_map":{"a":"1.safetensors","b":".//./1.safetensors"}}"""))
            .With("1.safetensors", SafetensorsBytes.File(("a", "BF16", [2, 2], 8), ("b", "BF16", [2, 2], 8))));

        Assert.Equal(["a", "b"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["config.json", "model.safetensors.index.json", "1.safetensors"], header.Files.Select(file => file.Name));
    }

    [Fact]
    public void Tensors_are_counted_while_shards_are_read()
    {
        var (folder, read) = (Folder(("0", ""), ("1", ""), ("2", ""), ("3", ""), ("4", "")), 0);
        var half = ImmutableArray.Create(new StoredTensor[1_500_000]);

        var refused = Assert.Throws<ArtifactException>(() => ShardedWeights.Read(folder.Open("0")!, ["0", "1", "2", "3", "4"], _ =>
        {
            read++;
            return new StoredWeights { Files = [], Tensors = half };
        }));

        Assert.Equal(("memory/0 has more than 2000000 tensors, and no more are accepted.", 2), (refused.Message, read));
    }

    [Fact]
    public void A_components_PyTorch_files_are_read_as_a_component_and_not_as_several_models()
    {
        var header = ArtifactReader.Read(Folder(("config.json", "{}"))
            .With("diffusion_pytorch_model.bin", Torch("w")).With("diffusion_pytorch_model.fp16.bin", Torch("half")));

        Assert.Equal((ArtifactFormat.HuggingFace, "w"), (header.Format, Assert.Single(header.Tensors).Name));
    }

    [Fact]
    public void A_tied_tensor_that_the_index_names_is_not_missed()
    {
        byte[] tensor = Tensor(Storage("HalfStorage", "0", 2), 0, [2], [1]);
        var tied = new ZipBytes().Add("m/data.pkl", Pickle(Dict(("embed", tensor), ("head", tensor)))).Add("m/data/0", new byte[4]).File();

        var header = ArtifactReader.Read(Folder(("config.json", Config), ("pytorch_model.bin.index.json", """{"weight_map":{"embed":"a.bin","head":"a.bin"}}""")).With("a.bin", tied));

        Assert.Equal(["embed"], header.Tensors.Select(one => one.Name));
    }

    [Fact]
    public void A_folder_that_nobody_lists_is_asked_for_the_names_that_engines_know()
    {
        var header = ArtifactReader.Read(new MemoryFolder(isListed: false)
            .With("config.json", Encoding.UTF8.GetBytes(Config)).With("model.safetensors", Weights("w")).With("other.safetensors", Weights("x")));

        Assert.Equal(["w"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["config.json", "model.safetensors"], header.Files.Select(file => file.Name));
        Assert.Contains("holds no file of a name that is known, and cannot be listed", Refusal(new MemoryFolder(isListed: false)), StringComparison.Ordinal);
    }

    [Fact]
    public void A_configuration_alone_says_that_the_weights_follow_from_it()
    {
        var folder = ArtifactReader.Read(Folder(("config.json", Config)));
        var file = ArtifactReader.Read(Folder(("Some--Model_config.json", Config)).Open("Some--Model_config.json")!);

        Assert.Equal((ArtifactFormat.HuggingFace, Config, 0), (folder.Format, folder.Config, folder.Tensors.Length));
        Assert.Equal(["There are no weights beside config.json: what they take follows from the architecture."], folder.Notes);
        Assert.Equal((ArtifactFormat.HuggingFace, Config, 0), (file.Format, file.Config, file.Tensors.Length));
    }

    [Fact]
    public void Shards_without_an_index_are_read_when_they_are_all_there()
    {
        var folder = Folder(("config.json", Config)).With("model-00001-of-00002.safetensors", Weights("a"));
        Assert.Contains("holds 1 of the 2 files that 'model-00001-of-00002.safetensors' counts", Refusal(folder), StringComparison.Ordinal);

        var header = ArtifactReader.Read(folder.With("model-00002-of-00002.safetensors", Weights("b")));
        Assert.Equal(["a", "b"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["There is no index beside the shards: all of them are read."], header.Notes);
    }

    [Fact]
    public void A_variant_is_read_only_where_there_is_no_default()
    {
        var header = ArtifactReader.Read(Folder(("config.json", Config)).With("model.fp16.safetensors", Weights("half")));

        Assert.Equal(["half"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["There is no default set of weights: 'model.fp16.safetensors' is read."], header.Notes);

        var pipeline = ArtifactReader.Read(Folder(("config.json", "{}"))
            .With("diffusion_pytorch_model.fp16.bin", [1]).With("diffusion_pytorch_model.fp16.safetensors", Weights("half")));
        Assert.Equal(["half"], pipeline.Tensors.Select(tensor => tensor.Name));
    }

    [Fact]
    public void Several_files_of_unknown_names_are_not_guessed_at() =>
        Assert.Contains("holds 2 files of weights and none has the name that engines look for; name one of 'one.safetensors', 'two.safetensors'",
            Refusal(Folder().With("one.safetensors", Weights("a")).With("two.safetensors", Weights("a"))), StringComparison.Ordinal);

    [Theory]
    [InlineData("""["LORA"]""", "its JSON is no object")]
    [InlineData("""{"a":""", "its JSON breaks in line 1")]
    [InlineData("""{"sizes":1}""", "describes no model")]
    public void A_JSON_file_that_describes_no_model_is_refused(string json, string part) =>
        Assert.Contains(part, Assert.Throws<ArtifactException>(() => ArtifactReader.Read(Folder(("x.json", json)).Open("x.json")!)).Message, StringComparison.Ordinal);

    [Fact]
    public void An_adapter_tells_its_base_rank_and_targets()
    {
        var folder = Folder(("adapter_config.json",
                """{"peft_type":"LORA","base_model_name_or_path":"org/base","r":16,"lora_alpha":32,"target_modules":["v_proj","q_proj"],"modules_to_save":null}"""))
            .With("adapter_model.safetensors", Weights("base_model.model.q_proj.lora_A.weight"));

        foreach (var header in new[] { ArtifactReader.Read(folder), ArtifactReader.Read(folder.Open("adapter_model.safetensors")!) })
        {
            Assert.Equal(ArtifactFormat.Lora, header.Format);
            Assert.Equal(("org/base", "16", "32", "q_proj,v_proj"),
                (header.Metadata["base_model_name"], header.Metadata["r"], header.Metadata["alpha"], header.Metadata["target_modules"]));
            Assert.Equal(["adapter_config.json", "adapter_model.safetensors"], header.Files.Select(file => file.Name));
            Assert.Single(header.Tensors);
        }
    }

    [Fact]
    public void A_pipelines_components_are_parts_read_with_their_default_weights()
    {
        var header = ArtifactReader.Read(Pipeline("""
            {"_class_name":"StableDiffusionPipeline","unet":["diffusers","UNet2DConditionModel"],"text_encoder":["transformers","CLIPTextModel"],
             "tokenizer":["transformers","CLIPTokenizer"],"image_encoder":[null,null],"requires_safety_checker":true}
            """).With("sd_xl.safetensors", new byte[900]));

        Assert.Equal(ArtifactFormat.Diffusers, header.Format);
        Assert.Equal(["unet u", "text_encoder t"], header.Parts.Select(part => $"{part.Name} {Assert.Single(part.Header.Tensors).Name}"));
        Assert.Equal(
            ["model_index.json", "unet/config.json", "unet/diffusion_pytorch_model.safetensors", "text_encoder/config.json", "text_encoder/model.safetensors", "tokenizer/vocab.json"],
            header.Files.Select(file => file.Name));
        Assert.Equal(
        [
            "unet: Not counted, as other copies or parts that serving does not need: 'diffusion_pytorch_model.fp16.safetensors' (68 B).",
            "Not counted, as the whole pipeline in one file: 'sd_xl.safetensors' (900 B).",
        ],
            header.Notes);
    }

    [Theory]
    [InlineData("""{"vae":["diffusers","AutoencoderKL"]}""", "names the component 'vae' (AutoencoderKL), and there is no such folder")]
    [InlineData("""{"../x":["diffusers","AutoencoderKL"]}""", "which is no folder of the pipeline; that is refused")]
    [InlineData("""{"unet":["a","b"],"unet":["a","b"]}""", "names the component 'unet' twice")]
    [InlineData("""{}""", "names no component")]
    public void A_pipeline_that_names_what_is_not_there_is_refused(string index, string part) =>
        Assert.Contains(part, Refusal(Pipeline(index)), StringComparison.Ordinal);

    [Fact]
    public void A_folder_of_several_models_asks_for_one_and_an_unknown_one_tells_its_bytes()
    {
        using var gguf = new GgufBytes();
        var file = gguf.Text("general.architecture", "llama").Tensor("w", 0, 4, 1).File();
        Assert.Contains("holds 2 models; name one of 'q4.gguf', 'q8.gguf'", Refusal(new MemoryFolder().With("q4.gguf", file).With("q8.gguf", file)), StringComparison.Ordinal);

        var withProjector = ArtifactReader.Read(new MemoryFolder().With("q4.gguf", file).With("mmproj-f16.gguf", file));
        Assert.Equal((1, "mmproj"), (withProjector.Tensors.Length, Assert.Single(withProjector.Parts).Name));

        var unknown = ArtifactReader.Read(new MemoryFolder().With("weights.xyz", new byte[9]));
        Assert.Equal((ArtifactFormat.Unknown, 9L), (unknown.Format, unknown.Files[0].Bytes));
        Assert.Equal(["The format is not known: only the bytes on disk are."], unknown.Notes);
        Assert.Contains("holds no files", Refusal(new MemoryFolder()), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("m.engine", "xxxx")]
    [InlineData("m.plan", "xxxx")]
    [InlineData("model", "ftrt")]
    public void A_TensorRT_plan_tells_its_size(string name, string content)
    {
        var header = ArtifactReader.Read(Folder((name, content)).Open(name)!);

        Assert.Equal((ArtifactFormat.TensorRt, 4L), (header.Format, header.Files[0].Bytes));
        Assert.Contains("only the bytes on disk are known", Assert.Single(header.Notes), StringComparison.Ordinal);
    }

    [Fact]
    public void Folders_and_files_of_this_machine_are_read_by_their_path()
    {
        using var folder = new TemporaryFolder();
        folder.Write("config.json", Encoding.UTF8.GetBytes(Config));
        var blob = folder.Write("blob", Weights("w"));
        // A hub's cache keeps links.
        File.CreateSymbolicLink(folder.File("model.safetensors"), blob);

        var header = ArtifactReader.Read(folder.Path + "/");

        Assert.Equal((ArtifactFormat.HuggingFace, folder.Path), (header.Format, header.Source));
        Assert.Equal(new FileInfo(blob).Length, header.Files[1].Bytes);
        Assert.Equal("w", Assert.Single(ArtifactReader.Read(folder.File("model.safetensors")).Tensors).Name);
        Assert.EndsWith("nothing does not exist.", Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder.File("nothing"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_longer_than_any_models_is_refused_before_its_size_is_summed()
    {
        // Most disks have no files of 64 TiB; a file system in memory has, as long as nothing is in them.
        if (!Directory.Exists("/dev/shm")) Assert.Skip("there is no file system in memory");
        var folder = Directory.CreateDirectory(Path.Combine("/dev/shm", $"plimsoll-artifacts-{Environment.ProcessId}"));
        try
        {
            using (var file = File.Create(Path.Combine(folder.FullName, "model.safetensors"))) file.SetLength((1L << 46) + 1);

            foreach (var path in new[] { folder.FullName, Path.Combine(folder.FullName, "model.safetensors") })
            {
                Assert.EndsWith("model.safetensors has 70368744177665 bytes, which no file of a model has.",
                    Assert.Throws<ArtifactException>(() => ArtifactReader.Read(path)).Message, StringComparison.Ordinal);
            }
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private static MemoryFolder Pipeline(string index) => Folder(("model_index.json", index), ("unet/config.json", "{}"), ("text_encoder/config.json", "{}"), ("tokenizer/vocab.json", "{}"))
        .With("unet/diffusion_pytorch_model.safetensors", Weights("u")).With("unet/diffusion_pytorch_model.fp16.safetensors", new byte[68])
        .With("text_encoder/model.safetensors", Weights("t"));

    private static MemoryFolder Folder(params (string Name, string Text)[] files)
    {
        var folder = new MemoryFolder();
        foreach (var (name, text) in files)
            folder.With(name, Encoding.UTF8.GetBytes(text));
        return folder;
    }

    private static byte[] Weights(string name) => SafetensorsBytes.File((name, "BF16", [2, 2], 8));

    private static byte[] Torch(string name) => new ZipBytes()
        .Add("m/data.pkl", Pickle(Dict((name, Tensor(Storage("HalfStorage", "0", 2), 0, [2], [1]))))).Add("m/data/0", new byte[4]).File();

    private static string Refusal(MemoryFolder folder) => Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder)).Message;
}
