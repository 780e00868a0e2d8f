using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Operators on a real control plane: what a person sees in status, and what happens to the Deployments.</summary>
public sealed class OperatorTests : IAsyncLifetime
{
    private OperatedCluster _cluster = null!;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        _cluster = await OperatedCluster.StartAsync();
        await _cluster.QuickFleetAsync();
    }

    public ValueTask DisposeAsync() => _cluster?.DisposeAsync() ?? ValueTask.CompletedTask;

    [Fact]
    public async Task Five_lines_make_a_model_that_is_weighed_and_recommended_for_and_nothing_is_changed()
    {
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\"");
        await _cluster.OperateAsync();

        var status = await _cluster.StatusAsync("llama", status => status.DesiredReplicas == 1, "one replica recommended");

        Assert.Equal("recommend", status!.Mode);
        Assert.Equal("16.0 GiB", status.Weight);
        Assert.Equal(0, status.Replicas);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Fits)?.Status);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Ready)?.Status);
        Assert.Equal("False", OperatedCluster.Condition(status, ConditionTypes.Conflict)?.Status);
        Assert.Equal("1", status.RecommendedRequests!["nvidia.com/gpu"]);
        Assert.Contains("at least 1 wanted", status.Reason, StringComparison.Ordinal);
        Assert.Equal(0, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Demand_scales_it_up_within_its_bounds_and_it_serves()
    {
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.ServeAsync("llama", 1, 1, "24Gi", "--max-num-seqs", "8");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":3,\"slo\":{\"latency\":\"5s\"}");
        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");

        // Two a second teach what one carries: eight at once in two seconds. Ten a second then take three.
        _cluster.Rate["llama"] = 2;
        await _cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "two a second seen");
        _cluster.Rate["llama"] = 10;
        await _cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 3, Status.ReadyReplicas: 3 }, "three asked and ready");

        var status = await _cluster.StatusAsync("llama", status => status is { ReadyReplicas: 3, DesiredReplicas: 3 }, "three in status");
        Assert.True(status!.DemandPerSecond > 1);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)?.Status);
    }

    [Fact]
    public async Task A_replica_that_the_scheduler_could_put_where_it_does_not_fit_is_not_started_and_status_says_what_would_do()
    {
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.Nodes.CreateAsync("t4", gpus: 4, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\"");
        await _cluster.OperateAsync();

        var status = await _cluster.StatusAsync(
            "llama", status => OperatedCluster.Condition(status, ConditionTypes.Fits) is { Status: "False" }, "it does not fit the T4");

        Assert.Contains("node-t4", status!.Reason, StringComparison.Ordinal);
        Assert.Contains("node selector", status.Reason, StringComparison.Ordinal);
        Assert.Equal(0, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);

        // With the selector it goes ahead by itself.
        await _cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new k8s.Models.V1Patch("""{"spec":{"template":{"spec":{"nodeSelector":{"nvidia.com/gpu.product":"NVIDIA-H100-80GB-HBM3"}}}}}""", k8s.Models.V1Patch.PatchType.MergePatch),
            "llama", OperatedCluster.Space, cancellationToken: Cancel);
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready on the H100");
    }

    [Fact]
    public async Task A_target_that_an_autoscaler_owns_is_refused_by_name()
    {
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.ServeAsync("llama", 1, 1, "24Gi");
        await _cluster.Client.AutoscalingV1.CreateNamespacedHorizontalPodAutoscalerAsync(
            new k8s.Models.V1HorizontalPodAutoscaler
            {
                Metadata = new() { Name = "by-requests" },
                Spec = new() { MaxReplicas = 5, ScaleTargetRef = new() { ApiVersion = "apps/v1", Kind = "Deployment", Name = "llama" } },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await _cluster.OperateAsync();

        var status = await _cluster.StatusAsync(
            "llama", status => OperatedCluster.Condition(status, ConditionTypes.Conflict) is { Status: "True" }, "a conflict");

        Assert.Contains("by-requests", OperatedCluster.Condition(status, ConditionTypes.Conflict)!.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await _cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task What_cannot_be_read_or_found_is_said_and_left_alone()
    {
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        await _cluster.ServeAsync("path", 1, 1, "24Gi", "--model", "/models/own");
        await _cluster.ModelAsync("path", "\"mode\":\"act\"");
        await _cluster.ModelAsync("missing", "\"weights\":\"1GiB\",\"mode\":\"act\"");
        await _cluster.ServeAsync("heavy", 0, 1, "24Gi");
        await _cluster.ModelAsync("heavy", "\"weights\":\"200GiB\",\"mode\":\"act\"");
        await _cluster.OperateAsync();

        await _cluster.StatusAsync("missing", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Status: "False" }, "no target");
        await _cluster.StatusAsync("path", status => OperatedCluster.Condition(status, ConditionTypes.Weighed) is { Status: not "True" }, "not weighed");
        var heavy = await _cluster.StatusAsync("heavy", status => OperatedCluster.Condition(status, ConditionTypes.Fits) is { Status: "False" }, "too heavy");

        Assert.Contains("per device against", OperatedCluster.Condition(heavy, ConditionTypes.Fits)!.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await _cluster.DeploymentAsync("path", Cancel)).Spec.Replicas);
        Assert.Equal(0, (await _cluster.DeploymentAsync("heavy", Cancel)).Spec.Replicas);
    }
}
