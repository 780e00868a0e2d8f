using System.Net;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.NodeCache;

/// <summary>Agents with the role of deploy/node-cache, and what others may make of their objects.</summary>
public sealed class AgentRoleTests : CacheTest
{
    private const string Space = "plimsoll-node-cache";

    [Fact]
    public async Task With_its_shipped_role_an_agent_works_names_what_it_lacks_and_ends_with_its_node()
    {
        var node = await Cluster.Nodes.CreateAsync("a", gpus: 8);
        var rules = KubernetesYaml.LoadAllFromString(await File.ReadAllTextAsync(ShippedRole.PathOf("node-cache/rbac.yaml"), Cancel)).OfType<V1ClusterRole>().Single().Rules;
        await Cluster.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = Space } }, cancellationToken: Cancel);
        var account = await Cluster.Plane.ForServiceAccountAsync(Space, "plimsoll-node-cache");
        foreach (var lacking in (string[])["get", "create", "list", "patch"])
        {
            await GrantAsync(account, rules.Select(rule => new V1PolicyRule { ApiGroups = rule.ApiGroups, Resources = rule.Resources, Verbs = [.. rule.Verbs.Where(verb => verb != lacking)] }), lacking);
            var agent = Agent("node-a", who: account);
            // A list that is refused is asked for again for half a minute, and then it ends.
            var said = lacking == "patch" ? await Patience.UntilAsync("it says so", _ => Task.FromResult(AgentLog.LastOrDefault() ?? ""), line => line.Contains("lacks", StringComparison.Ordinal))
                : NodeCacheAgent.Own((await Assert.ThrowsAsync<ApiException>(() => agent.WaitAsync(Patience.Limit, Cancel))).Message);
            Assert.Contains($"the node cache's role lacks the permission to {lacking} nodemodelcaches{(lacking == "patch" ? "/status" : "")}", said, StringComparison.Ordinal);
            await EndAsync(agent);
        }

        await GrantAsync(account, rules, null);
        await ServeCachedAsync("llama", 1);
        var works = Agent("node-a", who: account);
        await OperateAsync(await ShippedRole.InstallAsync(Cluster.Plane, "plimsoll-system"), "plimsoll-system");
        await CacheAsync("node-a", status => Has(status, "llama"), "llama on a");
        await Patience.UntilAsync("it belongs to its node", async cancel => (await CacheAsync("node-a", cancel)).Metadata.OwnerReferences is [{ Kind: "Node" }]);

        await Cluster.Nodes.DeleteAsync(node);
        var gone = await Assert.ThrowsAsync<NodeCacheGoneException>(() => works.WaitAsync(Patience.Limit, Cancel));

        Assert.Contains("was deleted", gone.Message, StringComparison.Ordinal);
        await Patience.UntilAsync("nothing of it is planned with", _ => Task.FromResult(Cluster.Ticks.LastOrDefault()?.Snapshot is { Cache.IsEmpty: true } last && !last.Can.HasFlag(Capabilities.PrefetchWeights)));
        Assert.True(File.Exists(PathOf("node-a", "llama", "config.json")));
    }

    [Fact]
    public async Task A_status_that_somebody_else_wrote_costs_nothing_but_what_is_known_of_that_node()
    {
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        foreach (var name in (string[])["silent", "twice", "huge"]) await Cluster.Nodes.CreateAsync(name, gpus: 8);
        await ServeCachedAsync("llama", 1);

        // What the schema bounds, the server refuses.
        foreach (var wrong in (JsonObject[])
        [
            Status(copies: 10_000), Status(size: "99999999999999999999"), Status(size: "1e300"), Status(size: "-1"), Status(model: "a\\u0000b"), Status(model: new string('x', 400)),
            Status(extra: ",\"heartbeatSeconds\":2000000000"), Status(extra: ",\"freeBytes\":9223372036854775807"),
        ])
        {
            var refused = await Assert.ThrowsAsync<HttpOperationException>(() => WriteAsync("node-huge", wrong));
            Assert.Contains(refused.Response.StatusCode, (HttpStatusCode[])[HttpStatusCode.UnprocessableEntity, HttpStatusCode.BadRequest]);
        }

        // What it lets through is the operator's to judge: the largest there can be, strange names, one name twice, and one of yesterday.
        await WriteAsync("node-huge", Status(copies: 256, size: "1000000000000000", model: "‮\U0001F480/../../etc", extra: ",\"budgetBytes\":1000000000000000,\"freeBytes\":1000000000000000,\"shortBytes\":1000000000000000"));
        await WriteAsync("node-twice", Status(copies: 1, extra: "", twice: true));
        await WriteAsync("node-silent", Status(heartbeat: "2020-01-01T00:00:00Z"));
        _ = Agent("node-a");
        await OperateAsync();

        await CacheAsync("node-a", status => Has(status, "llama"), "llama on a");
        await Cluster.StatusAsync("llama", status => status.ReadyReplicas == 1, "it is planned for");

        Assert.Contains(Cluster.Log, line => line.Contains("node-twice is unknown", StringComparison.Ordinal) && line.Contains("named twice", StringComparison.Ordinal));
        Assert.Contains(Cluster.Log, line => line.Contains("node-silent is unknown", StringComparison.Ordinal) && line.Contains("last heard of at 2020", StringComparison.Ordinal));
        var last = Cluster.Ticks.Last().Snapshot;
        Assert.All(last.Nodes.Where(node => node.Id.Value is "node-silent" or "node-twice"), node => Assert.Null(node.CacheBudget));
        Assert.DoesNotContain(Cluster.Ticks.SelectMany(tick => tick.Plan.Steps), step => step is Step.Prefetch { Node.Value: "node-silent" or "node-twice" } or Step.Evict { Node.Value: "node-silent" or "node-twice" });
        Assert.DoesNotContain(Cluster.Log, line => line.Contains("nothing is decided", StringComparison.Ordinal));
    }

    [Fact]
    public async Task What_is_in_deploy_is_taken_by_the_API_server_and_runs_nothing_as_root_but_the_handing_over_of_a_folder()
    {
        await Kubectl.RunAsync(Cluster.Plane, "apply", "--validate=false", "-k", ShippedRole.PathOf("node-cache"));

        var pod = (await Cluster.Client.AppsV1.ReadNamespacedDaemonSetAsync("plimsoll-node-cache", Space, cancellationToken: Cancel)).Spec.Template;
        var container = Assert.Single(pod.Spec.Containers);
        Assert.True(container.SecurityContext is { RunAsNonRoot: true, AllowPrivilegeEscalation: false, ReadOnlyRootFilesystem: true });
        Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
        var init = Assert.Single(pod.Spec.InitContainers);
        Assert.Equal(["ALL"], init.SecurityContext.Capabilities.Drop);
        Assert.Equal(["CHOWN"], init.SecurityContext.Capabilities.Add);
        Assert.Equal(CachePaths.DefaultFolder, Assert.Single(pod.Spec.Volumes, volume => volume.HostPath is not null).HostPath.Path);
        // Its own mount of the folder is no pod's use of what is in it.
        using var json = System.Text.Json.JsonDocument.Parse(KubernetesJson.Serialize(new V1Pod { Metadata = pod.Metadata, Spec = pod.Spec }));
        Assert.Null(CacheUse.OfPod(json.RootElement, CachePaths.DefaultFolder));
        Assert.NotNull(CacheUse.Of(json.RootElement.GetProperty("spec"), CachePaths.DefaultFolder));
    }

    private async Task GrantAsync(KubernetesClientConfiguration account, IEnumerable<V1PolicyRule> rules, string? lacking)
    {
        var name = $"agent-{lacking ?? "all"}";
        await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleAsync(new V1ClusterRole { Metadata = new() { Name = name }, Rules = [.. rules.Where(rule => rule.Verbs.Count > 0)] }, cancellationToken: Cancel);
        var binding = new V1ClusterRoleBinding
        {
            Metadata = new() { Name = "agent" },
            RoleRef = new() { ApiGroup = "rbac.authorization.k8s.io", Kind = "ClusterRole", Name = name },
            Subjects = [new Rbacv1Subject { Kind = "ServiceAccount", Name = "plimsoll-node-cache", NamespaceProperty = Space }],
        };
        try
        {
            await Cluster.Client.RbacAuthorizationV1.DeleteClusterRoleBindingAsync("agent", cancellationToken: Cancel);
        }
        catch (HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.NotFound)
        {
            // the first
        }

        await Cluster.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: Cancel);
        using var own = new k8s.Kubernetes(account);
        foreach (var (verb, resource) in ((string, string?)[])[("get", null), ("create", null), ("list", null), ("patch", "status")])
        {
            await Patience.UntilAsync($"{verb} is as granted", async cancel => (await own.AuthorizationV1.CreateSelfSubjectAccessReviewAsync(new V1SelfSubjectAccessReview
            {
                Spec = new() { ResourceAttributes = new() { Verb = verb, Resource = "nodemodelcaches", Subresource = resource, Group = ResourceGroup.Group } },
            }, cancellationToken: cancel)).Status.Allowed == (verb != lacking));
        }
    }

    private static JsonObject Status(
        int copies = 1, string size = "1", string model = "models/llama", string extra = "", string? heartbeat = null, bool twice = false)
    {
        heartbeat ??= NodeCacheReport.Time(TimeProvider.System.GetUtcNow());
        var all = string.Join(',', Enumerable.Range(0, twice ? 2 : copies).Select(i =>
            $"{{\"model\":\"{model}\",\"version\":\"v{(twice ? 0 : i)}\",\"sizeBytes\":{size},\"complete\":\"True\",\"pinned\":\"False\"}}"));
        return JsonNode.Parse($"{{\"status\":{{\"heartbeat\":\"{heartbeat}\",\"artifacts\":[{all}],\"conditions\":[{{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"Kept\",\"message\":\"kept\",\"lastTransitionTime\":\"2026-01-01T00:00:00Z\"}}]{extra}}}}}")!.AsObject();
    }

    private async Task WriteAsync(string node, JsonObject status)
    {
        try
        {
            await Cluster.Client.CustomObjects.CreateClusterCustomObjectAsync(
                JsonNode.Parse($"{{\"apiVersion\":\"{ResourceGroup.ApiVersion}\",\"kind\":\"NodeModelCache\",\"metadata\":{{\"name\":\"{node}\"}},\"spec\":{{}}}}")!,
                ResourceGroup.Group, ResourceGroup.Version, NodeModelCache.KubePluralName, cancellationToken: Cancel);
        }
        catch (HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // it is there
        }

        await Cluster.Client.CustomObjects.PatchClusterCustomObjectStatusAsync(
            new V1Patch(status, V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, NodeModelCache.KubePluralName, node, cancellationToken: Cancel);
    }
}
