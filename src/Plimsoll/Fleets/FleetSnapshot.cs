using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What a body can do. The planner emits only steps its body is capable of.</summary>
[Flags]
public enum Capabilities
{
    None = 0,
    ChooseNode = 1 << 0,
    ChooseDevice = 1 << 1,
    ChooseVictim = 1 << 2,
    CreateVariants = 1 << 3,
    HoldRequests = 1 << 4,
    PrefetchWeights = 1 << 5,
    EvictWeights = 1 << 6,
    Sleep = 1 << 7,
    AddNodes = 1 << 8,
    RemoveNodes = 1 << 9,
    Train = 1 << 10,

    /// <summary>Keep an autoscaler of nodes from taking the node of a replica away.</summary>
    ProtectReplicas = 1 << 11,

    /// <summary>Let a replica that drains serve again: a plan that no longer drains it does.</summary>
    TakeBack = 1 << 12,
}

/// <summary>
/// Everything a body saw at one moment, and what happened since the snapshot before. All arrays are ordered by id,
/// so that equal fleets give equal bytes.
/// </summary>
public sealed record FleetSnapshot
{
    public required DateTimeOffset At { get; init; }

    public required Capabilities Can { get; init; }

    public required ImmutableArray<NodeState> Nodes { get; init; }

    /// <summary>Inference we manage.</summary>
    public ImmutableArray<InferenceReplica> Replicas { get; init; } = [];

    /// <summary>Training we manage: jobs that were launched, ordered by job.</summary>
    public ImmutableArray<TrainingGang> Training { get; init; } = [];

    /// <summary>What others use; never counted free.</summary>
    public ImmutableArray<ForeignUse> Foreign { get; init; } = [];

    /// <summary>Work that was started and has not ended; sunk cost to the planner.</summary>
    public ImmutableArray<WorkInFlight> InFlight { get; init; } = [];

    /// <summary>Artefacts on the nodes' disks.</summary>
    public ImmutableArray<CachedArtifact> Cache { get; init; } = [];

    /// <summary>Per model, what arrived since the snapshot before. A model without a row was not observed.</summary>
    public ImmutableArray<ModelTraffic> Traffic { get; init; } = [];

    /// <summary>What ended since the snapshot before, in the order it ended.</summary>
    public ImmutableArray<Outcome> Outcomes { get; init; } = [];

    /// <summary>
    /// Bounds on how many ready replicas may go, ordered by name; default where there are none, and then left out of JSON, so
    /// that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<ReadyFloor> Floors { get; init; }
}

/// <summary>Of these replicas so many must stay ready, for whatever reason others go (Kubernetes: a PodDisruptionBudget).</summary>
/// <param name="Name">Whose bound it is, as sentences name it.</param>
/// <param name="Replicas">Those it counts, ordered.</param>
/// <param name="AtLeast">The fewest of them that are to stay ready.</param>
public sealed record ReadyFloor(string Name, ImmutableArray<ReplicaId> Replicas, int AtLeast);

public enum NodeCondition { Ready, Booting, Draining, Unreachable }

public sealed record NodeState
{
    public required NodeId Id { get; init; }

    public string Pool { get; init; } = "default";

    public NodeCondition Condition { get; init; } = NodeCondition.Ready;

    /// <summary>Memory of the machine or container, all of it; foreign use comes out of it.</summary>
    public required Bytes HostMemory { get; init; }

    /// <summary>What Plimsoll may use of it at the most.</summary>
    public required Bytes HostMemoryBudget { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>Bound of the model cache; null when the node has none.</summary>
    public Bytes? CacheBudget { get; init; }

    /// <summary>Free space of the file system under the cache, foreign use taken off.</summary>
    public Signal<Bytes> CacheFileSystemFree { get; init; }

    /// <summary>
    /// What others have taken of that file system's space which is to stay free: the cache is to give so much back. Left out
    /// of JSON when zero, so that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public Bytes CacheShort { get; init; }

    public ImmutableArray<DeviceState> Devices { get; init; } = [];

    /// <summary>What another scheduler, which places the replicas, counts as left; null where the body places them itself.</summary>
    public SchedulerRoom? Scheduler { get; init; }

    /// <summary>The pool it was added from (<see cref="Plimsoll.NodePool.Name"/>); null where it belongs to none.</summary>
    public string? NodePool { get; init; }

    /// <summary>Of the whole node, devices included; null where it is its pool's, or its devices', or not known. Left out of JSON then.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public UsdPerHour? PricePerHour { get; init; }

    /// <summary>Requests for a node that hold room here until replicas take it; that room counts as free. Default where none does.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<NodeRequest> Held { get; init; }
}

public sealed record DeviceState
{
    public required DeviceId Id { get; init; }

