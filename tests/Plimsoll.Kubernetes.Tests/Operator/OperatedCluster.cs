using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json.Nodes;
using k8s;
using k8s.Models;
using Microsoft.AspNetCore.Http;
using Plimsoll.Artifacts;
using Plimsoll.Control;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Operator;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>
/// A control plane of its own with our resources installed, nodes with GPUs, pods that answer as vLLM does, and operators
/// as they run in production, but for their time scales.
/// </summary>
internal sealed class OperatedCluster : IAsyncDisposable
{
    public const string Space = "models";

    private readonly List<OperatorHost> _operators = [];
    private KubeletStandIn? _kubelet;

    private OperatedCluster(KubernetesControlPlane plane, TestNodes nodes) => (Plane, Nodes) = (plane, nodes);

    public KubernetesControlPlane Plane { get; }

    public TestNodes Nodes { get; }

    public k8s.Kubernetes Client => Plane.Client;

    public KubeletStandIn Kubelet => _kubelet!;

    /// <summary>Requests a second of each app, which its ready pods share evenly.</summary>
    public ConcurrentDictionary<string, double> Rate { get; } = new();

    /// <summary>What a pod answers to anything but /metrics; 200 when null.</summary>
    public Func<V1Pod, HttpContext, Task>? Serves { get; set; }

    /// <summary>All that a pod's server answers, instead of the metrics of its <see cref="Rate"/>; null leaves it at that.</summary>
    public Func<V1Pod, Microsoft.AspNetCore.Http.RequestDelegate?>? Serve { get; set; }
    /// <summary>Requests that a pod works on, where a test says; null for what its rate makes.</summary>
    public Func<V1Pod, int?>? Running { get; set; }

    public ConcurrentQueue<string> Log { get; } = new();

