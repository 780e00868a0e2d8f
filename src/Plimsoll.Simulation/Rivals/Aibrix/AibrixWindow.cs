namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>
/// A metric in buckets of a second, of which the last write in each counts: rivals-rules §5.1 step 2. Written in place, as it
/// is fed at every reconcile.
/// </summary>
public sealed class AibrixWindow(TimeSpan window)
{
    private readonly Queue<(long Second, double Value)> _buckets = new();
    private (long Second, double Value)? _newest;

    public void Record(DateTimeOffset now, double value)
    {
        var second = Second(now);
        if (_newest is { } newest && newest.Second != second) _buckets.Enqueue(newest);
        _newest = (second, value);
    }

    /// <summary>Plain mean of the buckets kept; null where there are none.</summary>
    public double? Mean(DateTimeOffset now)
    {
        var oldest = Second(now - window);
        while (_buckets.TryPeek(out var bucket) && bucket.Second < oldest) _buckets.Dequeue();
        if (_newest is not { } newest || newest.Second < oldest) return null;
        return (_buckets.Sum(bucket => bucket.Value) + newest.Value) / (_buckets.Count + 1);
    }

    private static long Second(DateTimeOffset at) => (at - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerSecond;
}
