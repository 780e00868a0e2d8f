using System.Text;
using static Plimsoll.Artifacts.Tests.PickleBytes;

namespace Plimsoll.Artifacts.Tests;

public sealed class PyTorchTests
{
    [Theory]
    [InlineData(false, "")]
    [InlineData(true, "")]
    [InlineData(false, "a comment")]
    public void A_state_dict_tells_names_dtypes_and_shapes_without_being_unpickled(bool zip64, string comment)
    {
        var header = Read(StateDict().File(zip64, comment));

        Assert.Equal(ArtifactFormat.PyTorch, header.Format);
        Assert.Equal(["a.weight float16 2,3 12", "a.bias float32 3 12"], Told(header));
        Assert.Null(header.StorageBytes);
        Assert.Empty(header.Notes);
    }

    [Fact]
    public void Younger_dtypes_and_parameters_are_read_too()
    {
        var fp8 = TensorOfDtype(Storage("UntypedStorage", "0", 6, "torch.storage"), "float8_e4m3fn", [2, 3], [3, 1]);
        byte[] parameter = [.. Global("torch._utils", "_rebuild_parameter"), .. Tuple(Tensor(Storage("BFloat16Storage", "1", 4), 0, [4], [1]), [0x88], Text("hooks")), (byte)'R'];

        var header = Read(Archive(Dict(("w", fp8), ("p", parameter)), 6, 8));

        Assert.Equal(["w float8_e4m3fn 2,3 6", "p bfloat16 4 8"], Told(header));
    }

    [Fact]
    public void Tied_weights_are_counted_once()
    {
        byte[] storage = Storage("FloatStorage", "0", 6);
        var header = Read(Archive(OrderedDict(("embed", Tensor(storage, 0, [2, 3], [3, 1])), ("head", Tensor(storage, 0, [2, 3], [3, 1]))), 24));

        Assert.Equal(["embed float32 2,3 24"], Told(header));
        Assert.Equal(["Not listed, as they are other tensors under a second name: 'head'."], header.Notes);
    }

    [Fact]
    public void A_training_checkpoint_is_its_model_and_the_rest_is_said()
    {
        var header = Read(Archive(Dict(
            ("epoch", Number(3)), ("state_dict", OrderedDict(("w", Floats("0")))), ("optimizer", Dict(("m", Floats("1")), ("v", Floats("2"))))), 8, 8, 8));

        Assert.Equal(["w float32 2 8"], Told(header));
        Assert.Null(header.StorageBytes);
        Assert.Equal(["The weights are those of 'state_dict'; beside them lie 16 B of other tensors, as an optimiser's state."], header.Notes);
    }

    [Fact]
    public void A_flat_state_dict_whose_names_begin_as_a_checkpoints_part_is_read_whole()
    {
        var header = Read(Archive(OrderedDict(("model.w", Floats("0")), ("lm_head.weight", Floats("1"))), 8, 8));

        Assert.Equal(["model.w float32 2 8", "lm_head.weight float32 2 8"], Told(header));
        Assert.Empty(header.Notes);

        var sharded = ArtifactReader.Read(new MemoryFolder()
            .With("pytorch_model.bin.index.json", """{"metadata":{"total_size":24},"weight_map":{"model.w":"1.bin","model.x":"2.bin","lm_head.weight":"2.bin"}}"""u8.ToArray())
            .With("1.bin", Archive(OrderedDict(("model.w", Floats("0"))), 8)).With("2.bin", Archive(OrderedDict(("model.x", Floats("0")), ("lm_head.weight", Floats("1"))), 8, 8)));
        Assert.Equal(["model.w float32 2 8", "model.x float32 2 8", "lm_head.weight float32 2 8"], Told(sharded));
        Assert.Equal(["There is no config.json beside the weights: the architecture is told by the tensors alone."], sharded.Notes);
    }

    [Fact]
    public void A_part_of_a_checkpoint_is_told_by_its_whole_key_and_by_what_lies_beside_it()
    {
        // A module pickled whole is a part as its state is; one that is nothing but a tensor is none.
        byte[] module = [.. Global("my.code", "Net"), (byte)')', 0x81, .. Dict(("_parameters", Dict(("w", Floats("0"))))), (byte)'b'];
        Assert.Equal(["w float32 2 8"], Told(Read(Archive(Dict(("model", module), ("ema", Dict(("w", Floats("1"))))), 8, 8))));
        byte[] odd = [.. Global("my.code", "Net"), (byte)')', 0x81, .. Floats("0"), (byte)'b'];
        Assert.Equal(["model float32 2 8"], Told(Read(Archive(Dict(("model", odd)), 8))));

        // A tensor at the root belongs to no part, and a key with a dot is no other key.
        Assert.Equal(2, Read(Archive(Dict(("model", Dict(("w", Floats("0")))), ("step", Floats("1"))), 8, 8)).Tensors.Length);
        Assert.Equal(2, Read(Archive(Dict(("model.a", Dict(("w", Floats("0")))), ("b", Dict(("w", Floats("1"))))), 8, 8)).Tensors.Length);
    }

