using System.Collections.Concurrent;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Operators with the role of deploy/operator: with all of it everything works, with less they say what they lack.</summary>
public sealed class RbacTests : OperatorTest
{
    private const string Home = "plimsoll-system";

    [Fact]
    public async Task With_the_shipped_role_it_scales_writes_status_and_remembers()
    {
        await Cluster.ServeAsync("llama", 0, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await Cluster.OperateAsync(await ShippedRole.InstallAsync(Cluster.Plane, Home), space: Home);

        await Cluster.ReplicasAsync("llama", deployment => deployment is { Spec.Replicas: 2, Status.ReadyReplicas: 2 }, "two asked and ready");
        await Cluster.StatusAsync("llama", status => status is { ReadyReplicas: 2, DesiredReplicas: 2 }, "two in status");
        await Patience.UntilAsync("what it learned is kept", async cancel =>
            (await Cluster.Client.CoreV1.ListNamespacedConfigMapAsync(Home, cancellationToken: cancel)).Items.Any(map => map.Data?.ContainsKey("digest") == true));
        // It writes every two seconds here, and from the second time on lets the parts of the time before go.
        await Task.Delay(TimeSpan.FromSeconds(5), TimeProvider.System, Cancel);

        Assert.DoesNotContain(Cluster.Log, line => line.Contains("lacks the permission", StringComparison.Ordinal) || Regex.IsMatch(line, @"\b403\b", RegexOptions.None, TimeSpan.FromSeconds(1)));
        var lease = await Cluster.Client.CoordinationV1.ReadNamespacedLeaseAsync("plimsoll-operator", Home, cancellationToken: Cancel);
        Assert.StartsWith("operator_", lease.Spec.HolderIdentity, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Each_write_that_is_not_granted_is_named_and_nothing_is_scaled()
    {
        Permission[] lacking = [.. ShippedRole.Permissions.Where(one => one is { Verb: "patch" })];
        Assert.Equal(
            ["configmaps", "deployments/scale", "fleets/status", "jobs", "jobsets", "leaderworkersets/scale", "nodemodelcaches", "plannedjobs/status", "pods", "scaledmodels/status", "statefulsets/scale"],
            lacking.Select(one => one.Resource).Distinct().Order(StringComparer.Ordinal));
        await Cluster.ServeAsync("none", 0, 1, "24Gi");
        await CreateNodeCacheAsync();
        await CreateStatefulSetAsync("ordered");
        await CreateLeaderWorkerSetAsync("grouped");
        const string act = "\"weights\":\"16GiB\",\"mode\":\"act\"";
        await Cluster.ModelAsync("none", act);
        await Cluster.ModelAsync("ordered", act, "StatefulSet");
        await Cluster.ModelAsync("grouped", act, "LeaderWorkerSet");
        await Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            JsonNode.Parse($$$$"""{"apiVersion":"{{{{ResourceGroup.ApiVersion}}}}","kind":"PlannedJob","metadata":{"name":"train"},"spec":{"targetRef":{"name":"train"}}}""")!,
            ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, PlannedJob.KubePluralName, cancellationToken: Cancel);
        await Cluster.OperateAsync(await ShippedRole.InstallAsync(Cluster.Plane, Home, lacking), space: Home, pod: "of-the-operator");

        // Those on jobs are for launching them: GangOnAClusterTests.
        foreach (var one in lacking.Where(one => one.Resource is not ("jobs" or "jobsets"))) await SaidAsync(one, Cluster.Log);

        Assert.Equal(0, (await Cluster.DeploymentAsync("none", Cancel)).Spec.Replicas);
    }

    [Fact]
    public async Task Each_other_permission_that_is_taken_out_is_named()
    {
        await Cluster.ServeAsync("llama", 1, 1, "24Gi");
        await Cluster.ModelAsync("llama", "\"weights\":\"16GiB\"");
        // Those on pods are for nodes: the test after this one. That to delete a cache is asked for by the server when one gets its owner.
        Permission[] others = [.. ShippedRole.Permissions.Where(one => one is not ({ Verb: "patch" } or { Resource: "pods", Verb: "create" or "delete" } or { Resource: "nodemodelcaches", Verb: "delete" }))];
        Assert.Equal(39, others.Length); // sixteen kinds are listed and watched; three verbs each on leases and config maps; Events

        // Each list and each watch is begun by itself, so that one operator may lack them all. What is refused is out of date only
        // after half a minute, so all wait at once.
        await Task.WhenAll(others.GroupBy(one => one.Verb is "list" or "watch" ? one.Verb : one.ToString()).Select(async (lacking, number) =>
        {
            var space = $"without-{number}";
            var account = await ShippedRole.InstallAsync(Cluster.Plane, space, [.. lacking]);
            var log = new ConcurrentQueue<string>();
            try
            {
                await Cluster.OperateAsync(account, space: space, log: log.Enqueue);
            }
            catch (ApiException refused)
            {
                log.Enqueue(refused.Message);
            }

            foreach (var one in lacking)
            {
                if (one.Resource == "events") await StirAsync(() => log.Any(line => line.Contains(one.Lacking, StringComparison.Ordinal)));
                await SaidAsync(one, log);
            }
        }));
    }

    [Fact]
    public async Task Without_the_right_to_make_and_delete_placeholders_it_says_so()
    {
        Permission[] lacking = [.. ShippedRole.Permissions.Where(one => one is { Resource: "pods", Verb: "create" or "delete" })];
        Assert.Equal(2, lacking.Length);
        // One for which a node is asked for, and a request that nobody needs.
        await Cluster.ServeAsync("large", 0, 8, "24Gi");
        await Cluster.ModelAsync("large", "\"weights\":\"16GiB\",\"mode\":\"act\",\"minReplicas\":2");
        await Cluster.PoolAsync("""[{"name":"h100","nodeLabels":{"pool":"h100"},"device":"h100-80gb","devices":8,"memory":"500Gi","cores":40}]""");
        var account = await ShippedRole.InstallAsync(Cluster.Plane, Home, lacking);
        await Cluster.PlaceholderAsync(Home, "gone");
        await Cluster.OperateAsync(account, space: Home);

        foreach (var one in lacking) await SaidAsync(one, Cluster.Log);
    }

    [Fact]
    public async Task What_is_in_deploy_is_taken_by_the_API_server()
    {
        await Kubectl.RunAsync(Cluster.Plane, "apply", "--validate=false", "-k", ShippedRole.PathOf(""));
        var deployment = await Cluster.Client.AppsV1.ReadNamespacedDeploymentAsync("plimsoll-operator", Home, cancellationToken: Cancel);
        var pod = deployment.Spec.Template.Spec;
        Assert.Equal("plimsoll-operator", pod.ServiceAccountName);
        // What the pod security standard "restricted" asks for; a 1.20 server does not check it.
        Assert.True(pod.SecurityContext is { RunAsNonRoot: true, SeccompProfile.Type: "RuntimeDefault" });
        var container = Assert.Single(pod.Containers);
        Assert.True(container.SecurityContext is { AllowPrivilegeEscalation: false, ReadOnlyRootFilesystem: true });
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);

        // The role that kinds of others are added to is among it, as docs/kubernetes-other-kinds.md says nothing installed need be edited.
        Assert.NotNull((await Cluster.Client.RbacAuthorizationV1.ReadClusterRoleAsync("plimsoll-operator-targets", cancellationToken: Cancel)).AggregationRule);
        await Cluster.Client.RbacAuthorizationV1.ReadClusterRoleBindingAsync("plimsoll-operator-targets", cancellationToken: Cancel);
    }

    // Events tell of what changes, and another leader's are not told again.
    private async Task StirAsync(Func<bool> enough)
    {
        for (var number = 2; number < 40 && !enough(); number++)
        {
            await Cluster.Client.CustomObjects.PatchNamespacedCustomObjectAsync(
                new V1Patch($"{{\"spec\":{{\"minReplicas\":{number}}}}}", V1Patch.PatchType.MergePatch),
                "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", "llama", cancellationToken: Cancel);
            await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System, Cancel);
        }
    }

