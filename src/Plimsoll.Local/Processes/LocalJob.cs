using System.Collections.Immutable;

namespace Plimsoll.Local.Processes;

/// <summary>One training job as the fleet holds it in memory, whether it runs or not.</summary>
internal sealed class LocalJob(JobRecord record)
{
    public JobRecord Record { get; set; } = record;

    /// <summary>What runs of it; null while it holds nothing.</summary>
    public OwnProcess? Process { get; set; }

    /// <summary>That it had to be killed.</summary>
    public bool WasKilled { get; set; }

    /// <summary>When nothing of it was left.</summary>
    public DateTimeOffset? GoneAt { get; set; }

    public JobId Id => Record.Job;

    public ImmutableArray<ProcessIdentity> Members => Process?.Members ?? [];

    /// <summary>Moves its times with a clock that jumped; since when it waits is of the day it was.</summary>
    public void Move(TimeSpan jump)
    {
        if (Record.State is null) return;
        Record = Record with { StartedAt = Record.StartedAt + jump, StateSince = Record.StateSince + jump, LastCheckpoint = Record.LastCheckpoint + jump };
        if (Process is { } process) process.KillAt += jump;
    }
}
