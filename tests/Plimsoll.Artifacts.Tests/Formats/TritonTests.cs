using System.Text;

namespace Plimsoll.Artifacts.Tests;

public sealed class TritonTests
{
    [Fact]
    public void Each_model_is_a_part_with_its_highest_version_read_by_its_own_reader()
    {
        var header = ArtifactReader.Read(new MemoryFolder()
            .With("encoder/config.pbtxt", Text("""
                # an encoder
                name: "encoder"
                platform: "onnxruntime_onnx"  max_batch_size: 8
                input [ { name: "x" data_type: TYPE_FP32 dims: [ -1, 4 ] }, { name: "y" dims: [1] } ]
                instance_group [ { count: 2, kind: KIND_GPU, gpus: [ 0, 1 ] }, { count: 3 kind: KIND_CPU } ]
                """))
            .With("encoder/2/model.onnx", Onnx(3)).With("encoder/10/model.onnx", Onnx(5)).With("encoder/010/model.onnx", Onnx(7))
            .With("plan/config.pbtxt", Text("backend: 'tensorrt'")).With("plan/1/model.plan", new byte[77])
            .With("bare/1/model.pt", new ZipBytes().Add("m/data.pkl", PickleBytes.Pickle([(byte)'N'])).Add("m/data/0", new byte[6]).File()));

        Assert.Equal(ArtifactFormat.TritonRepository, header.Format);
        Assert.Equal(["bare PyTorch", "encoder Onnx", "plan TensorRt"], header.Parts.Select(part => $"{part.Name} {part.Header.Format}"));
        var encoder = header.Parts[1].Header;
        Assert.Equal([5], Assert.Single(encoder.Tensors).Shape);
        Assert.Equal(("10", "onnxruntime", "8", "4", "3"), (encoder.Metadata["triton.version"], encoder.Metadata["triton.backend"],
            encoder.Metadata["triton.max_batch_size"], encoder.Metadata["triton.instances.gpu"], encoder.Metadata["triton.instances.cpu"]));
        Assert.Equal(["encoder/config.pbtxt", "encoder/10/model.onnx"], encoder.Files.Select(file => file.Name));
        Assert.Equal(77, header.Parts[2].Header.Files[^1].Bytes);
        Assert.Equal(6, header.Parts[0].Header.StorageBytes);
        Assert.Equal(("pytorch", "1"), (header.Parts[0].Header.Metadata["triton.backend"], header.Parts[0].Header.Metadata["triton.version"]));
    }

    [Theory]
    [InlineData("version_policy: { all { } }", "m/3,m/2,m/1")]
    [InlineData("version_policy { latest { num_versions: 2 } }", "m/3,m/2")]
    [InlineData("version_policy: { specific: { versions: [1, 3] } }", "m/1,m/3")]
    [InlineData("version_policy: { specific { versions: 2 } }", "m")]
    [InlineData("", "m")]
    public void The_versions_loaded_are_those_of_the_policy(string policy, string parts)
    {
        var folder = new MemoryFolder().With("m/config.pbtxt", Text("backend: \"onnxruntime\"\n" + policy));
        for (var version = 1; version <= 3; version++)
            folder.With($"m/{version}/model.onnx", Onnx(version));

        Assert.Equal(parts.Split(','), ArtifactReader.Read(folder).Parts.Select(part => part.Name));
    }

    [Fact]
    public void A_model_named_otherwise_in_a_folder_of_its_own_or_elsewhere_is_found()
    {
        var header = ArtifactReader.Read(new MemoryFolder()
            .With("a/config.pbtxt", Text("backend: \"onnxruntime\" default_model_filename: \"net.onnx\"")).With("a/1/net.onnx", Onnx(2))
            .With("b/config.pbtxt", Text("backend: \"onnxruntime\"")).With("b/1/model.onnx/model.onnx", Onnx(3))
            .With("c/config.pbtxt", Text("backend: \"vllm\"")).With("c/1/model.json", Text("""{"model":"org/name","tensor_parallel_size":2}"""))
            .With("d/config.pbtxt", Text("backend: \"python\"")).With("d/1/model.py", new byte[10]).With("d/1/weights/w.bin", new byte[90])
            .With("e/config.pbtxt", Text("platform: \"ensemble\" ensemble_scheduling { step [ { model_name: \"a\" } ] }")).With("e/1/.keep", []));

        Assert.Equal(["a", "b", "c", "d"], header.Parts.Select(part => part.Name));
        Assert.Equal([2], Assert.Single(header.Parts[0].Header.Tensors).Shape);
        Assert.Equal([3], Assert.Single(header.Parts[1].Header.Tensors).Shape);
        Assert.Equal("b/1/model.onnx/model.onnx", header.Parts[1].Header.Files[^1].Name);
        Assert.Equal("org/name", header.Parts[2].Header.Metadata["model"]);
        Assert.Equal(["The weights are those of 'org/name', which model.json names, and they are not here."], header.Parts[2].Header.Notes);
        Assert.Equal(100, header.Parts[3].Header.Files.Where(file => file.Name != "d/config.pbtxt").Sum(file => file.Bytes));
        Assert.Equal(["e is an ensemble of other models, and has no weights of its own."], header.Notes);
    }

