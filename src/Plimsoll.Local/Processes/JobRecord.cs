using System.Text.Json.Serialization;

namespace Plimsoll.Local.Processes;

/// <summary>
/// What is on disk about a training job, from when it was first seen in the fleet for as long as it is there: when that was, what
/// became of it, and all that is needed to find it and to have it give way without the fleet file.
/// </summary>
public sealed record JobRecord
{
    public required JobId Job { get; init; }

    /// <summary>Digest of its command: with another one it is another job.</summary>
    public required string Command { get; init; }

    /// <summary>When it first was seen.</summary>
    public required DateTimeOffset SubmittedAt { get; init; }

    /// <summary>Null before it was launched.</summary>
    public GangState? State { get; init; }

    public DateTimeOffset StateSince { get; init; }

    /// <summary>When it last was launched or resumed.</summary>
    public DateTimeOffset StartedAt { get; init; }

    public DateTimeOffset? LastCheckpoint { get; init; }

    /// <summary>Where it was started last; null before it was.</summary>
    public Placement? Placement { get; init; }

    /// <summary>What it is charged; null before it was launched.</summary>
    public ReplicaNeeds? Needs { get; init; }

    public TimeSpan Grace { get; init; }

    /// <summary>Size of a checkpoint; zero where it writes none.</summary>
    public Bytes Checkpoint { get; init; }

    public required string LogFile { get; init; }

    /// <summary>Where the log of its last start begins; before it is what it wrote until it gave way or failed.</summary>
    public long LogFrom { get; init; }

    public string? Token { get; init; }

    /// <summary>Null until it was spawned, and while it holds nothing.</summary>
    public ProcessIdentity? Process { get; init; }

    public string? BootId { get; init; }

    /// <summary>Folder of its memory cgroup; null when it has none.</summary>
    public string? Cgroup { get; init; }

    public int CgroupVersion { get; init; }

    [JsonIgnore]
    internal MemoryCgroup? MemoryCgroup => Cgroup is null ? null : new MemoryCgroup(Cgroup, CgroupVersion);
}
