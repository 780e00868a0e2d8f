using System.Diagnostics;
using k8s;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.NodeCache;

/// <summary>The operator and agents together: what is fetched where, what goes, and what happens when one of them is not there.</summary>
public sealed class NodeCacheTests : CacheTest
{
    [Fact]
    public async Task Weights_are_on_every_node_that_could_take_a_replica_before_one_is_wanted_and_are_fetched_once()
    {
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        await Cluster.Nodes.CreateAsync("b", gpus: 8);
        await Cluster.Nodes.CreateAsync("t4", gpus: 8, product: "Tesla-T4", gpuMemoryMiB: 15_360, taints: [new() { Key = "spot", Effect = "NoSchedule" }]);
        await ServeCachedAsync("llama", 1);
        foreach (var node in (string[])["node-a", "node-b", "node-t4"]) _ = Agent(node);
        var first = await OperateAsync();

        var cache = await CacheAsync("node-a", status => Has(status, "llama"), "llama on a");
        await CacheAsync("node-b", status => Has(status, "llama"), "llama on b");

        // The same bytes, where a server of the hub's layout looks for them.
        foreach (var (file, content) in Hub.Add("llama", 4 << 20))
            Assert.Equal(content, await File.ReadAllBytesAsync(PathOf("node-a", "llama", file), Cancel));
        Assert.Equal($"hub/models--org--llama/snapshots/{ModelHub.Commit}", Assert.Single(cache.Status!.Artifacts!).Path);
        Assert.Equal("Node", Assert.Single(cache.Metadata.OwnerReferences).Kind);
        var status = await Cluster.StatusAsync("llama", status => OperatedCluster.Condition(status, ConditionTypes.Cached) is { Status: "True" }, "said to be cached");
        Assert.Equal("True", OperatedCluster.Condition(status, ConditionTypes.Ready)?.Status);
        Assert.Contains(Cluster.Log.Concat(Lines()), line => line.Contains("could start it on node-", StringComparison.Ordinal));

        // The next operator finds all as it is: nothing is written and nothing fetched anew.
        var before = (await CacheAsync("node-a", Cancel)).Metadata.Generation;
        await Cluster.EndAsync(first);
        var ticks = Cluster.Ticks.Count;
        await OperateAsync();
        await Patience.UntilAsync("ten more turns", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 10));
        Assert.Equal(before, (await CacheAsync("node-a", Cancel)).Metadata.Generation);
        Assert.InRange(Hub.Sent["llama"], 2 * (4 << 20), (2 * (4 << 20)) + 1000);
        Assert.Empty((await CacheAsync("node-t4", Cancel)).Spec?.Artifacts ?? []);
    }

    [Fact]
    public async Task What_nobody_uses_goes_for_what_a_pod_waits_for_and_what_a_pod_uses_stays()
    {
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        _ = Agent("node-a", options => options with { Budget = Bytes.MiB(10) });
        await ServeCachedAsync("used", 1);
        await ServeCachedAsync("idle", 1);
        await OperateAsync();
        await CacheAsync("node-a", status => Has(status, "used") && Has(status, "idle"), "both are there");
        await Cluster.Client.CustomObjects.DeleteNamespacedCustomObjectAsync(ResourceGroup.Group, ResourceGroup.Version, OperatedCluster.Space, "scaledmodels", "idle", cancellationToken: Cancel);
        await Patience.UntilAsync("its pods have a model no more", async cancel => (await Cluster.DeploymentAsync("idle", cancel)).Spec.Replicas == 1);

        // Its ScaledModel is gone, and its pod still reads it: it stays until the pod has gone.
        Loads["waiting"] = TimeSpan.FromMinutes(5);
        await ServeCachedAsync("waiting", 1);
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("ten more turns", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 10));
        Assert.True(Has((await CacheAsync("node-a", Cancel)).Status!, "idle"), Logs());
        await Cluster.Client.AppsV1.DeleteNamespacedDeploymentAsync("idle", OperatedCluster.Space, cancellationToken: Cancel);

        var cache = await CacheAsync("node-a", status => Has(status, "waiting") && !Has(status, "idle"), "the waiting one took its place");

        Assert.True(Has(cache.Status!, "used"));
        Assert.False(File.Exists(PathOf("node-a", "idle", "config.json")));
        Assert.True(File.Exists(PathOf("node-a", "waiting", "config.json")));
    }

    [Fact]
    public async Task An_agent_that_is_killed_in_the_middle_goes_on_where_it_was()
    {
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        const int half = 24 << 20;
        Hub.SendAtMost = half;
        await ServeCachedAsync("llama", 1, bytes: 2 * half);
        await OperateAsync();
        using (var agent = Program())
        {
            // It marks what it has every 16 MiB.
            await Patience.UntilAsync("half of it is sent", _ => Task.FromResult(Hub.Sent.GetValueOrDefault("llama") >= half - (64 << 10)));
            await CacheAsync("node-a", status => status.Fetches is [{ DoneBytes: > 20 << 20 }], "half of it is there");
            agent.Kill();
            await agent.WaitForExitAsync(Cancel);
        }

        Hub.SendAtMost = long.MaxValue;
        using (var agent = Program())
        {
            await CacheAsync("node-a", status => Has(status, "llama"), "all of it is there");
            agent.Kill();
            await agent.WaitForExitAsync(Cancel);
        }

        Assert.Equal(Hub.Add("llama", 2 * half)["model.safetensors"], await File.ReadAllBytesAsync(PathOf("node-a", "llama", "model.safetensors"), Cancel));
        Assert.InRange(Hub.Sent["llama"], 2 * half, (2 * half) + (9 << 20));
    }

    [Fact]
    public async Task A_disk_that_others_fill_is_given_back_and_takes_nothing_more()
    {
        var kept = Bytes.Zero;
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        await ServeCachedAsync("used", 1);
        await ServeCachedAsync("spare", 0, "\"minReplicas\":0,\"gateway\":{}");
        _ = Agent("node-a", options => options with { KeepFree = _ => kept });
        await OperateAsync();
        await CacheAsync("node-a", status => Has(status, "used") && Has(status, "spare"), "both are there");

        // What is to stay free is more than the disk has: as if others had filled it.
        kept = Bytes.GiB(1 << 18);
        var cache = await CacheAsync("node-a", status => status.ShortBytes > 0 && !Has(status, "spare"), "the one that no pod uses is given back");
        Assert.Equal(0, cache.Status!.FreeBytes);
        var ticks = Cluster.Ticks.Count;
        await Patience.UntilAsync("ten more turns", _ => Task.FromResult(Cluster.Ticks.Count > ticks + 10));

        Assert.True(Has((await CacheAsync("node-a", Cancel)).Status!, "used"));
        Assert.DoesNotContain(Cluster.Ticks.TakeLast(5).SelectMany(tick => tick.Plan.Steps), step => step is Step.Prefetch);
        kept = Bytes.Zero;
        await CacheAsync("node-a", status => Has(status, "spare"), "it comes back once there is room");
    }

    [Fact]
    public async Task A_removal_that_was_asked_of_an_agent_before_it_went_away_is_not_done_when_a_pod_uses_the_copy_by_then()
    {
        await Cluster.Nodes.CreateAsync("a", gpus: 8);
        await ServeCachedAsync("used", 1);
        var agent = Agent("node-a");
        var host = await OperateAsync();
        var copy = Assert.Single((await CacheAsync("node-a", status => Has(status, "used"), "it is there")).Status!.Artifacts!);
        await Cluster.EndAsync(host);
        await EndAsync(agent);

        // As an operator asked while no pod used it; since then one does, and nobody is there to see it.
        var first = (await CacheAsync("node-a", Cancel)).Status!.StartedAt;
        await PatchAsync("nodemodelcaches/node-a", new { spec = new { agent = first, artifacts = Array.Empty<object>(), evict = new[] { new { model = copy.Model, version = copy.Version } } } });
        var asked = (await CacheAsync("node-a", Cancel)).Metadata.Generation;
        var second = Agent("node-a");
        var there = await CacheAsync("node-a", status => status.StartedAt != first && status.ObservedGeneration == asked, "a new agent has seen what is asked");
        Assert.True(Has(there.Status!, "used"), Logs());
        Assert.True(File.Exists(PathOf("node-a", "used", "config.json")));
        await EndAsync(second);

        // The operator withdraws it though the agent is long silent.
        await PatchAsync("nodemodelcaches/node-a/status", new { status = new { heartbeat = "2020-01-01T00:00:00Z" } });
        await OperateAsync();
        var withdrawn = await Patience.UntilAsync("it is withdrawn", cancel => CacheAsync("node-a", cancel), cache => cache.Spec!.Evict is not { Count: > 0 }, _ => Logs());
        Assert.Equal("2020-01-01T00:00:00Z", withdrawn.Status!.Heartbeat);
        Assert.Contains(Cluster.Log, line => line.Contains("the model cache of node-a is unknown", StringComparison.Ordinal));
    }

    private async Task PatchAsync(string path, object change)
    {
        using var api = new KubernetesApi(Cluster.Plane.Admin(), TimeProvider.System);
        using var written = await api.PatchAsync(
            $"apis/{ResourceGroup.ApiVersion}/{path}", System.Text.Json.JsonSerializer.SerializeToUtf8Bytes(change), PatchKind.Merge, Cancel);
    }

    private IEnumerable<string> Lines() => Cluster.Ticks.SelectMany(tick => tick.Plan.Steps).OfType<Step.Prefetch>().Select(step => step.Reason.ToString());

    private Process Program()
    {
        var start = new ProcessStartInfo(Path.Combine(AppContext.BaseDirectory, "..", "..", "Plimsoll.Cli", "debug", "Plimsoll.Cli"),
            ["node-cache", "--kubeconfig", Cluster.Plane.Kubeconfig, "--node", "node-a", "--folder", FolderOf("node-a"), "--budget", "256MiB", "--keep-free", "1%", "--heartbeat", "5s"]);
        start.Environment["HF_ENDPOINT"] = Hub.Address;
        start.Environment["HF_HOME"] = Path.Combine(Root, "no-home");
        return Process.Start(start)!;
    }
}
