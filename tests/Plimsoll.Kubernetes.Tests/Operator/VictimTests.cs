using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Scaling down on a real server: who goes, when, and what holds it.</summary>
public sealed class VictimTests : OperatorTest
{
    private const string Cost = "controller.kubernetes.io/pod-deletion-cost";
    private const string Act = "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1,\"idleLimit\":\"2s\",\"slo\":{\"latency\":\"5s\"}";

    [Fact]
    public async Task A_StatefulSets_last_pod_is_marked_finishes_what_it_has_and_only_then_the_replicas_are_lowered()
    {
        var released = await StartAsync(replicas: 2);
        var marked = await MarkedAsync("llama-1");
        Assert.Equal("-1000", marked.Metadata.Annotations[Cost]);
        Assert.False((await PodAsync("llama-0")).Metadata.Annotations?.ContainsKey(Cost) ?? false);

        // It still works on a request: nothing is lowered, however often it is planned.
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is planned four times more", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 4));
        Assert.Equal(2, (await SetAsync()).Spec.Replicas);

        released();
        await Patience.UntilAsync("one replica", _ => SetAsync(), set => set.Spec.Replicas == 1, _ => Last());
        await Patience.UntilAsync("the last has gone and the first is left", async _ => string.Join(',', await Cluster.PodsAsync("llama")), pods => pods == "llama-0");
        Assert.False((await PodAsync("llama-0")).Metadata.Annotations?.ContainsKey(Cost) ?? false);
    }

    [Fact]
    public async Task A_pod_that_is_wanted_again_loses_its_mark_and_nothing_is_lowered()
    {
        await StartAsync(replicas: 2);
        await MarkedAsync("llama-1");

        Cluster.Rate["llama"] = 12;
        await Patience.UntilAsync("the mark is gone", _ => PodAsync("llama-1"), pod => pod.Metadata.Annotations?.ContainsKey(Cost) != true, _ => Last());
        Assert.True((await SetAsync()).Spec.Replicas >= 2);
        Assert.Equal((await PodAsync("llama-1")).Metadata.Uid, _uid);
    }

    [Fact]
    public async Task A_Deployments_pod_is_marked_and_drained_as_a_server_since_1_22_heeds_it()
    {
        // This server is older: its controller ends which it will. What is written is what is looked at.
        var released = await StartAsync(replicas: 2, "Deployment");
        var marked = await Patience.UntilAsync(
            "a pod is marked", async _ => (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items
                .Where(pod => pod.Metadata.Annotations?.ContainsKey(Cost) == true).ToArray(), pods => pods.Length > 0, _ => Last());
        Assert.Equal("-1000", Assert.Single(marked).Metadata.Annotations[Cost]);
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is planned four times more", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 4));
        Assert.Equal(2, (await Cluster.DeploymentAsync("llama", Cancel)).Spec.Replicas);
        Assert.Single((await Cluster.Client.CoreV1.ListNamespacedEventAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items, one => one.Reason == "Draining");

        released();
        await Cluster.ReplicasAsync("llama", deployment => deployment.Spec.Replicas == 1, "one replica");
    }

    [Fact]
    public async Task A_model_that_is_only_to_be_recommended_for_gets_its_pod_back()
    {
        await StartAsync(replicas: 2);
        await MarkedAsync("llama-1");

        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"mode":"recommend"}}""", V1Patch.PatchType.MergePatch), "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        await Patience.UntilAsync("the mark is gone", _ => PodAsync("llama-1"), pod => pod.Metadata.Annotations?.ContainsKey(Cost) != true, _ => Last());
        Assert.Equal(2, (await SetAsync()).Spec.Replicas);
    }

    [Fact]
    public async Task A_PodDisruptionBudget_holds_a_scale_down_and_is_named()
    {
        var budget = JsonNode.Parse("""{"apiVersion":"policy/v1beta1","kind":"PodDisruptionBudget","metadata":{"name":"two"},"spec":{"minAvailable":2,"selector":{"matchLabels":{"app":"llama"}}}}""")!;
        await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(budget, "policy", "v1beta1", OperatedCluster.Space, "poddisruptionbudgets", cancellationToken: Cancel);
        (await StartAsync(replicas: 3))();

        var status = await Cluster.StatusAsync("llama", status => status.Reason?.Contains("PodDisruptionBudget", StringComparison.Ordinal) == true, "the budget is named");
        Assert.StartsWith("PodDisruptionBudget models/two wants at least 2 ready and ", status!.Reason, StringComparison.Ordinal);
        await Patience.UntilAsync("two replicas", _ => SetAsync(), set => set.Spec.Replicas == 2, _ => Last());
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("it is planned four times more", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 4));
        Assert.Equal(2, (await SetAsync()).Spec.Replicas);

        await Cluster.Client.CustomObjects.DeleteNamespacedCustomObjectAsync("policy", "v1beta1", OperatedCluster.Space, "poddisruptionbudgets", "two", cancellationToken: Cancel);
        await Patience.UntilAsync("one replica without it", _ => SetAsync(), set => set.Spec.Replicas == 1, _ => Last());
    }

    private string _uid = "";

    /// <summary>Replicas that served for a while and are idle now. Whatever is marked works on a request until it is released.</summary>
    private async Task<Action> StartAsync(int replicas, string kind = "StatefulSet")
    {
        var held = true;
        Cluster.Running = pod => held && Cluster.Client.CoreV1.ReadNamespacedPod(pod.Metadata.Name, OperatedCluster.Space).Metadata.Annotations?.ContainsKey(Cost) == true ? 1 : null;
        var like = Workloads.Deployment("llama", replicas, 1, "24Gi", "--model", "org/llama", "--max-num-seqs", "8");
        like.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        if (kind == "Deployment") await Cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(like, OperatedCluster.Space, cancellationToken: Cancel);
        else await Cluster.Client.AppsV1.CreateNamespacedStatefulSetAsync(
            new V1StatefulSet
            {
                Metadata = like.Metadata,
                Spec = new() { Replicas = replicas, ServiceName = "llama", Selector = like.Spec.Selector, Template = like.Spec.Template, PodManagementPolicy = "Parallel" },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ModelAsync("llama", $"{Act},\"maxReplicas\":{replicas}", kind);
        (await Cluster.OperateAsync()).Cluster.ServerMinor = kind == "Deployment" ? 22 : 20;
        await Cluster.StatusAsync("llama", status => status.ReadyReplicas == replicas, "all ready");
        Cluster.Rate["llama"] = 2;
        await Cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "two a second seen");
        if (kind == "StatefulSet") _uid = (await PodAsync("llama-1")).Metadata.Uid;
        Cluster.Rate["llama"] = 0;
        return () => held = false;
    }

    private Task<V1Pod> MarkedAsync(string pod) => Patience.UntilAsync(
        $"{pod} is marked", _ => PodAsync(pod), one => one.Metadata.Annotations?.ContainsKey(Cost) == true, _ => Last());

    private string Last() => string.Join('\n', Cluster.Log.TakeLast(12)) + "\n" + Cluster.Ticks.LastOrDefault()?.Plan.Models.FirstOrDefault()?.Reason;

    private Task<V1Pod> PodAsync(string name) => Cluster.Client.CoreV1.ReadNamespacedPodAsync(name, OperatedCluster.Space, cancellationToken: Cancel);

    private Task<V1StatefulSet> SetAsync() => Cluster.Client.AppsV1.ReadNamespacedStatefulSetAsync("llama", OperatedCluster.Space, cancellationToken: Cancel);
}
