using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// Pods that are to end. One is marked when it begins to drain: the mark tells a Deployment's controller to end it first, and
/// a gateway to send it nothing more. It ends when the replicas are lowered, once it has nothing left to do. A pod that is
/// wanted after all loses the mark.
/// </summary>
internal sealed class Victims(KubernetesFleetParts parts)
{
    public const string DeletionCost = "controller.kubernetes.io/pod-deletion-cost";

    /// <summary>Since when it drains; that it is there says that the mark is ours.</summary>
    public const string DrainingSince = "plimsoll.dev/draining-since";

    private const int MarksAtOnce = 8;

    private static readonly byte[] NoMark = Encoding.UTF8.GetBytes(Annotations(null, null));

    public enum Marking { Marked, WasMarked, Refused }

    /// <summary>
    /// Whether it is known before which pod goes when a workload gets fewer replicas: of a Deployment's the one with the least
    /// deletion cost, since 1.22; of a StatefulSet or LeaderWorkerSet always the one with the highest ordinal.
    /// </summary>
    public static bool AreKnown(string kind, int serverMinor) => kind is "StatefulSet" or "LeaderWorkerSet" || GoByCost(kind, serverMinor);

    /// <summary>Whether a workload's controller is known to go by the deletion cost.</summary>
    public static bool GoByCost(string kind, int serverMinor) => kind is "Deployment" or "ReplicaSet.apps" && serverMinor >= 22;

    /// <summary>The pod's ordinal, where its controller goes by it.</summary>
    public static int? OrderOf(string kind, string pod) => kind is "StatefulSet" or "LeaderWorkerSet"
        && int.TryParse(pod.AsSpan(pod.LastIndexOf('-') + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var ordinal) ? ordinal : null;

    /// <summary>Whether a pod was seen without any request after it began to drain; without its metrics nobody knows.</summary>
    public static bool IsDrained(PodLoad? load, DateTimeOffset since) =>
        load is { Outstanding: { At: { } at } outstanding } && outstanding.TryGetKnown(out var left) && left == 0 && at > since;

    /// <summary>Marks pods as those to end, a few at a time.</summary>
    public async ValueTask<IReadOnlyDictionary<ReplicaId, Marking>> MarkAsync(IReadOnlyCollection<ReplicaId> replicas, CancellationToken cancellationToken)
    {
        var marks = new ConcurrentDictionary<ReplicaId, Marking>();
        var atOnce = new ParallelOptions { MaxDegreeOfParallelism = MarksAtOnce, CancellationToken = cancellationToken };
        await Parallel.ForEachAsync(replicas, atOnce, async (replica, token) =>
            marks[replica] = await MarkAsync(replica, token).ConfigureAwait(false)).ConfigureAwait(false);
        return marks;
    }

    private async ValueTask<Marking> MarkAsync(ReplicaId replica, CancellationToken cancellationToken)
    {
        if (SnapshotBuilder.PodOf(replica) is not { } name || !parts.MayWrite()) return Marking.Refused;
        if (parts.Cluster.Pods.Items.GetValueOrDefault(name) is { DrainingSince: not null }) return Marking.WasMarked;
        var since = parts.Time.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture);
        return await PatchAsync(name, Encoding.UTF8.GetBytes(Annotations("-1000", since)), "marked as the one to end", cancellationToken).ConfigureAwait(false)
            ? Marking.Marked : Marking.Refused;
    }

    /// <summary>Takes our marks from pods that are not to go.</summary>
    public async ValueTask UnmarkAsync(IReadOnlySet<ReplicaId> going, CancellationToken cancellationToken)
    {
        foreach (var pod in parts.Cluster.Pods.Items.Values.Where(pod => pod is { DrainingSince: not null, DeletedAt: null, IsOver: false }))
        {
            if (going.Contains(SnapshotBuilder.IdOf(pod)) || !parts.MayWrite()) continue;
            if (await PatchAsync(pod.Name, NoMark, "freed of its mark", cancellationToken).ConfigureAwait(false)) parts.Log($"{pod.Name}: it is wanted again and no longer drains");
        }
    }

    private static string Annotations(string? cost, string? since) =>
        new JsonObject { ["metadata"] = new JsonObject { ["annotations"] = new JsonObject { [DeletionCost] = cost, [DrainingSince] = since } } }.ToJsonString();

    private async ValueTask<bool> PatchAsync(ObjectName pod, byte[] body, string what, CancellationToken cancellationToken)
    {
        try
        {
            using var patched = await parts.Cluster.Api.PatchAsync($"api/v1/namespaces/{pod.Namespace}/pods/{pod.Name}", body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (ApiException refused)
        {
            parts.Log($"{pod}: it could not be {what}: {refused.Message}");
            return false;
        }
    }
}
