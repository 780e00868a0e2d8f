namespace Plimsoll.Caching;

/// <summary>
/// A rate limit that all fetches share: who takes bytes pays for them in waiting, in the order of asking. It never lends
/// more than a tenth of a second, so that a pause earns no burst.
/// </summary>
internal sealed class ByteBucket(BytesPerSecond? rate, TimeProvider time)
{
    private const double Burst = 0.1;

    private readonly Lock _gate = new();
    private readonly long _start = time.GetTimestamp();
    private double _paidUntil = -Burst;

    /// <summary>Bytes to take at once, so that a slow rate still flows evenly.</summary>
    public int Piece(int most) => rate is { } limit ? (int)Math.Clamp(limit.Value / 20, 1, most) : most;

    public async ValueTask TakeAsync(int bytes, CancellationToken cancellationToken)
    {
        if (rate is not { } limit) return;
        double wait;
        lock (_gate)
        {
            var now = time.GetElapsedTime(_start).TotalSeconds;
            _paidUntil = Math.Max(_paidUntil, now - Burst) + ((double)bytes / limit.Value);
            wait = _paidUntil - now;
        }

        if (wait > 0) await Task.Delay(TimeSpan.FromSeconds(wait), time, cancellationToken).ConfigureAwait(false);
    }
}
