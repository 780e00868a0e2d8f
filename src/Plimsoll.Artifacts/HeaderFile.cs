using System.Buffers.Binary;
using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>
/// A forward reader of an untrusted file's header. It keeps one small window of the file and skips over tensor
/// data without reading it, so a model of any size costs a few kilobytes and a few milliseconds.
/// Every failure is an <see cref="ArtifactException"/> that names the file.
/// </summary>
/// <param name="source">Where the bytes come from.</param>
/// <param name="kind">What messages call it ("an ONNX model").</param>
internal sealed class HeaderFile(ByteSource source, string kind)
{
    // A header of a million tensors holds about 50 MB of names.
    private const long TextsBytesMax = 256L << 20;

    private const int PointerBytesMax = 1024;

    private static ReadOnlySpan<byte> PointerStart => "version https://git-lfs"u8;

    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);
    private readonly byte[] _window = new byte[source.Window];
    private long _windowStart;
    private int _windowBytes;
    private long _textsBytes;

    public string Path => source.Name;

    public long Length => source.Length;

    public long Position { get; set; }

    /// <summary>See <see cref="ByteSource.FileBeside"/>.</summary>
    public ModelFile? FileBeside(string name) => source.FileBeside(name);

    /// <summary>An error that says what was found where.</summary>
    public ArtifactException Broken(string what) => IsPointer()
        ? new($"{Path} is a pointer that Git LFS left in the file's place; git lfs pull would fetch the file itself.")
        : new($"{Path} is not {kind}: {what}.");

    /// <summary>Whether it is the few lines that a clone without Git LFS has in place of a large file.</summary>
    public bool IsPointer()
    {
        Span<byte> first = stackalloc byte[PointerStart.Length];
        return Length is > 64 and < PointerBytesMax && source.Read(first, 0) == first.Length && first.SequenceEqual(PointerStart);
    }

    public ArtifactException Truncated(string what) => new($"{Path} is truncated: {what}, and the file has {Length} bytes.");

    public byte ReadByte()
    {
        Span<byte> one = stackalloc byte[1];
        ReadExactly(one);
        return one[0];
    }

    public uint ReadUInt32()
    {
        Span<byte> four = stackalloc byte[4];
        ReadExactly(four);
        return BinaryPrimitives.ReadUInt32LittleEndian(four);
    }

    public ulong ReadUInt64()
    {
        Span<byte> eight = stackalloc byte[8];
        ReadExactly(eight);
        return BinaryPrimitives.ReadUInt64LittleEndian(eight);
    }

    /// <summary>Reads UTF-8 text of exactly <paramref name="bytes"/> bytes, at most <paramref name="bytesMax"/>.</summary>
    public string ReadText(long bytes, int bytesMax, string what)
    {
        if (bytes < 0 || bytes > bytesMax)
            throw Broken($"{what} is {bytes} bytes long, and at most {bytesMax} are accepted");
        if ((_textsBytes += bytes) > TextsBytesMax)
            throw Broken($"its texts up to byte {Position} are longer than {TextsBytesMax} bytes");
        // Checked before the allocation, so that a lying length costs nothing.
        if (bytes > Length - Position)
            throw Truncated($"{what} ends at byte {Position + bytes}");
        var buffer = new byte[bytes];
        ReadExactly(buffer);
        try
        {
            return StrictUtf8.GetString(buffer);
        }
        catch (ArgumentException)
        {
            throw Broken($"{what} is not UTF-8 text");
        }
    }

    public void ReadExactly(Span<byte> target)
    {
        while (target.Length > 0)
        {
            var inWindow = Position - _windowStart;
            if (inWindow < 0 || inWindow >= _windowBytes)
            {
                // What is longer than the window goes where it is wanted, in one read where the source can.
                if (target.Length >= _window.Length)
                {
                    var read = ReadSome(target);
                    target = target[read..];
                    Position += read;
                    continue;
                }

                Fill();
                inWindow = 0;
            }

            var available = Math.Min(target.Length, _windowBytes - (int)inWindow);
            _window.AsSpan((int)inWindow, available).CopyTo(target);
            target = target[available..];
            Position += available;
        }
    }

    private void Fill() => (_windowBytes, _windowStart) = (ReadSome(_window), Position);

    private int ReadSome(Span<byte> target)
    {
        if (Position >= Length)
            throw Truncated($"its header goes on past byte {Position}");
        var read = source.Read(target, Position);
        return read > 0 ? read : throw Truncated($"it ended at byte {Position} while it was being read");
    }
}
