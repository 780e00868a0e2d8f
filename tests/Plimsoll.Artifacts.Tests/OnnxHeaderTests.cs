using CsCheck;
using static Plimsoll.Artifacts.Tests.OnnxBytes;

namespace Plimsoll.Artifacts.Tests;

public sealed class OnnxHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_sample_models_header_is_read_without_its_weights()
    {
        var path = (await SampleModels.EnsureAsync(
            _folder.Path, "m", 1_000_000, cancel: TestContext.Current.CancellationToken)).Path;

        var header = OnnxHeader.Read(path);

        Assert.Equal("plimsoll", header.Producer);
        Assert.Equal([new OnnxOpset("", 17)], header.Opsets);
        var input = Assert.Single(header.Inputs);
        Assert.Equal(("input_ids", OnnxDataType.Int64), (input.Name, input.Type));
        Assert.Equal([new OnnxDimension(null, "batch"), new OnnxDimension(null, "sequence")], input.Dimensions!.Value);
        var output = Assert.Single(header.Outputs);
        Assert.Equal([new OnnxDimension(null, "batch"), new OnnxDimension(16, null)], output.Dimensions!.Value);
        Assert.Equal(new FileInfo(path).Length, header.FileBytes);
    }

    [Theory]
    [InlineData(1, 6, 24)]
    [InlineData(7, 6, 48)]
    [InlineData(10, 6, 12)]
    [InlineData(22, 7, 4)] // seven int4 in four bytes
    [InlineData(25, 5, 2)] // five 2-bit values in two bytes
    [InlineData(17, 6, 6)]
    public void A_tensors_bytes_follow_from_its_type_and_shape(int type, long elements, int bytes)
    {
        var path = _folder.Write("m.onnx", Model(Tensor(type, [elements], Content(9, new byte[bytes]))));

        var tensor = Assert.Single(OnnxHeader.Read(path).Initializers);

        Assert.Equal((elements, (long)bytes), (tensor.Elements, tensor.Bytes));
        Assert.Equal(new byte[bytes], File.ReadAllBytes(path).AsSpan((int)tensor.Offset, bytes).ToArray());
    }

    [Fact]
    public void Typed_data_counts_as_much_as_raw_data()
    {
        var path = _folder.Write("m.onnx", Model(Tensor(1, [3], Content(4, new byte[12]))));

        var tensor = Assert.Single(OnnxHeader.Read(path).Initializers);

        Assert.Equal((OnnxStorage.Typed, 12L), (tensor.Storage, tensor.Bytes));
    }

    [Fact]
    public void Tensors_in_constant_nodes_and_their_subgraphs_count_as_parameters()
    {
        // NodeProto.attribute=5, AttributeProto.t=5 and .g=6; the subgraph holds an initialiser of two floats.
        var constant = Content(1, Content(5, Text(1, "value"), Content(5, Tensor(1, [3], Content(9, new byte[12]))[2..])));
        var nested = Content(1, Content(5, Text(1, "body"), Content(6, Tensor(1, [2], Content(9, new byte[8])))));
        var path = _folder.Write("m.onnx", Model(constant, nested));

        var header = OnnxHeader.Read(path);

        Assert.Empty(header.Initializers);
        Assert.Equal((5L, 20L, 2), (header.ParameterCount, header.TensorBytes, header.NodeCount));
    }

    [Fact]
    public void External_data_is_found_beside_the_model_with_its_offset()
    {
        _folder.Write("weights.bin", new byte[64]);
        var path = _folder.Write("m.onnx", Model(Tensor(
            1, [4], Entry("location", "weights.bin"), Entry("offset", "32"), Entry("length", "16"), Number(14, 1))));

        var header = OnnxHeader.Read(path);

        var tensor = Assert.Single(header.Initializers);
        Assert.Equal((OnnxStorage.External, 32L, 16L), (tensor.Storage, tensor.Offset, tensor.Bytes));
        Assert.Equal(new FileInfo(path).Length + 64, header.FileBytes);
    }

    [Theory]
    [InlineData("../weights.bin")]
    [InlineData("/etc/hostname")]
    [InlineData("a/../../weights.bin")]
    [InlineData("..\\weights.bin")]
    public void External_data_outside_the_models_folder_is_refused(string location)
    {
        var path = _folder.Write("m.onnx", Model(Tensor(1, [1], Entry("location", location), Number(14, 1))));

        var error = Assert.Throws<ArtifactException>(() => OnnxHeader.Read(path));

        Assert.Contains("leaves the model's folder", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_or_short_external_file_is_named()
    {
        var path = _folder.Write("m.onnx", Model(Tensor(1, [8], Entry("location", "w.bin"), Number(14, 1))));
        var missing = Assert.Throws<ArtifactException>(() => OnnxHeader.Read(path));
        _folder.Write("w.bin", new byte[31]);
        var isShort = Assert.Throws<ArtifactException>(() => OnnxHeader.Read(path));

        Assert.Contains("w.bin does not exist", missing.Message, StringComparison.Ordinal);
        Assert.Contains("w.bin is truncated: tensor 'w'", isShort.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shape_that_contradicts_its_data_is_refused_before_anything_is_allocated()
    {
        var huge = _folder.Write("huge.onnx", Model(Tensor(1, [1L << 40, 1L << 40], Content(9, new byte[4]))));
        var wrong = _folder.Write("wrong.onnx", Model(Tensor(1, [3], Content(9, new byte[4]))));

        Assert.Contains("impossibly large", Assert.Throws<ArtifactException>(() => OnnxHeader.Read(huge)).Message,
            StringComparison.Ordinal);
        Assert.Contains("holds 4 bytes where its shape 3 needs 12",
            Assert.Throws<ArtifactException>(() => OnnxHeader.Read(wrong)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_cut_anywhere_is_refused_with_one_sentence_that_names_it()
    {
        var path = (await SampleModels.EnsureAsync(
            _folder.Path, "m", 300_000, cancel: TestContext.Current.CancellationToken)).Path;
        var whole = File.ReadAllBytes(path);
        for (var length = 0; length < whole.Length; length += 1 + length / 7)
        {
            var cut = _folder.Write("cut.onnx", whole[..length]);
            var error = Assert.Throws<ArtifactException>(() => OnnxHeader.Read(cut));
            Assert.Contains("cut.onnx", error.Message, StringComparison.Ordinal);
            Assert.DoesNotContain('\n', error.Message);
        }
    }

    [Fact]
    public void Random_bytes_are_never_read_as_a_model_and_cost_little_memory() =>
        Gen.Byte.Array[0, 300].Sample(bytes => IsRefusedCheaply("random.onnx", bytes), iter: 2000, threads: 1);

    [Fact]
    public void A_model_with_flipped_bytes_is_read_or_refused_and_never_crashes()
    {
        _folder.Write("weights.bin", new byte[64]);
        var model = Model(
            Content(11, Text(1, "x"), Content(2, Content(1, Number(1, 1), Content(2, Content(1, Number(1, 3)))))),
            Content(1, Text(4, "Constant"), Content(5, Text(1, "value"), Content(6, Tensor(1, [2], Content(9, new byte[8]))))),
            Tensor(1, [2, 2], Content(9, new byte[16])),
            Tensor(1, [4], Entry("location", "weights.bin"), Number(14, 1)));
        Gen.Select(Gen.Int[0, model.Length - 1], Gen.Byte).Array[1, 4].Sample(flips =>
        {
            var damaged = model.ToArray();
            foreach (var (at, value) in flips)
                damaged[at] = value;
            IsReadOrRefusedCheaply("flipped.onnx", damaged);
        }, iter: 3000, threads: 1);
    }

    [Fact]
    public void A_missing_file_a_folder_and_a_text_are_told_apart()
    {
        var text = _folder.Write("notes.txt", "This is not a model at all."u8.ToArray());

        Assert.Contains("does not exist", Refusal(_folder.File("none.onnx")), StringComparison.Ordinal);
        Assert.Contains("is a folder", Refusal(_folder.Path), StringComparison.Ordinal);
        Assert.Contains("notes.txt", Refusal(text), StringComparison.Ordinal);
    }

    private static string Refusal(string path) => Assert.Throws<ArtifactException>(() => OnnxHeader.Read(path)).Message;

    private void IsRefusedCheaply(string name, byte[] bytes)
    {
        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<ArtifactException>(() => OnnxHeader.Read(_folder.Write(name, bytes)));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    private void IsReadOrRefusedCheaply(string name, byte[] bytes)
    {
        var path = _folder.Write(name, bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        try
        {
            Assert.NotNull(OnnxHeader.Read(path));
        }
        catch (ArtifactException e)
        {
            Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }
}
