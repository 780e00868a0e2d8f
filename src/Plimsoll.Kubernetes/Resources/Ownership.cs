using System.Collections.Immutable;
using System.Text.Json;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Who else scales a target. All of it is pure: the lists come from watches.</summary>
public static class Ownership
{
    /// <summary>The metric that we publish for others to scale by.</summary>
    public const string Metric = "plimsoll_desired_replicas";

    /// <summary>How long a write of the replicas by somebody else counts.</summary>
    public static readonly TimeSpan Lately = TimeSpan.FromMinutes(10);

    // Between an object's birth and the first word on who wrote it lies a second at the most.
    private static readonly TimeSpan Birth = TimeSpan.FromSeconds(5);

    /// <summary>Names the one who scales the target beside us, in a sentence; null when nobody does.</summary>
    public static string? Conflict(OwnershipQuestion question)
    {
        ArgumentNullException.ThrowIfNull(question);
        return ByScaledObject(question) ?? ByAutoscaler(question) ?? ByKServe(question) ?? ByWriter(question);
    }

    /// <summary>
    /// Of several ScaledModels that name one target the oldest has it, by name among equals. Answers, by ScaledModel, the
    /// one that has its target instead of it.
    /// </summary>
    public static ImmutableSortedDictionary<ObjectName, ObjectName> Usurped(IEnumerable<ScaledModel> models)
    {
        ArgumentNullException.ThrowIfNull(models);
        var owners = new Dictionary<(string Space, string Group, string Kind, string Name), ObjectName>();
        var usurped = ImmutableSortedDictionary.CreateBuilder<ObjectName, ObjectName>();
        foreach (var settings in models.OrderBy(model => model.Metadata?.CreationTimestamp ?? DateTime.MaxValue)
            .ThenBy(model => model.Metadata?.NamespaceProperty, StringComparer.Ordinal).ThenBy(model => model.Metadata?.Name, StringComparer.Ordinal)
            .Select(ScaledModelSettings.Of))
        {
            foreach (var variant in settings.Variants)
            {
                var scaled = variant.Target.Workload;
                var key = (settings.Name.Namespace, scaled.Group, scaled.Kind, scaled.Name);
                if (!owners.TryAdd(key, settings.Name) && owners[key] != settings.Name) usurped.TryAdd(settings.Name, owners[key]);
            }
        }

        return usurped.ToImmutable();
    }

    private static string? ByScaledObject(OwnershipQuestion question)
    {
        foreach (var scaled in question.ScaledObjects)
        {
            if (!Targets(scaled, question)) continue;
            var name = $"the ScaledObject {NameOf(scaled)}";
            if (Paused(scaled)) continue;
            if (question.Actuation == Actuation.Scale) return $"{name} scales {question.Shown}; delete it, or choose actuation metric and let it read {Metric}";
            if (!Json.Items(scaled, "spec", "triggers").Any(IsOurs)) return $"{name} scales {question.Shown} by something else than {Metric}; a trigger external with scaledModel in its metadata would do";
        }

        return null;
    }

    private static string? ByAutoscaler(OwnershipQuestion question)
    {
        foreach (var autoscaler in question.Autoscalers)
        {
            // KEDA's own are spoken of as their ScaledObject.
            if (!Targets(autoscaler, question) || (OwnerOf(autoscaler, "ScaledObject") is { } owner && question.ScaledObjects.Any(one => NameOf(one) == owner))) continue;
            var name = $"the HorizontalPodAutoscaler {NameOf(autoscaler)}";
            if (question.Actuation == Actuation.Scale) return $"{name} scales {question.Shown}; delete it, or choose actuation metric and let it read {Metric}";
            if (!Json.Items(autoscaler, "spec", "metrics").Any(OursMetric)) return $"{name} scales {question.Shown} by something else than {Metric}; an External metric of that name would do";
        }

        return null;
    }

    private static string? ByKServe(OwnershipQuestion question)
    {
        if (question.Target.Kind != TargetKinds.InferenceService) return null;
        var scaler = question.Annotations.GetValueOrDefault("serving.kserve.io/autoscalerClass");
        return scaler is "external" ? null
            : $"KServe scales {question.Shown} itself ({(scaler is null ? "by default" : $"autoscalerClass {Shown.Text(scaler)}")}); the annotation serving.kserve.io/autoscalerClass: external would leave it to Plimsoll";
    }

