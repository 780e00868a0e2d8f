using k8s;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Metrics;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Operators on a real control plane: what a person sees in status, and what happens to the Deployments.</summary>
public sealed class OperatorTests : OperatorTest
{
    [Fact]
    public async Task Five_lines_make_a_model_that_is_weighed_and_recommended_for_and_nothing_is_changed()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\"");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("llama", status => status.DesiredReplicas == 1, "one replica recommended");

        Assert.Equal("recommend", status!.Mode);
        Assert.Equal("16.0 GiB", status.Weight);
        Assert.Equal(0, status.Replicas);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Fits)?.Status);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Ready)?.Status);
        Assert.Equal("False", OperatedCluster.Condition(status, ConditionTypes.Conflict)?.Status);
        Assert.Equal("1", status.RecommendedRequests!["nvidia.com/gpu"]);
        Assert.Contains("at least 1 wanted", status.Reason, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_number_is_given_to_those_who_scale_by_it_only_where_the_mode_is_act_and_nobody_else_scales()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ServeAsync("shown", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"minReplicas\":1,\"mode\":\"act\",\"actuation\":\"metric\"");
        await Cluster.ModelAsync("shown", "\"weights\":\"16GiB\",\"minReplicas\":1,\"actuation\":\"metric\"");
        var told = (await Cluster.OperateAsync()).Desired;
        Task GivenAsync(string what, params string[] names) => Patience.UntilAsync(
            what, _ => Task.FromResult(told.Current.Keys.Select(name => name.Name).ToArray()), names.SequenceEqual, given => string.Join(", ", given));
        foreach (var name in (string[])["llama", "shown"]) await Cluster.StatusAsync(name, status => status.DesiredReplicas == 1, "one in status");

        await GivenAsync("of the one that acts", "llama");
        await FleetModeAsync("recommend");
        await GivenAsync("of none while the Fleet only shows");
        await FleetModeAsync("act");
        await GivenAsync("of the one that acts again", "llama");
        await Cluster.Client.AutoscalingV1.CreateNamespacedHorizontalPodAutoscalerAsync(
            new k8s.Models.V1HorizontalPodAutoscaler
            {
                Metadata = new() { Name = "other" },
                Spec = new() { MaxReplicas = 3, ScaleTargetRef = new() { ApiVersion = "apps/v1", Kind = "Deployment", Name = "llama" } },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await GivenAsync("of none that an HPA scales by something else");
        Assert.True(told.Tells);

        Task<object> FleetModeAsync(string mode) => Cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
            new k8s.Models.V1Patch($$$"""{"spec":{"mode":"{{{mode}}}"}}""", k8s.Models.V1Patch.PatchType.MergePatch),
            ResourceGroup.Group, ResourceGroup.Version, "fleets", "default", cancellationToken: Cancel);
    }

    [Fact]
    public async Task Demand_scales_it_up_within_its_bounds_and_it_serves()
    {
        await Cluster.ServeAsync("llama", 1, 1, "24Gi", "--max-num-seqs", "8");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":3,\"slo\":{\"latency\":\"5s\"}");
        await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");

        // Two a second teach what one carries: eight at once in two seconds. Ten a second then take three.
        Cluster.Rate["llama"] = 2;
        await Cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "two a second seen");
        Cluster.Rate["llama"] = 10;
        await Cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 3, Status.ReadyReplicas: 3 }, "three asked and ready");

        var status = await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 3, DesiredReplicas: 3 }, "three in status");
        Assert.True(status!.DemandPerSecond > 1);
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)?.Status);
    }

    [Fact]
    public async Task Demand_can_be_read_from_a_Prometheus_that_asks_the_pods_already()
    {
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\"");
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        var pod = (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items.Single();
        await using var prometheus = await PrometheusServer.StartAsync([(OperatedCluster.Space, pod.Metadata.Name, $"{pod.Status.PodIP}:{Workloads.Port}")]);
        await Cluster.OperateAsync(prometheus: prometheus.Uri);
        Cluster.Rate["llama"] = 3;

        var status = await Cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "three a second seen");

        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.MetricsSeen)?.Status);
    }

    [Fact]
    public async Task A_replica_that_the_scheduler_could_put_where_it_does_not_fit_is_not_started_and_status_says_what_would_do()
    {
        await Cluster.Nodes.CreateAsync("t4", gpus: 4, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\"");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync(
            "llama", status => OperatedCluster.Condition(status, ConditionTypes.Fits) is { Status: "False" }, "it does not fit the T4");

        Assert.Contains("node-t4", status!.Reason, StringComparison.Ordinal);
        Assert.Contains("node selector", status.Reason, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);

        // With the selector it goes ahead by itself.
        await Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new k8s.Models.V1Patch("""{"spec":{"template":{"spec":{"nodeSelector":{"nvidia.com/gpu.product":"NVIDIA-H100-80GB-HBM3"}}}}}""", k8s.Models.V1Patch.PatchType.MergePatch),
            "llama", OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready on the H100");
    }

    [Fact]
    public async Task A_target_that_an_autoscaler_owns_is_refused_by_name()
    {
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.Client.AutoscalingV1.CreateNamespacedHorizontalPodAutoscalerAsync(
            new k8s.Models.V1HorizontalPodAutoscaler
            {
                Metadata = new() { Name = "by-requests" },
                Spec = new() { MaxReplicas = 5, ScaleTargetRef = new() { ApiVersion = "apps/v1", Kind = "Deployment", Name = "llama" } },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync(
            "llama", status => OperatedCluster.Condition(status, ConditionTypes.Conflict) is { Status: "True" }, "a conflict");

        Assert.Contains("by-requests", OperatedCluster.Condition(status, ConditionTypes.Conflict)!.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task What_cannot_be_read_or_found_is_said_and_left_alone()
    {
        await Cluster.ServeAsync("path", 1, 1, "24Gi", "--model", "/models/own");
        await Cluster.ModelAsync("path", "\"mode\":\"act\"");
        await Cluster.ModelAsync("missing", "\"weights\":\"1GiB\",\"mode\":\"act\"");
        await Cluster.ServeAsync("heavy", 0, 1, "24Gi");
        await Cluster.ModelAsync("heavy", "\"weights\":\"200GiB\",\"mode\":\"act\"");
        await Cluster.OperateAsync();

        await Cluster.StatusAsync("missing", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Status: "False" }, "no target");
        await Cluster.StatusAsync("path", status => OperatedCluster.Condition(status, ConditionTypes.Weighed) is { Status: not "True" }, "not weighed");
        var heavy = await Cluster.StatusAsync("heavy", status => OperatedCluster.Condition(status, ConditionTypes.Fits) is { Status: "False" }, "too heavy");

        Assert.Contains("per device against", OperatedCluster.Condition(heavy, ConditionTypes.Fits)!.Message, StringComparison.Ordinal);
        Assert.Equal(1, (await Cluster.DeploymentAsync("path", Cancel)).Spec.Replicas);
        Assert.Equal(0, (await Cluster.DeploymentAsync("heavy", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task The_Fleet_says_how_many_are_planned_for_and_what_is_wrong_with_it()
    {
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\"");
        await Cluster.ModelAsync("missing", "\"weights\":\"1GiB\"");
        await Cluster.OperateAsync();

        await FleetAsync(status => status is { Models: 1, Nodes: 1, Reason: "1 of 2 models planned for, 1 scaled" }, "one of two");

        // The server's own rules do not see that a pool's devices have no kind.
        await Cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
            new k8s.Models.V1Patch("""{"spec":{"nodePools":[{"name":"l4","devices":2}]}}""", k8s.Models.V1Patch.PatchType.MergePatch),
            ResourceGroup.Group, ResourceGroup.Version, "fleets", "default", cancellationToken: Cancel);
        var wrong = await FleetAsync(status => status.Conditions?[0].Status == "False", "it is wrong");
        Assert.Contains("spec.nodePools[0].device: missing", wrong.Reason, StringComparison.Ordinal);
        await FleetAsync(status => status.Reason?.Contains("nothing is changed", StringComparison.Ordinal) == true, "it says what that means");
    }

    private async Task<FleetResourceStatus> FleetAsync(Func<FleetResourceStatus, bool> wanted, string what) => await Patience.UntilAsync(
        what, async cancel => KubernetesJson.Deserialize<FleetResource>(await Cluster.Client.CustomObjects.GetClusterCustomObjectAsync<System.Text.Json.JsonElement>(
            ResourceGroup.Group, ResourceGroup.Version, "fleets", "default", cancel)).Status ?? new FleetResourceStatus(),
        wanted, status => KubernetesJson.Serialize(status));
}
