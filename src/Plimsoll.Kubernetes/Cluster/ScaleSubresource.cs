using System.Text.Json;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What an object's scale says.</summary>
/// <param name="Replicas">Asked for.</param>
/// <param name="Selector">Of its pods, as written; null where it does not tell.</param>
public sealed record ScaleView(int Replicas, string? Selector);

/// <summary>A kind as the server has it, or why nothing of it can be scaled.</summary>
/// <param name="Kind">Null where it cannot.</param>
/// <param name="Reason">Why not, as a condition's reason; null where it can.</param>
/// <param name="Problem">The same as a sentence.</param>
public sealed record FoundKind(ScalableKind? Kind, string? Reason = null, string? Problem = null);

/// <summary>
/// Reads the scale subresource, which says of any kind that has one what HorizontalPodAutoscalers go by: how many replicas, and
/// which pods (<c>autoscaling/v1</c> Scale).
/// </summary>
internal static class ScaleSubresource
{
    /// <summary>Looks a kind up.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public static async Task<FoundKind> FindKindAsync(KubernetesApi api, string apiVersion, string kind, CancellationToken cancellationToken)
    {
        using var served = await api.FindAsync(ScalableKind.RootOf(apiVersion), cancellationToken).ConfigureAwait(false);
        if (served is null) return new FoundKind(null, "UnknownKind", $"the server has no {apiVersion}, so it has no {kind} of it");
        var resources = served.RootElement.List("resources").ToArray();
        var found = resources.FirstOrDefault(one => one.Text("kind") == kind && one.Text("name") is { } name && !name.Contains('/', StringComparison.Ordinal));
        if (found.Text("name") is not { } plural) return new FoundKind(null, "UnknownKind", $"the server's {apiVersion} has no kind {kind}");
        if (!found.Flag("namespaced")) return new FoundKind(null, "UnknownKind", $"a {kind} is in no namespace, and what is scaled here is in its ScaledModel's");
        return resources.Any(one => one.Text("name") == plural + "/scale") ? new FoundKind(new ScalableKind(kind, apiVersion, plural))
            : new FoundKind(null, "NoScale", $"{kind} of {apiVersion} has no scale subresource");
    }

    /// <summary>Reads an object's scale; null where there is no such object.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public static async Task<ScaleView?> ReadAsync(KubernetesApi api, ScalableKind kind, ObjectName name, CancellationToken cancellationToken)
    {
        using var scale = await api.FindAsync(kind.PathOf(name) + "/scale", cancellationToken).ConfigureAwait(false);
        return scale is null ? null : new ScaleView(
            Math.Max(0, scale.RootElement.At("spec")?.Number("replicas") ?? 0), scale.RootElement.At("status")?.Text("selector"));
    }

    /// <summary>
    /// A pod's spec and annotations, as those of a kind that shows no template; what its node and its making added is no part of
    /// a template. Asked for as a list of one, which needs no right of its own.
    /// </summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public static async Task<(byte[] Spec, JsonElement Metadata)?> PodAsync(KubernetesApi api, ObjectName pod, CancellationToken cancellationToken)
    {
        var selector = Uri.EscapeDataString($"metadata.name={pod.Name}");
        using var list = await api.GetAsync($"api/v1/namespaces/{pod.Namespace}/pods?limit=1&fieldSelector={selector}", cancellationToken).ConfigureAwait(false);
        var item = list.RootElement.List("items").FirstOrDefault();
        if (item.At("spec") is not { } spec || item.At("metadata") is not { } metadata) return null;
        var template = System.Text.Json.Nodes.JsonNode.Parse(spec.GetRawText())!.AsObject();
        foreach (var added in (string[])["nodeName", "hostname", "subdomain"]) template.Remove(added);
        return (System.Text.Encoding.UTF8.GetBytes(template.ToJsonString()), metadata.Clone());
    }
}
