using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>Nodes and objects that go away under what is being done to them.</summary>
public sealed class DeletionTests
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_node_that_goes_under_a_loading_and_a_serving_replica_costs_those_and_no_more_are_asked_for()
    {
        var slow = false;
        await using var cluster = await FaultGround.StartAsync(pod => pod.Spec.NodeName == "node-going" && Volatile.Read(ref slow) ? TimeSpan.FromMinutes(10) : TimeSpan.FromMilliseconds(300));
        await cluster.Client.CoreV1.PatchNodeAsync(Cordon(true), "node-h100", cancellationToken: Cancel);
        var going = await cluster.Nodes.CreateAsync("going", gpus: 2);
        await cluster.ActAsync("llama", 1, 2);
        await cluster.ReadyAsync("llama", 1);
        // The first serves on it; the second loads there for as long as it is there.
        Volatile.Write(ref slow, true);
        await cluster.OperateAsync();
        await cluster.StatusAsync("llama", status => status is { Replicas: 2, ReadyReplicas: 1 }, "one serves, one loads");
        await cluster.Client.CoreV1.PatchNodeAsync(Cordon(false), "node-h100", cancellationToken: Cancel);

        await cluster.Nodes.DeleteAsync(going);
        await Patience.UntilAsync("a plan without the node", _ => Task.FromResult(cluster.Ticks.LastOrDefault()?.Snapshot.Nodes.Length == 1));
        await FaultGround.PauseAsync(3);
        // Its pods are still there: the cluster collects them after about a minute. What makes them makes others then.
        Assert.Equal(2, (await cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
        foreach (var pod in await cluster.PodsAsync("llama"))
            await cluster.Client.CoreV1.DeleteNamespacedPodAsync(pod, OperatedCluster.Space, new V1DeleteOptions { GracePeriodSeconds = 0 }, cancellationToken: Cancel);
        await cluster.ReadyAsync("llama", 2);

        await cluster.StatusAsync("llama", status => status.ReadyReplicas == 2, "two ready in status");
        Assert.Empty(cluster.Ticks.SelectMany(tick => tick.Applied.Started).Distinct().Skip(1));
        Assert.Equal(2, (await cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_model_a_workload_or_a_namespace_deleted_while_it_is_scaled_stops_nothing_else_and_may_come_back()
    {
        await using var cluster = await FaultGround.StartAsync(_ => TimeSpan.FromSeconds(2));
        await cluster.ActAsync("llama", 0, 1);
        await cluster.ActAsync("forgotten", 0, 2);
        await cluster.ActAsync("unmade", 0, 2);
        await cluster.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = "leaving" } }, cancellationToken: Cancel);
        await cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(Served("guest"), "leaving", cancellationToken: Cancel);
        await cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            System.Text.Json.Nodes.JsonNode.Parse("""
                {"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel","metadata":{"name":"guest"},
                 "spec":{"target":{"name":"guest"},"weights":"16GiB","mode":"act","minReplicas":2}}
                """), "plimsoll.dev", "v1alpha1", "leaving", "scaledmodels", cancellationToken: Cancel);
        var host = await cluster.OperateAsync();
        await cluster.ReplicasAsync("forgotten", deployment => deployment.Spec.Replicas == 2, "two asked");
        await cluster.ReplicasAsync("unmade", deployment => deployment.Spec.Replicas == 2, "two asked");
        await Patience.UntilAsync("two asked of the guest", async cancel => (await cluster.Client.AppsV1.ReadNamespacedDeploymentAsync("guest", "leaving", cancellationToken: cancel)).Spec.Replicas == 2);

        // All four are loading.
        await cluster.Client.CustomObjects.DeleteNamespacedCustomObjectAsync("plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", "forgotten", cancellationToken: Cancel);
        await cluster.Client.AppsV1.DeleteNamespacedDeploymentAsync("unmade", OperatedCluster.Space, cancellationToken: Cancel);
        await cluster.Client.CoreV1.DeleteNamespaceAsync("leaving", cancellationToken: Cancel);
        await cluster.StatusAsync("unmade", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Status: "False" }, "it has no target");
        await cluster.WantAsync("llama", 2);
        await cluster.ReadyAsync("llama", 2);
        // What nobody plans for any more is nobody's to change.
        await cluster.ReadyAsync("forgotten", 2);
        await Patience.UntilAsync("the namespace is gone", async cancel => (await cluster.Client.CoreV1.ListNamespaceAsync(cancellationToken: cancel)).Items.All(space => space.Metadata.Name != "leaving"));
        Assert.True(host.Run.Health.Leads);
        Assert.Null(host.Run.Health.Problem);

        await cluster.ServeAsync("unmade", 0, 1, "24Gi");
        await cluster.ReadyAsync("unmade", 2);
        await cluster.ModelAsync("forgotten", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":3");
        await cluster.ReadyAsync("forgotten", 3);
    }

    private static V1Patch Cordon(bool cordoned) =>
        new(cordoned ? """{"spec":{"unschedulable":true}}""" : """{"spec":{"unschedulable":false}}""", V1Patch.PatchType.MergePatch);

    private static V1Deployment Served(string name)
    {
        var deployment = Workloads.Deployment(name, 0, 1, "24Gi", "--model", $"org/{name}");
        deployment.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        return deployment;
    }
}
