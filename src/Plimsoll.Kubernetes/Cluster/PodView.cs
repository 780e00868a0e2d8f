using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What is kept of a pod.</summary>
public sealed record PodView
{
    // Asked for several times a turn.
    private string? _replica;

    public required ObjectName Name { get; init; }

    public required string Uid { get; init; }

    /// <summary>Null until the scheduler chose one.</summary>
    public string? Node { get; init; }

    public required string Phase { get; init; }

    public required DateTimeOffset CreatedAt { get; init; }

    /// <summary>When its grace ends; null unless it is being deleted.</summary>
    public DateTimeOffset? DeletedAt { get; init; }

    /// <summary>The workload that made it ("Deployment/llama"); null of a pod of its own.</summary>
    public string? Workload { get; init; }

    /// <summary>The same with its namespace ("models/Deployment/llama"): what its owner is looked up by, several times a turn.</summary>
    public string? WorkloadKey { get; init; }

    /// <summary>Its index in a LeaderWorkerSet's group, 0 the leader; null elsewhere.</summary>
    public int? WorkerIndex { get; init; }

    /// <summary>Which of a LeaderWorkerSet's groups it is in: a number, or whatever else the set names its groups by; null elsewhere.</summary>
    public string? Group { get; init; }

    public string? Ip { get; init; }

    /// <summary>When it was bound to its node.</summary>
    public DateTimeOffset? ScheduledAt { get; init; }

    public bool Ready { get; init; }

    /// <summary>When Ready last changed.</summary>
    public DateTimeOffset? ReadyChangedAt { get; init; }

    /// <summary>Why the scheduler finds no place, in its words.</summary>
    public string? Unschedulable { get; init; }

    public int Restarts { get; init; }

    /// <summary>Why a container does not run or last ended badly ("CrashLoopBackOff", "OOMKilled", "ImagePullBackOff").</summary>
    public string? Trouble { get; init; }

    public required PodRequests Requests { get; init; }

    /// <summary>The request for a node that it stands for, as written; null of all but placeholders. Whoever reads it looks at the namespace.</summary>
    public string? NodeRequest { get; init; }

    /// <summary>Annotations that keep its node from being taken away; null without any.</summary>
    public Nodes.PodGuards? Guards { get; init; }

    public string ResourceVersion { get; init; } = "";

    /// <summary>What it uses of its node's model cache; null when it mounts nothing of it.</summary>
    public CacheUse? Cache { get; init; }

    /// <summary>Since when it drains, as we marked it; null of all others.</summary>
    public DateTimeOffset? DrainingSince { get; init; }

    /// <summary>By which PodDisruptionBudgets select it.</summary>
    public ImmutableSortedDictionary<string, string> Labels { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>The replica that it is, if it is one: its name, and as a StatefulSet's next pod has the same, the beginning of its uid.</summary>
    internal ReplicaId Replica => new(_replica ??= $"{Name}@{Uid[..Math.Min(8, Uid.Length)]}");

    public bool IsOver => Phase is "Succeeded" or "Failed";

    public static PodView? Of(JsonElement pod)
    {
        if (pod.At("metadata") is not { } metadata || pod.At("spec") is not { } spec || metadata.Text("uid") is not { } uid) return null;
        var status = pod.At("status") ?? default;
        var conditions = status.List("conditions").ToLookup(one => one.Text("type"));
        var ready = conditions["Ready"].FirstOrDefault();
        var scheduled = conditions["PodScheduled"].FirstOrDefault();
        var containers = status.List("containerStatuses").ToArray();
        var labels = metadata.At("labels") ?? default;
        var workload = WorkloadOf(metadata, labels);
        return new PodView
        {
            Name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? ""),
            Uid = uid,
            Node = spec.Text("nodeName"),
            Phase = status.Text("phase") ?? "Pending",
            CreatedAt = metadata.Time("creationTimestamp") ?? DateTimeOffset.UnixEpoch,
            DeletedAt = metadata.Time("deletionTimestamp"),
            Workload = workload,
            WorkloadKey = workload is null ? null : $"{metadata.Text("namespace")}/{workload}",
            WorkerIndex = int.TryParse(labels.Text("leaderworkerset.sigs.k8s.io/worker-index"), out var index) ? index : null,
            Group = labels.Text("leaderworkerset.sigs.k8s.io/group-index"),
            Ip = status.Text("podIP"),
            ScheduledAt = scheduled.Text("status") == "True" ? scheduled.Time("lastTransitionTime") : null,
            Ready = ready.Text("status") == "True",
            ReadyChangedAt = ready.Time("lastTransitionTime"),
            Unschedulable = scheduled.Text("status") == "False" ? Short(scheduled.Text("message")) : null,
            Restarts = containers.Select(one => one.Number("restartCount") ?? 0).DefaultIfEmpty().Max(),
            Trouble = containers.Select(Troubled).FirstOrDefault(trouble => trouble is not null),
            Requests = PodRequests.Of(spec),
            NodeRequest = (metadata.At("annotations") ?? default).Text(Nodes.PlaceholderManifest.RequestAnnotation),
            Guards = Nodes.PodGuards.Of(metadata.At("annotations") ?? default),
            ResourceVersion = metadata.Text("resourceVersion") ?? "",
            DrainingSince = metadata.At("annotations")?.Time(Body.Victims.DrainingSince),
            Labels = metadata.Texts("labels").ToImmutableSortedDictionary(StringComparer.Ordinal),
        };
    }

    // A Deployment's pod belongs to a ReplicaSet that is named after it and the hash of its template.
    internal static string? WorkloadOf(JsonElement metadata, JsonElement labels)
    {
        var owner = metadata.List("ownerReferences").FirstOrDefault(one => one.Flag("controller"));
        if (labels.Text("leaderworkerset.sigs.k8s.io/name") is { } set) return $"LeaderWorkerSet/{set}";
        // Its pods are made by Jobs that it makes.
        if (labels.Text("jobset.sigs.k8s.io/jobset-name") is { } jobs && owner.Text("kind") == "Job") return $"JobSet/{jobs}";
        if (owner.Text("kind") is not { } kind || owner.Text("name") is not { } name) return null;
        return kind == "ReplicaSet" && labels.Text("pod-template-hash") is { } hash && name.EndsWith("-" + hash, StringComparison.Ordinal)
            ? $"Deployment/{name[..^(hash.Length + 1)]}" : $"{kind}/{name}";
    }

    private static string? Troubled(JsonElement container)
    {
        var state = container.At("state") ?? default;
        var last = container.At("lastState", "terminated");
        var ended = state.At("terminated") ?? last;
        var reason = ended?.Text("reason") is { } why and not "Completed" ? why : null;
        if (state.At("waiting")?.Text("reason") is { } waiting && waiting is not ("ContainerCreating" or "PodInitializing"))
            return Short(reason is null or "Error" ? waiting : $"{waiting} after {reason}");
        return state.At("terminated") is not null ? Short(reason) : null;
    }

    private static string? Short(string? text) => text is { Length: > 300 } ? text[..300] + "…" : text;
}
