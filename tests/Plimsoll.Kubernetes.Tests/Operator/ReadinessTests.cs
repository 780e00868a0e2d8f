using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Pods that are not ready: one that never was, and one that served for longer than any load takes.</summary>
public sealed class ReadinessTests : IAsyncLifetime
{
    private const string Act = "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":4,\"minReplicas\":1";

    // The shortest that Plimsoll goes by.
    private static readonly TimeSpan Deadline = TimeSpan.FromSeconds(30);

    private string? _hangs;
    private OperatedCluster _cluster = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        _cluster = await OperatedCluster.StartAsync(load: pod => pod.Metadata.Name == _hangs ? Timeout.InfiniteTimeSpan : TimeSpan.FromMilliseconds(500));
        await _cluster.QuickFleetAsync(planner: "\"overdueFactor\":1,");
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (_cluster is not null) await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task One_that_hangs_while_it_loads_is_ended_and_another_serves_in_its_place()
    {
        await ServeAsync(replicas: 1);
        _hangs = Assert.Single(await Patience.UntilAsync("a pod", _ => _cluster.PodsAsync("llama"), pods => pods.Length == 1));
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.ModelAsync("llama", Act);
        await _cluster.OperateAsync();

        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "another ready");

        Assert.DoesNotContain(_hangs, await _cluster.PodsAsync("llama"));
        Assert.Contains(_cluster.Ticks, tick => tick.Plan.Steps.Any(step => step is Step.Stop { Reason.Rule: Rule.StopLoadOverdue }));
    }

    [Fact]
    public async Task One_that_served_and_loses_its_readiness_for_a_while_stays()
    {
        var first = await _cluster.Nodes.CreateAsync("h100", gpus: 1);
        await ServeAsync(replicas: 0);
        await _cluster.ModelAsync("llama", Act);
        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var pod = Assert.Single(await _cluster.PodsAsync("llama"));
        await Task.Delay(Deadline, TimeProvider.System, Cancel);

        // There is no other node: what would be started in its place would be started where it is.
        await _cluster.Kubelet.LoseReadinessAsync(pod);
        await LooksAsync(8);
        await _cluster.Kubelet.RegainReadinessAsync(pod);
        await LooksAsync(2);
        await AssertStaysAsync();

        // The node controller writes no less where the whole node is lost; what is on it may serve on for hours.
        await _cluster.Nodes.LoseAsync(first);
        await _cluster.Kubelet.LoseReadinessAsync(pod);
        await Task.Delay(Deadline + TimeSpan.FromSeconds(5), TimeProvider.System, Cancel);
        await AssertStaysAsync();

        async Task AssertStaysAsync()
        {
            Assert.Equal(1, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
            Assert.Equal([pod], await _cluster.PodsAsync("llama"));
            Assert.DoesNotContain(_cluster.Ticks, tick => tick.Plan.Steps.Any(step => step is Step.Stop));
        }

        Task LooksAsync(int count)
        {
            var before = _cluster.Ticks.Count;
            return Patience.UntilAsync("some looks", _ => Task.FromResult(_cluster.Ticks.Count >= before + count));
        }
    }

    private async Task ServeAsync(int replicas)
    {
        await _cluster.ServeAsync("llama", replicas, 1, "24Gi");
        await _cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch($$$"""{"spec":{"progressDeadlineSeconds":{{{Deadline.TotalSeconds}}} } }""", V1Patch.PatchType.MergePatch), "llama", OperatedCluster.Space, cancellationToken: Cancel);
    }
}
