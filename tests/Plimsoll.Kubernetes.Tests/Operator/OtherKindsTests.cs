using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Targets of kinds that the operator does not know beforehand: whatever has a scale subresource.</summary>
public sealed class OtherKindsTests : OperatorTest
{
    private const string Home = "plimsoll-system";

    // Replicas and selector where nobody would look for them, and no pod template.
    private const string Serving = """
        apiVersion: apiextensions.k8s.io/v1
        kind: CustomResourceDefinition
        metadata:
          name: servings.example.com
        spec:
          group: example.com
          scope: Namespaced
          names: { kind: Serving, listKind: ServingList, plural: servings, singular: serving }
          versions:
            - name: v1
              served: true
              storage: true
              subresources:
                status: {}
                scale: { specReplicasPath: .spec.size, statusReplicasPath: .status.size, labelSelectorPath: .status.pods }
              schema:
                openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true, properties: { spec: { type: object, x-kubernetes-preserve-unknown-fields: true, properties: { size: { type: integer } } }, status: { type: object, x-kubernetes-preserve-unknown-fields: true, properties: { size: { type: integer }, pods: { type: string } } } } }
        """;

    [Fact]
    public async Task What_has_a_scale_is_scaled_with_a_role_that_the_cluster_adds_to_the_shipped_one()
    {
        var account = await ShippedRole.InstallAsync(Cluster.Plane, Home);
        foreach (var item in KubernetesYaml.LoadAllFromString(await File.ReadAllTextAsync(ShippedRole.PathOf("operator/targets.yaml"), Cancel)))
        {
            if (item is V1ClusterRole role) await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleAsync(role, cancellationToken: Cancel);
            if (item is V1ClusterRoleBinding binding) await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: Cancel);
        }

