using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>What our code relies on of an API server, seen on the real one.</summary>
public sealed class ServerTests(SharedControlPlane shared) : ClusterTest(shared)
{
    [Fact]
    public async Task The_scale_subresource_scales_and_refuses_a_stale_version()
    {
        await Client.AppsV1.CreateNamespacedDeploymentAsync(Workloads.Deployment("llama", 1), Namespace.Name, cancellationToken: Cancel);
        var scale = await Client.AppsV1.ReadNamespacedDeploymentScaleAsync("llama", Namespace.Name, cancellationToken: Cancel);
        Assert.Equal("app=llama", scale.Status.Selector);

        var patch = new V1Patch("""{"spec":{"replicas":3}}""", V1Patch.PatchType.MergePatch);
        var patched = await Client.AppsV1.PatchNamespacedDeploymentScaleAsync(patch, "llama", Namespace.Name, cancellationToken: Cancel);
        Assert.Equal(3, patched.Spec.Replicas);
        await Patience.UntilAsync(
            "three pods", async cancel => (await Client.CoreV1.ListNamespacedPodAsync(Namespace.Name, cancellationToken: cancel)).Items.Count, count => count == 3);

        scale.Spec.Replicas = 2;
        await RefusedAsync(HttpStatusCode.Conflict, () => Client.AppsV1.ReplaceNamespacedDeploymentScaleAsync(scale, "llama", Namespace.Name, cancellationToken: Cancel));
    }

    [Fact]
    public async Task Server_side_apply_refuses_a_field_of_another_manager_and_takes_it_by_force()
    {
        await ApplyAsync("first", 1, force: false);
        await RefusedAsync(HttpStatusCode.Conflict, () => ApplyAsync("second", 2, force: false));
        var taken = await ApplyAsync("second", 2, force: true);
        Assert.Equal(2, taken.Spec.Replicas);

        Task<V1Deployment> ApplyAsync(string manager, int replicas, bool force)
        {
            var patch = new V1Patch(KubernetesJson.Serialize(Workloads.Deployment("llama", replicas)), V1Patch.PatchType.ApplyPatch);
            return Client.AppsV1.PatchNamespacedDeploymentAsync(
                patch, "llama", Namespace.Name, fieldManager: manager, force: force, cancellationToken: Cancel);
        }
    }

    [Fact]
    public async Task Of_two_that_take_a_lease_at_once_one_is_told_of_the_conflict()
    {
        var lease = await Client.CoordinationV1.CreateNamespacedLeaseAsync(
            new V1Lease { Metadata = new() { Name = "leader" }, Spec = new() { HolderIdentity = "nobody" } }, Namespace.Name, cancellationToken: Cancel);

        lease.Spec.HolderIdentity = "a";
        await Client.CoordinationV1.ReplaceNamespacedLeaseAsync(lease, "leader", Namespace.Name, cancellationToken: Cancel);
        lease.Spec.HolderIdentity = "b";
        await RefusedAsync(HttpStatusCode.Conflict, () => Client.CoordinationV1.ReplaceNamespacedLeaseAsync(lease, "leader", Namespace.Name, cancellationToken: Cancel));

        Assert.Equal("a", (await Client.CoordinationV1.ReadNamespacedLeaseAsync("leader", Namespace.Name, cancellationToken: Cancel)).Spec.HolderIdentity);
    }

