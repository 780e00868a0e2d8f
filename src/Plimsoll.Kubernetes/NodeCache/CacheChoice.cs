using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>Whether nodes keep a model's weights ahead of its pods: when these mount the cache, or an annotation says so.</summary>
internal static class CacheChoice
{
    /// <summary>On a ScaledModel whose pods reach the cache in a way that their spec does not tell, as through a claim.</summary>
    public const string Annotation = "plimsoll.dev/model-cache";

    private const int LongestSource = 2048;

    /// <summary>Where its weights are fetched from, and what to say of it; both null for pods that use no cache.</summary>
    public static (string? Source, Finding? Finding) Of(ScaledModelView view, WorkloadView workload, string? source, Footprint footprint, string folder)
    {
        var asked = view.Model?.Metadata?.Annotations?.TryGetValue(Annotation, out var word) == true ? word : null;
        if (asked == "false" || asked != "true" && !Mounts(workload, folder)) return (null, null);
        return Why(source, footprint) is { } why
            ? (null, new Finding(ConditionTypes.Cached, false, "NotCached", why))
            : (source, new Finding(ConditionTypes.Cached, true, "Cached", $"its {footprint.OnDisk} are kept on the disks of nodes with an agent"));
    }

    private static bool Mounts(WorkloadView workload, string folder)
    {
        if (workload.PodSpecJson is not { } json) return false;
        using var spec = JsonDocument.Parse(json, KubeFields.Deep);
        return CacheUse.Of(spec.RootElement, folder) is not null;
    }

    private static string? Why(string? source, Footprint footprint)
    {
        if (footprint.Digest.StartsWith("declared:", StringComparison.Ordinal))
            return "its header was not read, so nobody could tell that a node has the same; a source that can be weighed would do";
        if (source is null || !SourceAddress.IsAddress(source)) return "nothing tells an address that nodes could fetch it from; spec.source with hf://, s3://, gs:// or https:// would do";
        if (source.Length > LongestSource) return $"its address is longer than {LongestSource} characters; a shorter one would do";
        return SourceAddress.Parse(source) switch
        {
            // What is written for nodes is seen by whoever may see nodes' caches.
            SourceAddress.Web { Url: { } url } when url.Query.Length + url.UserInfo.Length + url.Fragment.Length > 0 =>
                "its address holds a query or a password, which would be shown with the node's cache; an address without, and credentials given to the nodes' agents, would do",
            SourceAddress.Web or SourceAddress.Bucket or SourceAddress.Hub => null,
            _ => "it lies on a volume, which nodes do not copy; an address would do",
        };
    }
}