        await CreateControllerAsync("llama", 0);
        await ModelAsync("llama", "v1", "ReplicationController", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2,\"maxReplicas\":2,\"idleLimit\":\"2s\",\"slo\":{\"latency\":\"5s\"}");
        await Cluster.ServeAsync("plain", 0, 1, "24Gi");
        await Cluster.ModelAsync("plain", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1");
        await Cluster.OperateAsync(account, space: Home);

        // Without a right to it nothing of that kind is known, and nobody else is kept waiting.
        var refused = await Cluster.StatusAsync("llama", status => Found(status)?.Reason == "Unreadable", "it says what it may not");
        Assert.Contains("the operator's role lacks the permission to list replicationcontrollers in API group \"\"", Found(refused)!.Message, StringComparison.Ordinal);
        await Cluster.ReplicasAsync("plain", deployment => deployment.Status.ReadyReplicas == 1, "the plain one serves");

        await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleAsync(KubernetesYaml.Deserialize<V1ClusterRole>("""
            apiVersion: rbac.authorization.k8s.io/v1
            kind: ClusterRole
            metadata:
              name: replicationcontrollers-for-plimsoll
              labels: { plimsoll.dev/aggregate-to-targets: "true" }
            rules:
              - apiGroups: [""]
                resources: [replicationcontrollers]
                verbs: [list, watch]
              - apiGroups: [""]
                resources: [replicationcontrollers/scale]
                verbs: [get, patch]
            """), cancellationToken: Cancel);
        await ServesAsync("llama", 2);
        await Cluster.StatusAsync("llama", status => status is { Replicas: 2, ReadyReplicas: 2, DesiredReplicas: 2, Selector: "app=llama" }, "two in status");

        Cluster.Rate["llama"] = 2;
        await Cluster.StatusAsync("llama", status => status.DemandPerSecond > 1, "two a second seen");
        Cluster.Rate["llama"] = 0;
        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
            new V1Patch("""{"spec":{"minReplicas":1} }""", V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
        await ServesAsync("llama", 1);
        Assert.DoesNotContain(Cluster.Log, line => line.Contains("Exception", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_kind_without_a_pod_template_is_planned_by_the_pods_that_it_has()
    {
        await CustomResources.InstallAsync(Cluster.Client, Serving);
        await CreateServingAsync("llama", 1);
        await Cluster.ServeAsync("made-for-llama", 0, 1, "24Gi", "--max-num-seqs", "8");
        await ModelAsync("llama", "example.com/v1", "Serving", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2,\"maxReplicas\":3");
        using var end = CancellationTokenSource.CreateLinkedTokenSource(Cancel);
        await Cluster.OperateAsync();
        var told = await Cluster.StatusAsync("llama", status => Found(status)?.Reason == "NoSelector", "no selector is told of");
        Assert.Contains("has no status.selector", Found(told)!.Message, StringComparison.Ordinal);

        // Its controller from now on is here.
        var controlling = ControlAsync("llama", "made-for-llama", end.Token);
        await ServesAsync("made-for-llama", 2, deployment: true);
        var status = await Cluster.StatusAsync("llama", one => one is { ReadyReplicas: 2, Selector: "app=made-for-llama" }, "two in status");
        Assert.Equal("1", status!.RecommendedRequests!["nvidia.com/gpu"]);
        Cluster.Rate["made-for-llama"] = 20;
        await ServesAsync("made-for-llama", 3, deployment: true);
        await end.CancelAsync();
        await controlling.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
    }

    [Fact]
    public async Task A_template_that_is_none_concerns_the_model_that_names_it_and_no_other()
    {
        await CustomResources.InstallAsync(Cluster.Client, Serving);
        await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            JsonNode.Parse("""{"apiVersion":"example.com/v1","kind":"Serving","metadata":{"name":"odd"},"spec":{"size":1,"template":{"spec":{"containers":{},"terminationGracePeriodSeconds":"60"} } } }""")!,
            "example.com", "v1", OperatedCluster.Space, "servings", cancellationToken: Cancel);
        await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
            new V1Patch("""{"status":{"size":1,"pods":"app=odd"} }""", V1Patch.PatchType.MergePatch), "example.com", "v1", OperatedCluster.Space, "servings", "odd", cancellationToken: Cancel);
        await ModelAsync("odd", "example.com/v1", "Serving", "\"weights\":\"16GiB\",\"mode\":\"act\"");
        await Cluster.ServeAsync("plain", 0, 1, "24Gi");
        await Cluster.ModelAsync("plain", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":1");
        await Cluster.OperateAsync();

        await Cluster.ReplicasAsync("plain", deployment => deployment.Status.ReadyReplicas == 1, "the plain one serves");
        var told = await Cluster.StatusAsync("odd", status => OperatedCluster.Condition(status, ConditionTypes.Weighed)?.Reason == "PodSpecUnreadable", "its template is named");
        Assert.Contains("Serving odd has a pod template that is none: ", OperatedCluster.Condition(told, ConditionTypes.Weighed)!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_not_there_or_has_no_scale_is_named_and_found_once_it_comes()
    {
        await CreateControllerAsync("late", 1);
        await ModelAsync("nowhere", "example.com/v9", "Nothing", "\"weights\":\"1GiB\"");
        await ModelAsync("unscaled", "v1", "ConfigMap", "\"weights\":\"1GiB\"");
        await ModelAsync("global", "v1", "Node", "\"weights\":\"1GiB\"");
        await ModelAsync("absent", "v1", "ReplicationController", "\"weights\":\"16GiB\",\"minReplicas\":1");
        await Cluster.OperateAsync();

        async Task SaysAsync(string model, string reason, string message) => Assert.Equal(
            message, Found(await Cluster.StatusAsync(model, status => Found(status)?.Reason == reason, $"{model} has reason {reason}"))!.Message);
        await SaysAsync("nowhere", "UnknownKind", "the server has no example.com/v9, so it has no Nothing of it");
        await SaysAsync("unscaled", "NoScale", "ConfigMap of v1 has no scale subresource");
        await SaysAsync("global", "UnknownKind", "a Node is in no namespace, and what is scaled here is in its ScaledModel's");
        await SaysAsync("absent", "NotFound", "ReplicationController absent is not there; it is planned for once it is");
        await CreateControllerAsync("absent", 1);
        await Cluster.StatusAsync("absent", status => status is { Replicas: 1, ReadyReplicas: 1 } && Found(status)?.Status == "True", "it is found");
    }

    private static V1Condition? Found(ScaledModelStatus? status) => OperatedCluster.Condition(status, ConditionTypes.TargetFound);

    private Task<object> ModelAsync(string name, string apiVersion, string kind, string spec) => Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
        JsonNode.Parse($$$"""
            {"apiVersion":"{{{ResourceGroup.ApiVersion}}}","kind":"ScaledModel","metadata":{"name":"{{{name}}}"},
             "spec":{"target":{"apiVersion":"{{{apiVersion}}}","kind":"{{{kind}}}","name":"{{{name}}}"},{{{spec}}} } }
            """)!, ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", cancellationToken: Cancel);

    private Task<V1ReplicationController> CreateControllerAsync(string name, int replicas)
    {
        var like = Workloads.Deployment(name, replicas, 1, "24Gi", "--model", $"org/{name}", "--max-num-seqs", "8");
        like.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        return Cluster.Client.CoreV1.CreateNamespacedReplicationControllerAsync(
            new V1ReplicationController
            {
                Metadata = new() { Name = name },
                Spec = new() { Replicas = replicas, Selector = like.Spec.Selector.MatchLabels, Template = like.Spec.Template },
            }, OperatedCluster.Space, cancellationToken: Cancel);
    }

    private Task<(int? Replicas, int? ReadyReplicas)> ServesAsync(string name, int replicas, bool deployment = false) => Patience.UntilAsync(
        $"{replicas} of {name} asked and ready",
        async cancel => deployment
            ? (await Cluster.DeploymentAsync(name, cancel)) is var one ? (one.Spec.Replicas, one.Status.ReadyReplicas) : default
            : (await Cluster.Client.CoreV1.ReadNamespacedReplicationControllerAsync(name, OperatedCluster.Space, cancellationToken: cancel)) is var other ? (other.Spec.Replicas, other.Status.ReadyReplicas) : default,
        seen => seen == (replicas, replicas), seen => $"{seen}\n{string.Join('\n', Cluster.Log.TakeLast(12))}");

    private Task<object> CreateServingAsync(string name, int size) => Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
        JsonNode.Parse($$$"""{"apiVersion":"example.com/v1","kind":"Serving","metadata":{"name":"{{{name}}}"},"spec":{"size":{{{size}}} } }""")!,
        "example.com", "v1", OperatedCluster.Space, "servings", cancellationToken: Cancel);

    private async Task ControlAsync(string name, string made, CancellationToken cancel)
    {
        while (!cancel.IsCancellationRequested)
        {
            var serving = await Cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>("example.com", "v1", OperatedCluster.Space, "servings", name, cancel);
            var size = serving.GetProperty("spec").GetProperty("size").GetInt32();
            await Cluster.Client.AppsV1.PatchNamespacedDeploymentScaleAsync(
                new V1Patch($$$"""{"spec":{"replicas":{{{size}}} } }""", V1Patch.PatchType.MergePatch), made, OperatedCluster.Space, cancellationToken: cancel);
            await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectStatusAsync(
                new V1Patch($$$"""{"status":{"size":{{{size}}},"pods":"app={{{made}}}"} }""", V1Patch.PatchType.MergePatch), "example.com", "v1", OperatedCluster.Space, "servings", name, cancellationToken: cancel);
            await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System, cancel);
        }
    }
}
