using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Microsoft.Win32.SafeHandles;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Load;

namespace Plimsoll.Prediction.Loads;

/// <summary>
/// Safetensors files of several sizes on this machine's disk, and real loads of them: the header through our reader, then every
/// byte into memory of its own, as the model server does. Deleted at the end.
/// </summary>
internal sealed partial class LocalModels : IDisposable
{
    public static readonly int[] Megabytes = [4, 16, 48, 96, 160, 256, 512];

    private const int Chunk = 4 << 20;
    private const int DontNeed = 4;

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-loads-").FullName;

    public LocalModels(params ReadOnlySpan<int> sizes)
    {
        foreach (var megabytes in sizes) Write(PathOf(megabytes), megabytes);
    }

    public string PathOf(int megabytes) => Path.Combine(_folder, $"{megabytes}", "model.safetensors");

    /// <summary>Makes the kernel drop what it keeps of the file, so that the next load comes from the disk.</summary>
    public void Drop(int megabytes)
    {
        using var file = File.OpenHandle(PathOf(megabytes));
        if (Advise(file, 0, 0, DontNeed) is var error and not 0) throw new IOException($"posix_fadvise answers {error}");
    }

    /// <summary>Loads it and lets it go: seconds from opening the file to the last byte in memory, and to give the memory back.</summary>
    public (double Load, double Unload) Load(int megabytes)
    {
        var start = TimeProvider.System.GetTimestamp();
        var header = ArtifactReader.Read(PathOf(megabytes));
        var total = header.Tensors.Sum(tensor => tensor.Bytes);
        using var file = File.OpenHandle(PathOf(megabytes));
        var memory = Marshal.AllocHGlobal((nint)total);
        double took;
        try
        {
            unsafe
            {
                var length = RandomAccess.GetLength(file);
                for (long from = length - total, at = 0; at < total;)
                {
                    var read = RandomAccess.Read(file, new Span<byte>((byte*)memory + at, (int)Math.Min(Chunk, total - at)), from + at);
                    if (read == 0) throw new EndOfStreamException(PathOf(megabytes));
                    at += read;
                }
            }
        }
        finally
        {
            took = TimeProvider.System.GetElapsedTime(start).TotalSeconds;
            start = TimeProvider.System.GetTimestamp();
            Marshal.FreeHGlobal(memory);
        }

        return (took, TimeProvider.System.GetElapsedTime(start).TotalSeconds);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // Eight tensors of 16-bit numbers, behind a header as the format wants it.
    private static void Write(string path, int megabytes)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        var each = (long)megabytes * 1_000_000 / 8 / 2 * 2;
        var header = "{" + string.Join(',', Enumerable.Range(0, 8).Select(i =>
            $"\"layers.{i}.weight\":{{\"dtype\":\"BF16\",\"shape\":[{each / 2}],\"data_offsets\":[{each * i},{each * (i + 1)}]}}")) + "}";
        using var file = new FileStream(path, FileMode.Create);
        Span<byte> length = stackalloc byte[8];
        var text = Encoding.UTF8.GetBytes(header);
        BinaryPrimitives.WriteUInt64LittleEndian(length, (ulong)text.Length);
        file.Write(length);
        file.Write(text);
        var random = new SeededRandom((ulong)megabytes);
        var block = new byte[1 << 20];
        for (var i = 0; i < block.Length; i += 8) BinaryPrimitives.WriteUInt64LittleEndian(block.AsSpan(i), random.NextBits());
        for (var left = each * 8; left > 0; left -= block.Length) file.Write(block, 0, (int)Math.Min(block.Length, left));

        // What is not written back yet cannot be dropped.
        file.Flush(flushToDisk: true);
    }

    [LibraryImport("libc", EntryPoint = "posix_fadvise")]
    private static partial int Advise(SafeFileHandle file, long offset, long length, int advice);
}
