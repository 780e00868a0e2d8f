using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>A training job: a gang of fixed size that runs whole or not at all.</summary>
public sealed record TrainingSpec
{
    public required JobId Id { get; init; }

    /// <summary>Members, all of which run or none.</summary>
    public int GangSize { get; init; } = 1;

    /// <summary>What each member takes from its start on (<see cref="GangNeeds"/> says it of a run).</summary>
    public required ReplicaNeeds NeedsPerMember { get; init; }

    /// <summary>The kind of device that members need; null for any, or none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? DeviceKind { get; init; }

    /// <summary>
    /// What each member asks of the scheduler that chooses its node; null where the plan chooses, and left out of JSON then. Members have
    /// their devices to themselves there, whatever <see cref="ReplicaNeeds.PerDevice"/> says that they use of them.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SchedulerRequests? Requests { get; init; }

    /// <summary>Whether its steps are only shown, and nothing of it is done: it keeps what it has, whoever comes. Left out of JSON when false.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool OnlyShown { get; init; }

    /// <summary>The pools of nodes it may run on; default for any, and left out of JSON then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<string> Pools { get; init; }

    /// <summary>On one scale with models': higher goes first. Of equals the models', as requests wait for those.</summary>
    public int Priority { get; init; }

    /// <summary>Whether it may be suspended for others; what may not keeps its place to its end.</summary>
    public bool Preemptible { get; init; }

    /// <summary>All of a checkpoint to go on from, which is written before it gives way and read before it goes on.</summary>
    public Bytes CheckpointSize { get; init; }

    /// <summary>
    /// Whether it writes its checkpoint when it is told to end, and ends once that is whole, as trainers do on SIGTERM; else it is told to
    /// write one first. Left out of JSON when false.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool SavesOnStop { get; init; }

    /// <summary>From when on it waits: of equals the first comes first, and none is launched before.</summary>
    public DateTimeOffset SubmittedAt { get; init; }

    /// <summary>Devices of the whole gang; of one without devices its members, so that its time has a measure.</summary>
    [JsonIgnore]
    public int Devices => GangSize * Math.Max(1, NeedsPerMember.Devices);

    internal bool MayRunIn(string pool) => (Pools.IsDefaultOrEmpty || Pools.Contains(pool)) && (Requests is not { Pools.IsEmpty: false } || Requests.Pools.Contains(pool));
}

/// <summary>What becomes of a gang.</summary>
public enum GangState
{
    /// <summary>Its members start, and read its checkpoint where it has one.</summary>
    Starting,

    Running,

    /// <summary>It writes a checkpoint, and trains on after it.</summary>
    Checkpointing,

    /// <summary>It was told to give way; its members end.</summary>
    Stopping,

    /// <summary>It holds nothing, and goes on from its checkpoint once it is resumed.</summary>
    Suspended,

    /// <summary>It is done.</summary>
    Ended,
}

/// <summary>A training job that was launched, as it is.</summary>
public sealed record TrainingGang
{
    public required JobId Job { get; init; }

    public GangState State { get; init; } = GangState.Running;

    public DateTimeOffset StateSince { get; init; }

    /// <summary>Where its members are; empty while it holds nothing. Those that a scheduler has yet to place are <see cref="Placement.Pending"/>.</summary>
    public required ImmutableArray<Placement> Members { get; init; }

    /// <summary>What the scheduler counts for each member; null where the plan chooses nodes, and left out of JSON then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public SchedulerRequests? Requests { get; init; }

    /// <summary>What each member is charged.</summary>
    public required ReplicaNeeds ReservedPerMember { get; init; }

    /// <summary>When it last was launched or resumed.</summary>
    public DateTimeOffset StartedAt { get; init; }

    /// <summary>When its last checkpoint was whole; null before the first. What it did since is lost when it is stopped.</summary>
    public DateTimeOffset? LastCheckpoint { get; init; }

    /// <summary>Whether its members hold anything.</summary>
    [JsonIgnore]
    public bool Holds => State is not (GangState.Suspended or GangState.Ended);
}
