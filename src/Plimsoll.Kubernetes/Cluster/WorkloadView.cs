using System.Collections.Immutable;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What is kept of something that is scaled.</summary>
public sealed record WorkloadView
{
    public required ObjectName Name { get; init; }

    public required string ApiVersion { get; init; }

    public required string Kind { get; init; }

    public required string Uid { get; init; }

    public required long Generation { get; init; }

    public required string ResourceVersion { get; init; }

    /// <summary>Replicas it is asked to have.</summary>
    public required int Replicas { get; init; }

    /// <summary>How long a pod may take to become ready before Kubernetes calls it stuck.</summary>
    public TimeSpan ProgressDeadline { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>The pods' spec as written; of a LeaderWorkerSet the leaders'. Null where the kind has none.</summary>
    public byte[]? PodSpecJson { get; init; }

    /// <summary>Pods of one replica: a LeaderWorkerSet's group size.</summary>
    public int PodsPerReplica { get; init; } = 1;

    /// <summary>The workers' pod spec of a LeaderWorkerSet.</summary>
    public byte[]? WorkerSpecJson { get; init; }

    /// <summary>The uid of what owns and controls it; null where nothing does.</summary>
    public string? ControllerUid { get; init; }

    /// <summary>Which of a ScaledModel's variants it was made for; null of what was not made by us.</summary>
    public string? MadeForVariant { get; init; }

    public ImmutableSortedDictionary<string, string> Annotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Of the pods.</summary>
    public ImmutableSortedDictionary<string, string> PodAnnotations { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Whether its pods have the label by which the webhook is not asked about them.</summary>
    public bool LeavesPodsAlone { get; init; }

    public DateTimeOffset? CreatedAt { get; init; }

    /// <summary>Which pods are its, of a kind that is not known beforehand (<see cref="OtherWorkloads"/>); null of others, whose pods name it.</summary>
    internal LabelSelector? Selector { get; init; }

    /// <summary>The same as written.</summary>
    public string? SelectorText { get; init; }

    /// <summary>The uid of the pod that its pod spec is from, where it shows no template.</summary>
    public string? MadeLike { get; init; }

    /// <summary>Its kind as pods' keys have it: those of kinds that are not known beforehand with their group, which may have a known one's name.</summary>
    public string KeyKind => Selector is null ? Kind : Resources.TargetKinds.WithGroup(Kind, ApiVersion);

    /// <summary>managedFields, as written: who wrote spec.replicas.</summary>
    public byte[]? ManagedFieldsJson { get; init; }

    /// <summary>Why its pod specs cannot be read; null where they can. The server checks those of its own kinds, and of others nobody does.</summary>
    public string? PodSpecProblem
    {
        get
        {
            try
            {
                _ = (PodSpec, WorkerSpec);
                return null;
            }
            catch (Exception problem) when (problem is JsonException or FormatException or InvalidOperationException)
            {
                return Resources.Shown.Text(problem.Message);
            }
        }
    }

    public V1PodSpec? PodSpec => PodSpecJson is { } json ? KubernetesJson.Deserialize<V1PodSpec>(System.Text.Encoding.UTF8.GetString(json)) : null;

    public V1PodSpec? WorkerSpec => WorkerSpecJson is { } json ? KubernetesJson.Deserialize<V1PodSpec>(System.Text.Encoding.UTF8.GetString(json)) : null;

    public static WorkloadView? Of(JsonElement item, string apiVersion, string kind)
    {
        if (item.At("metadata") is not { } metadata || item.At("spec") is not { } spec) return null;
        var groups = kind == "LeaderWorkerSet" ? spec.At("leaderWorkerTemplate") : null;
        var template = groups is { } group ? group.At("leaderTemplate", "spec") ?? group.At("workerTemplate", "spec")
            : spec.At("template", "spec") ?? spec.At("predictor");
        var pods = groups?.At("leaderTemplate", "metadata") ?? spec.At("template", "metadata");
        return new WorkloadView
        {
            Name = new ObjectName(metadata.Text("namespace") ?? "", metadata.Text("name") ?? ""),
            ApiVersion = apiVersion,
            Kind = kind,
            Uid = metadata.Text("uid") ?? "",
            Generation = metadata.At("generation") is { ValueKind: JsonValueKind.Number } generation && generation.TryGetInt64(out var number) ? number : 0,
            ResourceVersion = metadata.Text("resourceVersion") ?? "",
            Replicas = Math.Max(0, spec.Number("replicas") ?? spec.At("predictor")?.Number("minReplicas") ?? 1),
            ProgressDeadline = TimeSpan.FromSeconds(Math.Clamp(spec.Number("progressDeadlineSeconds") ?? 600, 30, 86_400)),
            PodsPerReplica = Math.Clamp(groups?.Number("size") ?? 1, 1, 10_000),
            PodSpecJson = template?.Raw(),
            WorkerSpecJson = groups?.At("workerTemplate", "spec") is { } workers ? workers.Raw() : null,
            ControllerUid = metadata.List("ownerReferences").FirstOrDefault(one => one.Flag("controller")).Text("uid"),
            MadeForVariant = metadata.At("labels")?.Text(Resources.TemplateWorkload.VariantLabel),
            Annotations = Texts(metadata.At("annotations")),
            PodAnnotations = Texts(pods?.At("annotations")),
            LeavesPodsAlone = IsLeftAlone(pods?.At("labels")),
            CreatedAt = metadata.Time("creationTimestamp"),
            ManagedFieldsJson = metadata.At("managedFields") is { } fields ? fields.Raw() : null,
        };
    }

    /// <summary>Whether a pod's labels keep it as its template has it.</summary>
    public static bool IsLeftAlone(JsonElement? labels) => labels?.Text(WebhookRegistration.ApplyLabel) == WebhookRegistration.ApplyNothing;

    private static ImmutableSortedDictionary<string, string> Texts(JsonElement? map) =>
        map is { ValueKind: JsonValueKind.Object } found
            ? found.EnumerateObject().Where(one => one.Value.ValueKind == JsonValueKind.String)
                .ToImmutableSortedDictionary(one => one.Name, one => one.Value.GetString()!, StringComparer.Ordinal)
            : ImmutableSortedDictionary<string, string>.Empty;
}
