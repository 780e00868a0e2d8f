namespace Plimsoll.Local.Processes;

/// <summary>One replica as the fleet holds it in memory.</summary>
internal sealed class LocalReplica(ReplicaRecord record, bool ownChild) : OwnProcess(record.Process!, record.MemoryCgroup, ownChild)
{
    public ReplicaRecord Record { get; set; } = record;

    /// <summary>A Sleep or Wake step at work on it.</summary>
    public WorkKind? Busy { get; set; }

    public DateTimeOffset BusySince { get; set; }

    /// <summary>That the wall clock jumped while it loads or wakes: the machine may have slept, and how long that takes is not known.</summary>
    public bool ClockJumped { get; set; }

    /// <summary>That it was said that somebody else answers its port.</summary>
    public bool IsPortKnownTaken { get; set; }

    /// <summary>That its ready path is being asked whether it lives.</summary>
    public bool IsAsked { get; set; }

    /// <summary>When its ready path is asked next.</summary>
    public long AskTimestamp { get; set; }

    /// <summary>Questions in a row that it did not answer.</summary>
    public int Silences { get; set; }

    /// <summary>When the first of those was asked.</summary>
    public long SilentSinceTimestamp { get; set; }

    /// <summary>Requests that it had answered when it was asked last.</summary>
    public long Answered { get; set; }

    /// <summary>Set when it is ended because it hangs: what it did not answer, and for how long.</summary>
    public string? Hung { get; set; }

    /// <summary>The most loads that were going on at once while it loaded.</summary>
    public int ConcurrentLoads { get; set; } = 1;

    /// <summary>The highest memory seen since ready by looking; used where the kernel's mark could not be reset.</summary>
    public Bytes Seen { get; set; }

    /// <summary>The steady memory last reported.</summary>
    public Bytes? Reported { get; set; }

    public ReplicaId Id => Record.Replica;

    public ReplicaState State => Record.State;

    /// <summary>Moves its times with a clock that jumped.</summary>
    public void Move(TimeSpan jump)
    {
        Record = Record with { StartedAt = Record.StartedAt + jump, StateSince = Record.StateSince + jump };
        (KillAt, BusySince) = (KillAt + jump, Busy is null ? BusySince : BusySince + jump);
        ClockJumped = State == ReplicaState.Loading || Busy == WorkKind.Waking;
    }

    /// <summary>Memory in use now.</summary>
    public Bytes? MemoryNow() => ProcessMemory.InUse(Members);

    /// <summary>
    /// The highest memory so far. Of one process, the kernel's exact mark; of several, the marks' sum and the cgroup's
    /// peak both bound it from above, and the lower one is nearer.
    /// </summary>
    public Bytes? Peak()
    {
        if (ProcessMemory.HighWater(Members) is not { } marks) return null;
        return Members.Length > 1 && Record.MemoryCgroup?.Peak is { } peak ? Bytes.Min(marks, peak) : marks;
    }
}
