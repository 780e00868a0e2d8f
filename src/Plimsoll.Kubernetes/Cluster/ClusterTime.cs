namespace Plimsoll.Kubernetes.Cluster;

/// <summary>
/// The API server's clock, by which pods were made and bound: how old a pod is cannot be told by a clock that is minutes ahead of it.
/// Each answer says the server's time in whole seconds (the Date of RFC 9110, section 6.6.1), and only time that passed since is
/// added to it, so that an own clock that is wrong, or jumps, moves nothing. Until something was answered it is the own clock, and
/// one that agrees with the answers stays as it is. Timestamps and timers are the own clock's.
/// </summary>
public sealed class ClusterTime : TimeProvider
{
    private readonly TimeProvider _own;
    private readonly long _origin;
    private readonly Lock _gate = new();

    // The cluster's time at the origin.
    private DateTimeOffset _atOrigin;

    public ClusterTime(TimeProvider own)
    {
        ArgumentNullException.ThrowIfNull(own);
        (_own, _origin, _atOrigin) = (own, own.GetTimestamp(), own.GetUtcNow());
    }

    public override TimeZoneInfo LocalTimeZone => _own.LocalTimeZone;

    public override long TimestampFrequency => _own.TimestampFrequency;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) return _atOrigin + _own.GetElapsedTime(_origin);
    }

    public override long GetTimestamp() => _own.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => _own.CreateTimer(callback, state, dueTime, period);

    /// <summary>Takes note of an answer that just came.</summary>
    /// <param name="date">What its Date says: it was written in the second that began then.</param>
    /// <param name="asked">When it was asked for, as <see cref="GetTimestamp"/> tells it.</param>
    internal void Heard(DateTimeOffset date, long asked)
    {
        var (earliest, latest) = (date - _own.GetElapsedTime(_origin), date + TimeSpan.FromSeconds(1) - _own.GetElapsedTime(_origin, asked));
        lock (_gate) _atOrigin = _atOrigin < earliest ? earliest : _atOrigin > latest ? latest : _atOrigin;
    }
}
