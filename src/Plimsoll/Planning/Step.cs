using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>
/// One thing for a body to do. A step's <see cref="Id"/> comes from its kind and subject alone, so the same intent
/// has the same id in every replan; applying it twice is applying it once.
/// <para>
/// <see cref="After"/> names only steps of the same plan. A body starts the steps whose <see cref="After"/> is empty;
/// the others become startable in a later plan, once the snapshot shows that what they wait for has happened.
/// </para>
/// </summary>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "kind")]
[JsonDerivedType(typeof(Prefetch), "prefetch")]
[JsonDerivedType(typeof(Evict), "evict")]
[JsonDerivedType(typeof(Start), "start")]
[JsonDerivedType(typeof(Wake), "wake")]
[JsonDerivedType(typeof(Sleep), "sleep")]
[JsonDerivedType(typeof(Drain), "drain")]
[JsonDerivedType(typeof(Stop), "stop")]
[JsonDerivedType(typeof(Move), "move")]
[JsonDerivedType(typeof(AddNode), "addNode")]
[JsonDerivedType(typeof(RemoveNode), "removeNode")]
[JsonDerivedType(typeof(WithdrawNode), "withdrawNode")]
[JsonDerivedType(typeof(Launch), "launch")]
[JsonDerivedType(typeof(Checkpoint), "checkpoint")]
[JsonDerivedType(typeof(Suspend), "suspend")]
[JsonDerivedType(typeof(Resume), "resume")]
public abstract record Step
{
    private Step()
    {
    }

    /// <summary>Kind and subject, nothing else.</summary>
    [JsonIgnore]
    public abstract StepId Id { get; }

    /// <summary>Steps of this plan that must be observed complete before this one may start; ordered by id.</summary>
    public ImmutableArray<StepId> After { get; init; } = [];

    public required Reason Reason { get; init; }

    /// <summary>The model a step is about; null of nodes and training.</summary>
    public static ModelId? ModelOf(Step step) => step switch
    {
        Start start => start.Model,
        Drain drain => drain.Model,
        Stop stop => stop.Model,
        Prefetch prefetch => prefetch.Model,
        Evict evict => evict.Model,
        Wake wake => wake.Model,
        Sleep sleep => sleep.Model,
        Move move => move.Model,
        _ => null,
    };

    /// <summary>A step on one replica, existing or to be.</summary>
    [JsonIgnore]
    public virtual ReplicaId? Subject => null;

