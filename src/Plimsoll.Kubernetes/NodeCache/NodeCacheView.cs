using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using k8s;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// A NodeModelCache as the operator keeps it. Whoever may write one node's status may write any node's, so nothing of it is
/// taken that is out of bounds: then the whole cache is unknown, and a sentence says why.
/// </summary>
public sealed record NodeCacheView
{
    public required string Node { get; init; }

    public required string Uid { get; init; }

    public required long Generation { get; init; }

    /// <summary>The Node it belongs to, by uid; null while it belongs to none.</summary>
    public string? Owner { get; init; }

    public ImmutableArray<NodeCacheArtifact> Wanted { get; init; } = [];

    public ImmutableArray<NodeCacheKey> Evict { get; init; } = [];

    /// <summary>The agent that is asked to evict, by when it started.</summary>
    public string? Agent { get; init; }

    /// <summary>What its agent told; null before it told anything, and when it cannot be believed.</summary>
    public NodeModelCacheStatus? Status { get; init; }

    /// <summary>Why it cannot be believed; null when it can.</summary>
    public string? Problem { get; init; }

    public DateTimeOffset? Heartbeat => TimeOf(Status?.Heartbeat);

    /// <summary>What is worth planning anew for: not that time passed, nor that bytes came.</summary>
    public string Essence => _essence ??= string.Join('\n',
    [
        Uid, Problem ?? "", Owner ?? "", string.Create(CultureInfo.InvariantCulture, $"{Generation} {Status?.ObservedGeneration} {Status?.StartedAt} {Status?.BudgetBytes} {Status?.ShortBytes > 0}"),
        .. (Status?.Artifacts ?? []).Select(copy => $"{copy.Model}@{copy.Version} {copy.Complete} {copy.Pinned}"),
        .. (Status?.Failures ?? []).Select(failure => $"{failure.Model}@{failure.Version} {failure.Message}"),
    ]);

    /// <summary>What is asked of its agent.</summary>
    internal NodeCacheRequest Request => _request ??= NodeCacheRequest.Of(this);

    private string? _essence;
    private NodeCacheRequest? _request;

    public static NodeCacheView? Of(JsonElement item)
    {
        if (item.At("metadata") is not { } metadata || metadata.Text("name") is not { } name) return null;
        var view = new NodeCacheView
        {
            Node = name,
            Uid = metadata.Text("uid") ?? "",
            Generation = metadata.At("generation") is { ValueKind: JsonValueKind.Number } number && number.TryGetInt64(out var generation) ? generation : 0,
            Owner = metadata.List("ownerReferences").Where(owner => owner.Text("kind") == "Node" && owner.Text("name") == name).Select(owner => owner.Text("uid")).FirstOrDefault(),
        };
        try
        {
            var cache = KubernetesJson.Deserialize<NodeModelCache>(item);
            var check = new FieldCheck();
            if (cache.Spec is { } spec) check.Group(spec, "spec");
            if (check.Any) return view with { Problem = check.Problems[0].ToString() };
            view = view with { Wanted = [.. cache.Spec?.Artifacts ?? []], Evict = [.. cache.Spec?.Evict ?? []], Agent = cache.Spec?.Agent };
            if (cache.Status is not { } status) return view;
            check.Group(status, "status");
            if (check.Any) return view with { Problem = check.Problems[0].ToString() };
            var copies = (status.Artifacts ?? []).Select(copy => (copy.Model, copy.Version)).ToArray();
            return copies.Distinct().Count() < copies.Length ? view with { Problem = "status.artifacts: one artefact is named twice; once would do" } : view with { Status = status };
        }
        catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException or OverflowException)
        {
            return view with { Problem = $"it cannot be read: {unreadable.Message}" };
        }
    }

    public static DateTimeOffset? TimeOf(string? text) =>
        DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out var time) ? time : null;
}