    private static Task<string[]> SaidAsync(Permission lacking, ConcurrentQueue<string> log) => Patience.UntilAsync(
        $"{lacking} is named", _ => Task.FromResult(log.ToArray()),
        lines => lines.Any(line => line.Contains(lacking.Lacking, StringComparison.Ordinal)), lines => string.Join('\n', lines.Distinct().TakeLast(12)));

    private static V1Deployment Served(string name)
    {
        var deployment = Workloads.Deployment(name, 0, 1, "24Gi", "--model", $"org/{name}");
        deployment.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        return deployment;
    }

    // Of an agent that was heard of just now; the operator makes it belong to its node.
    private async Task CreateNodeCacheAsync()
    {
        object Cache(object? status) => new { apiVersion = ResourceGroup.ApiVersion, kind = NodeModelCache.KubeKind, metadata = new { name = "node-h100" }, spec = new { }, status };
        await Cluster.Client.CustomObjects.CreateClusterCustomObjectAsync(Cache(null), ResourceGroup.Group, ResourceGroup.Version, NodeModelCache.KubePluralName, cancellationToken: Cancel);
        var now = TimeProvider.System.GetUtcNow().ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", System.Globalization.CultureInfo.InvariantCulture);
        var status = new { heartbeat = now, heartbeatSeconds = 600, conditions = new[] { new { type = "Ready", status = "True", reason = "Kept", message = "kept", lastTransitionTime = now } } };
        await Cluster.Client.CustomObjects.PatchClusterCustomObjectStatusAsync(
            new V1Patch(Cache(status), V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, NodeModelCache.KubePluralName, "node-h100", cancellationToken: Cancel);
    }

    private Task<V1StatefulSet> CreateStatefulSetAsync(string name)
    {
        var like = Served(name);
        return Cluster.Client.AppsV1.CreateNamespacedStatefulSetAsync(
            new V1StatefulSet
            {
                Metadata = like.Metadata,
                Spec = new() { Replicas = 0, ServiceName = name, Selector = like.Spec.Selector, Template = like.Spec.Template },
            }, OperatedCluster.Space, cancellationToken: Cancel);
    }

    private Task<object> CreateLeaderWorkerSetAsync(string name)
    {
        var body = JsonNode.Parse("""{"apiVersion":"leaderworkerset.x-k8s.io/v1","kind":"LeaderWorkerSet","spec":{"replicas":0,"leaderWorkerTemplate":{"size":1}}}""")!;
        body["metadata"] = new JsonObject { ["name"] = name };
        body["spec"]!["leaderWorkerTemplate"]!["workerTemplate"] = JsonNode.Parse(KubernetesJson.Serialize(Served(name).Spec.Template));
        return Cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(
            body, "leaderworkerset.x-k8s.io", "v1", OperatedCluster.Space, "leaderworkersets", cancellationToken: Cancel);
    }
}