    public ConcurrentQueue<Tick> Ticks { get; } = new();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    public static async Task<OperatedCluster> StartAsync(Func<V1Pod, TimeSpan>? load = null, Func<V1Pod, TimeSpan>? stop = null, ControlPlaneOptions? options = null)
    {
        var plane = await KubernetesControlPlane.StartAsync(options);
        var cluster = new OperatedCluster(plane, new TestNodes(plane.Client, "node"));
        await plane.Client.SchedulingV1.CreatePriorityClassAsync(
            KubernetesYaml.Deserialize<V1PriorityClass>(await File.ReadAllTextAsync(ShippedRole.PathOf("nodes/priority-class.yaml"), Cancel)), cancellationToken: Cancel);
        foreach (var resource in Manifest.Resources) await CustomResources.InstallAsync(plane.Client, Manifest.Write(resource));
        await plane.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = Space } }, cancellationToken: Cancel);
        cluster._kubelet = KubeletStandIn.Start(plane.Client, null, new KubeletBehaviour
        {
            LoadTime = load ?? (_ => TimeSpan.FromMilliseconds(500)),
            StopTime = stop ?? (_ => TimeSpan.Zero),
            Serve = pod => cluster.Serve?.Invoke(pod)
                ?? (pod.Metadata.NamespaceProperty == Space ? context => cluster.AnswerAsync(pod, context) : null),
        });
        return cluster;
    }

    public async Task<OperatorHost> OperateAsync(
        KubernetesClientConfiguration? who = null, TimeProvider? time = null, string space = Space, Action<string>? log = null, Uri? prometheus = null, string? pod = null,
        GatewaySettings? gateway = null, LeaseTimes? lease = null, SourceSettings? sources = null, WebhookOptions? webhook = null)
    {
        var host = await OperatorHost.StartAsync(
            new OperatorOptions
            {
                Namespace = space,
                Identity = $"operator_{Convert.ToHexStringLower(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8))}",
                Pod = pod,
                Address = IPAddress.Loopback,
                HealthPort = 0,
                Lease = lease ?? new LeaseTimes(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(4), TimeSpan.FromMilliseconds(300)),
                Checkpoint = TimeSpan.FromSeconds(2),
                Gateway = gateway,
                Webhook = webhook,
                Prometheus = prometheus is null ? null : new PrometheusSettings { Server = prometheus },
            },
            who ?? Plane.Admin(), sources ?? new SourceSettings { Variable = _ => null }, time ?? TimeProvider.System,
            log ?? Log.Enqueue, tick => Ticks.Enqueue(tick), Cancel);
        lock (_operators) _operators.Add(host);
        return host;
    }

    public async Task EndAsync(OperatorHost host)
    {
        _operators.Remove(host);
        await host.DisposeAsync();
    }

    /// <summary>A Fleet that looks every half second and remembers a minute.</summary>
    /// <param name="more">Further fields of its spec, as JSON, each with a comma after it.</param>
    /// <param name="planner">Settings of its planner, in JSON with a comma behind.</param>
    public Task QuickFleetAsync(string more = "", string planner = "") => CreateAsync("fleets", null, $$$$$"""
        {"apiVersion":"{{{{{ResourceGroup.ApiVersion}}}}}","kind":"Fleet","metadata":{"name":"default"},
         "spec":{{{{{{more}}}}}"planner":{{{{{{planner}}}}}"review":"500ms","demandBucket":"1s","demandHistory":"1min","assumedLoadFixed":"1s","assumedLoadBandwidth":"100GiB"}}}
        """);

    /// <summary>Gives the Fleet these pools, as JSON.</summary>
    public Task PoolAsync(string pools) => Client.CustomObjects.PatchClusterCustomObjectAsync(
        new V1Patch($$$"""{"spec":{"nodePools":{{{pools}}} } }""", V1Patch.PatchType.MergePatch), ResourceGroup.Group, ResourceGroup.Version, "fleets", "default", cancellationToken: Cancel);

    /// <summary>A request for a node as an operator that is gone may have left it.</summary>
    public Task PlaceholderAsync(string space, string pool)
    {
        var spec = Workloads.PodSpec();
        spec.NodeSelector = new Dictionary<string, string> { ["pool"] = pool };
        return Client.CoreV1.CreateNamespacedPodAsync(
            new V1Pod
            {
                Metadata = new()
                {
                    Name = PlaceholderManifest.NameOf(pool, 1),
                    Annotations = new Dictionary<string, string> { [PlaceholderManifest.RequestAnnotation] = $$"""{"pool":"{{pool}}","ordinal":1,"for":{} }""" },
                },
                Spec = spec,
            }, space, cancellationToken: Cancel);
    }

    /// <summary>A Deployment that serves with vLLM, asks for its GPUs and memory, and answers to requests of its app.</summary>
    public Task ServeAsync(string name, int replicas, int gpus, string memory, params string[] arguments)
    {
        var deployment = Workloads.Deployment(name, replicas, gpus, memory, ["--model", $"org/{name}", "--tensor-parallel-size", gpus.ToString(CultureInfo.InvariantCulture), .. arguments]);
        deployment.Spec.Template.Spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        return Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, Space, cancellationToken: Cancel);
    }

    /// <param name="name">Its name, and its target's where that has no other.</param>
    /// <param name="spec">Further fields of its spec, as JSON.</param>
    /// <param name="kind">The target's kind.</param>
    /// <param name="target">The target's name.</param>
    public Task ModelAsync(string name, string spec, string kind = "Deployment", string? target = null) => CreateAsync("scaledmodels", Space, $$$$$"""
        {"apiVersion":"{{{{{ResourceGroup.ApiVersion}}}}}","kind":"ScaledModel","metadata":{"name":"{{{{{name}}}}}","namespace":"{{{{{Space}}}}}"},
         "spec":{"target":{"kind":"{{{{{kind}}}}}","name":"{{{{{target ?? name}}}}}"},{{{{{spec}}}}}}}
        """);

    public async Task<ScaledModelStatus?> StatusAsync(string name, CancellationToken cancel = default)
    {
        var json = await Client.CustomObjects.GetNamespacedCustomObjectAsync<System.Text.Json.JsonElement>(
            ResourceGroup.Group, ResourceGroup.Version, Space, "scaledmodels", name, cancel);
        return KubernetesJson.Deserialize<ScaledModel>(json).Status;
    }

    public async Task<V1Deployment> DeploymentAsync(string name, CancellationToken cancel = default) =>
        await Client.AppsV1.ReadNamespacedDeploymentAsync(name, Space, cancellationToken: cancel);

    public async Task<string[]> PodsAsync(string app) =>
        [.. (await Client.CoreV1.ListNamespacedPodAsync(Space, labelSelector: $"app={app}", cancellationToken: Cancel)).Items.Select(pod => pod.Metadata.Name).Order(StringComparer.Ordinal)];

    public Task<V1Deployment> ReplicasAsync(string name, Func<V1Deployment, bool> wanted, string what) => Patience.UntilAsync(
        what, cancel => DeploymentAsync(name, cancel), wanted,
        deployment => $"{deployment.Spec.Replicas} asked, {deployment.Status.ReadyReplicas ?? 0} ready\n{string.Join('\n', Log.TakeLast(12))}");

    public Task<ScaledModelStatus?> StatusAsync(string name, Func<ScaledModelStatus, bool> wanted, string what) => Patience.UntilAsync(
        what, cancel => StatusAsync(name, cancel), status => status is not null && wanted(status),
        status => status is null ? "no status" : KubernetesJson.Serialize(status) + "\n" + string.Join('\n', Log.TakeLast(12)));

    public static V1Condition? Condition(ScaledModelStatus? status, string type) => status?.Conditions?.FirstOrDefault(one => one.Type == type);

    public async ValueTask DisposeAsync()
    {
        foreach (var host in _operators.ToArray()) await EndAsync(host);
        if (_kubelet is not null) await _kubelet.DisposeAsync();
        await Plane.DisposeAsync();
    }

    private async Task CreateAsync(string plural, string? space, string json)
    {
        var body = JsonNode.Parse(json)!;
        if (space is null) await Client.CustomObjects.CreateClusterCustomObjectAsync(body, ResourceGroup.Group, ResourceGroup.Version, plural, cancellationToken: Cancel);
        else await Client.CustomObjects.CreateNamespacedCustomObjectAsync(body, ResourceGroup.Group, ResourceGroup.Version, space, plural, cancellationToken: Cancel);
    }

    // As vLLM tells it: the app's rate over its ready pods, two seconds a request and eight at once, so four a second; what is
    // more waits.
    private readonly ConcurrentDictionary<string, (DateTimeOffset At, double Done, double Waiting)> _served = new();

    private Task AnswerAsync(V1Pod pod, HttpContext context)
    {
        if (context.Request.Path != "/metrics") return Serves?.Invoke(pod, context) ?? Task.CompletedTask;
        context.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return context.Response.WriteAsync(Answer(pod), context.RequestAborted);
    }

    private string Answer(V1Pod pod)
    {
        var app = pod.Metadata.Labels["app"];
        var now = TimeProvider.System.GetUtcNow();
        var share = Rate.GetValueOrDefault(app) / Math.Max(1, _served.Keys.Count(key => key.StartsWith(app + "-", StringComparison.Ordinal)));
        var (_, done, waiting) = _served.AddOrUpdate(pod.Metadata.Name, (now, 0, 0), (_, before) =>
        {
            var seconds = (now - before.At).TotalSeconds;
            var served = Math.Min(before.Waiting + (share * seconds), 4 * seconds);
            return (now, before.Done + served, Math.Max(0, before.Waiting + (share * seconds) - served));
        });
        var text = new StringBuilder();
        void Line(string name, double value) => text.Append(CultureInfo.InvariantCulture, $"{name}{{model_name=\"{app}\"}} {value}\n");
        Line("vllm:num_requests_running", Running?.Invoke(pod) ?? (waiting > 0 ? 8 : Math.Round(share * 2)));
        Line("vllm:num_requests_waiting", Math.Floor(waiting));
        Line("vllm:request_success_total", Math.Floor(done));
        Line("vllm:e2e_request_latency_seconds_count", Math.Floor(done));
        Line("vllm:e2e_request_latency_seconds_sum", Math.Floor(done) * 2);
        foreach (var bound in (double[])[1, 2.5, 5])
            text.Append(CultureInfo.InvariantCulture, $"vllm:e2e_request_latency_seconds_bucket{{model_name=\"{app}\",le=\"{bound}\"}} {(bound < 2 ? 0 : Math.Floor(done))}\n");
        text.Append(CultureInfo.InvariantCulture, $"vllm:e2e_request_latency_seconds_bucket{{model_name=\"{app}\",le=\"+Inf\"}} {Math.Floor(done)}\n");
        return text.ToString();
    }
}
