namespace Plimsoll.Artifacts.Tests;

public sealed class SafetensorsTests
{
    [Fact]
    public void A_pointer_that_git_left_in_the_files_place_is_called_one()
    {
        var pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 16060556376\n"u8.ToArray();
        foreach (var name in new[] { "model.safetensors", "m.gguf", "pytorch_model.bin" })
        {
            var error = Assert.Throws<ArtifactException>(() => ArtifactReader.Read(new MemoryFolder().With(name, pointer)));
            Assert.EndsWith($"{name} is a pointer that Git LFS left in the file's place; git lfs pull would fetch the file itself.", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Tensors_have_PyTorchs_dtypes_and_their_shapes_and_bytes_in_the_order_of_their_data()
    {
        var header = Read(SafetensorsBytes.File(
            ("w", "BF16", [2, 3], 12), ("scale", "F8_E4M3", [5], 5), ("packed", "F4", [2, 3], 3), ("six", "F6_E2M3", [4], 3), ("s", "F32", [], 4)));

        Assert.Equal(ArtifactFormat.Safetensors, header.Format);
        Assert.Equal(["w bfloat16 2,3 12", "scale float8_e4m3fn 5 5", "packed float4_e2m1fn_x2 2,3 3", "six float6_e2m3fn 4 3", "s float32  4"],
            header.Tensors.Select(tensor => $"{tensor.Name} {tensor.Dtype} {string.Join(',', tensor.Shape)} {tensor.Bytes}"));
        Assert.Equal("pt", header.Metadata["format"]);
        Assert.Equal(["model.safetensors"], header.Files.Select(file => file.Name));
    }

    [Theory]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8,
        "tensor 'b' begins at 4 of its data, inside the tensor before it, which ends at 8")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}""", 12, "bytes 4 to 8 of its data belong to no tensor")]
    [InlineData("""{"a":{"dtype":"F32","shape":[3],"data_offsets":[0,12]}}""", 8, "is truncated: tensor 'a' ends at byte")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 9, "5 bytes after its last tensor belong to none")]
    [InlineData("""{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "its shape and dtype need 8 bytes")]
    [InlineData("""{"a":{"dtype":"F4","shape":[3],"data_offsets":[0,2]}}""", 2, "no whole number of bytes")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1000000000,1000000000],"data_offsets":[0,4]}}""", 4, "impossibly large shape")]
    [InlineData("""{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "holds what is no length, at byte 37")]
    [InlineData("""{"a":{"dtype":"X9","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown dtype 'X9'")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1]}}""", 4, "lacks a dtype, a shape or data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0]}}""", 4, "has 1 data_offsets")]
    [InlineData("""{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "two tensors named 'a'")]
    [InlineData("""{"a":[[[[[[[[[[[[1]]]]]]]]]]]]}""", 0, "is no object")]
    [InlineData("""{"__metadata__":{"a":[[[[[[[[[[[[1]]]]]]]]]]]]}}""", 0, "JSON of its header breaks at byte")]
    [InlineData("""{"a":""", 0, "JSON of its header breaks at byte")]
    public void A_header_that_contradicts_its_file_is_refused(string json, int dataBytes, string part)
    {
        var message = Assert.Throws<ArtifactException>(() => Read(SafetensorsBytes.Raw(json, dataBytes))).Message;

        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.StartsWith("memory/model.safetensors is ", message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1UL << 62, "claims 4611686018427387904 bytes")]
    [InlineData(100_000_001UL, "at most 100000000 are accepted")]
    [InlineData(90_000_000UL, "is truncated: its header ends at byte 90000008")]
    public void A_header_that_lies_about_its_length_costs_nothing(ulong length, string part)
    {
        byte[] file = [.. BitConverter.GetBytes(length), (byte)'{', (byte)'}', 0, 0];
        var before = GC.GetAllocatedBytesForCurrentThread();

        var message = Assert.Throws<ArtifactException>(() => Read(file)).Message;

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Contains(part, message, StringComparison.Ordinal);
    }

    [Fact]
    public void Shards_are_read_by_their_index()
    {
        var header = ArtifactReader.Read(Sharded("""{"metadata":{"total_size":20},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""")
            .Open("model.safetensors.index.json")!);

        Assert.Equal(["a", "b"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["model.safetensors.index.json", "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"],
            header.Files.Select(file => file.Name));
        Assert.Empty(header.Notes);
    }

    [Fact]
    public void A_total_size_that_differs_is_said()
    {
        var header = ArtifactReader.Read(Sharded("""{"metadata":{"total_size":99.0},"weight_map":{"a":"model-00001-of-00002.safetensors","b":"model-00002-of-00002.safetensors"}}""")
            .Open("model.safetensors.index.json")!);

        Assert.Equal(["The index claims 99 bytes of tensors, and its shards hold 20."], header.Notes);
    }

    [Theory]
    [InlineData("""{"weight_map":{"a":"model-00003-of-00003.safetensors"}}""", "'model-00003-of-00003.safetensors', which does not exist")]
    [InlineData("""{"weight_map":{"a":"../../etc/passwd"}}""", "leaves the model's folder; that is refused")]
    [InlineData("""{"weight_map":{"a":"/etc/passwd"}}""", "leaves the model's folder; that is refused")]
    [InlineData("""{"weight_map":{"a":"x/../../y.safetensors"}}""", "leaves the model's folder; that is refused")]
    [InlineData("""{"weight_map":{"a":"model.safetensors.index.json"}}""", "in an index, 'model.safetensors.index.json'")]
    [InlineData("""{"weight_map":{"a":"./model.safetensors.index.json"}}""", "in an index, 'model.safetensors.index.json'")]
    [InlineData("""{"weight_map":{"c":"model-00001-of-00002.safetensors"}}""", "names 'c', and 'model-00001-of-00002.safetensors' does not hold it")]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00002.safetensors","a":"model-00002-of-00002.safetensors"}}""", "names tensor 'a' twice")]
    [InlineData("""{"weight_map":{"a":"model-00001-of-00002.safetensors","b":"twice.safetensors"}}""", "keeps tensor 'a' in 'model-00001-of-00002.safetensors', and 'twice.safetensors' has one too")]
    [InlineData("""{"weight_map":{}}""", "names no tensor")]
    [InlineData("""{"weight_map":{"a":[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]}}""", "names no file for tensor 'a'")]
    [InlineData("""{"weight_map":{"a":"model""", "its JSON breaks at byte")]
    [InlineData("[]", "its JSON is no object")]
    public void An_index_that_does_not_fit_its_shards_is_refused(string index, string part)
    {
        var folder = Sharded(index).With("twice.safetensors", SafetensorsBytes.File(("a", "F32", [1], 4), ("b", "F32", [1], 4)));

        var message = Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder.Open("model.safetensors.index.json")!)).Message;

        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.StartsWith("memory/model.safetensors.index.json ", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_broken_shard_is_named_and_always_the_same_one()
    {
        using var folder = new TemporaryFolder();
        for (var i = 0; i < 20; i++)
            folder.Write($"s{i:00}.safetensors", i is 7 or 8 or 9 ? [1, 2] : SafetensorsBytes.File(($"t{i}", "F32", [1], 4)));
        var map = string.Join(',', Enumerable.Range(0, 20).Select(i => $"\"t{i}\":\"s{i:00}.safetensors\""));
        var index = folder.Write("model.safetensors.index.json", System.Text.Encoding.UTF8.GetBytes($"{{\"weight_map\":{{{map}}}}}"));

        for (var i = 0; i < 20; i++)
            Assert.Contains("s07.safetensors is truncated", Assert.Throws<ArtifactException>(() => ArtifactReader.Read(index)).Message, StringComparison.Ordinal);
    }

    private static MemoryFolder Sharded(string index) => new MemoryFolder()
        .With("model.safetensors.index.json", System.Text.Encoding.UTF8.GetBytes(index))
        .With("model-00001-of-00002.safetensors", SafetensorsBytes.File(("a", "F32", [4], 16)))
        .With("model-00002-of-00002.safetensors", SafetensorsBytes.File(("b", "F16", [2], 4)));

    private static ArtifactHeader Read(byte[] file) => ArtifactReader.Read(new MemoryFolder().With("model.safetensors", file).Open("model.safetensors")!);
}