    [Fact]
    public void A_module_pickled_whole_is_walked_by_its_state()
    {
        byte[] Module(params (string, byte[])[] state) => [.. Global("my.code", "Net"), (byte)')', 0x81, .. Dict(state), (byte)'b'];
        var inner = Module(("_parameters", Dict(("weight", Tensor(Storage("FloatStorage", "0", 2), 0, [2], [1])))));

        Assert.Equal(["layer.weight float32 2 8"], Told(Read(Archive(Module(("_modules", Dict(("layer", inner)))), 8))));
    }

    [Fact]
    public void What_the_scan_cannot_follow_is_exact_in_bytes_and_says_so()
    {
        var unknownOpcode = Read(new ZipBytes().Add("m/data.pkl", [0x80, 2, 0xFF]).Add("m/data/0", new byte[40]).File());
        Assert.Equal((40L, 0), (unknownOpcode.StorageBytes!.Value, unknownOpcode.Tensors.Length));
        Assert.Contains("the opcode 255 at byte", Assert.Single(unknownOpcode.Notes), StringComparison.Ordinal);

        // A call that is not known stays opaque, and its storages are counted all the same.
        byte[] evil = [.. Global("os", "system"), .. Tuple(Text("touch /tmp/owned")), (byte)'R'];
        byte[] custom = [.. Global("my.code", "rebuild"), .. Tuple(Storage("FloatStorage", "1", 4)), (byte)'R'];
        var opaque = Read(Archive(Dict(("w", Tensor(Storage("FloatStorage", "0", 2), 0, [2], [1])), ("x", evil), ("y", custom)), 8, 16));
        Assert.Equal(["w float32 2 8"], Told(opaque));
        Assert.Equal(24, opaque.StorageBytes);
        var weighed = Architecture.Weigh(opaque);
        Assert.Equal((24, 2), (weighed.Weights.Value, weighed.Parameters));
        Assert.Equal(["other 2 24"], weighed.Components.Select(part => $"{part.Component} {part.Parameters} {part.Weights.Value}"));
        Assert.Equal(["float32 8", "unknown 16"], weighed.ByDtype.Select(part => $"{part.Dtype} {part.Weights.Value}"));
        Assert.Equal(["16 B of its storages belong to no tensor that was recognised: they are exact in bytes, and their shapes are unknown."], opaque.Notes);
    }

    [Fact]
    public void Values_that_hold_themselves_and_values_shared_a_thousandfold_end()
    {
        // l = []; l.append(l)
        byte[] cycle = [(byte)']', .. Put(0), .. Get(0), (byte)'a'];
        Assert.Empty(Read(Archive(cycle, 4)).Tensors);

        // Each of 40 lists holds the one before it twice: 2^40 ways lead to the tensor.
        byte[] nested = [(byte)']', .. Put(0)];
        nested = [.. nested, .. Tensor(Storage("FloatStorage", "0", 1), 0, [1], [1]), (byte)'a'];
        for (var i = 1; i < 40; i++)
            nested = [.. nested, (byte)'0', (byte)']', .. Put(i), .. Get(i - 1), (byte)'a', .. Get(i - 1), (byte)'a'];
        Assert.Single(Read(Archive(nested, 4)).Tensors);
    }

    [Theory]
    [InlineData(7, 0, 1, "reaches beyond the storage '0' of 24 bytes")]
    [InlineData(6, 1, 1, "reaches beyond the storage '0' of 24 bytes")]
    [InlineData(2, 0, long.MaxValue, "reaches beyond the storage '0' of 24 bytes")]
    [InlineData(1_000_000_000_000_000_000, 0, 1, "reaches beyond the storage '0' of 24 bytes")]
    public void A_tensor_outside_its_storage_is_refused(long elements, long offset, long stride, string part) =>
        Assert.Contains(part, Refusal(Archive(Dict(("w", Tensor(Storage("FloatStorage", "0", 6), offset, [elements], [stride]))), 24)), StringComparison.Ordinal);

    [Fact]
    public void A_shape_that_repeats_one_element_endlessly_is_not_counted()
    {
        var header = Read(Archive(Dict(("w", Tensor(Storage("FloatStorage", "0", 1), 0, [1_000_000_000_000_000_000, 1_000_000_000_000_000_000], [0, 0]))), 4));

        Assert.Equal((0, 4L), (header.Tensors.Length, header.StorageBytes!.Value));
    }

