using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>What the tests of faults begin with and do again and again.</summary>
internal static class FaultGround
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>A cluster of its own with a node of eight H100 and a quick Fleet.</summary>
    public static async Task<OperatedCluster> StartAsync(Func<V1Pod, TimeSpan>? load = null, params string[] apiServer)
    {
        ControlPlaneBinaries.FolderOrSkip();
        var cluster = await OperatedCluster.StartAsync(load, options: new ControlPlaneOptions { ApiServer = [.. apiServer] });
        await cluster.QuickFleetAsync();
        await cluster.Nodes.CreateAsync("h100", gpus: 8);
        return cluster;
    }

    /// <summary>A Deployment and the ScaledModel that acts on it.</summary>
    public static async Task ActAsync(this OperatedCluster cluster, string name, int replicas, int least, int most = 6, string more = "")
    {
        await cluster.ServeAsync(name, replicas, 1, "24Gi", "--max-num-seqs", "8");
        await cluster.ModelAsync(name, $"\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":{least},\"maxReplicas\":{most}{more}");
    }

    /// <summary>Asks for so many replicas, which the operator is to see and to act on.</summary>
    public static Task WantAsync(this OperatedCluster cluster, string name, int replicas) => cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
        new V1Patch(new JsonObject { ["spec"] = new JsonObject { ["minReplicas"] = replicas, ["maxReplicas"] = replicas } }.ToJsonString(), V1Patch.PatchType.MergePatch),
        "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", name, cancellationToken: Cancel);

    public static Task ReadyAsync(this OperatedCluster cluster, string name, int replicas) => cluster.ReplicasAsync(
        name, deployment => deployment.Spec.Replicas == replicas && (deployment.Status.ReadyReplicas ?? 0) == replicas, $"{replicas} of {name} asked and ready");

    public static Task LeadsAsync(OperatorHost host, bool leads = true) =>
        Patience.UntilAsync(leads ? "it leads" : "it leads no longer", _ => Task.FromResult(host.Run.Health.Leads == leads));

    /// <summary>Requests of a verb that were answered so.</summary>
    public static long Count(this KubernetesApi api, string verbAndAnswer) => api.Requests.GetValueOrDefault(verbAndAnswer);

    public static Task PauseAsync(double seconds) => Task.Delay(TimeSpan.FromSeconds(seconds), TimeProvider.System, Cancel);

    /// <summary>The plans in which something of a model was to go.</summary>
    public static IEnumerable<Step> Removals(this OperatedCluster cluster) =>
        cluster.Ticks.SelectMany(tick => tick.Plan.Steps).Where(step => step is Step.Drain or Step.Stop);
}
