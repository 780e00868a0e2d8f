namespace Plimsoll.Local;

/// <summary>Bounds of a journal.</summary>
public sealed record JournalOptions
{
    /// <summary>Ticks older than this go, oldest first.</summary>
    public TimeSpan MaxAge { get; init; } = TimeSpan.FromDays(7);

    /// <summary>Bytes of the database in use; the oldest ticks go when it holds more.</summary>
    public Bytes MaxSize { get; init; } = Bytes.MiB(256);

    /// <summary>Ticks between two checkpoints of what is known: replay starts at one of them.</summary>
    public int CheckpointEvery { get; init; } = 60;

    /// <summary>How long the loop waits for a tick to be written before it goes on without.</summary>
    public TimeSpan Patience { get; init; } = TimeSpan.FromSeconds(2);
}

/// <summary>Who writes: one run is one life of a controller.</summary>
/// <param name="StartedAt">When the controller started.</param>
/// <param name="Version">The planner's version (<see cref="Replay.PlannerVersion"/>).</param>
/// <param name="Allocator">The name of the allocator it plans with.</param>
/// <param name="Host">The machine's name.</param>
public sealed record JournalRun(DateTimeOffset StartedAt, string Version, string Allocator, string Host);

/// <summary>How the journal does.</summary>
/// <param name="Writing">False while ticks cannot be written; the loop goes on all the same.</param>
/// <param name="LostTicks">Ticks of this run that were not written.</param>
/// <param name="Trouble">One sentence; null while all is well.</param>
public sealed record JournalHealth(bool Writing, long LostTicks, string? Trouble)
{
    public static readonly JournalHealth Good = new(true, 0, null);
}

/// <summary>A journal that cannot be opened; the message is one sentence that says what would do.</summary>
public sealed class JournalException : Exception
{
    public JournalException(string message)
        : base(message)
    {
    }

    public JournalException(string message, Exception inner)
        : base(message, inner)
    {
    }

    public JournalException()
    {
    }
}
