using System.Buffers;
using System.Collections.Immutable;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>A PlannedJob as read, or why it could not be.</summary>
public sealed record PlannedJobView(ObjectName Name, string Uid, string ResourceVersion, PlannedJob? Job, string? Problem)
{
    internal static PlannedJobView? Of(JsonElement item)
    {
        if (item.At("metadata") is not { } metadata) return null;
        var name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? "");
        var (uid, version) = (metadata.Text("uid") ?? "", metadata.Text("resourceVersion") ?? "");
        try
        {
            return new PlannedJobView(name, uid, version, KubernetesJson.Deserialize<PlannedJob>(item), null);
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException or OverflowException)
        {
            return new PlannedJobView(name, uid, version, null, $"it cannot be read: {unreadable.Message}");
        }
    }
}

/// <summary>A kind of job whose pods come and go by spec.suspend.</summary>
public sealed record JobKind(string Kind, string ApiVersion, string Plural)
{
    public string ListPath => $"apis/{ApiVersion}/{Plural}";

    public string PathOf(ObjectName name) => $"apis/{ApiVersion}/namespaces/{name.Namespace}/{Plural}/{name.Name}";
}

/// <summary>Pods of a job that are alike.</summary>
/// <param name="Size">As many as run at once, from the beginning on.</param>
/// <param name="Spec">What of their spec says where they may go and what they ask; nothing else is kept.</param>
public sealed record JobPods(int Size, byte[] Spec)
{
    /// <summary>A rule of theirs on where one may be beside another, by the field that holds it; null where there is none that must be kept.</summary>
    public string? Apart { get; init; }

    /// <summary>As the client reads it. What others' kinds hold nobody has checked.</summary>
    /// <exception cref="JsonException">It is no pod spec.</exception>
    public V1PodSpec Pod => KubernetesJson.Deserialize<V1PodSpec>(System.Text.Encoding.UTF8.GetString(Spec));
}

/// <summary>What is kept of a Job or a JobSet.</summary>
public sealed record JobView
{
    /// <summary>Kueue suspends and resumes what has it.</summary>
    public const string QueueLabel = "kueue.x-k8s.io/queue-name";

    private const int PodsMax = 100_000;

    public required ObjectName Name { get; init; }

    public required string Kind { get; init; }

    public required string Uid { get; init; }

    /// <summary>Of its spec: what others write into its status changes nothing of it.</summary>
    public long Generation { get; init; }

    public DateTimeOffset CreatedAt { get; init; }

    /// <summary>spec.suspend.</summary>
    public bool Suspended { get; init; }

    /// <summary>Since when it is, as its controller has it; null while it is not.</summary>
    public DateTimeOffset? SuspendedAt { get; init; }

    /// <summary>When its pods were last let run; null where nobody says.</summary>
    public DateTimeOffset? StartedAt { get; init; }

    /// <summary>When it was over, done or failed; null before.</summary>
    public DateTimeOffset? EndedAt { get; init; }

    /// <summary>The pods of a Job; of a JobSet those of each of its kinds, none of which is empty.</summary>
    public ImmutableArray<JobPods> Pods { get; init; } = [];

    /// <summary>Pods that are to succeed; null of a job that is over when one has.</summary>
    public int? Completions { get; init; }

    /// <summary>Pods that have succeeded, those counted that are gone.</summary>
    public int Succeeded { get; init; }

    /// <summary>Whether some of a JobSet's pods come only once others are done, or ready.</summary>
    public bool InPhases { get; init; }

    /// <summary>Kueue's queue, as the label has it.</summary>
    public string? Queue { get; init; }

    /// <summary>Another controller that sees to it, or the object that made it and suspends it by itself; null where there is neither.</summary>
    public string? ManagedBy { get; init; }

    /// <summary>Its pods' key (<see cref="PodView.WorkloadKey"/>).</summary>
    public string Key => KeyOf(Name, Kind);

    /// <summary>Members: pods that run at once.</summary>
    public int Size => Math.Max(1, Math.Min(AtOnce, (Completions ?? int.MaxValue) - Succeeded));

    private int AtOnce => (int)Math.Min(Pods.Sum(pods => (long)pods.Size), PodsMax);

    /// <summary>Pods that are to run now, so many of which have succeeded, were it not suspended.</summary>
    public int Left(int succeeded)
    {
        var done = Math.Max(Succeeded, succeeded);
        return Math.Max(0, Completions is { } all ? Math.Min(AtOnce, all - done) : AtOnce - done);
    }

    public static string KeyOf(ObjectName name, string kind) => $"{name.Namespace}/{kind}/{name.Name}";