    /// <summary>What kind of device, as variants name it ("gpu", "l4-24gb").</summary>
    public required string Kind { get; init; }

    public required Bytes Memory { get; init; }

    /// <summary>What Plimsoll may use of it at the most.</summary>
    public required Bytes MemoryBudget { get; init; }

    /// <summary>What a replica asks for to get it ("nvidia.com/gpu"); null where the body hands it out itself.</summary>
    public string? Resource { get; init; }

    /// <summary>Handed out more than once, by turns: those who hold it must fit into it together.</summary>
    public bool Shared { get; init; }
}

/// <summary>Where something runs.</summary>
public sealed record Placement(NodeId Node, ImmutableArray<DeviceId> Devices)
{
    /// <summary>Of a replica that another scheduler has yet to place.</summary>
    public static readonly Placement Pending = new(new NodeId(""), []);

    public bool Equals(Placement? other) => other is not null && Node == other.Node && Devices.SequenceEqual(other.Devices);

    public override int GetHashCode() => HashCode.Combine(Node, Devices.Length);

    public override string ToString() => Devices.IsEmpty ? Node.Value : $"{Node}[{string.Join(',', Devices)}]";
}

public enum ReplicaState
{
    /// <summary>Started, not yet ready; it may be at its load peak.</summary>
    Loading,

    Ready,

    /// <summary>Gets no new request, finishes those it has.</summary>
    Draining,

    /// <summary>Draining, and nothing is left to finish.</summary>
    Drained,

    /// <summary>Told to end, still there.</summary>
    Stopping,

    Asleep,
}

/// <summary>One running copy of a model. A replica that is gone has no row; its end is an <see cref="Outcome"/>.</summary>
public sealed record InferenceReplica
{
    public required ReplicaId Id { get; init; }

    public required ModelId Model { get; init; }

    public required string Version { get; init; }

    public required VariantId Variant { get; init; }

    public required Placement Placement { get; init; }

    public required ReplicaState State { get; init; }

    public required DateTimeOffset StateSince { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    /// <summary>What the plan that started it reserved; charged while it loads.</summary>
    public required ReplicaNeeds Reserved { get; init; }

    /// <summary>What it asked of the scheduler that placed it; null where the body places.</summary>
    public SchedulerRequests? Requests { get; init; }

    /// <summary>Host memory in use now.</summary>
    public Signal<Bytes> HostMemory { get; init; }

    /// <summary>Device memory in use now on the device where it uses most; missing on the processor, or when not told.</summary>
    public Signal<Bytes> DeviceMemory { get; init; }

    /// <summary>
    /// The other pods of a replica that is a group: placement, charge and requests above are its leader's. Those that have no place
    /// yet are in here too. Not set where a replica is one process, and then left out of JSON.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<ReplicaMember> Members { get; init; }

    /// <summary>
    /// Its place where its controller ends replicas in an order of its own, the highest first (a StatefulSet's ordinal); null
    /// where any of them may go.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? EndsInOrder { get; init; }

    /// <summary>
    /// It is on its way to sleep or back: it gets no requests, and holds what it does awake and what it does asleep. Left out of JSON
    /// when false.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Turning { get; init; }

    /// <summary>It served before what it loads now: it lost its readiness, or started over in its place. Left out of JSON when false.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool HasServed { get; init; }

    /// <summary>It is being ended and was never ready: it may go on loading until it is gone. Left out of JSON when false.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool EndsUnready { get; init; }

    /// <summary>Requests in it now.</summary>
    public int Outstanding { get; init; }

    /// <summary>Requests it may work on at once.</summary>
    public int Concurrency { get; init; }
}

/// <summary>A further pod of a replica that is a group.</summary>
/// <param name="Placement">Where it runs; <see cref="Placement.Pending"/> while it has no place.</param>
/// <param name="Reserved">What it is charged there.</param>
/// <param name="Requests">What it asked of the scheduler.</param>
public sealed record ReplicaMember(Placement Placement, ReplicaNeeds Reserved, SchedulerRequests? Requests);

/// <summary>Memory, disk or devices in use by somebody else on a node.</summary>
public sealed record ForeignUse
{
    public required NodeId Node { get; init; }

    /// <summary>The device it sits on; null for the node's own memory and cores.</summary>
    public DeviceId? Device { get; init; }

    public required Signal<Bytes> Memory { get; init; }

