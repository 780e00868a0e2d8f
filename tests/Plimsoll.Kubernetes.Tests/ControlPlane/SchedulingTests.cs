using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>That the fixture is a cluster: pods land by their GPUs, become ready in their time, answer, fail and end.</summary>
public sealed class SchedulingTests(SharedControlPlane shared) : ClusterTest(shared)
{
    [Fact]
    public async Task Two_replicas_of_four_GPUs_fill_a_node_of_eight_and_the_third_stays_pending()
    {
        await Namespace.Nodes.CreateAsync("h100", gpus: 8);
        await using var kubelet = KubeletStandIn.Start(Client, Namespace.Name);
        await DeployAsync(Workloads.Deployment("llama", 3, gpus: 4));

        var pods = await Patience.UntilAsync(
            "two pods ready and one unschedulable", PodsAsync,
            pods => pods.Count(IsReady) == 2 && pods.Any(pod => Condition(pod, "PodScheduled") is { Status: "False", Reason: "Unschedulable" }),
            Described);

        var pending = Assert.Single(pods, pod => pod.Status.Phase == "Pending");
        Assert.Null(pending.Spec.NodeName);
        Assert.Contains("Insufficient nvidia.com/gpu", Condition(pending, "PodScheduled")!.Message, StringComparison.Ordinal);
        Assert.All(pods.Except([pending]), pod => Assert.Equal($"{Namespace.Name}-h100", pod.Spec.NodeName));
        Assert.Equal(2, pods.Except([pending]).Select(pod => pod.Status.PodIP).Distinct().Count());
    }

    [Fact]
    public async Task A_node_keeps_its_capacity_its_labels_and_other_namespaces_pods_away()
    {
        await using var other = await TestNamespace.CreateAsync(Client, "other");
        var node = await other.Nodes.CreateAsync("a100", gpus: 4, product: "NVIDIA-A100-SXM4-40GB", gpuMemoryMiB: 40_960, memory: "512Gi");
        await DeployAsync(Workloads.Deployment("llama", 1, gpus: 1));

        Assert.Equal("4", node.Status.Allocatable["nvidia.com/gpu"].ToString());
        Assert.Equal("512Gi", node.Status.Capacity["memory"].ToString());
        Assert.Equal("40960", node.Metadata.Labels["nvidia.com/gpu.memory"]);
        await Patience.UntilAsync(
            "the pod that has no node", PodsAsync,
            pods => pods is [{ } only] && Condition(only, "PodScheduled") is { Status: "False", Reason: "Unschedulable" }, Described);
    }

    [Fact]
    public async Task A_deployment_is_available_once_its_load_is_over_and_its_pods_answer_then()
    {
        await Namespace.Nodes.CreateAsync("h100", gpus: 8);
        await using var kubelet = KubeletStandIn.Start(Client, Namespace.Name, new()
        {
            // 30 s for 15 GB at 500 MB/s: longer than this test looks, so not ready means still loading.
            LoadTime = pod => pod.Metadata.Labels["app"] == "slow"
                ? KubeletBehaviour.Loading(TimeSpan.Zero, _ => 15_000_000_000, 500e6)(pod)
                : KubeletBehaviour.Loading(TimeSpan.FromMilliseconds(100), _ => 50_000_000, 500e6)(pod),
            Metrics = pod => $"vllm:num_requests_running{{pod=\"{pod.Metadata.Name}\"}} 3\n",
        });
        await DeployAsync(Workloads.Deployment("slow", 1, gpus: 1));
        await DeployAsync(Workloads.Deployment("quick", 2, gpus: 1));

        await Patience.UntilAsync(
            "the quick one's deployment", cancel => Client.AppsV1.ReadNamespacedDeploymentAsync("quick", Namespace.Name, cancellationToken: cancel),
            deployment => deployment.Status.AvailableReplicas == 2);

        using var http = new HttpClient();
        foreach (var pod in (await PodsAsync(Cancel)).Where(pod => pod.Metadata.Labels["app"] == "quick"))
        {
            var text = await http.GetStringAsync($"http://{pod.Status.PodIP}:{Workloads.Port}/metrics", Cancel);
            Assert.Equal($"vllm:num_requests_running{{pod=\"{pod.Metadata.Name}\"}} 3\n", text);
            Assert.True(pod.Status.ContainerStatuses[0].Ready);
        }

        var slow = Assert.Single(await PodsAsync(Cancel), pod => pod.Metadata.Labels["app"] == "slow");
        Assert.Equal("Running", slow.Status.Phase);
        Assert.False(IsReady(slow));
        await Assert.ThrowsAsync<HttpRequestException>(() => http.GetStringAsync($"http://{slow.Status.PodIP}:{Workloads.Port}/metrics", Cancel));
    }

