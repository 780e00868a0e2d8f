using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Models that are too large for a device or a node, and models that run in several ways, on a real control plane.</summary>
public sealed class LargeModelTests : OperatorTest
{
    private const string Product = "nvidia.com/gpu.product";

    [Fact]
    public async Task Of_two_variants_the_first_starts_where_it_has_room_the_second_takes_the_rest_and_ends_first()
    {
        await Cluster.Nodes.CreateAsync("l40s", gpus: 4, product: "NVIDIA-L40S", gpuMemoryMiB: 46_068);
        await ServeOnAsync("best", 8, "NVIDIA-H100-80GB-HBM3");
        await ServeOnAsync("plain", 1, "NVIDIA-L40S");
        await VariantsAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":3,\"idleLimit\":\"2s\"", "best", "plain");
        Cluster.Rate["best"] = Cluster.Rate["plain"] = 1;
        await Cluster.OperateAsync();

        await Cluster.ReplicasAsync("best", deployment => deployment is { Spec.Replicas: 1, Status.ReadyReplicas: 1 }, "one of the first");
        await Cluster.ReplicasAsync("plain", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "two of the second");
        var status = await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 3, DesiredReplicas: 3, DemandPerSecond: > 0 }, "three in all");
        Assert.Equal(["best 1 1 1", "plain 2 2 2"], status!.Variants!.Select(one => $"{one.Name} {one.Replicas} {one.ReadyReplicas} {one.DesiredReplicas}"));

        // One of three may stay: the least preferred go.
        Cluster.Rate["best"] = Cluster.Rate["plain"] = 0;
        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"minReplicas":1}}""", V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        await Cluster.ReplicasAsync("plain", deployment => deployment.Spec.Replicas == 0, "none of the second");
        Assert.Equal(1, (await Cluster.DeploymentAsync("best", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_conflict_on_one_variant_leaves_all_of_them_alone_and_names_it()
    {
        await ServeOnAsync("best", 1, "NVIDIA-H100-80GB-HBM3");
        await ServeOnAsync("plain", 1, "NVIDIA-H100-80GB-HBM3");
        await Cluster.Client.AutoscalingV1.CreateNamespacedHorizontalPodAutoscalerAsync(
            new V1HorizontalPodAutoscaler
            {
                Metadata = new() { Name = "other" },
                Spec = new() { MaxReplicas = 3, ScaleTargetRef = new() { ApiVersion = "apps/v1", Kind = "Deployment", Name = "plain" } },
            }, OperatedCluster.Space, cancellationToken: Cancel);
        await VariantsAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1", "best", "plain");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Conflict) is { Status: "True" }, "the conflict is seen");

        Assert.Contains("HorizontalPodAutoscaler other", OperatedCluster.Condition(status, ConditionTypes.Conflict)!.Message, StringComparison.Ordinal);
        Assert.Equal(0, (await Cluster.DeploymentAsync("best", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_group_of_two_pods_of_eight_GPUs_goes_over_two_nodes_and_a_second_one_waits_for_room_that_is_not_there()
    {
        await using var groups = GroupsStandIn.Start(Cluster.Client, OperatedCluster.Space);
        await Cluster.Nodes.CreateAsync("h100b", gpus: 8);
        await GroupAsync("big", 2, 8, "--tensor-parallel-size", "8", "--pipeline-parallel-size", "2");
        await Cluster.ModelAsync("big", "\"weights\":\"600GiB\",\"mode\":\"act\",\"minReplicas\":1", "LeaderWorkerSet");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 1, Replicas: 1, DesiredReplicas: 1 }, "one group serves");
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Fits)?.Status);
        var pods = await BoundAsync("big");
        Assert.Equal(["big-0", "big-0-1"], pods.Select(pod => pod.Metadata.Name));
        Assert.Equal(2, pods.Select(pod => pod.Spec.NodeName).Distinct().Count());

        // 600 GiB come back for whichever node is taken: both are kept, the worker's too.
        await Patience.UntilAsync("both pods are protected", async _ => (await BoundAsync("big")).Count(pod =>
            pod.Metadata.Annotations?.TryGetValue(PodGuards.KarpenterKey, out var kept) == true && kept == "true") == 2);
        Assert.Equal(pods.Select(pod => pod.Spec.NodeName).Order(), Cluster.Ticks.Last().Plan.Protected.Single().Nodes.Select(node => node.Value));

        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"minReplicas":2}}""", V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", "big", cancellationToken: Cancel);
        status = await Cluster.StatusAsync("big", status => status.Reason?.Contains("a replica is 2 pods", StringComparison.Ordinal) == true, "there is no room for another");
        Assert.Contains("surely take 0 of them", status!.Reason, StringComparison.Ordinal);
        Assert.Equal(2, (await BoundAsync("big")).Length);

        // A worker that goes takes its group with it; until all of it is back it is no supply.
        await Cluster.Client.CoreV1.DeleteNamespacedPodAsync("big-0-1", OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 0, Replicas: 1 }, "the group is not ready");
        await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 1, Replicas: 1 }, "and is again");
    }

    [Fact]
    public async Task A_third_node_that_a_pod_of_the_group_would_not_fit_stops_it_and_a_node_selector_lets_it_go()
    {
        await using var groups = GroupsStandIn.Start(Cluster.Client, OperatedCluster.Space);
        await Cluster.Nodes.CreateAsync("h100b", gpus: 8);
        await Cluster.Nodes.CreateAsync("small", gpus: 8, product: "Tesla-T4", gpuMemoryMiB: 15_360);
        await GroupAsync("big", 2, 8, "--tensor-parallel-size", "16");
        await Cluster.ModelAsync("big", "\"weights\":\"600GiB\",\"mode\":\"act\",\"minReplicas\":1", "LeaderWorkerSet");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("big", status => OperatedCluster.Condition(status, ConditionTypes.Fits) is { Status: "False" }, "it does not fit everywhere");
        Assert.Contains("node-small", status!.Reason, StringComparison.Ordinal);
        Assert.Empty(await BoundAsync("big"));

        foreach (var part in (string[])["leaderTemplate", "workerTemplate"])
        {
            await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
                new V1Patch($$$$$$$$"""{"spec":{"leaderWorkerTemplate":{"{{{{{{{{part}}}}}}}}":{"spec":{"nodeSelector":{"{{{{{{{{Product}}}}}}}}":"NVIDIA-H100-80GB-HBM3"}}}}}}""", V1Patch.PatchType.MergePatch),
                "leaderworkerset.x-k8s.io", "v1", OperatedCluster.Space, "leaderworkersets", "big", cancellationToken: Cancel);
        }

        // Ranks that share layers meet over a network of which nothing is known: it may start, and status says so.
        status = await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 1 }, "it serves on the two that fit");
        var fits = OperatedCluster.Condition(status, ConditionTypes.Fits)!;
        Assert.Equal(("True", "LinkNotKnownFast"), (fits.Status, fits.Reason));
        Assert.Contains("16 ranks share every layer and a pod has 8 devices", fits.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_the_workers_of_a_group_hold_is_not_given_to_others()
    {
        await using var groups = GroupsStandIn.Start(Cluster.Client, OperatedCluster.Space);
        await Cluster.Nodes.CreateAsync("h100b", gpus: 8);
        await GroupAsync("big", 2, 8, "--tensor-parallel-size", "8", "--pipeline-parallel-size", "2");
        await Cluster.ModelAsync("big", "\"weights\":\"600GiB\",\"mode\":\"act\",\"minReplicas\":1", "LeaderWorkerSet");
        await Cluster.OperateAsync();
        await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 1 }, "one group serves");
        await Cluster.ServeAsync("other", 0, 1, "24Gi");
        await Cluster.ModelAsync("other", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1");

        await Cluster.StatusAsync("other", status => status.Reason?.Contains("no ready node has that much left", StringComparison.Ordinal) == true, "no GPU is left");

        var snapshot = Cluster.Ticks.Last().Snapshot;
        var group = Assert.Single(snapshot.Replicas);
        Assert.Equal(8, Assert.Single(group.Members).Placement.Devices.Length);
        Assert.NotEqual(group.Placement.Node, group.Members[0].Placement.Node);
    }

    [Fact]
    public async Task A_group_that_is_half_in_place_loads_and_is_no_supply_and_its_other_half_is_waited_for()
    {
        await using var groups = GroupsStandIn.Start(Cluster.Client, OperatedCluster.Space);
        await Cluster.Nodes.CreateAsync("h100b", gpus: 8);
        await Cluster.Nodes.CreateAsync("h100c", gpus: 8);
        await GroupAsync("big", 2, 8, "--tensor-parallel-size", "8", "--pipeline-parallel-size", "2");
        await Cluster.ModelAsync("big", "\"weights\":\"600GiB\"", "LeaderWorkerSet");
        await Cluster.OperateAsync();

        // A person asks for two groups where there is room for one and a half. What is bound stays, as the scheduler knows no gangs.
        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"replicas":2}}""", V1Patch.PatchType.MergePatch), "leaderworkerset.x-k8s.io", "v1", OperatedCluster.Space, "leaderworkersets", "big", cancellationToken: Cancel);

        await Patience.UntilAsync("three of four pods are bound", async _ => (await BoundAsync("big")).Length == 3);
        await Cluster.StatusAsync("big", status => status is { Replicas: 2, ReadyReplicas: 0 or 1 }, "two are there, at most one serves");
        var replicas = await Patience.UntilAsync("the snapshot has them", _ => Task.FromResult(Cluster.Ticks.Last().Snapshot.Replicas),
            replicas => replicas.Length == 2 && replicas.Sum(Pending) == 1, replicas => string.Join('\n', replicas));
        Assert.Equal(ReplicaState.Loading, replicas.Single(replica => Pending(replica) == 1).State);
    }

    private static int Pending(InferenceReplica replica) =>
        (replica.Placement == Placement.Pending ? 1 : 0) + replica.Members.Count(member => member.Placement == Placement.Pending);

    private async Task<V1Pod[]> BoundAsync(string set) =>
    [
        .. (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"leaderworkerset.sigs.k8s.io/name={set}", cancellationToken: Cancel))
            .Items.Where(pod => pod.Spec.NodeName is not null).OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal),
    ];

    private async Task ServeOnAsync(string name, int gpus, string product)
    {
        await Cluster.ServeAsync(name, 0, gpus, "48Gi");
        await Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch($$$$$$$$"""{"spec":{"template":{"spec":{"nodeSelector":{"{{{{{{{{Product}}}}}}}}":"{{{{{{{{product}}}}}}}}"}}}}}""", V1Patch.PatchType.MergePatch), name, OperatedCluster.Space, cancellationToken: Cancel);
    }

    private Task<object> VariantsAsync(string name, string spec, params string[] deployments)
    {
        var variants = string.Join(',', deployments.Select(one => $$$$$$$$"""{"name":"{{{{{{{{one}}}}}}}}","target":{"name":"{{{{{{{{one}}}}}}}}"}}"""));
        var body = JsonNode.Parse($$$$$$$$"""{"apiVersion":"{{{{{{{{ResourceGroup.ApiVersion}}}}}}}}","kind":"ScaledModel","metadata":{"name":"{{{{{{{{name}}}}}}}}"},"spec":{"variants":[{{{{{{{{variants}}}}}}}}],{{{{{{{{spec}}}}}}}}}}""");
        return Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            body, ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", cancellationToken: Cancel);
    }

    private Task<object> GroupAsync(string name, int size, int gpus, params string[] arguments)
    {
        var pods = Workloads.Deployment(name, 0, gpus, "200Gi", ["--model", $"org/{name}", .. arguments]).Spec.Template;
        pods.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        var body = JsonNode.Parse($$$$$$$$"""{"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","metadata":{"name":"{{{{{{{{name}}}}}}}}"},"spec":{"replicas":0,"leaderWorkerTemplate":{"size":{{{{{{{{size}}}}}}}}}}}""")!;
        foreach (var part in (string[])["leaderTemplate", "workerTemplate"]) body["spec"]!["leaderWorkerTemplate"]![part] = JsonNode.Parse(KubernetesJson.Serialize(pods));
        return Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            body, "leaderworkerset.x-k8s.io", "v1", OperatedCluster.Space, "leaderworkersets", cancellationToken: Cancel);
    }
}
