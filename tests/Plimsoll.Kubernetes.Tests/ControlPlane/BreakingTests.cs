using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Tests that break a control plane: one of their own.</summary>
public sealed class BreakingTests : IAsyncLifetime
{
    private KubernetesControlPlane _plane = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => _plane = await KubernetesControlPlane.StartAsync();

    public ValueTask DisposeAsync() => _plane?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task A_killed_API_server_comes_back_with_all_it_knew_and_everyone_goes_on()
    {
        await using var space = await TestNamespace.CreateAsync(_plane.Client, "breaking");
        await space.Nodes.CreateAsync("h100", gpus: 4);
        await using var kubelet = KubeletStandIn.Start(_plane.Client, space.Name);
        await _plane.Client.AppsV1.CreateNamespacedDeploymentAsync(Workloads.Deployment("llama", 1, gpus: 1), space.Name, cancellationToken: Cancel);
        await AvailableAsync(1);

        await _plane.KillApiServerAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => _plane.Client.CoreV1.ListNodeAsync(cancellationToken: Cancel));
        await _plane.StartApiServerAsync();

        await Patience.UntilAsync("scaling", async cancel => (await _plane.Client.AppsV1.PatchNamespacedDeploymentScaleAsync(
            new V1Patch("""{"spec":{"replicas":3}}""", V1Patch.PatchType.MergePatch), "llama", space.Name, cancellationToken: cancel)).Spec.Replicas == 3);
        await AvailableAsync(3);

        Task AvailableAsync(int replicas) => Patience.UntilAsync(
            $"{replicas} available",
            cancel => _plane.Client.AppsV1.ReadNamespacedDeploymentAsync("llama", space.Name, cancellationToken: cancel),
            deployment => deployment.Status.AvailableReplicas == replicas,
            deployment => $"{deployment.Status.Replicas} replicas, {deployment.Status.AvailableReplicas} available");
    }

    [Fact]
    public async Task A_write_hangs_while_storage_stands_still_and_another_works_once_it_goes_on()
    {
        await _plane.StopEtcdAsync();
        using (var brief = CancellationTokenSource.CreateLinkedTokenSource(Cancel))
        {
            brief.CancelAfter(TimeSpan.FromSeconds(2));
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => WriteAsync("during", brief.Token));
        }

        await _plane.ContinueEtcdAsync();
        await Patience.UntilAsync("a write", async cancel => (await WriteAsync("after", cancel)).Metadata.Name == "after");

        Task<V1ConfigMap> WriteAsync(string name, CancellationToken cancel) => _plane.Client.CoreV1.CreateNamespacedConfigMapAsync(
            new V1ConfigMap { Metadata = new() { Name = name } }, "default", cancellationToken: cancel);
    }
}
