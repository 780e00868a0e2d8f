namespace Plimsoll.Artifacts.Tests;

public sealed class GgufArtifactTests
{
    // Bytes of one block and its elements, counted from the fields of ggml's block structs.
    [Theory]
    [InlineData(0, "float32", 1, 4)]
    [InlineData(1, "float16", 1, 2)]
    [InlineData(2, "Q4_0", 32, 2 + 16)]
    [InlineData(3, "Q4_1", 32, 4 + 16)]
    [InlineData(6, "Q5_0", 32, 2 + 4 + 16)]
    [InlineData(7, "Q5_1", 32, 4 + 4 + 16)]
    [InlineData(8, "Q8_0", 32, 2 + 32)]
    [InlineData(9, "Q8_1", 32, 4 + 32)]
    [InlineData(10, "Q2_K", 256, 16 + 64 + 4)]
    [InlineData(11, "Q3_K", 256, 32 + 64 + 12 + 2)]
    [InlineData(12, "Q4_K", 256, 4 + 12 + 128)]
    [InlineData(13, "Q5_K", 256, 4 + 12 + 32 + 128)]
    [InlineData(14, "Q6_K", 256, 128 + 64 + 16 + 2)]
    [InlineData(15, "Q8_K", 256, 4 + 256 + 32)]
    [InlineData(16, "IQ2_XXS", 256, 2 + 64)]
    [InlineData(17, "IQ2_XS", 256, 2 + 64 + 8)]
    [InlineData(18, "IQ3_XXS", 256, 2 + 96)]
    [InlineData(19, "IQ1_S", 256, 2 + 32 + 16)]
    [InlineData(20, "IQ4_NL", 32, 2 + 16)]
    [InlineData(21, "IQ3_S", 256, 2 + 64 + 8 + 32 + 4)]
    [InlineData(22, "IQ2_S", 256, 2 + 64 + 8 + 8)]
    [InlineData(23, "IQ4_XS", 256, 2 + 2 + 4 + 128)]
    [InlineData(24, "int8", 1, 1)]
    [InlineData(25, "int16", 1, 2)]
    [InlineData(26, "int32", 1, 4)]
    [InlineData(27, "int64", 1, 8)]
    [InlineData(28, "float64", 1, 8)]
    [InlineData(29, "IQ1_M", 256, 32 + 16 + 8)]
    [InlineData(30, "bfloat16", 1, 2)]
    [InlineData(34, "TQ1_0", 256, 48 + 4 + 2)]
    [InlineData(35, "TQ2_0", 256, 64 + 2)]
    [InlineData(39, "MXFP4", 32, 1 + 16)]
    [InlineData(40, "NVFP4", 64, 4 + 32)]
    [InlineData(41, "Q1_0", 128, 2 + 16)]
    [InlineData(42, "Q2_0", 64, 2 + 16)]
    public void Every_type_has_its_true_block(uint type, string dtype, int blockElements, int blockBytes)
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "llama").Tensor("w", type, 6L * blockBytes, (ulong)blockElements * 2, 3);

        var tensor = Assert.Single(Read(file.File()).Tensors);

        Assert.Equal((dtype, 6L * blockBytes), (tensor.Dtype, tensor.Bytes));
        // Outermost first, as everywhere else.
        Assert.Equal([3, blockElements * 2], tensor.Shape);
    }

    [Theory]
    [InlineData(4, "which ggml gave up; quantise the model again")]
    [InlineData(33, "which ggml gave up; quantise the model again")]
    [InlineData(43, "has the unknown type 43")]
    [InlineData(uint.MaxValue, "has the unknown type 4294967295")]
    public void A_type_that_nobody_reads_is_refused(uint type, string part)
    {
        using var file = new GgufBytes();
        file.Tensor("w", type, 32, 32);

        Assert.Contains(part, Assert.Throws<ArtifactException>(() => Read(file.File())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Metadata_keeps_what_describes_the_architecture_and_counts_the_vocabulary()
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "llama4").UInt32("general.file_type", 15)
            .UInt32("llama4.block_count", 3).UInt32s("llama4.attention.head_count_kv", 8, 0, 8)
            .Float("llama4.rope.freq_base", 500000).Int32("llama4.expert_used_count", -1).Bool("llama4.tied", true)
            .Text("tokenizer.chat_template", "long").Texts("tokenizer.ggml.tokens", 5000).UInt32s("llama4.too.long", new uint[1025]);

        var header = Read(file.File());

        Assert.Equal(
        [
            ("general.architecture", "llama4"), ("general.file_type", "15"), ("llama4.attention.head_count_kv", "8,0,8"),
            ("llama4.block_count", "3"), ("llama4.expert_used_count", "-1"), ("llama4.rope.freq_base", "500000"), ("llama4.tied", "true"),
            ("tokenizer.ggml.tokens.count", "5000"),
        ],
            header.Metadata.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => (pair.Key, pair.Value)));
    }

    [Fact]
    public void Version_2_is_read_alike_and_others_are_refused()
    {
        using var file = new GgufBytes();
        file.Text("general.architecture", "llama").Tensor("w", 0, 4, 1);

        Assert.Equal(4, Assert.Single(Read(file.File(version: 2)).Tensors).Bytes);
        Assert.Contains("its version is 1", Assert.Throws<ArtifactException>(() => Read(file.File(version: 1))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("m-00001-of-00003.gguf")]
    [InlineData("m-00002-of-00003.gguf")]
    public void A_split_model_is_read_whole_from_any_of_its_files(string name)
    {
        var header = ArtifactReader.Read(Split().Open(name)!);

        Assert.Equal(["b", "c"], header.Tensors.Select(tensor => tensor.Name));
        Assert.Equal(["m-00001-of-00003.gguf", "m-00002-of-00003.gguf", "m-00003-of-00003.gguf"], header.Files.Select(file => file.Name));
        Assert.Equal("llama", header.Metadata["general.architecture"]);
    }

    [Fact]
    public void A_folder_of_one_split_model_is_that_model() =>
        Assert.Equal(2, ArtifactReader.Read(Split().With("README.md", [1])).Tensors.Length);

    [Fact]
    public void A_split_model_with_a_file_missing_swapped_or_doubled_is_refused()
    {
        Assert.Contains("'m-00003-of-00003.gguf' is not beside it", Refusal(Split(left: 2)), StringComparison.Ordinal);
        Assert.Contains("says that it is file 3 of 3, and its name says 2 of 3", Refusal(Split().With("m-00002-of-00003.gguf", Part(2, "d"))), StringComparison.Ordinal);
        using var silent = new GgufBytes();
        Assert.Contains("does not say which file of a split model it is (split.no and split.count), and its name says 2 of 3",
            Refusal(Split().With("m-00002-of-00003.gguf", silent.UInt16("split.count", 3).File())), StringComparison.Ordinal);
        Assert.Contains("has tensor 'b', which another of its model's files has too", Refusal(Split().With("m-00003-of-00003.gguf", Part(2, "b"))), StringComparison.Ordinal);
        Assert.Contains("says that its model has 7 tensors, and its 3 files hold 2", Refusal(Split(tensors: 7)), StringComparison.Ordinal);
    }

    [Fact]
    public void Tensors_that_overlap_or_share_a_name_and_keys_given_twice_are_refused()
    {
        using var overlap = new GgufBytes();
        overlap.TensorAt("a", 0, 0, 64, 16).TensorAt("b", 0, 32, 64, 16);
        Assert.Contains("tensor 'b' begins at byte", Refusal(overlap.File()), StringComparison.Ordinal);

        using var names = new GgufBytes();
        names.Tensor("a", 0, 4, 1).Tensor("a", 0, 4, 1);
        Assert.Contains("two tensors named 'a'", Refusal(names.File()), StringComparison.Ordinal);

        using var keys = new GgufBytes();
        keys.UInt32("k", 1).UInt32("k", 2);
        Assert.Contains("the key 'k' twice", Refusal(keys.File()), StringComparison.Ordinal);
    }

    private static MemoryFolder Split(int left = 3, int tensors = 2)
    {
        var folder = new MemoryFolder();
        for (var i = 0; i < left; i++)
            folder.With($"m-0000{i + 1}-of-00003.gguf", Part(i, i switch { 0 => null, 1 => "b", _ => "c" }, tensors));
        return folder;
    }

    // The first has the key-values and, as llama.cpp may leave it, no tensor.
    private static byte[] Part(int number, string? tensor, int tensors = 2)
    {
        using var file = new GgufBytes();
        if (number == 0) file.Text("general.architecture", "llama");
        file.UInt16("split.no", (ushort)number).UInt16("split.count", 3).Int32("split.tensors.count", tensors);
        if (tensor is not null) file.Tensor(tensor, 0, 4, 1);
        return file.File();
    }

    private static ArtifactHeader Read(byte[] file) => ArtifactReader.Read(new MemoryFolder().With("m.gguf", file).Open("m.gguf")!);

    private static string Refusal(byte[] file) => Assert.Throws<ArtifactException>(() => Read(file)).Message;

    private static string Refusal(MemoryFolder folder) =>
        Assert.Throws<ArtifactException>(() => ArtifactReader.Read(folder.Open("m-00001-of-00003.gguf")!)).Message;
}
