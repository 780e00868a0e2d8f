using System.Collections.Concurrent;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Gateway;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Templates made into workloads on a real control plane.</summary>
public sealed class TemplateTests : OperatorTest
{
    private const string Home = "plimsoll-system";

    [Fact]
    public async Task In_mode_recommend_status_says_what_it_would_make_and_nothing_is_made()
    {
        await TemplateAsync("llama", "recommend", "Deployment", """{"name":"one","tp":1}""");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Reason: "NotMade" }, "it would be made");

        Assert.Contains("mode act would make Deployment llama-one", OperatedCluster.Condition(status, ConditionTypes.TargetFound)!.Message, StringComparison.Ordinal);
        Assert.Empty((await Cluster.Client.AppsV1.ListNamespacedDeploymentAsync(OperatedCluster.Space, cancellationToken: Cancel)).Items);
    }

    [Fact]
    public async Task With_the_role_of_deploy_templates_it_makes_a_Deployment_scales_it_puts_drift_right_and_an_update_leaves_the_replicas_alone()
    {
        await TemplateAsync("llama", "act", "Deployment", """{"name":"one","tp":2}""");
        var account = await ShippedRole.InstallAsync(Cluster.Plane, Home);
        await GrantAsync();
        await Cluster.OperateAsync(account, space: Home);

        var made = await Cluster.ReplicasAsync("llama-one", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "made and scaled to its minimum");
        Assert.Equal("ScaledModel llama", $"{made.Metadata.OwnerReferences.Single().Kind} {made.Metadata.OwnerReferences.Single().Name}");
        Assert.Equal("2", made.Spec.Template.Spec.Containers[0].Resources.Limits["nvidia.com/gpu"].ToString());
        await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 2 } && OperatedCluster.Condition(status, ConditionTypes.Conflict) is { Status: "False" }, "no conflict with itself");

        // Somebody changes it by hand, and it is changed back; the replicas stay.
        await Cluster.Client.AppsV1.PatchNamespacedDeploymentAsync(
            new V1Patch("""{"spec":{"template":{"spec":{"containers":[{"name":"server","image":"example.com/other:1"}]}}}}""", V1Patch.PatchType.StrategicMergePatch), "llama-one", OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ReplicasAsync("llama-one", deployment => deployment.Spec.Template.Spec.Containers[0].Image == "vllm/vllm-openai:v0.19.0", "put right");

        // A new template with one argument less is rolled out by the Deployment's controller, at two replicas all the time.
        await PatchModelAsync("llama", $$$$$$$$"""{"spec":{"template":{"podTemplate":{"spec":{"containers":[{{{{{{{{Container("v0.19.1", extra: "")}}}}}}}}]}}}}}""");
        var updated = await Cluster.ReplicasAsync("llama-one", deployment => deployment.Spec.Template.Spec.Containers[0].Image.EndsWith("v0.19.1", StringComparison.Ordinal)
            && deployment.Status is { ReadyReplicas: 2, UpdatedReplicas: 2, Replicas: 2 }, "rolled out");
        Assert.Equal(2, updated.Spec.Replicas);
        Assert.DoesNotContain("--enforce-eager", updated.Spec.Template.Spec.Containers[0].Args);
        Assert.DoesNotContain(Cluster.Log, line => line.Contains("lacks the permission", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_variant_that_leaves_the_list_goes_on_serving_until_another_does_and_is_then_deleted()
    {
        await TemplateAsync("llama", "act", "Deployment", """{"name":"old","tp":1}""");
        await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama-old", deployment => deployment is { Status.ReadyReplicas: 2 }, "the old one serves");
        var least = int.MaxValue;
        using var watching = new CancellationTokenSource();
        var counting = Task.Run(async () =>
        {
            while (!watching.IsCancellationRequested)
            {
                least = Math.Min(least, (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, cancellationToken: CancellationToken.None))
                    .Items.Count(pod => pod.Metadata.DeletionTimestamp is null && PodStatusText.IsReady(pod)));
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
            }
        }, Cancel);

        await PatchModelAsync("llama", """{"spec":{"template":{"variants":[{"name":"new","tp":2}]}}}""");

        await Cluster.ReplicasAsync("llama-new", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "the new one serves");
        await Patience.UntilAsync("the old one is gone", async cancel => (await Cluster.Client.AppsV1.ListNamespacedDeploymentAsync(OperatedCluster.Space, cancellationToken: cancel)).Items.Select(one => one.Metadata.Name).SequenceEqual(["llama-new"]));
        await watching.CancelAsync();
        await counting;
        Assert.True(least >= 2, $"{least} pods served at the least");
    }

    [Fact]
    public async Task While_one_variant_takes_the_place_of_another_every_request_to_the_gateway_is_answered()
    {
        await using var ground = new GatewayGround(Cluster);
        await TemplateAsync("llama", "act", "Deployment", """{"name":"old","tp":1}""", gateway: """{"wait":"300ms"}""");
        var answered = new ConcurrentDictionary<string, int>();
        Cluster.Serves = async (pod, context) =>
        {
            // Long enough that some are under way whenever a pod is told to end.
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, context.RequestAborted);
            answered.AddOrUpdate(pod.Metadata.Name.Split('-')[1], 1, (_, count) => count + 1);
        };
        var gateway = await ground.RunAsync((await ground.DeployAsync(1))[0]);
        await Cluster.OperateAsync(gateway: ground.Asked);
        await Cluster.ReplicasAsync("llama-old", deployment => deployment is { Status.ReadyReplicas: 2 }, "the old one serves");
        using var sending = new CancellationTokenSource();
        var failed = new ConcurrentQueue<string>();
        var clients = Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (!sending.IsCancellationRequested)
            {
                using var response = await ground.ChatAsync(gateway, "llama");
                if (!response.IsSuccessStatusCode) failed.Enqueue($"{response.StatusCode}: {await response.Content.ReadAsStringAsync(Cancel)}");
            }
        }, Cancel)).ToArray();
        await Patience.UntilAsync("the old one answers", _ => Task.FromResult(answered.GetValueOrDefault("old")), count => count > 20);

        await PatchModelAsync("llama", """{"spec":{"template":{"variants":[{"name":"new","tp":2}]}}}""");

        await Patience.UntilAsync("the old one is gone", async cancel => (await Cluster.Client.AppsV1.ListNamespacedDeploymentAsync(OperatedCluster.Space, cancellationToken: cancel)).Items.Select(one => one.Metadata.Name).SequenceEqual(["llama-new"]));
        var then = answered.GetValueOrDefault("new");
        await Patience.UntilAsync("the new one answers alone", _ => Task.FromResult(answered.GetValueOrDefault("new")), count => count > then + 20);
        await sending.CancelAsync();
        await Task.WhenAll(clients);
        Assert.True(failed.IsEmpty, $"{failed.Count} failed beside {string.Join(", ", answered)}: {string.Join('\n', failed.Distinct().Take(5))}\n{string.Join('\n', Cluster.Log.TakeLast(12))}");
    }

    [Fact]
    public async Task Where_the_variant_that_left_the_list_has_all_devices_it_makes_room_for_its_successor_one_by_one()
    {
        // Two of four devices each, and the node has eight.
        await TemplateAsync("llama", "act", "Deployment", """{"name":"old","tp":4}""");
        await Cluster.OperateAsync();
        await Cluster.ReplicasAsync("llama-old", deployment => deployment is { Status.ReadyReplicas: 2 }, "the old one has all devices");
        var least = int.MaxValue;
        using var watching = new CancellationTokenSource();
        var counting = Task.Run(async () =>
        {
            while (!watching.IsCancellationRequested)
            {
                least = Math.Min(least, (await Cluster.Client.CoreV1.ListNamespacedPodAsync(OperatedCluster.Space, cancellationToken: CancellationToken.None))
                    .Items.Count(pod => pod.Metadata.DeletionTimestamp is null && PodStatusText.IsReady(pod)));
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
            }
        }, Cancel);

        await PatchModelAsync("llama", """{"spec":{"template":{"variants":[{"name":"new","tp":4}]}}}""");

        await Cluster.ReplicasAsync("llama-new", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "the new one serves in its places");
        await Patience.UntilAsync("the old one is gone", async cancel => (await Cluster.Client.AppsV1.ListNamespacedDeploymentAsync(OperatedCluster.Space, cancellationToken: cancel)).Items.Select(one => one.Metadata.Name).SequenceEqual(["llama-new"]));
        await watching.CancelAsync();
        await counting;
        Assert.Equal(1, least);
        Assert.Contains(Cluster.Log, line => line.Contains("1 of 2 replicas stay until others serve, as there is no room for those before one goes", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_name_that_somebody_elses_object_has_is_refused_and_named()
    {
        await Cluster.ServeAsync("llama-one", 0, 1, "24Gi");
        await TemplateAsync("llama", "act", "Deployment", """{"name":"one","tp":1}""");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Reason: "NameTaken" }, "the name is taken");

        Assert.Contains("Deployment llama-one is there and was not made for this ScaledModel", OperatedCluster.Condition(status, ConditionTypes.TargetFound)!.Message, StringComparison.Ordinal);
        Assert.Null((await Cluster.DeploymentAsync("llama-one", Cancel)).Metadata.OwnerReferences);
    }

    [Fact]
    public async Task What_the_API_server_refuses_of_a_template_is_in_status_in_its_words()
    {
        await TemplateAsync("llama", "act", "Deployment", """{"name":"one","tp":1}""", restartPolicy: "Never");
        await Cluster.OperateAsync();

        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Reason: "TemplateRefused" }, "it is refused");

        Assert.Contains("restartPolicy", OperatedCluster.Condition(status, ConditionTypes.TargetFound)!.Message, StringComparison.Ordinal);
        Assert.Equal(("False", "TemplateRefused"), (OperatedCluster.Condition(status, ConditionTypes.Ready)!.Status, OperatedCluster.Condition(status, ConditionTypes.Ready)!.Reason));
    }

    [Fact]
    public async Task Without_the_role_of_deploy_templates_status_names_the_permission()
    {
        await TemplateAsync("llama", "act", "Deployment", """{"name":"one","tp":1}""");
        await Cluster.OperateAsync(await ShippedRole.InstallAsync(Cluster.Plane, Home), space: Home);

        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.TargetFound) is { Reason: "TemplateRefused" }, "it may not");

        Assert.Contains("the operator's role lacks the permission to get deployments in API group \"apps\"", OperatedCluster.Condition(status, ConditionTypes.TargetFound)!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_template_of_groups_makes_a_LeaderWorkerSet_with_a_pod_for_each_stage()
    {
        await using var groups = GroupsStandIn.Start(Cluster.Client, OperatedCluster.Space);
        await Cluster.Nodes.CreateAsync("h100b", gpus: 8);
        await TemplateAsync("big", "act", "LeaderWorkerSet", """{"name":"wide","tp":4,"pp":2}""", weights: "300GiB");
        await Cluster.OperateAsync();

        await Cluster.StatusAsync("big", status => status is { ReadyReplicas: 2, DesiredReplicas: 2 }, "two groups of two pods of four serve");

        var set = await Cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>("leaderworkerset.x-k8s.io", "v1", OperatedCluster.Space, "leaderworkersets", "big-wide", Cancel);
        Assert.Equal(2, set.GetProperty("spec").GetProperty("leaderWorkerTemplate").GetProperty("size").GetInt32());
        Assert.Equal(2, set.GetProperty("spec").GetProperty("replicas").GetInt32());
        Assert.Equal(2, Cluster.Ticks.Last().Snapshot.Replicas.Count(replica => replica.Members.Length == 1));
    }

    private static string Container(string version, string extra = "\"--enforce-eager\",") =>
        $$$$$$$$"""{"name":"server","image":"vllm/vllm-openai:{{{{{{{{version}}}}}}}}","args":[{{{{{{{{extra}}}}}}}}"--model","org/llama","--tensor-parallel-size","{tp}","--pipeline-parallel-size","{pp}"],"ports":[{"containerPort":8000}],"resources":{"limits":{"nvidia.com/gpu":"{devices}","memory":"64Gi"}}}""";

    private Task<object> TemplateAsync(string name, string mode, string kind, string variants, string? restartPolicy = null, string weights = "16GiB", string? gateway = null)
    {
        var body = JsonNode.Parse($$$$$$$$"""
            {"apiVersion":"{{{{{{{{ResourceGroup.ApiVersion}}}}}}}}","kind":"ScaledModel","metadata":{"name":"{{{{{{{{name}}}}}}}}"},
             "spec":{"weights":"{{{{{{{{weights}}}}}}}}","mode":"{{{{{{{{mode}}}}}}}}","minReplicas":2,"template":{"kind":"{{{{{{{{kind}}}}}}}}","podTemplate":{"metadata":{"labels":{"app":"{{{{{{{{name}}}}}}}}"}},"spec":{"containers":[{{{{{{{{Container("v0.19.0")}}}}}}}}]}},"variants":[{{{{{{{{variants}}}}}}}}]}}}
            """)!;
        if (restartPolicy is not null) body["spec"]!["template"]!["podTemplate"]!["spec"]!["restartPolicy"] = restartPolicy;
        if (gateway is not null) body["spec"]!["gateway"] = JsonNode.Parse(gateway);
        return Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            body, ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", cancellationToken: Cancel);
    }

    private Task<object> PatchModelAsync(string name, string patch) => Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
        new V1Patch(patch, V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", name, cancellationToken: Cancel);

    private async Task GrantAsync()
    {
        foreach (var item in KubernetesYaml.LoadAllFromString(await File.ReadAllTextAsync(ShippedRole.PathOf("templates/rbac.yaml"), Cancel)))
        {
            if (item is V1ClusterRole role) await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleAsync(role, cancellationToken: Cancel);
            if (item is V1ClusterRoleBinding binding) await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: Cancel);
        }
    }
}
