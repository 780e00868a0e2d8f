using System.Net;
using System.Net.Sockets;
using System.Text;
using k8s;
using k8s.Models;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>The gateway's pods in a cluster, as the shipped Deployment makes them, and gateways that listen at their addresses.</summary>
internal sealed class GatewayGround(OperatedCluster cluster) : IAsyncDisposable
{
    public const string Home = "plimsoll-system";

    private readonly List<ClusterGateway> _running = [];
    private readonly HttpClient _client = new() { Timeout = TimeSpan.FromSeconds(120) };
    private readonly int _adminPort = FreePort();

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>For the operator: whom it asks.</summary>
    public GatewaySettings Asked => new() { Workload = new ObjectName(Home, ClusterGatewayOptions.UsualName), Port = _adminPort };

    public static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "deploy", "gateway", file);

    /// <summary>Makes the Deployment with so many replicas and waits until all have an address.</summary>
    public async Task<IReadOnlyList<V1Pod>> DeployAsync(int replicas)
    {
        await MakeHomeAsync();
        var deployment = KubernetesYaml.Deserialize<V1Deployment>(await File.ReadAllTextAsync(PathOf("deployment.yaml"), Cancel));
        deployment.Spec.Replicas = replicas;
        await cluster.Client.AppsV1.CreateNamespacedDeploymentAsync(deployment, Home, cancellationToken: Cancel);
        var pods = await Patience.UntilAsync("the gateway's pods are ready", cancel => cluster.Client.CoreV1.ListNamespacedPodAsync(
            Home, labelSelector: "app.kubernetes.io/component=gateway", cancellationToken: cancel), list => list.Items.Count(PodStatusText.IsReady) == replicas);
        return [.. pods.Items.OrderBy(pod => pod.Metadata.Name, StringComparer.Ordinal)];
    }

    /// <summary>What runs in such a pod: a gateway at its address. Ready when it returns.</summary>
    public async Task<ClusterGateway> RunAsync(V1Pod pod, KubernetesClientConfiguration? who = null)
    {
        var gateway = await StartAsync(IPAddress.Parse(pod.Status.PodIP), who);
        await Patience.UntilAsync("the gateway is ready", _ => Task.FromResult(gateway.Unready), unready => unready is null);
        return gateway;
    }

    public async Task<ClusterGateway> StartAsync(IPAddress address, KubernetesClientConfiguration? who = null)
    {
        var gateway = await ClusterGateway.StartAsync(
            new ClusterGatewayOptions
            {
                Workload = Asked.Workload,
                EndNotice = TimeSpan.FromMilliseconds(200),
                Gateway = new GatewayOptions
                {
                    Address = address,
                    AdminAddress = address,
                    IsGuarded = true,
                    Port = 0,
                    AdminPort = _adminPort,
                    ShutdownTime = TimeSpan.FromSeconds(1),
                },
            },
            who ?? cluster.Plane.Admin(), TimeProvider.System, cluster.Log.Enqueue, null, Cancel);
        _running.Add(gateway);
        return gateway;
    }

    /// <summary>Its process is gone.</summary>
    public async Task KillAsync(ClusterGateway gateway)
    {
        _running.Remove(gateway);
        await gateway.DisposeAsync();
    }

    public Task<HttpResponseMessage> ChatAsync(ClusterGateway gateway, string model, CancellationToken? cancel = null) => _client.PostAsync(
        new Uri(gateway.Address, "/v1/chat/completions"), new StringContent($$"""{"model":"{{model}}"}""", Encoding.UTF8, "application/json"), cancel ?? Cancel);

    public Task<HttpResponseMessage> InferAsync(ClusterGateway gateway, string model) => _client.PostAsync(
        new Uri(gateway.Address, $"/v2/models/{model}/infer"), new StringContent("{}", Encoding.UTF8, "application/json"), Cancel);

    public Task<HttpResponseMessage> AdminAsync(ClusterGateway gateway, string path) => _client.GetAsync(new Uri(gateway.AdminAddress, path), Cancel);

    /// <summary>The name of the pod that answered.</summary>
    public static string PodOf(HttpResponseMessage answer)
    {
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{(int)answer.StatusCode}");
        return answer.Headers.GetValues("x-plimsoll-replica").Single().Split('@')[0].Split('/')[1];
    }

    /// <summary>An account with the shipped role and nothing else, but for what is taken out.</summary>
    public async Task<KubernetesClientConfiguration> AccountAsync(string name = "plimsoll-gateway", string? without = null)
    {
        await MakeHomeAsync();
        var account = await cluster.Plane.ForServiceAccountAsync(Home, name);
        foreach (var item in KubernetesYaml.LoadAllFromString(await File.ReadAllTextAsync(PathOf("rbac.yaml"), Cancel)))
        {
            if (item is V1ClusterRole role)
            {
                role.Metadata.Name = name;
                role.Rules = [.. role.Rules.Where(rule => without is null || !rule.Resources.Contains(without))];
                await cluster.Client.RbacAuthorizationV1.CreateClusterRoleAsync(role, cancellationToken: Cancel);
            }
            else if (item is V1ClusterRoleBinding binding)
            {
                binding.Metadata.Name = binding.RoleRef.Name = binding.Subjects.Single().Name = name;
                await cluster.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: Cancel);
            }
        }

        return account;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var gateway in _running.ToArray()) await KillAsync(gateway);
        _client.Dispose();
    }

    private async Task MakeHomeAsync()
    {
        try
        {
            await cluster.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = Home } }, cancellationToken: Cancel);
        }
        catch (k8s.Autorest.HttpOperationException there) when (there.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // Made before.
        }
    }

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Any, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
