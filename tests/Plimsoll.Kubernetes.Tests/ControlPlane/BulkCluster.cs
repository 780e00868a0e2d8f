using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// A cluster of thousands of objects, written as fast as the API server takes them, and what keeps it alive where no controller
/// or scheduler runs: Deployments' pods, bound, running and ready from the first. Real controllers take minutes for what this
/// writes in seconds; the API server and its watches are real.
/// </summary>
public sealed class BulkCluster(KubernetesControlPlane plane, BulkServers servers, int port) : IAsyncDisposable
{
    private const int AtOnce = 48;
    private static readonly (string Product, int MiB)[] Pools =
        [("NVIDIA-L4", 23_034), ("NVIDIA-A10", 23_028), ("NVIDIA-L40S", 46_068), ("NVIDIA-A100-SXM4-80GB", 81_920), ("NVIDIA-H100-80GB-HBM3", 81_559), ("NVIDIA-H200", 143_771)];

    private readonly KubernetesApi _api = new(plane.Admin(), TimeProvider.System);
    private readonly ConcurrentDictionary<int, (string Name, int Node)[]> _pods = new();
    private readonly ConcurrentDictionary<int, SemaphoreSlim> _turns = new();
    private int[] _used = [];
    private int _created;
    private volatile bool _begun;

    public KubernetesApi Api => _api;

    public static string Space(int model) => string.Create(CultureInfo.InvariantCulture, $"team-{model % 40:00}");

    public static string Name(int model) => string.Create(CultureInfo.InvariantCulture, $"m{model:0000}");

    public static string Path(int model) => $"/{Name(model)}/metrics";

    /// <summary>Namespaces, nodes of eight GPUs in six pools, and a Deployment and a ScaledModel for each model, with their pods.</summary>
    public async Task CreateAsync(int nodes, int models, int pods, string mode, CancellationToken cancel)
    {
        _used = new int[nodes];
        await EachAsync(Math.Min(40, models), model => _api.CreateAsync("api/v1/namespaces", Json($$$$$"""{"metadata":{"name":"{{{{{Space(model)}}}}}"}}"""), cancel), cancel);
        await EachAsync(nodes, node => _api.CreateAsync("api/v1/nodes", Json(Node(node)), cancel), cancel);
        await EachAsync(models, async model =>
        {
            var replicas = (pods / models) + (model < pods % models ? 1 : 0);
            using var deployment = await _api.CreateAsync($"apis/apps/v1/namespaces/{Space(model)}/deployments", Json(Deployment(model, replicas)), cancel);
            await ScaleAsync(model, replicas, cancel);
            return await _api.CreateAsync($"apis/{ResourceGroup.ApiVersion}/namespaces/{Space(model)}/scaledmodels", Json(Model(model, replicas, mode)), cancel);
        }, cancel);
        _begun = true;
    }

    /// <summary>Makes as many pods of a model as there should be, bound and ready, or ends the newest.</summary>
    public async Task ScaleAsync(int model, int replicas, CancellationToken cancel)
    {
        var one = await TakeAsync(model, cancel);
        try
        {
            await ChangeAsync(model, replicas, cancel);
        }
        finally
        {
            one.Release();
        }
    }

    /// <summary>Ends one pod of a model and makes another, as an eviction does.</summary>
    public async Task ReplaceAsync(int model, CancellationToken cancel)
    {
        var one = await TakeAsync(model, cancel);
        try
        {
            var replicas = Pods(model);
            if (replicas == 0) return;
            await ChangeAsync(model, replicas - 1, cancel);
            await ChangeAsync(model, replicas, cancel);
        }
        finally
        {
            one.Release();
        }
    }

    // Whoever scales a model and whoever ends its pods take turns, or one ends a pod that the other has ended.
    private async Task<SemaphoreSlim> TakeAsync(int model, CancellationToken cancel)
    {
        var one = _turns.GetOrAdd(model, _ => new SemaphoreSlim(1));
        await one.WaitAsync(cancel);
        return one;
    }

    private async Task ChangeAsync(int model, int replicas, CancellationToken cancel)
    {
        var have = _pods.GetValueOrDefault(model, []);
        foreach (var (name, node) in have.Skip(replicas))
        {
            Interlocked.Add(ref _used[node], -Devices(model));
            using var gone = await _api.DeleteAsync($"api/v1/namespaces/{Space(model)}/pods/{name}?gracePeriodSeconds=0", cancel);
        }

        var now = have.Take(replicas).ToList();
        // What finds no node later on waits for one; those of the beginning must all have one.
        while (now.Count < replicas && await PodAsync(model, now.Count, cancel) is { } pod) now.Add(pod);
        if (!_begun && now.Count < replicas) throw new InvalidOperationException($"no node has room for another pod of {Name(model)}; fewer pods would do");
        _pods[model] = [.. now];
    }

    public int Pods(int model) => _pods.GetValueOrDefault(model, []).Length;

    public ValueTask DisposeAsync()
    {
        _api.Dispose();
        return ValueTask.CompletedTask;
    }

    public static async Task EachAsync(int count, Func<int, Task<System.Text.Json.JsonDocument>> write, CancellationToken cancel) =>
        await Parallel.ForAsync(0, count, new ParallelOptions { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancel }, async (i, _) => (await write(i)).Dispose());

    private static int Devices(int model) => (model % 10) switch { < 6 => 1, < 9 => 2, _ => 4 };

    private static int Pool(int model) => model % Pools.Length;

    private static byte[] Json(string text) => Encoding.UTF8.GetBytes(text);