    /// <summary>Bring an artefact onto a node's disk.</summary>
    public sealed record Prefetch(ModelId Model, string Version, NodeId Node, Bytes Size) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"prefetch/{Model}@{Version}/{Node}");
    }

    /// <summary>Remove an artefact from a node's disk.</summary>
    public sealed record Evict(ModelId Model, string Version, NodeId Node, Bytes Size) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"evict/{Model}@{Version}/{Node}");
    }

    /// <summary>Start a replica.</summary>
    /// <param name="Replica">The replica to be.</param>
    /// <param name="Model">Its model.</param>
    /// <param name="Version">The artefact's version.</param>
    /// <param name="Variant">The way to run it.</param>
    /// <param name="Placement">Where; null where the body cannot choose the node.</param>
    /// <param name="Needs">What it is charged while it loads; the body enforces it where it can.</param>
    /// <param name="ExpectedLoad">The load time's p90.</param>
    public sealed record Start(
        ReplicaId Replica, ModelId Model, string Version, VariantId Variant, Placement? Placement,
        ReplicaNeeds Needs, TimeSpan ExpectedLoad) : Step
    {
        /// <summary>What it asks of the scheduler that chooses its node; null where the plan does.</summary>
        public SchedulerRequests? Requests { get; init; }

        /// <summary>The further pods of a group, which the scheduler places too; null where a replica is one pod.</summary>
        public WorkerPods? Workers { get; init; }

        [JsonIgnore]
        public override StepId Id => StepId.Of($"start/{Replica}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    public sealed record Wake(ReplicaId Replica, ModelId Model) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"wake/{Replica}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    public sealed record Sleep(ReplicaId Replica, ModelId Model) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"sleep/{Replica}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    /// <summary>Take a replica out of routing and let it finish; past the deadline it may be stopped all the same.</summary>
    public sealed record Drain(ReplicaId Replica, ModelId Model, TimeSpan Deadline) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"drain/{Replica}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    /// <summary>End a replica and give its memory back.</summary>
    public sealed record Stop(ReplicaId Replica, ModelId Model) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"stop/{Replica}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    public sealed record Move(ReplicaId Replica, ModelId Model, Placement To) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"move/{Replica}/{To}");

        [JsonIgnore]
        public override ReplicaId? Subject => Replica;
    }

    /// <summary>Ask for a node of a pool.</summary>
    /// <param name="Pool">The pool.</param>
    /// <param name="Ordinal">Which of the pool's requests (<see cref="NodeRequest.Ordinal"/>).</param>
    public sealed record AddNode(string Pool, int Ordinal) : Step
    {
        /// <summary>What is to find room on it; ordered by model.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
        public ImmutableArray<ModelCount> For { get; init; }

        /// <summary>What that asks of its scheduler, all together; null where the body places.</summary>
        public SchedulerRoom? Room { get; init; }

        [JsonIgnore]
        public override StepId Id => IdOf(Pool, Ordinal);

        public static StepId IdOf(string pool, int ordinal) => StepId.Of($"addNode/{pool}/{ordinal}");
    }

    /// <summary>Take back a request for a node, or the room it holds on the node that came; the node itself is not ours to remove.</summary>
    public sealed record WithdrawNode(string Pool, int Ordinal) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"withdrawNode/{Pool}/{Ordinal}");
    }

    public sealed record RemoveNode(NodeId Node) : Step
    {
        [JsonIgnore]
        public override StepId Id => StepId.Of($"removeNode/{Node}");
    }

    /// <summary>Start a gang from nothing, all its members or none.</summary>
    /// <param name="Job">The job.</param>
    /// <param name="Members">Where; each is <see cref="Placement.Pending"/> where a scheduler chooses its node.</param>
    /// <param name="NeedsPerMember">What each is charged.</param>
    public sealed record Launch(JobId Job, ImmutableArray<Placement> Members, ReplicaNeeds NeedsPerMember) : Step
    {
        /// <summary>What each member asks of the scheduler that chooses its node; null where the plan does.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public SchedulerRequests? Requests { get; init; }

        [JsonIgnore]
        public override StepId Id => StepId.Of($"launch/{Job}");
    }

    /// <summary>Have a running gang write a checkpoint; it trains on after it.</summary>
    public sealed record Checkpoint(JobId Job) : Step
    {
        [JsonIgnore]
        public override StepId Id => IdOf(Job);

        public static StepId IdOf(JobId job) => StepId.Of($"checkpoint/{job}");
    }

    /// <summary>End a gang's members and give all back that they hold; it may go on from its last checkpoint.</summary>
    public sealed record Suspend(JobId Job) : Step
    {
        [JsonIgnore]
        public override StepId Id => IdOf(Job);

        public static StepId IdOf(JobId job) => StepId.Of($"suspend/{job}");
    }

    /// <summary>Let a suspended gang go on from its checkpoint, all its members or none.</summary>
    /// <param name="Job">The job.</param>
    /// <param name="Members">Where; each is <see cref="Placement.Pending"/> where a scheduler chooses its node.</param>
    /// <param name="NeedsPerMember">What each is charged.</param>
    public sealed record Resume(JobId Job, ImmutableArray<Placement> Members, ReplicaNeeds NeedsPerMember) : Step
    {
        /// <summary>What each member asks of the scheduler that chooses its node; null where the plan does.</summary>
        [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
        public SchedulerRequests? Requests { get; init; }

        [JsonIgnore]
        public override StepId Id => StepId.Of($"resume/{Job}");
    }

    /// <summary>The members that a step starts, what each is charged, and what it asks of a scheduler; null of a step that starts no gang.</summary>
    internal static (ImmutableArray<Placement> Members, ReplicaNeeds Needs, SchedulerRequests? Requests)? GangOf(Step step) => step switch
    {
        Launch launch => (launch.Members, launch.NeedsPerMember, launch.Requests),
        Resume resume => (resume.Members, resume.NeedsPerMember, resume.Requests),
        _ => null,
    };
}