    /// <summary>Who wrote the replicas, by the fields that the API server keeps for each writer.</summary>
    private static string? ByWriter(OwnershipQuestion question)
    {
        // A metric's reader is meant to write.
        if (question.Actuation == Actuation.Metric) return null;
        foreach (var entry in question.ManagedFields.Where(entry => entry is not null && !IsNoRival(entry, question)).OrderBy(entry => entry.Manager, StringComparer.Ordinal))
        {
            if (!HasReplicas(entry)) continue;
            var who = Shown.Text(entry.Manager ?? "somebody");
            // Server-side apply says the same again whenever its manifest changes.
            if (entry.Operation == "Apply") return $"{who} applies {question.Shown} with spec.replicas; leave replicas out of its manifest";
            var at = entry.Time is { } time ? new DateTimeOffset(DateTime.SpecifyKind(time, DateTimeKind.Utc)) : (DateTimeOffset?)null;
            if (question.Writes.LeftThem(entry)) continue;
            if (at is { } written && written - (question.Created ?? DateTimeOffset.MinValue) > Birth && question.At - written <= Lately)
                return $"{who} wrote the replicas of {question.Shown} {Durations.Show(Math.Max(0, (question.At - written).TotalSeconds))} ago; stop it, or choose mode recommend";
        }

        return null;
    }

    // What a person does by hand once is no second autoscaler.
    private static bool IsNoRival(V1ManagedFieldsEntry entry, OwnershipQuestion question) =>
        question.OurManagers.Contains(entry.Manager ?? "", StringComparer.Ordinal) || entry.Manager?.StartsWith("kubectl", StringComparison.Ordinal) == true;

    private static bool HasReplicas(V1ManagedFieldsEntry entry) =>
        (entry.Subresource is null or "" or "scale") && entry.FieldsV1 is JsonElement fields && Json.At(fields, "f:spec", "f:replicas") is not null;

    private static bool Targets(JsonElement scaler, OwnershipQuestion question)
    {
        if (Json.Text(scaler, "metadata", "namespace") != question.Namespace || Json.At(scaler, "spec", "scaleTargetRef") is not { } reference) return false;
        var kind = Json.Text(reference, "kind") ?? TargetKinds.Deployment;
        var scaled = question.Target.Workload;
        if (Json.Text(reference, "name") != scaled.Name || kind != scaled.Kind) return false;
        // KEDA takes a Deployment of apps/v1 where nothing is stated; an old HPA may name another version of the group.
        var version = Json.Text(reference, "apiVersion") ?? TargetKinds.ApiVersionOf(kind);
        return version is null || TargetKinds.GroupOf(version) == scaled.Group;
    }

    private static bool Paused(JsonElement scaled) =>
        Json.Text(scaled, "metadata", "annotations", "autoscaling.keda.sh/paused") is { } paused && paused != "false";

    /// <summary>Whether a ScaledObject's trigger reads the number that we publish.</summary>
    internal static bool IsOurs(JsonElement trigger) => Json.Text(trigger, "type") switch
    {
        "external" or "external-push" => Json.Text(trigger, "metadata", "scaledModel") is not null
            || Json.Text(trigger, "metadata", "scalerAddress")?.Contains("plimsoll", StringComparison.OrdinalIgnoreCase) == true,
        "prometheus" => Json.Text(trigger, "metadata", "query")?.Contains(Metric, StringComparison.Ordinal) == true,
        _ => false,
    };

    // autoscaling/v2 and v2beta2, then v2beta1.
    private static bool OursMetric(JsonElement metric) =>
        Json.Text(metric, "external", "metric", "name") == Metric || Json.Text(metric, "external", "metricName") == Metric;

    private static string NameOf(JsonElement scaler) => Shown.Text(Json.Text(scaler, "metadata", "name") ?? "");

    private static string? OwnerOf(JsonElement autoscaler, string kind) =>
        Json.Items(autoscaler, "metadata", "ownerReferences").FirstOrDefault(owner => Json.Text(owner, "kind") == kind) is { ValueKind: JsonValueKind.Object } found
            ? Shown.Text(Json.Text(found, "name") ?? "") : null;
}

/// <summary>What is known of a target and of all who might scale it.</summary>
public sealed record OwnershipQuestion
{
    public required string Namespace { get; init; }

    public required ScaleTarget Target { get; init; }

    public required Actuation Actuation { get; init; }

    /// <summary>HorizontalPodAutoscalers of the namespace, of any version, as the server gave them.</summary>
    public IEnumerable<JsonElement> Autoscalers { get; init; } = [];

    /// <summary>KEDA's ScaledObjects of the namespace.</summary>
    public IEnumerable<JsonElement> ScaledObjects { get; init; } = [];

    /// <summary>The target's metadata.managedFields.</summary>
    public IEnumerable<V1ManagedFieldsEntry> ManagedFields { get; init; } = [];

    /// <summary>Which writes are known to have left the replicas as they were.</summary>
    public ReplicaWrites Writes { get; init; } = ReplicaWrites.None;

    /// <summary>The target's annotations.</summary>
    public IReadOnlyDictionary<string, string> Annotations { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>When the target was made: what was written then is its beginning and no second opinion.</summary>
    public DateTimeOffset? Created { get; init; }

    public required DateTimeOffset At { get; init; }

    /// <summary>The field managers that we write as.</summary>
    public ImmutableArray<string> OurManagers { get; init; } = ["plimsoll"];

    internal string Shown => $"{Resources.Shown.Text(Target.Kind)} {Namespace}/{Resources.Shown.Text(Target.Name)}";
}
