using System.Runtime.InteropServices;

namespace Plimsoll.ModelServer;

/// <summary>One block of native memory for all weights. ONNX Runtime borrows it, so it must outlive the session.</summary>
internal sealed unsafe class WeightMemory : IDisposable
{
    private void* _memory;

    public WeightMemory(long bytes)
    {
        Bytes = bytes;
        _memory = NativeMemory.AlignedAlloc((nuint)Math.Max(bytes, 64), 64);
    }

    public long Bytes { get; }

    public nint Address => (nint)_memory;

    public Span<byte> Slice(long offset, int bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + bytes, Bytes);
        return new Span<byte>((byte*)_memory + offset, bytes);
    }

    public void Dispose()
    {
        NativeMemory.AlignedFree(_memory);
        _memory = null;
    }
}
