using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Cluster;

/// <summary>What was written of an object for people to read.</summary>
public sealed record ObjectEvent(DateTimeOffset? At, string Type, string Reason, string Message, int Count);

/// <summary>A cluster looked at once, with the rights of whoever asks: for a person, not for planning.</summary>
public sealed class ClusterReader(KubernetesApi api)
{
    private const int PagesMax = 200;
    private const int EventsMax = 200;

    /// <summary>The server's clock, by which all that it keeps is dated.</summary>
    public TimeProvider Time => api.Time;

    /// <summary>ScaledModels of a namespace, or of all where it is null; ordered by name.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<ImmutableArray<ScaledModel>> ModelsAsync(string? space, CancellationToken cancellationToken)
    {
        var path = $"apis/{ResourceGroup.ApiVersion}/{(space is null ? "" : $"namespaces/{space}/")}{ScaledModel.KubePluralName}";
        var items = await ListAsync(path, item => KubernetesJson.Deserialize<ScaledModel>(item), cancellationToken).ConfigureAwait(false);
        return [.. items.OrderBy(model => NameOf(model))];
    }

    /// <summary>One ScaledModel; null where there is none.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<ScaledModel?> ModelAsync(ObjectName name, CancellationToken cancellationToken)
    {
        using var found = await api.FindAsync($"apis/{ResourceGroup.ApiVersion}/namespaces/{name.Namespace}/{ScaledModel.KubePluralName}/{name.Name}", cancellationToken).ConfigureAwait(false);
        return found is null ? null : KubernetesJson.Deserialize<ScaledModel>(found.RootElement);
    }

    /// <summary>PlannedJobs of a namespace, or of all where it is null; ordered by name. Empty where the cluster does not know the kind.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<ImmutableArray<PlannedJob>> JobsAsync(string? space, CancellationToken cancellationToken)
    {
        var path = $"apis/{ResourceGroup.ApiVersion}/{(space is null ? "" : $"namespaces/{space}/")}{PlannedJob.KubePluralName}";
        try
        {
            var items = await ListAsync(path, item => KubernetesJson.Deserialize<PlannedJob>(item), cancellationToken).ConfigureAwait(false);
            return [.. items.OrderBy(job => NameOf(job))];
        }
        catch (ApiException unknown) when (unknown.Status == HttpStatusCode.NotFound)
        {
            return [];
        }
    }

    /// <summary>One PlannedJob; null where there is none.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<PlannedJob?> JobAsync(ObjectName name, CancellationToken cancellationToken)
    {
        using var found = await api.FindAsync($"apis/{ResourceGroup.ApiVersion}/namespaces/{name.Namespace}/{PlannedJob.KubePluralName}/{name.Name}", cancellationToken).ConfigureAwait(false);
        return found is null ? null : KubernetesJson.Deserialize<PlannedJob>(found.RootElement);
    }

    /// <summary>What it scales; null where that is not there.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<WorkloadView?> WorkloadAsync(string space, ScaleTarget target, CancellationToken cancellationToken)
    {
        var (kind, name) = (target.Workload.Kind, target.Workload.Name);
        if (!OtherWorkloads.IsKnown(target)) return await OtherAsync(new ObjectName(space, name), target, cancellationToken).ConfigureAwait(false);
        if (ClusterWatch.ScalableKinds.FirstOrDefault(one => one.Kind == kind) is not { } scalable) return null;
        using var found = await api.FindAsync(scalable.PathOf(new ObjectName(space, name)), cancellationToken).ConfigureAwait(false);
        return found is null ? null : WorkloadView.Of(found.RootElement, scalable.ApiVersion, kind);
    }

    private async Task<WorkloadView?> OtherAsync(ObjectName name, ScaleTarget target, CancellationToken cancellationToken)
    {
        var kind = await ScaleSubresource.FindKindAsync(api, target.ApiVersion, target.Kind, cancellationToken).ConfigureAwait(false);
        if (kind.Kind is not { } scalable) throw new ApiException(kind.Problem!);
        using var found = await api.FindAsync(scalable.PathOf(name), cancellationToken).ConfigureAwait(false);
        if (found is null || WorkloadView.Of(found.RootElement, target.ApiVersion, target.Kind) is not { } workload) return null;
        if (await ScaleSubresource.ReadAsync(api, scalable, name, cancellationToken).ConfigureAwait(false) is not { } scale) return workload;
        workload = workload with { Replicas = scale.Replicas, SelectorText = scale.Selector };
        if (workload.PodSpecJson is not null || scale.Selector is not { Length: > 0 } selector) return workload;
        using var pods = await api.GetAsync($"api/v1/namespaces/{name.Namespace}/pods?limit=1&labelSelector={Uri.EscapeDataString(selector)}", cancellationToken).ConfigureAwait(false);
        return pods.RootElement.List("items").FirstOrDefault().At("spec") is { } spec ? workload with { PodSpecJson = spec.Raw() } : workload;
    }

    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<ImmutableArray<NodeView>> NodesAsync(CancellationToken cancellationToken) =>
        [.. (await ListAsync("api/v1/nodes", NodeView.Of, cancellationToken).ConfigureAwait(false)).OrderBy(node => node.Name, StringComparer.Ordinal)];

    /// <summary>Events of a ScaledModel or another kind of object, the newest first.</summary>
    /// <exception cref="ApiException">It was refused, or nothing answered.</exception>
    public async Task<ImmutableArray<ObjectEvent>> EventsAsync(ObjectName name, CancellationToken cancellationToken, string kind = ScaledModel.KubeKind)
    {
        var selector = Uri.EscapeDataString($"involvedObject.kind={kind},involvedObject.name={name.Name}");
        var items = await ListAsync($"api/v1/namespaces/{name.Namespace}/events?fieldSelector={selector}", item => new ObjectEvent(
            item.Time("lastTimestamp") ?? item.At("series")?.Time("lastObservedTime") ?? item.Time("eventTime") ?? item.At("metadata")?.Time("creationTimestamp"),
            item.Text("type") ?? "", item.Text("reason") ?? "", item.Text("message") ?? item.Text("note") ?? "",
            item.At("series")?.Number("count") ?? item.Number("count") ?? 1), cancellationToken).ConfigureAwait(false);
        return [.. items.OrderByDescending(one => one.At).ThenBy(one => one.Message, StringComparer.Ordinal).Take(EventsMax)];
    }

    public static ObjectName NameOf(IKubernetesObject<V1ObjectMeta> one)
    {
        ArgumentNullException.ThrowIfNull(one);
        return new(one.Metadata?.NamespaceProperty ?? "", one.Metadata?.Name ?? "");
    }

    private async Task<List<T>> ListAsync<T>(string path, Func<JsonElement, T?> read, CancellationToken cancellationToken) where T : class
    {
        var items = new List<T>();
        var next = "";
        for (var page = 0; page < PagesMax; page++)
        {
            using var list = await api.GetAsync(
                $"{path}{(path.Contains('?', StringComparison.Ordinal) ? '&' : '?')}limit=500{(next.Length > 0 ? "&continue=" + Uri.EscapeDataString(next) : "")}", cancellationToken).ConfigureAwait(false);
            foreach (var item in list.RootElement.List("items"))
            {
                // One that cannot be read must not hide the others.
                try
                {
                    if (read(item) is { } one) items.Add(one);
                }
                catch (Exception unreadable) when (unreadable is JsonException or InvalidOperationException or FormatException or OverflowException)
                {
                }
            }

            if (list.RootElement.At("metadata")?.Text("continue") is not { Length: > 0 } more) break;
            next = more;
        }

        return items;
    }
}
