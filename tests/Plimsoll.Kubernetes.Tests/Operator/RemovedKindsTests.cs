using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Kinds that others install are uninstalled while the operator runs.</summary>
public sealed class RemovedKindsTests : IAsyncLifetime
{
    private OperatedCluster _cluster = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        _cluster = await OperatedCluster.StartAsync();
        await _cluster.QuickFleetAsync();
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_cluster is not null) await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Who_does_not_rest_on_them_is_scaled_all_the_same_and_who_does_says_so()
    {
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1");
        await _cluster.ModelAsync("group", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1", "LeaderWorkerSet");
        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");

        foreach (var name in (string[])["leaderworkersets.leaderworkerset.x-k8s.io", "scaledobjects.keda.sh", "nodepools.karpenter.sh"])
            await _cluster.Client.ApiextensionsV1.DeleteCustomResourceDefinitionAsync(name, cancellationToken: Cancel);
        await Task.Delay(TimeSpan.FromSeconds(45), TimeProvider.System, Cancel);
        await _cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new k8s.Models.V1Patch("""{"spec":{"minReplicas":2}}""", k8s.Models.V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version,
            OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);

        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 2, "two ready");
        var status = await _cluster.StatusAsync("group", Cancel);
        Assert.Equal("False", OperatedCluster.Condition(status, ConditionTypes.TargetFound)?.Status);
    }
}