    [Fact]
    public void Storages_that_are_missing_or_of_another_size_are_refused()
    {
        Assert.Contains("the storage '7', which is not in the archive", Refusal(Archive(Dict(("w", Tensor(Storage("FloatStorage", "7", 1), 0, [1], [1]))), 4)), StringComparison.Ordinal);
        Assert.Contains("should hold 3 elements, and has 4 bytes", Refusal(Archive(Dict(("w", Tensor(Storage("FloatStorage", "0", 3), 0, [1], [1]))), 4)), StringComparison.Ordinal);
        Assert.Contains("two tensors named 'w'", Refusal(Archive(Dict(("w", Tensor(Storage("FloatStorage", "0", 1), 0, [1], [1])), ("w", Tensor(Storage("FloatStorage", "1", 1), 0, [1], [1]))), 4, 4)), StringComparison.Ordinal);
    }

    [Fact]
    public void Archives_that_lie_about_their_entries_are_refused()
    {
        var pickle = Pickle(Dict());
        Assert.Contains("'m/data/0' is compressed or encrypted", Refusal(With(new("m/data/0", new byte[10]) { Method = 8, Bytes = 1L << 31 })), StringComparison.Ordinal);
        Assert.Contains("'m/data/0' is compressed or encrypted", Refusal(With(new("m/data/0", new byte[10]) { Flags = 1 })), StringComparison.Ordinal);
        Assert.Contains("is not compressed and has two sizes, 10 and 4000000000", Refusal(With(new("m/data/0", new byte[10]) { Bytes = 4_000_000_000 })), StringComparison.Ordinal);
        Assert.Contains("beyond byte", Refusal(With(new("m/data/0", new byte[10]) { Bytes = 1000, StoredBytes = 1000 })), StringComparison.Ordinal);
        Assert.Contains("lies inside 'm/data.pkl'", Refusal(With(new("m/data/0", new byte[10]) { Offset = 8 })), StringComparison.Ordinal);
        Assert.Contains("two entries named 'm/data.pkl'", Refusal(With(new("m/data.pkl", pickle))), StringComparison.Ordinal);
        Assert.Contains("impossible size 18446744073709551615", Refusal(With(new("m/data/0", new byte[10]) { Bytes = -1 }, zip64: true)), StringComparison.Ordinal);
        Assert.Contains("is truncated: a zip archive's directory comes last", Refusal(With(new("m/data/0", new byte[10]))[..^30]), StringComparison.Ordinal);

        byte[] With(ZipBytes.Entry entry, bool zip64 = false) => new ZipBytes().Add("m/data.pkl", pickle).Add(entry).File(zip64);
    }

    [Fact]
    public void A_file_of_PyTorch_before_1_6_and_another_archive_tell_only_their_size()
    {
        var legacy = Read([0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, (byte)'.', 1, 2, 3]);
        Assert.Equal((ArtifactFormat.PyTorch, 18L, 0), (legacy.Format, legacy.Files[0].Bytes, legacy.Tensors.Length));
        Assert.Contains("only the bytes on disk are known", Assert.Single(legacy.Notes), StringComparison.Ordinal);

        Assert.Equal(ArtifactFormat.Unknown, Read(new ZipBytes().Add("readme.txt", [1]).File()).Format);
    }

    private static byte[] Floats(string storage) => Tensor(Storage("FloatStorage", storage, 2), 0, [2], [1]);

    private static ZipBytes StateDict() => Zip(
        OrderedDict(("a.weight", Tensor(Storage("HalfStorage", "0", 6), 0, [2, 3], [3, 1])), ("a.bias", Tensor(Storage("FloatStorage", "1", 3), 0, [3], [1]))), 12, 12);

    private static byte[] Archive(byte[] value, params int[] storages) => Zip(value, storages).File();

    private static ZipBytes Zip(byte[] value, params int[] storages)
    {
        var zip = new ZipBytes().Add("m/data.pkl", Pickle(value)).Add("m/byteorder", Encoding.ASCII.GetBytes("little"));
        for (var i = 0; i < storages.Length; i++)
            zip.Add($"m/data/{i}", new byte[storages[i]]);
        return zip.Add("m/version", "3\n"u8.ToArray());
    }

    private static IEnumerable<string> Told(ArtifactHeader header) =>
        header.Tensors.Select(tensor => $"{tensor.Name} {tensor.Dtype} {string.Join(',', tensor.Shape)} {tensor.Bytes}");

    private static ArtifactHeader Read(byte[] file) => ArtifactReader.Read(new MemoryFolder().With("m.pt", file).Open("m.pt")!);

    private static string Refusal(byte[] file) => Assert.Throws<ArtifactException>(() => Read(file)).Message;
}
