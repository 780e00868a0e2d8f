namespace Plimsoll.Local;

// Times are of the wall clock, which the planner, the journal and the next controller go by. Where that jumps (it was set, or the machine
// slept), what began before is moved with it, so that nothing seems to have taken longer, or shorter, than it ran.
public sealed partial class LocalFleet
{
    private static readonly TimeSpan ClockSlack = TimeSpan.FromSeconds(1);

    private DateTimeOffset _clockAt;
    private long _clockTimestamp;

    /// <summary>The wall clock's time, from which what the fleet holds of earlier times is as far as the monotonic clock says.</summary>
    private DateTimeOffset Now_NeedsLock()
    {
        var timestamp = _time.GetTimestamp();
        var now = _time.GetUtcNow();
        var jump = now - _clockAt - _time.GetElapsedTime(_clockTimestamp, timestamp);
        if (jump.Duration() <= ClockSlack) return now;
        (_clockAt, _clockTimestamp) = (now, timestamp);
        LogClockJumped(jump);
        foreach (var replica in _replicas.Values)
        {
            replica.Move(jump);
            Save_NeedsLock(replica.Record);
        }

        foreach (var job in _jobs.Values)
        {
            job.Move(jump);
            Save_NeedsLock(job);
        }

        return now;
    }
}