    [Fact]
    public async Task An_HPA_without_its_metric_says_so_and_leaves_the_deployment_alone()
    {
        await Client.AppsV1.CreateNamespacedDeploymentAsync(Workloads.Deployment("llama", 2), Namespace.Name, cancellationToken: Cancel);
        await CreateAsync("autoscaling", "v2beta2", "horizontalpodautoscalers", """
            apiVersion: autoscaling/v2beta2
            kind: HorizontalPodAutoscaler
            metadata: { name: llama }
            spec:
              scaleTargetRef: { apiVersion: apps/v1, kind: Deployment, name: llama }
              minReplicas: 1
              maxReplicas: 8
              metrics:
                - type: External
                  external: { metric: { name: nobody-serves-this }, target: { type: AverageValue, averageValue: "1" } }
            """);

        var active = await Patience.UntilAsync(
            "the controller's word on it",
            async cancel => await Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>(
                "autoscaling", "v2beta2", Namespace.Name, "horizontalpodautoscalers", "llama", cancel),
            hpa => hpa.GetRawText().Contains("FailedGetExternalMetric", StringComparison.Ordinal));
        Assert.Contains("ScalingActive", active.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(2, (await Client.AppsV1.ReadNamespacedDeploymentAsync("llama", Namespace.Name, cancellationToken: Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task A_LeaderWorkerSet_has_its_defaults_and_scales_by_its_subresource()
    {
        await CreateAsync("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", """
            apiVersion: leaderworkerset.x-k8s.io/v1
            kind: LeaderWorkerSet
            metadata: { name: big }
            spec: { leaderWorkerTemplate: { size: 4, workerTemplate: { spec: { containers: [] } } } }
            """);
        await Client.CustomObjects.PatchNamespacedCustomObjectScaleAsync(
            new V1Patch("""{"spec":{"replicas":3}}""", V1Patch.PatchType.MergePatch),
            "leaderworkerset.x-k8s.io", "v1", Namespace.Name, "leaderworkersets", "big", cancellationToken: Cancel);

        var big = await Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonElement>(
            "leaderworkerset.x-k8s.io", "v1", Namespace.Name, "leaderworkersets", "big", Cancel);
        var spec = big.GetProperty("spec");
        Assert.Equal(3, spec.GetProperty("replicas").GetInt32());
        Assert.Equal("RecreateGroupOnPodRestart", spec.GetProperty("leaderWorkerTemplate").GetProperty("restartPolicy").GetString());
    }

    [Theory]
    [InlineData("serving.kserve.io", "v1beta1", "inferenceservices", "spec: { predictor: { minReplicas: 1, model: { modelFormat: { name: huggingface }, storageUri: hf://org/name } } }")]
    [InlineData("keda.sh", "v1alpha1", "scaledobjects", "spec: { scaleTargetRef: { name: llama }, triggers: [{ type: external, metadata: { scalerAddress: plimsoll:9090 } }] }")]
    [InlineData("kueue.x-k8s.io", "v1beta2", "workloads", "spec: { queueName: gpus, podSets: [{ name: main, count: 2, template: { spec: { containers: [] } } }] }")]
    public async Task The_other_projects_objects_are_stored_with_their_fields(string group, string version, string plural, string spec)
    {
        var sent = CustomResources.ToJson($"apiVersion: {group}/{version}\nkind: {Kind(plural)}\nmetadata: {{ name: one }}\n{spec}\n");
        await Client.CustomObjects.CreateNamespacedCustomObjectAsync(sent.DeepClone(), group, version, Namespace.Name, plural, cancellationToken: Cancel);

        var stored = await Client.CustomObjects.GetNamespacedCustomObjectAsync<JsonNode>(group, version, Namespace.Name, plural, "one", Cancel);
        Assert.Null(FirstLost(sent["spec"], stored["spec"], "spec"));

        static string Kind(string plural) => plural switch
        {
            "inferenceservices" => "InferenceService",
            "scaledobjects" => "ScaledObject",
            _ => "Workload",
        };
    }

    [Fact]
    public async Task Roles_decide_what_a_user_and_a_service_account_may_do_and_a_wrong_token_is_nobody()
    {
        using var user = new k8s.Kubernetes(ControlPlane.ForUser("ada", "readers"));
        using var account = new k8s.Kubernetes(await ControlPlane.ForServiceAccountAsync(Namespace.Name, "operator"));
        using var nobody = new k8s.Kubernetes(ControlPlane.ForToken("wrong"));
        await RefusedAsync(HttpStatusCode.Unauthorized, () => PodsAsync(nobody));
        await RefusedAsync(HttpStatusCode.Forbidden, () => PodsAsync(user));
        await RefusedAsync(HttpStatusCode.Forbidden, () => PodsAsync(account));

        var rules = new List<V1PolicyRule> { new() { ApiGroups = [""], Resources = ["pods"], Verbs = ["list"] } };
        await Client.RbacAuthorizationV1.CreateNamespacedRoleAsync(
            new V1Role { Metadata = new() { Name = "lister" }, Rules = rules }, Namespace.Name, cancellationToken: Cancel);
        await Client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(
            new V1RoleBinding
            {
                Metadata = new() { Name = "lister" },
                RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "Role", Name = "lister" },
                Subjects =
                [
                    new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "Group", Name = "readers" },
                    new() { Kind = "ServiceAccount", Name = "operator", NamespaceProperty = Namespace.Name },
                ],
            },
            Namespace.Name, cancellationToken: Cancel);

        await Patience.UntilAsync("the role to count", async _ => (await PodsAsync(user)).Items.Count == 0);
        await Patience.UntilAsync("the role to count", async _ => (await PodsAsync(account)).Items.Count == 0);
        await RefusedAsync(HttpStatusCode.Forbidden, () => user.CoreV1.ListNamespacedServiceAsync(Namespace.Name, cancellationToken: Cancel));
    }

    private static async Task RefusedAsync(HttpStatusCode with, Func<Task> request)
    {
        var refusal = await Assert.ThrowsAsync<HttpOperationException>(request);
        Assert.Equal(with, refusal.Response.StatusCode);
    }

    /// <summary>The path of the first field of what was sent that is not in what is stored.</summary>
    private static string? FirstLost(JsonNode? sent, JsonNode? stored, string path) => (sent, stored) switch
    {
        (JsonObject a, JsonObject b) => a.Select(field => FirstLost(field.Value, b[field.Key], $"{path}.{field.Key}")).FirstOrDefault(lost => lost is not null),
        (JsonArray a, JsonArray b) when a.Count == b.Count => a.Select((item, i) => FirstLost(item, b[i], $"{path}[{i}]")).FirstOrDefault(lost => lost is not null),
        _ => JsonNode.DeepEquals(sent, stored) ? null : path,
    };

    private Task<V1PodList> PodsAsync(k8s.Kubernetes client) => client.CoreV1.ListNamespacedPodAsync(Namespace.Name, cancellationToken: Cancel);

    private Task<object> CreateAsync(string group, string version, string plural, string yaml) =>
        Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            CustomResources.ToJson(yaml), group, version, Namespace.Name, plural, cancellationToken: Cancel);
}