    [Theory]
    [InlineData("gpt_model_path", "")]
    [InlineData("engine_dir", "1/.gitkeep")]
    [InlineData("gpt_model_path", "1/model.py")]
    public void An_engine_that_a_parameter_names_elsewhere_is_not_weighed_as_nothing(string key, string file)
    {
        var folder = new MemoryFolder().With("llm/config.pbtxt", Text($"backend: \"tensorrtllm\" instance_group [ {{ count: 2 }} ] parameters {{ key: \"batch\" value {{ string_value: \"8\" }} }} parameters: {{ key: \"{key}\" value: {{ string_value: \"/engines/llama\" }} }}"))
            .With("net/1/model.onnx", Onnx(3));
        if (file.Length > 0)
            folder.With("llm/" + file, new byte[7]);

        var header = ArtifactReader.Read(folder);
        var llm = header.Parts[0].Header;
        Assert.Equal(("llm", "/engines/llama"), (header.Parts[0].Name, llm.Metadata["model"]));
        var weighed = Architecture.Weigh(header);
        Assert.Equal(12, weighed.Weights.Value);
        Assert.Contains(weighed.Notes, note => note.StartsWith("llm is not in these numbers: ", StringComparison.Ordinal) && note.Contains("'/engines/llama'", StringComparison.Ordinal));
    }

    [Fact]
    public void A_model_elsewhere_is_no_model_of_the_bytes_that_name_it()
    {
        var header = ArtifactReader.Read(new MemoryFolder().With("m/1/model.json", Text("""{"model":"org/name"}""")));

        Assert.Contains("the weights are those of 'org/name'", Assert.Throws<ArtifactException>(() => Architecture.Weigh(header)).Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Ranks_of_an_engine_are_one_model_and_all_of_them_count()
    {
        var engines = new MemoryFolder().With("config.json", Text("""{"pretrained_config":{"architecture":"LlamaForCausalLM"}}""")).With("rank0.engine", new byte[70]).With("rank1.engine", new byte[77]);
        var header = ArtifactReader.Read(engines);
        Assert.Equal((ArtifactFormat.TensorRt, 147L), (header.Format, Architecture.Weigh(header).Weights.Value));
        Assert.Equal(["rank0.engine", "rank1.engine"], header.Files.Select(one => one.Name));
        Assert.Contains("Its 2 files are one model, a part for each rank; all are counted.", header.Notes);
        var gap = new MemoryFolder().With("rank0.engine", new byte[70]).With("rank2.engine", new byte[77]);
        Assert.Contains("holds 2 models; name one of", Assert.Throws<ArtifactException>(() => ArtifactReader.Read(gap)).Message, StringComparison.Ordinal);

        // A rank's parts have the names of the others'; the engine in a version's folder counts as well.
        var weights = ArtifactReader.Read(new MemoryFolder().With("config.json", Text("""{"architecture":"LlamaForCausalLM"}"""))
            .With("rank0.safetensors", SafetensorsBytes.File(("a", "BF16", [2, 2], 8))).With("rank1.safetensors", SafetensorsBytes.File(("a", "BF16", [2, 2], 8))));
        Assert.Equal(["rank0.a", "rank1.a"], weights.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(16, Architecture.Weigh(weights).Weights.Value);
        var served = ArtifactReader.Read(new MemoryFolder().With("m/config.pbtxt", Text("backend: \"tensorrtllm\" parameters { key: \"gpt_model_path\" value { string_value: \"/models/m/1\" } }"))
            .With("m/1/config.json", Text("{}")).With("m/1/rank0.engine", new byte[70]).With("m/1/rank1.engine", new byte[77]));
        Assert.Equal(149, Architecture.Weigh(served).Weights.Value);
    }

    [Fact]
    public void Instances_that_may_each_hold_the_weights_are_said()
    {
        var header = ArtifactReader.Read(new MemoryFolder().With("m/config.pbtxt", Text("backend: \"onnxruntime\" instance_group [ { count: 2 kind: KIND_GPU gpus: [ 0, 1 ] } ]")).With("m/1/model.onnx", Onnx(1))
            .With("n/config.pbtxt", Text("backend: \"onnxruntime\" instance_group [ { count: 1 kind: KIND_GPU } ]")).With("n/1/model.onnx", Onnx(1)));

        Assert.Equal(["Triton makes 4 instances of it (gpu); each may hold the weights once more, and they are counted once."], header.Parts[0].Header.Notes);
        Assert.Empty(header.Parts[1].Header.Notes);
    }

    [Theory]
    [InlineData("version_policy { specific { versions: [ 9 ] } }", "asks for version 9, and there is no such folder")]
    [InlineData("default_model_filename: \"../../x.onnx\"", "leaves the model's folder; that is refused")]
    [InlineData("default_model_filename: \"other.onnx\"", "holds no such file")]
    [InlineData("name: \"m", "a text does not end, at character 8")]
    [InlineData("input [ { name: \"x\" ", "a message does not end in '}'")]
    [InlineData("}", "a message ends that did not begin")]
    [InlineData("name", "no value follows the name 'name'")]
    [InlineData("a: [ 1 2 ]", "a list does not end in ']'")]
    public void A_configuration_that_cannot_be_followed_is_refused(string config, string part)
    {
        var folder = new MemoryFolder().With("m/config.pbtxt", Text(config)).With("m/1/model.onnx", Onnx(1));

        var message = Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder)).Message;

        Assert.StartsWith("memory/m/config.pbtxt ", message, StringComparison.Ordinal);
        Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Messages_nested_endlessly_are_refused()
    {
        var folder = new MemoryFolder().With("m/config.pbtxt", Text(string.Concat(Enumerable.Repeat("a {", 100_000)))).With("m/1/model.onnx", Onnx(1));

        Assert.Contains("nested deeper than 32", Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder)).Message, StringComparison.Ordinal);
    }

    private static byte[] Text(string text) => Encoding.UTF8.GetBytes(text);

    private static byte[] Onnx(int length) => OnnxBytes.Model(OnnxBytes.Tensor(1, [length], OnnxBytes.Content(9, new byte[length * 4])));
}
