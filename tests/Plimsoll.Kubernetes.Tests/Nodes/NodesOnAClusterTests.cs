using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Nodes;

/// <summary>Nodes asked for, held and protected on a real control plane: its scheduler places and displaces, a stand-in adds nodes.</summary>
public sealed class NodesOnAClusterTests : IAsyncLifetime
{
    private const string Twos = """
        "nodePools":[{"name":"h100","nodeLabels":{"pool":"h100"},"device":"h100-80gb","devices":2,"memory":"500Gi","cores":40,"disk":"1000Gi","bootTime":"30s","maxNodes":4}],
        """;

    private const string Ones = """
        "nodePools":[{"name":"h100","device":"h100-80gb","devices":1,"memory":"500Gi","cores":40,"disk":"1000Gi","bootTime":"30s"}],
        """;

    private static readonly Dictionary<string, string> InPool = new() { ["pool"] = "h100" };

    private OperatedCluster _cluster = null!;
    private TimeSpan _load = TimeSpan.FromMilliseconds(500);

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        _cluster = await OperatedCluster.StartAsync(load: _ => _load);
    }

    public async ValueTask DisposeAsync()
    {
        if (_cluster is not null) await _cluster.DisposeAsync();
    }

    [Fact]
    public async Task Demand_gets_a_node_before_its_replicas_are_made_and_they_displace_what_held_their_place()
    {
        await _cluster.QuickFleetAsync(Twos);
        await _cluster.Nodes.CreateAsync("first", gpus: 1, labels: InPool);
        await using var autoscaler = NodeAutoscalerStandIn.Start(
            _cluster.Client, _cluster.Nodes, new StandInPool("h100", InPool, 2, TimeSpan.FromSeconds(3)));
        await _cluster.ServeAsync("llama", 1, 1, "24Gi", "--max-num-seqs", "8");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"maxReplicas\":3,\"slo\":{\"latency\":\"5s\"}");
        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment.Status.ReadyReplicas == 1, "one ready");
        _cluster.Rate["llama"] = 2;
        await _cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "two a second seen");
        Assert.Empty(autoscaler.Made);

        _cluster.Rate["llama"] = 10;
        await _cluster.StatusAsync("llama", status => status.Reason?.Contains("of h100, asked for", StringComparison.Ordinal) == true, "a node is asked for");
        await _cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 3, Status.ReadyReplicas: 3 }, "three asked and ready");

        // One node of two devices, and no replica was made before it was there.
        var node = Assert.Single(autoscaler.Made);
        var pods = (await _cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: "app=llama", cancellationToken: Cancel)).Items;
        Assert.Equal(2, pods.Count(pod => pod.Spec.NodeName == node.Metadata.Name));
        Assert.All(pods.Where(pod => pod.Spec.NodeName == node.Metadata.Name), pod => Assert.True(pod.Metadata.CreationTimestamp >= node.Metadata.CreationTimestamp));
        await Patience.UntilAsync("the placeholder is gone", PlaceholdersAsync, left => left.Count == 0, Described);
        Assert.True(_cluster.Ticks.Any(tick => tick.Snapshot.InFlight.Any(work => work is { Kind: WorkKind.AddingNode, Adding.Pool: "h100" })), "in flight");
        Assert.True(_cluster.Ticks.Last().Plan.Next.NodeBoots?.ContainsKey("h100"), "how long it took was learned");
    }

    [Fact]
    public async Task Without_any_node_the_pool_alone_says_that_a_model_fits()
    {
        await _cluster.QuickFleetAsync(Twos);
        await using var autoscaler = NodeAutoscalerStandIn.Start(
            _cluster.Client, _cluster.Nodes, new StandInPool("h100", InPool, 2, TimeSpan.FromSeconds(1)));
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await _cluster.OperateAsync();

        await _cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "two asked and ready");

        Assert.Single(autoscaler.Made);
        await Patience.UntilAsync("the placeholder is gone", PlaceholdersAsync, left => left.Count == 0, Described);
    }

    [Fact]
    public async Task The_room_that_a_placeholder_holds_is_free_to_the_plan_and_the_scheduler_lets_replicas_displace_it()
    {
        await _cluster.QuickFleetAsync(Twos);
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        var first = await _cluster.OperateAsync();
        await Patience.UntilAsync("a node is asked for", PlaceholdersAsync, pods => pods.Count > 0, Described);
        await _cluster.EndAsync(first);
        var node = await _cluster.Nodes.CreateAsync("h100-1", gpus: 2, labels: InPool);
        await Patience.UntilAsync("it holds both devices", PlaceholdersAsync, pods => pods is [{ Spec.NodeName: not null }], Described);

        await _cluster.OperateAsync();
        await _cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "two asked and ready");

        Assert.Contains(_cluster.Ticks, tick => tick.Snapshot.Nodes.Any(one => one.Id.Value == node.Metadata.Name
            && !one.Held.IsDefaultOrEmpty && one.Scheduler!.Resources.Any(device => device is { Resource: "nvidia.com/gpu", Count: 2 })));
        var events = (await _cluster.Client.CoreV1.ListNamespacedEventAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items;
        Assert.True(events.Any(one => one is { Reason: "Preempted", InvolvedObject.Name: "placeholder-h100-1" }), string.Join('\n', events.Select(one => $"{one.Reason} {one.InvolvedObject.Name}")));
        await Patience.UntilAsync("the placeholder is gone", PlaceholdersAsync, left => left.Count == 0, Described);
    }

    [Fact]
    public async Task Karpenters_limits_hold_and_the_reason_says_so()
    {
        await _cluster.QuickFleetAsync(Ones);
        await KarpenterPoolAsync(gpus: 1);
        await _cluster.Nodes.CreateAsync("first", gpus: 1, labels: new Dictionary<string, string> { [KarpenterPool.Label] = "h100" });
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch("""{"spec":{"template":{"spec":{"tolerations":[{"key":"nvidia.com/gpu","operator":"Exists"}]}}}}""", V1Patch.PatchType.MergePatch),
            "llama", OperatedCluster.Space, cancellationToken: Cancel);
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await _cluster.OperateAsync();

        var status = await _cluster.StatusAsync(
            "llama", status => status.Reason?.Contains("limited to 1 of nvidia.com/gpu", StringComparison.Ordinal) == true, "the limit is told");
        Assert.Equal(1, status!.Replicas);
        Assert.Empty(await PlaceholdersAsync(Cancel));

        await _cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
            new V1Patch("""{"spec":{"limits":{"nvidia.com/gpu":"2"}}}""", V1Patch.PatchType.MergePatch), "karpenter.sh", "v1", "nodepools", "h100", cancellationToken: Cancel);
        var placeholder = Assert.Single(await Patience.UntilAsync("a node is asked for", PlaceholdersAsync, pods => pods.Count > 0, Described));

        Assert.Equal("h100", placeholder.Spec.NodeSelector[KarpenterPool.Label]);
        Assert.Equal((-10, "Never"), (placeholder.Spec.Priority, placeholder.Spec.PreemptionPolicy));
        Assert.Equal(24.0 * (1L << 30), placeholder.Spec.Containers[0].Resources.Requests["memory"].ToDouble());
        Assert.Contains(placeholder.Spec.Tolerations, one => one is { Key: "nvidia.com/gpu", Value: "present", Effect: "NoSchedule" });
    }

    [Fact]
    public async Task A_new_leader_takes_over_what_the_last_one_asked_for_and_lets_it_go_once_nobody_needs_it()
    {
        await _cluster.QuickFleetAsync(Twos);
        await _cluster.ServeAsync("llama", 0, 1, "24Gi");
        await _cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        var first = await _cluster.OperateAsync();
        var asked = Assert.Single(await Patience.UntilAsync("a node is asked for", PlaceholdersAsync, pods => pods.Count > 0, Described));
        await _cluster.EndAsync(first);
        _cluster.Ticks.Clear();

        await _cluster.OperateAsync();
        await Patience.UntilAsync("the new one has looked", _ => Task.FromResult(_cluster.Ticks.Count >= 6));

        Assert.Equal(asked.Metadata.Uid, Assert.Single(await PlaceholdersAsync(Cancel)).Metadata.Uid);
        Assert.DoesNotContain(_cluster.Ticks, tick => tick.Plan.Steps.Any(step => step is Step.AddNode or Step.WithdrawNode));

        await _cluster.Client.CustomObjects.DeleteNamespacedCustomObjectAsync(
            ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        await Patience.UntilAsync("the placeholder is gone", PlaceholdersAsync, left => left.Count == 0, Described);
    }

    [Fact]
    public async Task A_pod_that_loads_is_protected_until_it_is_ready_and_cheap_to_move_and_a_users_word_stays()
    {
        await _cluster.QuickFleetAsync();
        await _cluster.Nodes.CreateAsync("h100", gpus: 8);
        _load = TimeSpan.FromSeconds(6);
        await _cluster.ServeAsync("plain", 1, 1, "24Gi");
        await _cluster.ServeAsync("owned", 1, 1, "24Gi");
        await _cluster.ServeAsync("shown", 1, 1, "24Gi");
        await _cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch($$$"""{"spec":{"template":{"metadata":{"annotations":{"{{{PodGuards.KarpenterKey}}}":"false"} } } } }""", V1Patch.PatchType.MergePatch),
            "owned", OperatedCluster.Space, cancellationToken: Cancel);
        const string spec = "\"weights\":\"16GiB\",\"slo\":{\"latency\":\"100ms\",\"attainment\":0.5}";
        await _cluster.ModelAsync("plain", spec + ",\"mode\":\"act\"");
        await _cluster.ModelAsync("owned", spec + ",\"mode\":\"act\"");
        await _cluster.ModelAsync("shown", spec);
        await _cluster.OperateAsync();

        await AnnotatedAsync("plain", "protected", all => all.GetValueOrDefault(PodGuards.KarpenterKey) == "true" && all.GetValueOrDefault(PodGuards.ClusterAutoscalerKey) == "false");
        await AnnotatedAsync("owned", "protected where the user says nothing", all => all.GetValueOrDefault(PodGuards.ClusterAutoscalerKey) == "false"
            && all.GetValueOrDefault(PodGuards.KarpenterKey) == "false" && all.GetValueOrDefault(PodGuards.MarkerKey) == PodGuards.ClusterAutoscalerKey);

        await AnnotatedAsync("plain", "movable again", all => !all.ContainsKey(PodGuards.KarpenterKey) && !all.ContainsKey(PodGuards.ClusterAutoscalerKey) && !all.ContainsKey(PodGuards.MarkerKey));
        await AnnotatedAsync("owned", "movable again but for the user's word", all => all.GetValueOrDefault(PodGuards.KarpenterKey) == "false"
            && !all.ContainsKey(PodGuards.ClusterAutoscalerKey) && !all.ContainsKey(PodGuards.MarkerKey));
        Assert.Contains(_cluster.Ticks, tick => tick.Plan.Protected.Any(one => one.Reason.Rule == Rule.ProtectLoading));
        Assert.DoesNotContain(_cluster.Ticks, tick => tick.Plan.Protected.Any(one => one.Model.Value.EndsWith("/shown", StringComparison.Ordinal)));
    }

    private Task<IList<V1Pod>> AnnotatedAsync(string app, string what, Func<Dictionary<string, string>, bool> wanted) => Patience.UntilAsync(
        $"{app} is {what}",
        async cancel => (await _cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"app={app}", cancellationToken: cancel)).Items,
        pods => pods.Any(pod => wanted(new Dictionary<string, string>(pod.Metadata.Annotations ?? new Dictionary<string, string>()))),
        pods => string.Join("; ", pods.Select(pod => KubernetesJson.Serialize(pod.Metadata.Annotations))) + "\n" + string.Join('\n', _cluster.Log.TakeLast(12)));

    private async Task<IList<V1Pod>> PlaceholdersAsync(CancellationToken cancel) =>
        (await _cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, labelSelector: $"{PlaceholderManifest.Label}=true", cancellationToken: cancel)).Items;

    private string Described(IList<V1Pod> pods) =>
        string.Join("; ", pods.Select(pod => $"{pod.Metadata.Name} on {pod.Spec.NodeName ?? "no node"}: {pod.Status.Phase}")) + "\n" + string.Join('\n', _cluster.Log.TakeLast(12));

    private Task<object> KarpenterPoolAsync(int gpus) => _cluster.Client.CustomObjects.CreateClusterCustomObjectAsync(
        JsonNode.Parse($$$"""
            {"apiVersion":"karpenter.sh/v1","kind":"NodePool","metadata":{"name":"h100"},"spec":{"limits":{"nvidia.com/gpu":{{{gpus}}},"cpu":"1000"},
             "template":{"spec":{"nodeClassRef":{"group":"karpenter.test","kind":"TestNodeClass","name":"default"},"requirements":[],
             "taints":[{"key":"nvidia.com/gpu","value":"present","effect":"NoSchedule"}]} } } }
            """)!, "karpenter.sh", "v1", "nodepools", cancellationToken: Cancel);
}