    public string What { get; init; } = "";
}

public enum WorkKind { Fetching, Evicting, Loading, Waking, Sleeping, Draining, Stopping, Checkpointing, AddingNode, RemovingNode }

/// <summary>A step that was started and has not ended.</summary>
public sealed record WorkInFlight
{
    public required StepId Step { get; init; }

    public required WorkKind Kind { get; init; }

    public required DateTimeOffset StartedAt { get; init; }

    public DateTimeOffset? ExpectedEnd { get; init; }

    public ModelId? Model { get; init; }

    public ReplicaId? Replica { get; init; }

    public NodeId? Node { get; init; }

    public Bytes? Done { get; init; }

    public Bytes? Total { get; init; }

    /// <summary>The node that is being added; null of all other work.</summary>
    public NodeRequest? Adding { get; init; }
}

/// <summary>An artefact on a node's disk.</summary>
public sealed record CachedArtifact
{
    public required NodeId Node { get; init; }

    public required ModelId Model { get; init; }

    public required string Version { get; init; }

    /// <summary>Bytes it takes in the cache now; what is fetched so far when <see cref="Complete"/> is false.</summary>
    public required Bytes Size { get; init; }

    public required bool Complete { get; init; }

    /// <summary>In use by a replica or a fetch: may not be evicted.</summary>
    public bool Pinned { get; init; }

    public DateTimeOffset? LastUsed { get; init; }

    /// <summary>The last fetch of it failed, and the next does not begin before this moment; null when none failed.</summary>
    public DateTimeOffset? NotBefore { get; init; }
}

/// <summary>
/// What the gateway, or the servers' own metrics, saw of one model between two snapshots. Numbers are of the interval,
/// except those that say "now". An interval of no length says that nothing newer is known, and nothing is stale.
/// </summary>
public sealed record ModelTraffic
{
    public required ModelId Model { get; init; }

    public required DateTimeOffset From { get; init; }

    public required DateTimeOffset To { get; init; }

    public required long Arrivals { get; init; }

    /// <summary>Bytes of the arrived bodies: the size half of demand.</summary>
    public long RequestBytes { get; init; }

    public long Completed { get; init; }

    /// <summary>Ended in an error of ours or the replica's.</summary>
    public long Failed { get; init; }

    /// <summary>The client went away before its response was whole.</summary>
    public long Abandoned { get; init; }

    /// <summary>Turned away by the bounded queue.</summary>
    public long Rejected { get; init; }

    /// <summary>Completed within the SLO's latency, held time included.</summary>
    public long WithinSlo { get; init; }

    /// <summary>Requests held now because no replica could take them.</summary>
    public int HeldNow { get; init; }

    /// <summary>How long the oldest held request has waited; null when none is held.</summary>
    public TimeSpan? OldestHeld { get; init; }

    /// <summary>Request-seconds spent held in the interval.</summary>
    public double HeldRequestSeconds { get; init; }

    /// <summary>What replicas' service times looked like; null when none ended.</summary>
    public ServiceSample? Service { get; init; }

    /// <summary>How long the requests were; null where the servers do not count tokens.</summary>
    public TokenSample? Tokens { get; init; }

    /// <summary>
    /// The counts bound demand from below: the replicas were full the whole interval, turned requests away, or some of
    /// them could not be counted. Such an interval teaches neither a lower demand nor a lower capacity. Left out of
    /// JSON when false, so that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool Censored { get; init; }

    /// <summary>Nobody saw the latencies of some of the completed, so that <see cref="WithinSlo"/> counts too few.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool WithinSloUnknown { get; init; }
}

/// <summary>Tokens of an interval's requests.</summary>
/// <param name="Requests">How many ended.</param>
/// <param name="PromptTokens">Of prompts, all together.</param>
/// <param name="AnswerTokens">Of answers.</param>
/// <param name="PromptSquares">Sum of the squares of prompts' lengths; null where the server has no histogram of them.</param>
/// <param name="AnswerSquares">The same of answers.</param>
public sealed record TokenSample(double Requests, double PromptTokens, double AnswerTokens, double? PromptSquares = null, double? AnswerSquares = null);

/// <summary>
/// Sufficient statistics of requests that ended in the interval: n is the number of requests in the replica when
/// this one was sent to it (itself included), l its time in the replica in seconds. Enough to fit l = a + b·n.
/// </summary>
public sealed record ServiceSample(
    long Count, double SumN, double SumL, double SumNN, double SumNL, int MaxN, double MaxLatencySeconds);
