using System.Text.Json;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>
/// The annotations of a pod by which autoscalers of nodes leave its node alone, and which of them are ours: a marker lists
/// those that we wrote. What is not listed there somebody else wrote, and it stays as it is.
/// </summary>
/// <param name="Karpenter">The value of karpenter.sh/do-not-disrupt; null without one.</param>
/// <param name="ClusterAutoscaler">The value of cluster-autoscaler.kubernetes.io/safe-to-evict; null without one.</param>
/// <param name="Ours">The marker; null without one.</param>
public sealed record PodGuards(string? Karpenter, string? ClusterAutoscaler, string? Ours)
{
    public const string KarpenterKey = "karpenter.sh/do-not-disrupt";
    public const string ClusterAutoscalerKey = "cluster-autoscaler.kubernetes.io/safe-to-evict";
    public const string MarkerKey = "plimsoll.dev/protects";

    private const string KarpenterValue = "true";
    private const string ClusterAutoscalerValue = "false";

    public static readonly PodGuards None = new(null, null, null);

    /// <summary>Of a pod's annotations; null where it has none of them.</summary>
    public static PodGuards? Of(JsonElement annotations)
    {
        var guards = new PodGuards(annotations.Text(KarpenterKey), annotations.Text(ClusterAutoscalerKey), annotations.Text(MarkerKey));
        return guards == None ? null : guards;
    }

    /// <summary>The annotations to write so that the pod's node is left alone; null where nothing is missing that is ours to write.</summary>
    public JsonObject? Protect()
    {
        var change = new JsonObject();
        var ours = new List<string>();
        Add(KarpenterKey, Karpenter, KarpenterValue);
        Add(ClusterAutoscalerKey, ClusterAutoscaler, ClusterAutoscalerValue);
        if (change.Count == 0) return null;
        change[MarkerKey] = string.Join(',', ours);
        return change;

        void Add(string key, string? now, string value)
        {
            if (now is not null && !IsOurs(key)) return;
            ours.Add(key);
            if (now is null) change[key] = value;
        }
    }

    /// <summary>The annotations to take off so that the pod may be moved; null where none is ours.</summary>
    public JsonObject? Release()
    {
        if (Ours is null) return null;
        var change = new JsonObject { [MarkerKey] = null };
        // A value that is no longer the one we wrote is somebody else's by now.
        if (IsOurs(KarpenterKey) && Karpenter == KarpenterValue) change[KarpenterKey] = null;
        if (IsOurs(ClusterAutoscalerKey) && ClusterAutoscaler == ClusterAutoscalerValue) change[ClusterAutoscalerKey] = null;
        return change;
    }

    private bool IsOurs(string key) => Ours?.Split(',').Contains(key) == true;
}
