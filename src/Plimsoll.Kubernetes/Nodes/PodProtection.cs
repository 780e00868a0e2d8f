using System.Collections.Immutable;
using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>
/// Writes onto pods which of them autoscalers of nodes must leave where they are, and takes it off again: only our own keys,
/// and each on the very version of the pod that was looked at, so that what a person writes meanwhile is not overwritten.
/// </summary>
internal sealed class PodProtection(KubernetesFleetParts parts)
{
    private const int WritesAtOnceMax = 50;

    private volatile string? _problem;
    private Task _writing = Task.CompletedTask;

    // The last that was written or refused: those that are refused for ever must not keep all behind them waiting.
    private ObjectName? _last;

    /// <summary>
    /// Begins to write what is to stay. It goes on beside the turns that follow, which nobody needs to wait for it, and what it
    /// has not come to is in the next plan too.
    /// </summary>
    /// <param name="kept">Who is to stay.</param>
    /// <param name="gangs">Workloads all of whose pods are to stay, as they train together.</param>
    /// <param name="unplanned">Of which workloads (<see cref="SnapshotBuilder.KeyOf"/>) nothing is planned now: their pods stay as they are.</param>
    /// <param name="cancellationToken">Ends it.</param>
    public async Task WriteAsync(ImmutableArray<Protection> kept, IReadOnlySet<string> gangs, IReadOnlySet<string> unplanned, CancellationToken cancellationToken)
    {
        if (kept.IsDefault || !_writing.IsCompleted) return;
        await _writing.ConfigureAwait(false);
        _writing = KeepAsync(kept, gangs, unplanned, cancellationToken);
    }

    private Task KeepAsync(ImmutableArray<Protection> kept, IReadOnlySet<string> gangs, IReadOnlySet<string> unplanned, CancellationToken cancellationToken)
    {
        var byPod = kept.ToDictionary(one => one.Replica.Value, StringComparer.Ordinal);
        var live = parts.Cluster.Pods.Items.Values.Where(pod => pod is { IsOver: false, DeletedAt: null });
        // A group goes by its leader's id, which its workers do not have.
        var byGroup = byPod.Count == 0 ? [] : live.Where(pod => pod.Group is not null && byPod.ContainsKey(SnapshotBuilder.IdOf(pod).Value))
            .DistinctBy(GroupOf).ToDictionary(GroupOf, pod => byPod[SnapshotBuilder.IdOf(pod).Value]);
        var writes = new List<(PodView Pod, JsonObject Annotations)>();
        foreach (var pod in parts.Cluster.Pods.Items.Values)
        {
            var stays = pod is { IsOver: false, DeletedAt: null } && (pod.WorkloadKey is { } gang && gangs.Contains(gang)
                || byPod.Count > 0 && Of(pod) is { } one && (one.Nodes.IsDefault || pod.Node is { } node && one.Nodes.Contains(new NodeId(node))));
            if (!stays && (pod.Guards?.Ours is null || unplanned.Count > 0 && pod.WorkloadKey is { } workload && unplanned.Contains(workload))) continue;
            var guards = pod.Guards ?? PodGuards.None;
            if ((stays ? guards.Protect() : guards.Release()) is { } change) writes.Add((pod, change));
        }

        var next = writes.OrderBy(one => _last is { } last && one.Pod.Name.CompareTo(last) <= 0).ThenBy(one => one.Pod.Name).Take(WritesAtOnceMax).ToArray();
        if (next.Length > 0) _last = next[^1].Pod.Name;
        return Parallel.ForEachAsync(
            next, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (one, token) => await WriteAsync(one.Pod, one.Annotations, token).ConfigureAwait(false));

        Protection? Of(PodView pod) => byPod.GetValueOrDefault(SnapshotBuilder.IdOf(pod).Value)
            ?? (pod.Group is null ? null : byGroup.GetValueOrDefault(GroupOf(pod)));
    }

    private static (string? Workload, string? Group) GroupOf(PodView pod) => (pod.WorkloadKey, pod.Group);

    private async Task WriteAsync(PodView pod, JsonObject annotations, CancellationToken cancellationToken)
    {
        if (!parts.MayWrite()) return;
        var body = new JsonObject
        {
            ["metadata"] = new JsonObject { ["uid"] = pod.Uid, ["resourceVersion"] = pod.ResourceVersion, ["annotations"] = annotations },
        };
        try
        {
            using var written = await parts.Cluster.Api.PatchAsync(
                $"api/v1/namespaces/{pod.Name.Namespace}/pods/{pod.Name.Name}", JsonSerializer.SerializeToUtf8Bytes(body, BodyJson.Default.JsonObject),
                PatchKind.Merge, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException raced) when (raced.Status is HttpStatusCode.Conflict or HttpStatusCode.NotFound)
        {
            // It changed, or went: the next plan looks at it anew.
        }
        catch (ApiException refused)
        {
            // One that says the same of thousands of pods says it once.
            if (refused.Message != _problem) parts.Log($"{pod.Name}: its node could not be protected: {refused.Message}");
            _problem = refused.Message;
        }
    }
}
