using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// The outcome of one tick: a partial order of steps to take now, a verdict per model, and what must be remembered.
/// </summary>
/// <param name="Inputs">Hashes of spec, snapshot and knowledge.</param>
/// <param name="Steps">Ordered by id; closed: every After is the id of a step in here.</param>
/// <param name="Models">One verdict per model of the spec, ordered by id.</param>
/// <param name="Next">The knowledge to fold the next snapshot into.</param>
public sealed record Plan(
    InputHashes Inputs, ImmutableArray<Step> Steps, ImmutableArray<ModelVerdict> Models, Knowledge Next)
{
    /// <summary>Replicas whose nodes must not be taken away now, ordered by id; all others may be moved. Default where the body
    /// cannot keep anybody from it.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<Protection> Protected { get; init; }

    /// <summary>One verdict per training job of the spec, ordered by id; default where there is none.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<JobVerdict> Jobs { get; init; }

    /// <summary>Gangs whose nodes an autoscaler must leave alone, ordered by job; default where there are none, or the body cannot protect them.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<JobProtection> ProtectedJobs { get; init; }
}

/// <summary>A gang whose members stay where they are, and why.</summary>
public sealed record JobProtection(JobId Job, Reason Reason);

/// <summary>A replica that stays where it is, and why.</summary>
public sealed record Protection(ReplicaId Replica, ModelId Model, Reason Reason)
{
    /// <summary>Of a replica that is a group, the nodes on which its pods stay, ordered; default, and not in JSON, of one on a single node.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<NodeId> Nodes { get; init; }
}

/// <summary>What the planner thinks of one training job at this tick.</summary>
public sealed record JobVerdict
{
    public required JobId Job { get; init; }

    /// <summary>As it is now; null of one that was never launched.</summary>
    public GangState? State { get; init; }

    /// <summary>How long nine in ten of its checkpoints take to write, as believed now.</summary>
    public required TimeSpan Checkpoint { get; init; }

    /// <summary>The same from being told to go on until it trains.</summary>
    public required TimeSpan Start { get; init; }

    /// <summary>Why it runs, waits or gives way.</summary>
    public required Reason Reason { get; init; }
}

/// <summary>What the planner thinks of one model at this tick, and why it does what it does or nothing.</summary>
public sealed record ModelVerdict
{
    public required ModelId Model { get; init; }

    /// <summary>Replicas wanted before scarcity is looked at.</summary>
    public required int Wanted { get; init; }

    /// <summary>Replicas ready and routable.</summary>
    public required int Serving { get; init; }

    /// <summary>Requests a second arriving lately; missing when nobody counted.</summary>
    public Signal<double> DemandPerSecond { get; init; }

    /// <summary>Requests a second to cover over the horizon.</summary>
    public Signal<double> ForecastPerSecond { get; init; }

    /// <summary>What that forecast rests on; null where the recent past alone was looked at.</summary>
    public ForecastBasis? ForecastFrom { get; init; }

    /// <summary>What known events make of it; null, and not in JSON, where they change nothing within the time ahead.</summary>
    public EventAhead? Event { get; init; }

    /// <summary>Requests a second one replica carries inside the SLO, as believed now.</summary>
    public double CapacityPerSecond { get; init; }

    /// <summary>The same with how sure it is and what it rests on; null where size and hardware say nothing.</summary>
    public CapacityEstimate? CapacityExpected { get; init; }

    /// <summary>The load time's p90: how far ahead this model must look.</summary>
    public TimeSpan LoadTime { get; init; }

    /// <summary>The load time with its median, and how many loads it was learned from; null in plans of before it was kept.</summary>
    public LoadEstimate? LoadExpected { get; init; }

    /// <summary>How long an idle replica of it is held; null when owned hardware is held until claimed.</summary>
    public TimeSpan? Hold { get; init; }

    /// <summary>Idle gaps the hold was learned from; 0, and not in JSON, at break-even.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public int HoldGaps { get; init; }

    /// <summary>What a replica is charged: priors corrected by measurement.</summary>
    public required ReplicaNeeds Needs { get; init; }

    public required Reason Reason { get; init; }

    /// <summary>True when no node could ever hold it.</summary>
    public bool Refused { get; init; }
}