    [Fact]
    public async Task A_pod_crashes_is_killed_for_its_memory_and_comes_back()
    {
        await Namespace.Nodes.CreateAsync("cpu");
        await using var kubelet = KubeletStandIn.Start(Client, Namespace.Name);
        await DeployAsync(Workloads.Deployment("embedder", 1));
        var name = Assert.Single(await Patience.UntilAsync("ready", PodsAsync, pods => pods.Count(IsReady) == 1, Described)).Metadata.Name;

        await kubelet.CrashAsync(name);
        var crashed = Assert.Single(await PodsAsync(Cancel));
        Assert.Equal("CrashLoopBackOff", crashed.Status.ContainerStatuses[0].State.Waiting.Reason);
        Assert.Equal("ContainersNotReady", Condition(crashed, "Ready")!.Reason);

        await kubelet.KillForMemoryAsync(name);
        var back = Assert.Single(await Patience.UntilAsync("ready again", PodsAsync, pods => pods.Count(IsReady) == 1, Described));
        Assert.Equal(2, back.Status.ContainerStatuses[0].RestartCount);
        Assert.Equal("OOMKilled", back.Status.ContainerStatuses[0].LastState.Terminated.Reason);
        Assert.Null(back.Status.ContainerStatuses[0].State.Waiting);
        Assert.True(string.IsNullOrEmpty(Condition(back, "Ready")!.Reason));
    }

    [Fact]
    public async Task A_deleted_pod_ends_after_its_stop_time_and_makes_room()
    {
        await Namespace.Nodes.CreateAsync("h100", gpus: 1);
        await using var kubelet = KubeletStandIn.Start(Client, Namespace.Name, new() { StopTime = _ => TimeSpan.FromSeconds(2) });
        await DeployAsync(Workloads.Deployment("llama", 1, gpus: 1));
        var first = Assert.Single(await Patience.UntilAsync("ready", PodsAsync, pods => pods.Count(IsReady) == 1, Described));

        await Client.CoreV1.DeleteNamespacedPodAsync(first.Metadata.Name, Namespace.Name, cancellationToken: Cancel);
        await Patience.UntilAsync(
            "one that ends while the next waits for its GPU", PodsAsync,
            pods => pods.Any(pod => pod.Metadata.DeletionTimestamp is not null) && pods.Any(pod => pod.Spec.NodeName is null), Described);
        var next = await Patience.UntilAsync("the next ready", PodsAsync, pods => pods is [{ } only] && IsReady(only), Described);
        Assert.NotEqual(first.Metadata.Uid, next[0].Metadata.Uid);
    }

    private static bool IsReady(V1Pod pod) => Condition(pod, "Ready")?.Status == "True";

    private static V1PodCondition? Condition(V1Pod pod, string type) => pod.Status?.Conditions?.FirstOrDefault(one => one.Type == type);

    private static string Described(IList<V1Pod> pods) => string.Join("; ", pods.Select(pod =>
        $"{pod.Metadata.Name} on {pod.Spec.NodeName ?? "no node"}: {pod.Status.Phase}, ready {IsReady(pod)}"));

    private async Task<IList<V1Pod>> PodsAsync(CancellationToken cancel) =>
        (await Client.CoreV1.ListNamespacedPodAsync(Namespace.Name, cancellationToken: cancel)).Items;

    private Task<V1Deployment> DeployAsync(V1Deployment deployment) =>
        Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, Namespace.Name, cancellationToken: Cancel);
}
