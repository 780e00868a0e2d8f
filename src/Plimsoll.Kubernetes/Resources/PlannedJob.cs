using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// A training job of the cluster, as a person asks for it to be planned and as Plimsoll sees it. Everything in it comes from
/// strangers: what <see cref="PlannedJobCheck"/> refuses is not acted on.
/// </summary>
[Means("A training job that Plimsoll plans beside the models and, when asked, launches, suspends and resumes.")]
[Names("plannedjobs", "plannedjob", "ppj")]
[Column("Target", "string", ".spec.targetRef.name", "The Job or JobSet.")]
[Column("State", "string", ".status.state", "What becomes of its pods.")]
[Column("Members", "integer", ".status.members", "Pods that run at once.")]
[Column("Mode", "string", ".status.mode", "What Plimsoll may do: observe, recommend or act.")]
[Column("Planned", "string", ".status.conditions[?(@.type==\"Planned\")].status", "Whether it is planned.")]
[Column("Reason", "string", ".status.reason", "Why it is so.")]
[Column("Priority", "integer", ".spec.priority", "Higher goes first.", Wide = true)]
[Column("Launched", "date", ".status.launchedAt", "Since it was first launched.", Wide = true)]
[Column("Age", "date", ".metadata.creationTimestamp", "Since it was made.", Wide = true)]
[KubernetesEntity(Group = ResourceGroup.Group, ApiVersion = ResourceGroup.Version, Kind = KubeKind, PluralName = KubePluralName)]
public sealed record PlannedJob : IKubernetesObject<V1ObjectMeta>
{
    public const string KubeKind = "PlannedJob";
    public const string KubePluralName = "plannedjobs";

    public string ApiVersion { get; set; } = ResourceGroup.ApiVersion;

    public string Kind { get; set; } = KubeKind;

    public V1ObjectMeta Metadata { get; set; } = new();

    [Means("What is asked for.")]
    [Needed("spec with a targetRef")]
    public PlannedJobSpec? Spec { get; set; }

    [Means("What Plimsoll sees and thinks; written by the operator alone.")]
    public PlannedJobStatus? Status { get; set; }
}

/// <summary>What is asked for. Every text and number is as written; <see cref="PlannedJobSettings"/> reads them.</summary>
[Means("What is asked for.")]
public sealed record PlannedJobSpec
{
    [Means("What is launched, suspended and resumed, by its spec.suspend.")]
    [Needed("kind and name of a Job or JobSet")]
    public JobReference? TargetRef { get; init; }

    [Means("observe: leave it alone, its pods count as anybody's; recommend: show what Plimsoll would do; act: do it. The Fleet's mode may hold it lower.")]
    [Words("observe", "recommend", "act")]
    [FilledIn("recommend")]
    public string? Mode { get; init; }

    [Means("Higher goes first when devices are short, on one scale with models'; of equals the models go first.")]
    [Bounds(-1000, 1000)]
    [FilledIn(PlannedJobSettings.PriorityDefault)]
    public int? Priority { get; init; }

    [Means("Whether it may be suspended for others. One that may not keeps its place to its end.")]
    [FilledIn(true)]
    public bool? Preemptible { get; init; }

    [Means("What it saves when its pods are told to end. Default: nothing, so that giving way costs all that it did.")]
    public JobCheckpoint? Checkpoint { get; init; }

    [Means("What it uses of each device at its peak. Default: all of whichever it gets.")]
    [Size(1, 1_000_000_000_000_000)]
    public string? DeviceMemory { get; init; }
}

[Means("A Job or JobSet in the PlannedJob's own namespace.")]
public sealed record JobReference
{
    [Means("Job (batch/v1) or JobSet (jobset.x-k8s.io/v1alpha2).")]
    [Words("Job", "JobSet")]
    [FilledIn("Job")]
    public string? Kind { get; init; }

    [Means("Its name.")]
    [Needed("the job's name")]
    [Looks("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", 253, "the name of an object")]
    public string? Name { get; init; }
}

[Means("A checkpoint that pods write on SIGTERM.")]
public sealed record JobCheckpoint
{
    [Means("All of it, the parts of all pods together.")]
    [Needed("a size such as 140GB")]
    [Size(1, 1_000_000_000_000_000_000)]
    public string? Size { get; init; }
}

/// <summary>The types of a PlannedJob's conditions.</summary>
public static class JobConditionTypes
{
    /// <summary>Whether it is planned; the reason says what is in the way.</summary>
    public const string Planned = "Planned";

    /// <summary>False when a checkpoint is expected to take longer than its pods have between SIGTERM and SIGKILL.</summary>
    public const string GraceCoversCheckpoint = "GraceCoversCheckpoint";
}

/// <summary>What Plimsoll sees and thinks. What is not known is left out, never zero.</summary>
[Means("What Plimsoll sees and thinks; what is not known is left out.")]
public sealed record PlannedJobStatus
{
    [Means("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; init; }

    [Means("Planned and, of one that saves, GraceCoversCheckpoint.")]
    [Holds(32, Key = "type")]
    public IReadOnlyList<V1Condition>? Conditions { get; init; }

    [Means("When it was first launched; from then on it goes on from its checkpoint.")]
    public string? LaunchedAt { get; init; }

    [Means("The uid of the Job or JobSet that launchedAt is about: another one under its name was never launched.")]
    public string? TargetUid { get; init; }

    [Means("Waiting before its first launch; then Starting, Running, Stopping, Suspended, Ended.")]
    public string? State { get; init; }

    [Means("Pods that run at once, all or none.")]
    public int? Members { get; init; }

    [Means("What Plimsoll may do for this job: its own mode, or the Fleet's where that is less.")]
    public string? Mode { get; init; }

    [Means("Why it runs, waits or gives way.")]
    public string? Reason { get; init; }

    /// <summary>A copy that every API server takes and every terminal shows.</summary>
    public PlannedJobStatus Writable() => this with
    {
        Conditions = StatusText.Conditions(Conditions),
        Reason = StatusText.Of(Reason),
    };
}
