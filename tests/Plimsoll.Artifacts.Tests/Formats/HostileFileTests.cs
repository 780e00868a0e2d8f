using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts.Tests;

/// <summary>Files that ask for more than they are: each is refused in one sentence, at little cost.</summary>
public sealed class HostileFileTests
{
    private const long Terabytes = 400_000_000_000_000;

    public static TheoryData<string, byte[], long, string> Files => new()
    {
        { "m.gguf", Gguf(1UL << 62, 0), Terabytes, "it claims 4611686018427387904 tensors" },
        { "m.gguf", Gguf(0, 1UL << 62), Terabytes, "it claims 4611686018427387904 key-values" },
        { "m.gguf", Gguf(1_000_000, 0), 1000, "its 1000000 tensors end beyond byte 24000024" },
        { "m.gguf", Gguf(0, 1, Key("k", 8), U64(1UL << 62)), 1000, "claims 4611686018427387904 bytes" },
        { "m.gguf", Gguf(0, 1, Key("k", 9), U32(4), U64(1UL << 62)), Terabytes, "its arrays hold more than" },
        { "m.gguf", Gguf(0, 1, Key("k", 9), [.. Enumerable.Repeat<byte[]>([.. U32(9), .. U64(1)], 9).SelectMany(one => one)]), Terabytes, "its arrays are nested deeper than 4" },
        { "m.gguf", Gguf(1, 0, Key("w", 2), U64(1UL << 40), U64(1UL << 40), U32(0), U64(0)), Terabytes, "tensor 'w' has an impossibly large shape" },
        { "m.gguf", Gguf(1, 0, Key("w", 1), U64(4), U32(0), U64(1UL << 62)), Terabytes, "lies at the impossible offset 4611686018427387904" },
        { "m.gguf", Gguf(1, 0, U64(1UL << 62)), Terabytes, "at most 65536 are accepted" },
        { "m.onnx", OnnxBytes.Model(OnnxBytes.Tensor(1, [1_000_000_000, 1_000_000_000, 1000])), 0, "impossibly large shape" },
        { "m.onnx", [.. OnnxBytes.Number(1, 8), (7 * 8) + 2, .. OnnxBytes.Varint(1UL << 62)], Terabytes, "claims 4611686018427387904 bytes" },
        { "config.json", Encoding.UTF8.GetBytes(new string('[', 1_000_000)), 0, "its JSON breaks in line 1" },
        { "config.json", "{\"\\ud800\":1}"u8.ToArray(), 0, "a name in it is not Unicode" },
        { "config.json", [], Terabytes, "at most 16777216 are accepted" },
        { "model.safetensors.index.json", [], Terabytes, "at most 134217728 are accepted" },
        { "m.pt", "PK\x03\x04"u8.ToArray(), Terabytes, "a zip archive's directory comes last, and there is none" },
        { "m.pt", Zip(entries: 65_534, bytes: 100, start: 4), 0, "can't hold the 65534 entries it claims" },
        { "m.pt", Zip(entries: 1, bytes: 0xFFFF_FFF0, start: 4), 0, "its directory claims 4294967280 bytes" },
        { "m.pt", Zip(entries: 1, bytes: 100, start: 0xFFFF_FFF0), 0, "does not end before byte" },
        { "m.pt", Zip(entries: 1, bytes: 46, start: 4), 0, "no entry of its directory begins at byte 4" },
    };

    [Fact]
    public async Task A_pipe_is_no_file_of_a_model_and_nobody_waits_for_it()
    {
        using var folder = new TemporaryFolder();
        var path = Path.Combine(folder.Path, "config.json");
        using (var make = System.Diagnostics.Process.Start("mkfifo", [path])) await make.WaitForExitAsync(TestContext.Current.CancellationToken);

        var asFile = await Task.Run(() => Assert.Throws<ArtifactException>(() => ArtifactWeigher.Weigh(path)), TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);
        var inFolder = await Task.Run(() => Record.Exception(() => ArtifactWeigher.Weigh(folder.Path)), TestContext.Current.CancellationToken).WaitAsync(TimeSpan.FromSeconds(60), TestContext.Current.CancellationToken);

        Assert.Equal($"{path} is no regular file; a copy of what it gives would do.", asFile.Message);
        Assert.True(inFolder is null or ArtifactException, inFolder?.ToString());
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void What_a_file_claims_is_not_believed(string name, byte[] content, long length, string part)
    {
        var folder = new MemoryFolder().With(name, content, Math.Max(length, content.Length));
        // Once before, so that what is compiled or kept for good is not counted.
        Assert.Throws<ArtifactException>(() => Read());
        var before = GC.GetAllocatedBytesForCurrentThread();

        var message = Assert.Throws<ArtifactException>(() => Read()).Message;

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 4 << 20);
        Assert.Contains(part, message, StringComparison.Ordinal);
        Assert.Contains($"memory/{name}", message, StringComparison.Ordinal);
        Assert.EndsWith(".", message, StringComparison.Ordinal);

        ArtifactHeader Read()
        {
            using var file = folder.Open(name)!;
            return ArtifactReader.Read(file);
        }
    }

    [Fact]
    public void A_link_to_a_folder_is_not_followed_so_that_listing_ends()
    {
        using var folder = new TemporaryFolder();
        folder.Write("model.safetensors", SafetensorsBytes.File(("w", "F32", [1], 4)));
        Directory.CreateSymbolicLink(folder.File("again"), folder.Path);
        File.CreateSymbolicLink(folder.File("nowhere.safetensors"), folder.File("not there"));

        Assert.Equal(["model.safetensors"], ArtifactReader.Read(folder.Path).Files.Select(file => file.Name));
    }

    [Theory]
    [InlineData("a", "a")]
    [InlineData("./a//b", "a/b")]
    [InlineData("..", null)]
    [InlineData("a/../../b", null)]
    [InlineData("/a", null)]
    [InlineData("a\\b", null)]
    [InlineData("c:x", null)]
    [InlineData("", null)]
    [InlineData("./.", null)]
    public void A_name_from_a_file_stays_in_its_folder(string name, string? expected) => Assert.Equal(expected, ByteFolder.Checked(name));

    private static byte[] Gguf(ulong tensors, ulong pairs, params byte[][] rest) =>
        [.. "GGUF"u8, .. U32(3), .. U64(tensors), .. U64(pairs), .. rest.SelectMany(part => part)];

    // A name and the number after it: a value's type, or a tensor's axes.
    private static byte[] Key(string name, uint number) => [.. U64((ulong)name.Length), .. Encoding.ASCII.GetBytes(name), .. U32(number)];

    private static byte[] U32(uint value) => BitConverter.GetBytes(value);

    private static byte[] U64(ulong value) => BitConverter.GetBytes(value);

    private static byte[] Zip(ushort entries, uint bytes, uint start)
    {
        var file = new byte[200];
        "PK\x03\x04"u8.CopyTo(file);
        var end = file.AsSpan(178);
        "PK\x05\x06"u8.CopyTo(end);
        BinaryPrimitives.WriteUInt16LittleEndian(end[10..], entries);
        BinaryPrimitives.WriteUInt32LittleEndian(end[12..], bytes);
        BinaryPrimitives.WriteUInt32LittleEndian(end[16..], start);
        return file;
    }
}
