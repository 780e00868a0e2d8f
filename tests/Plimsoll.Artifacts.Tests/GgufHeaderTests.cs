using System.Text;
using CsCheck;

namespace Plimsoll.Artifacts.Tests;

public sealed class GgufHeaderTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_model_tells_its_architecture_and_what_its_tensors_weigh()
    {
        var header = GgufHeader.Read(_folder.Write("m.gguf", Small()));

        Assert.Equal("llama", header.Architecture);
        Assert.Equal((4096L, 2L, 64L, 4L, 2L), (header.ContextLength!.Value, header.BlockCount!.Value,
            header.EmbeddingLength!.Value, header.HeadCount!.Value, header.KeyValueHeadCount!.Value));
        // 512 elements in two Q4_K blocks of 144 bytes, and 32 floats.
        Assert.Equal((544L, 416L), (header.ParameterCount, header.TensorBytes));
        Assert.Equal([new("F32", 128), new("Q4_K", 288)], header.BytesByType);
    }

    [Fact]
    public void Its_footprint_knows_the_cache_of_one_token()
    {
        var footprint = ArtifactWeigher.Weigh(_folder.Write("m.gguf", Small())).Footprint;

        // 1 key-value head in the first block and 2 in the second, (16 + 16) wide, 2 bytes.
        Assert.Equal(new Bytes(192), footprint.KvPerToken);
        Assert.Equal((ArtifactFormat.Gguf, new Bytes(416), new Bytes(288)),
            (footprint.Format, footprint.Weights, footprint.LargestTensor));
    }

    [Fact]
    public void A_file_cut_anywhere_is_refused()
    {
        var whole = Small();
        for (var length = 0; length < whole.Length; length++)
        {
            var cut = _folder.Write("cut.gguf", whole[..length]);
            var error = Assert.Throws<ArtifactException>(() => GgufHeader.Read(cut));
            Assert.Contains("cut.gguf", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void A_file_with_flipped_bytes_is_read_or_refused_cheaply()
    {
        var whole = Small();
        Gen.Select(Gen.Int[0, whole.Length - 1], Gen.Byte).Array[1, 4].Sample(flips =>
        {
            var damaged = whole.ToArray();
            foreach (var (at, value) in flips)
                damaged[at] = value;
            var path = _folder.Write("flipped.gguf", damaged);
            var before = GC.GetAllocatedBytesForCurrentThread();
            try
            {
                Assert.NotNull(GgufHeader.Read(path));
            }
            catch (ArtifactException e)
            {
                Assert.EndsWith(".", e.Message, StringComparison.Ordinal);
            }

            Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        }, iter: 3000, threads: 1);
    }

    internal static byte[] Small()
    {
        using var bytes = new MemoryStream();
        using var writer = new BinaryWriter(bytes);
        writer.Write("GGUF"u8);
        writer.Write(3u);
        writer.Write(2UL);
        writer.Write(7UL);
        Pair(writer, "general.architecture", 8, () => Text(writer, "llama"));
        Pair(writer, "llama.context_length", 4, () => writer.Write(4096u));
        Pair(writer, "llama.block_count", 4, () => writer.Write(2u));
        Pair(writer, "llama.embedding_length", 4, () => writer.Write(64u));
        Pair(writer, "llama.attention.head_count", 4, () => writer.Write(4u));
        // One number per block, of which the largest counts.
        Pair(writer, "llama.attention.head_count_kv", 9, () => { writer.Write(4u); writer.Write(2UL); writer.Write(1u); writer.Write(2u); });
        Pair(writer, "tokenizer.ggml.tokens", 9, () => { writer.Write(8u); writer.Write(2UL); Text(writer, "a"); Text(writer, "b"); });
        Tensor(writer, "q", [256, 2], 12, 0);
        Tensor(writer, "norm", [32], 0, 288);
        while (bytes.Length % 32 != 0)
            writer.Write((byte)0);
        writer.Write(new byte[416]);
        writer.Flush();
        return bytes.ToArray();
    }

    private static void Pair(BinaryWriter writer, string key, uint type, Action value)
    {
        Text(writer, key);
        writer.Write(type);
        value();
    }

    private static void Tensor(BinaryWriter writer, string name, ulong[] shape, uint type, ulong offset)
    {
        Text(writer, name);
        writer.Write((uint)shape.Length);
        foreach (var length in shape)
            writer.Write(length);
        writer.Write(type);
        writer.Write(offset);
    }

    private static void Text(BinaryWriter writer, string text)
    {
        writer.Write((ulong)text.Length);
        writer.Write(Encoding.ASCII.GetBytes(text));
    }
}
