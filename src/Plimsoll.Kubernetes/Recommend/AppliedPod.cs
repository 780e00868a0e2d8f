using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Recommend;

/// <summary>A workload's pods as the webhook makes them: what the planner counts on where it is in their way.</summary>
/// <param name="Spec">The template's spec, patched.</param>
/// <param name="SelectorKey">Its key among <see cref="NodeGroups"/>.</param>
/// <param name="Served">What it serves and asks.</param>
public sealed record AppliedPod(V1PodSpec Spec, string SelectorKey, ServedModel Served)
{
    /// <summary>The pods of a workload; null where a patch changes nothing, or cannot be made of the template.</summary>
    public static AppliedPod? Of(WorkloadView workload, RecommendedPod? recommended)
    {
        ArgumentNullException.ThrowIfNull(workload);
        if (recommended is null || workload.PodSpecJson is not { } json || workload.PodsPerReplica > 1) return null;
        try
        {
            var pod = new JsonObject { ["spec"] = JsonNode.Parse(json, documentOptions: KubeFields.Deep) };
            var patch = PodPatch.Of(pod, recommended);
            if (patch.Operations.IsEmpty) return null;
            var spec = KubernetesJson.Deserialize<V1PodSpec>(patch.Pod["spec"]!.ToJsonString());
            return new AppliedPod(spec, NodeGroups.KeyOf(spec), ServedModel.Of(spec, workload.PodAnnotations, workload.PodsPerReplica, workload.WorkerSpec));
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
