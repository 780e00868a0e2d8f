using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Webhook;

/// <summary>
/// The ScaledModels whose pods are made to ask for what they take, from the watch that every operator keeps: what is applied
/// is what status shows, so that all of them answer alike, whoever leads.
/// </summary>
public sealed class AppliedModels(ClusterWatch cluster)
{
    /// <summary>Namespaces in which there is one, ordered.</summary>
    public SortedSet<string> Namespaces() =>
        new(cluster.ScaledModels.Items.Values.Where(Applies).Select(view => view.Name.Namespace), StringComparer.Ordinal);

    /// <summary>What the pods of a workload are made to ask; null where nobody asks for it, or nothing is known yet.</summary>
    /// <param name="space">The namespace.</param>
    /// <param name="workload">Kind and name ("Deployment/llama").</param>
    public RecommendedPod? Find(string space, string workload)
    {
        // The older of two that name the same target has it, as everywhere.
        var owner = cluster.ScaledModels.Items.Values.Where(view => view.Name.Namespace == space && Applies(view))
            .Select(view => (View: view, Variant: Named(view.Model!, workload))).Where(one => one.Variant is not null)
            .OrderBy(one => one.View.Model!.Metadata?.CreationTimestamp).ThenBy(one => one.View.Name).FirstOrDefault();
        return owner.Variant is { } variant ? ScaledModelStatus.RecommendedFor(owner.View.Model!, variant) : null;
    }

    /// <summary>The workload whose selector selects a pod, where its kind is none that pods name.</summary>
    public string? WorkloadOf(string space, string? workload, IReadOnlyDictionary<string, string> labels) => cluster.Others.WorkloadOf(space, workload, labels);

    private static bool Applies(ScaledModelView view) => view.Model?.Spec is { Apply: ScaledModelSettings.ApplyRequests };

    private static VariantSettings? Named(ScaledModel model, string workload) =>
        ScaledModelSettings.Of(model).Variants.FirstOrDefault(variant => workload == OtherWorkloads.KeyOf(variant.Target));
}
