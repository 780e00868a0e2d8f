namespace Plimsoll.ModelServer;

/// <summary>
/// A token bucket over bytes read. Reading n bytes takes at least n / rate seconds, and a pause (a slow disk)
/// is not caught up with beyond one chunk, so the rate holds over every window and not only on average.
/// </summary>
internal sealed class ReadLimit(long? bytesPerSecond, TimeProvider clock)
{
    private readonly long _start = clock.GetTimestamp();
    private TimeSpan _due = TimeSpan.Zero;

    // A 50th of a second's worth: fewer timer ticks than that would make the rate uneven.
    private readonly int _chunkBytes = (int)Math.Clamp((bytesPerSecond ?? long.MaxValue) / 50, 4 << 10, 1 << 20);
    private int _unpaid;

    /// <summary>Most bytes to read before the next <see cref="PayAsync"/>. Small tensors share a chunk.</summary>
    public int Room => _chunkBytes - _unpaid;

    /// <summary>Counts bytes just read, and once a chunk is full waits until they are allowed to have been read.</summary>
    public ValueTask PayAsync(int bytes, CancellationToken cancel)
    {
        _unpaid += bytes;
        return _unpaid < _chunkBytes ? ValueTask.CompletedTask : SettleAsync(cancel);
    }

    /// <summary>Waits for what is still unpaid, at the end of all reading.</summary>
    public async ValueTask SettleAsync(CancellationToken cancel)
    {
        var bytes = _unpaid;
        _unpaid = 0;
        if (bytesPerSecond is not { } rate || bytes == 0)
            return;
        var now = clock.GetElapsedTime(_start);
        // Credit is never saved up beyond one chunk.
        var earliest = now - TimeSpan.FromSeconds((double)_chunkBytes / rate);
        _due = (_due > earliest ? _due : earliest) + TimeSpan.FromSeconds((double)bytes / rate);
        if (_due > now)
            await Task.Delay(_due - now, clock, cancel);
    }
}