    public static JobView? Of(JsonElement item, JobKind kind)
    {
        ArgumentNullException.ThrowIfNull(kind);
        if (item.At("metadata") is not { } metadata || item.At("spec") is not { } spec) return null;
        var status = item.At("status") ?? default;
        var conditions = status.List("conditions").ToArray();
        var isSet = kind.Kind == "JobSet";
        DateTimeOffset? Since(string type, string state = "True") =>
            conditions.FirstOrDefault(one => one.Text("type") == type && one.Text("status") == state) is { ValueKind: JsonValueKind.Object } found
                ? found.Time("lastTransitionTime") ?? DateTimeOffset.UnixEpoch : null;
        return new JobView
        {
            Name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? ""),
            Kind = kind.Kind,
            Uid = metadata.Text("uid") ?? "",
            Generation = metadata.Number("generation") ?? 0,
            CreatedAt = metadata.Time("creationTimestamp") ?? DateTimeOffset.UnixEpoch,
            Suspended = spec.Flag("suspend"),
            SuspendedAt = Since("Suspended"),
            StartedAt = status.Time("startTime") ?? Since("Suspended", "False"),
            EndedAt = isSet ? Since("Completed") ?? Since("Failed") : Since("Complete") ?? Since("Failed"),
            Pods = isSet ? [.. spec.List("replicatedJobs").Select(OfSet).OfType<JobPods>()] : OfJob(spec, 1) is { } pods ? [pods] : [],
            Completions = isSet ? null : spec.Number("completions"),
            Succeeded = isSet ? SucceededOf(spec, status) : Math.Max(0, status.Number("succeeded") ?? 0),
            InPhases = isSet && spec.List("replicatedJobs").Any(one => one.List("dependsOn").Any()),
            Queue = metadata.At("labels")?.Text(QueueLabel),
            ManagedBy = spec.Text("managedBy") is { } other && other != (isSet ? "jobset.sigs.k8s.io/jobset-controller" : "kubernetes.io/job-controller") ? other
                : metadata.List("ownerReferences").FirstOrDefault(one => one.Flag("controller")) is { ValueKind: JsonValueKind.Object } owner && owner.Text("kind") is { } maker and not "CronJob"
                    ? $"{maker} {owner.Text("name")}" : null,
        };
    }

    private static JobPods? OfSet(JsonElement replicated) =>
        replicated.At("template", "spec") is { } job ? OfJob(job, Math.Max(0, replicated.Number("replicas") ?? 1)) : null;

    private static JobPods? OfJob(JsonElement job, int replicas)
    {
        if (job.At("template", "spec") is not { } pod) return null;
        var each = Math.Max(0, Math.Min(job.Number("parallelism") ?? 1, job.Number("completions") ?? int.MaxValue));
        var size = (int)Math.Min((long)each * replicas, PodsMax);
        return size == 0 ? null : new JobPods(size, Kept(pod)) { Apart = ApartOf(pod) };
    }

    // What is only preferred keeps no pod from a node.
    private static string? ApartOf(JsonElement pod)
    {
        const string Required = "requiredDuringSchedulingIgnoredDuringExecution";
        foreach (var kind in (ReadOnlySpan<string>)["podAffinity", "podAntiAffinity"])
            if (pod.At("affinity", kind) is { } affinity && affinity.List(Required).Any()) return $"affinity.{kind}.{Required}";
        return pod.List("topologySpreadConstraints").Any(one => one.Text("whenUnsatisfiable") is null or "DoNotSchedule") ? "topologySpreadConstraints" : null;
    }

    // A JobSet counts jobs, each of which has all its pods behind it.
    private static int SucceededOf(JsonElement spec, JsonElement status)
    {
        var done = status.List("replicatedJobsStatus").ToLookup(one => one.Text("name"), one => Math.Max(0, one.Number("succeeded") ?? 0));
        var sum = 0L;
        foreach (var replicated in spec.List("replicatedJobs"))
        {
            if (replicated.At("template", "spec") is { } job)
                sum += (long)done[replicated.Text("name")].FirstOrDefault() * Math.Max(0, Math.Min(job.Number("parallelism") ?? 1, job.Number("completions") ?? int.MaxValue));
        }

        return (int)Math.Min(sum, PodsMax);
    }

    // Of thousands of jobs nobody keeps arguments, environments and volumes.
    private static byte[] Kept(JsonElement pod)
    {
        var kept = new ArrayBufferWriter<byte>();
        using (var writer = new Utf8JsonWriter(kept, new JsonWriterOptions { MaxDepth = ResourceJson.DepthMax }))
        {
            writer.WriteStartObject();
            foreach (var name in (ReadOnlySpan<string>)["nodeName", "nodeSelector", "tolerations", "overhead", "resources", "terminationGracePeriodSeconds"]) Copy(writer, pod, name);
            if (pod.At("affinity", "nodeAffinity") is { } affinity)
            {
                writer.WriteStartObject("affinity");
                writer.WritePropertyName("nodeAffinity");
                affinity.WriteTo(writer);
                writer.WriteEndObject();
            }

            foreach (var list in (ReadOnlySpan<string>)["initContainers", "containers"])
            {
                writer.WriteStartArray(list);
                foreach (var container in pod.List(list))
                {
                    writer.WriteStartObject();
                    foreach (var name in (ReadOnlySpan<string>)["name", "restartPolicy", "resources"]) Copy(writer, container, name);
                    writer.WriteEndObject();
                }

                writer.WriteEndArray();
            }

            writer.WriteEndObject();
        }

        return kept.WrittenSpan.ToArray();
    }

    private static void Copy(Utf8JsonWriter writer, JsonElement from, string name)
    {
        if (from.At(name) is not { } value) return;
        writer.WritePropertyName(name);
        value.WriteTo(writer);
    }
}