    private async Task<(string Name, int Node)?> PodAsync(int model, int index, CancellationToken cancel)
    {
        var number = Interlocked.Increment(ref _created);
        var name = string.Create(CultureInfo.InvariantCulture, $"{Name(model)}-5d9f7c6b48-{number:x5}");
        if (Place(model) is not { } node) return null;
        var address = new IPAddress([127, (byte)(100 + (model / 200 % 2)), (byte)(model % 200), (byte)(1 + (index % 250))]);
        servers.Serve(address);
        var list = $"api/v1/namespaces/{Space(model)}/pods";
        using var pod = await _api.CreateAsync(list, Json($$$$$"""
            {"metadata":{"name":"{{{{{name}}}}}","labels":{"app":"{{{{{Name(model)}}}}}","pod-template-hash":"5d9f7c6b48"},
              "ownerReferences":[{"apiVersion":"apps/v1","kind":"ReplicaSet","name":"{{{{{Name(model)}}}}}-5d9f7c6b48","uid":"00000000-0000-0000-0000-{{{{{model:000000000000}}}}}","controller":true}]},
             "spec":{"nodeName":"{{{{{NodeName(node)}}}}}",{{{{{PodSpec(model)}}}}}}}
            """), cancel);
        // What is there from the first has been for days; what comes later is new.
        var now = (TimeProvider.System.GetUtcNow() - (_begun ? TimeSpan.Zero : TimeSpan.FromDays(2))).ToString("yyyy-MM-ddTHH:mm:ssZ", CultureInfo.InvariantCulture);
        using var ready = await _api.PatchAsync($"{list}/{name}/status", Json($$$$$"""
            {"status":{"phase":"Running","podIP":"{{{{{address}}}}}","podIPs":[{"ip":"{{{{{address}}}}}"}],"startTime":"{{{{{now}}}}}","conditions":[
              {"type":"PodScheduled","status":"True","lastTransitionTime":"{{{{{now}}}}}"},{"type":"Ready","status":"True","lastTransitionTime":"{{{{{now}}}}}"}],
              "containerStatuses":[{"name":"server","image":"vllm/vllm-openai:v0.19.0","imageID":"x","ready":true,"started":true,"restartCount":0,"state":{"running":{"startedAt":"{{{{{now}}}}}"}}}]}}
            """), PatchKind.Merge, cancel);
        return (name, node);
    }

    // As a scheduler would: a node of the pool with as many devices free.
    private int? Place(int model)
    {
        var (nodes, first) = (_used.Length, (int)(Interlocked.Increment(ref _created) * 104_729L % _used.Length));
        for (var i = 0; i < nodes; i++)
        {
            var node = (first + i) % nodes;
            if (node % Pools.Length != Pool(model)) continue;
            if (Interlocked.Add(ref _used[node], Devices(model)) <= 8) return node;
            Interlocked.Add(ref _used[node], -Devices(model));
        }

        return null;
    }

    private static string NodeName(int node) => string.Create(CultureInfo.InvariantCulture, $"node-{node:00000}");

    private static string Node(int node)
    {
        var (product, memory) = Pools[node % Pools.Length];
        const string amounts = """{"cpu":"192","memory":"1536Gi","ephemeral-storage":"4096Gi","pods":"110","nvidia.com/gpu":"8"}""";
        return $$$$$"""
            {"metadata":{"name":"{{{{{NodeName(node)}}}}}","labels":{"kubernetes.io/hostname":"{{{{{NodeName(node)}}}}}","topology.kubernetes.io/zone":"zone-{{{{{node % 3}}}}}",
              "pool":"p{{{{{node % Pools.Length}}}}}","nvidia.com/gpu.product":"{{{{{product}}}}}","nvidia.com/gpu.memory":"{{{{{memory}}}}}","nvidia.com/gpu.count":"8","nvidia.com/gpu.present":"true"}},
             "status":{"capacity":{{{{{amounts}}}}},"allocatable":{{{{{amounts}}}}},"conditions":[{"type":"Ready","status":"True","reason":"KubeletReady"}],"addresses":[{"type":"InternalIP","address":"127.0.0.1"}]}}
            """;
    }

    private string PodSpec(int model) => $$$$$"""
        "nodeSelector":{"pool":"p{{{{{Pool(model)}}}}}"},"containers":[{"name":"server","image":"vllm/vllm-openai:v0.19.0","args":["--served-model-name","m"],
          "ports":[{"containerPort":{{{{{port}}}}}}],"resources":{"limits":{"nvidia.com/gpu":"{{{{{Devices(model)}}}}}","memory":"40Gi","cpu":"8"}}}]
        """;

    private string Deployment(int model, int replicas) => $$$$$"""
        {"metadata":{"name":"{{{{{Name(model)}}}}}"},"spec":{"replicas":{{{{{replicas}}}}},"selector":{"matchLabels":{"app":"{{{{{Name(model)}}}}}"}},
         "template":{"metadata":{"labels":{"app":"{{{{{Name(model)}}}}}"}},"spec":{{{{{{PodSpec(model)}}}}}}}}}
        """;

    private string Model(int model, int replicas, string mode) => $$$$$"""
        {"apiVersion":"{{{{{ResourceGroup.ApiVersion}}}}}","kind":"ScaledModel","metadata":{"name":"{{{{{Name(model)}}}}}"},
         "spec":{"target":{"kind":"Deployment","name":"{{{{{Name(model)}}}}}"},"weights":"16GiB","mode":"{{{{{mode}}}}}","minReplicas":{{{{{replicas}}}}},"maxReplicas":{{{{{replicas + 4}}}}},
          "metrics":{"port":{{{{{port}}}}},"path":"{{{{{Path(model)}}}}}"}}}
        """;
}
