namespace Plimsoll.Kubernetes.Operator;

/// <summary>Since when a turn is under way, to tell one that hangs: the lease is renewed beside it, so that nobody else would take over.</summary>
internal sealed class TurnTimes(TimeProvider time)
{
    // A turn of thousands of models takes seconds, and no request that it waits for may take minutes.
    private static readonly TimeSpan LongestTurn = TimeSpan.FromMinutes(5);

    private const long None = long.MinValue;

    private long _began = None;

    /// <summary>Why the process should be started anew; null while turns end or fail.</summary>
    public string? Stuck => Interlocked.Read(ref _began) is not None and var began && time.GetElapsedTime(began) is var since && since > LongestTurn
        ? $"it leads, and a turn has not ended for {Durations.Show(since)}" : null;

    /// <summary>A turn begins, whatever became of the one before.</summary>
    public void Begin() => Interlocked.Exchange(ref _began, time.GetTimestamp());

    /// <summary>It has ended. How long the pause until the next is, the Fleet says.</summary>
    public void End() => Interlocked.Exchange(ref _began, None);
}
