using System.Collections.Concurrent;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.NodeCache;

/// <summary>
/// A test of nodes' model caches: a control plane of its own, a hub, and agents as they run in production on folders of
/// this machine, but for their paces.
/// </summary>
public abstract class CacheTest : IAsyncLifetime
{
    private readonly List<(CancellationTokenSource End, Task Running, KubernetesApi Api)> _agents = [];

    private protected OperatedCluster Cluster { get; private set; } = null!;

    private protected ModelHub Hub { get; private set; } = null!;

    protected string Root { get; } = Directory.CreateTempSubdirectory("plimsoll-node-cache-").FullName;

    /// <summary>How long pods of an app load; at once unless said otherwise.</summary>
    protected ConcurrentDictionary<string, TimeSpan> Loads { get; } = new();

    protected ConcurrentQueue<string> AgentLog { get; } = new();

    protected static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        ControlPlaneBinaries.FolderOrSkip();
        Cluster = await OperatedCluster.StartAsync(pod => Loads.GetValueOrDefault(pod.Metadata.Labels["app"]));
        Hub = await ModelHub.StartAsync();
        await Cluster.QuickFleetAsync();
    }

    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Hub is not null) Hub.SendAtMost = long.MaxValue;
        foreach (var agent in _agents.ToArray()) await EndAsync(agent.Running);
        if (Cluster is not null) await Cluster.DisposeAsync();
        if (Hub is not null) await Hub.DisposeAsync();
        Directory.Delete(Root, recursive: true);
    }

    protected string FolderOf(string node) => Path.Combine(Root, node);

    /// <summary>An agent on a node; the task ends when it does.</summary>
    protected Task Agent(string node, Func<NodeCacheAgentOptions, NodeCacheAgentOptions>? change = null, KubernetesClientConfiguration? who = null)
    {
        var options = new NodeCacheAgentOptions
        {
            Node = node,
            Folder = FolderOf(node),
            Budget = Bytes.MiB(64),
            KeepFree = _ => Bytes.Zero,
            Heartbeat = TimeSpan.FromSeconds(2),
            Pace = TimeSpan.FromMilliseconds(100),
            Progress = TimeSpan.FromMilliseconds(500),
            Retry = TimeSpan.FromSeconds(1),
            Sources = Hub.Sources,
        };
        var (end, api) = (new CancellationTokenSource(), new KubernetesApi(who ?? Cluster.Plane.Admin(), TimeProvider.System));
        var running = Task.Run(() => new NodeCacheAgent(change?.Invoke(options) ?? options, api, TimeProvider.System, line => AgentLog.Enqueue($"{node}: {line}")).RunAsync(end.Token));
        _agents.Add((end, running, api));
        return running;
    }

    protected async Task EndAsync(Task agent)
    {
        var (end, running, api) = _agents.Single(one => one.Running == agent);
        _agents.RemoveAll(one => one.Running == agent);
        await end.CancelAsync();
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        api.Dispose();
        end.Dispose();
    }

    private protected Task<Plimsoll.Kubernetes.Operator.OperatorHost> OperateAsync(KubernetesClientConfiguration? who = null, string space = OperatedCluster.Space) =>
        Cluster.OperateAsync(who, space: space, sources: Hub.Sources);

    /// <summary>A Deployment whose pods serve a model of the hub from the cache, and a ScaledModel that acts on it.</summary>
    protected async Task ServeCachedAsync(string name, int replicas, string extra = "\"minReplicas\":1", string? node = null, int bytes = 4 << 20)
    {
        Hub.Add(name, bytes);
        var deployment = Workloads.Deployment(name, replicas, 1, "24Gi", "--model", $"/models/hub/models--org--{name}/snapshots/{ModelHub.Commit}", "--served-model-name", name);
        var pod = deployment.Spec.Template.Spec;
        pod.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        pod.Containers[0].VolumeMounts = [new V1VolumeMount { Name = "models", MountPath = "/models", ReadOnlyProperty = true }];
        pod.Volumes = [new V1Volume { Name = "models", HostPath = new V1HostPathVolumeSource { Path = CachePaths.DefaultFolder, Type = "Directory" } }];
        if (node is not null) pod.NodeSelector = new Dictionary<string, string> { ["kubernetes.io/hostname"] = node };
        await Cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, OperatedCluster.Space, cancellationToken: Cancel);
        await Cluster.ModelAsync(name, $"\"mode\":\"act\",{extra}");
    }

    private protected async Task<NodeModelCache> CacheAsync(string node, CancellationToken cancel = default) =>
        KubernetesJson.Deserialize<NodeModelCache>(await Cluster.Client.CustomObjects.GetClusterCustomObjectAsync<JsonElement>(
            ResourceGroup.Group, ResourceGroup.Version, NodeModelCache.KubePluralName, node, cancel));

    private protected Task<NodeModelCache> CacheAsync(string node, Func<NodeModelCacheStatus, bool> wanted, string what) => Patience.UntilAsync(
        what, cancel => CacheAsync(node, cancel), cache => cache.Status is { } status && wanted(status),
        cache => $"{KubernetesJson.Serialize(cache)}\n{Logs()}");

    protected string Logs() => string.Join('\n', Cluster.Log.TakeLast(12).Concat(AgentLog.TakeLast(12)));

    private protected static bool Has(NodeModelCacheStatus status, string model) =>
        status.Artifacts?.Any(copy => copy.Model == $"{OperatedCluster.Space}/{model}" && copy.Complete == "True") == true;

    protected string PathOf(string node, string model, string file) =>
        Path.Combine(FolderOf(node), "hub", $"models--org--{model}", "snapshots", ModelHub.Commit, file);
}
