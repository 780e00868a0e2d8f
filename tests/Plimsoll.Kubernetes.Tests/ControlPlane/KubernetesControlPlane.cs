using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// A real control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as child processes
/// on free ports, everything in a temporary folder. No kubelet: <see cref="KubeletStandIn"/> runs pods.
/// <code>
/// public sealed class MyTests(SharedControlPlane shared) : ClusterTest(shared)   // the shared one; a namespace for each test
/// {
///     [Fact]
///     public async Task A_deployment_becomes_available()
///     {
///         await Namespace.Nodes.CreateAsync("h100", gpus: 8);                     // takes this namespace's pods only
///         await using var kubelet = KubeletStandIn.Start(Client, Namespace.Name, new() { LoadTime = _ => TimeSpan.FromSeconds(1) });
///         await Client.AppsV1.CreateNamespacedDeploymentAsync(Workloads.Deployment("llama", 1, gpus: 2), Namespace.Name);
///         await Patience.UntilAsync(
///             "one available", cancel => Client.AppsV1.ReadNamespacedDeploymentAsync("llama", Namespace.Name, cancellationToken: cancel),
///             llama => llama.Status.AvailableReplicas == 1);
///     }
/// }
/// </code>
/// As whom: <see cref="Admin"/>, <see cref="ForUser"/> (any user and groups, by a certificate), <see cref="ForToken"/>,
/// <see cref="ForServiceAccountAsync"/> (a real token; RBAC decides), <see cref="Kubeconfig"/> for kubectl and commands.
/// Aggregated APIs: the front proxy's authority is in <see cref="FrontProxyAuthority"/> and in the config map
/// kube-system/extension-apiserver-authentication; a Service of type ExternalName with externalName localhost reaches a
/// server of the test's own. The HPA controller looks every 2 s, and its stabilization for scaling down is 5 s.
/// Tests that break things start their own with <see cref="StartAsync"/> (about 4 s and 500 MB):
/// <see cref="KillApiServerAsync"/>, <see cref="StartApiServerAsync"/>, <see cref="StopEtcdAsync"/>, <see cref="ContinueEtcdAsync"/>.
/// </summary>
public sealed class KubernetesControlPlane : IAsyncDisposable
{
    private readonly ControlPlaneFiles _files;
    private readonly ControlPlaneArguments _arguments;
    private readonly List<ServerChild> _children = [];
    private ServerChild _etcd = null!;
    private ServerChild _apiServer = null!;

    private KubernetesControlPlane(ControlPlaneFiles files, ControlPlaneArguments arguments)
    {
        _files = files;
        _arguments = arguments;
        Client = new k8s.Kubernetes(Admin());
    }

    public Uri Address => _files.Address;

    /// <summary>A client of the administrator, for the test itself.</summary>
    public k8s.Kubernetes Client { get; }

    /// <summary>The path of the administrator's kubeconfig.</summary>
    public string Kubeconfig => _files.PathOf("kubeconfig");

    /// <summary>kubectl, if it lies beside the other programs.</summary>
    public Kubectl? Kubectl => File.Exists(_arguments.Program("kubectl")) ? new Kubectl(_arguments.Program("kubectl"), Kubeconfig) : null;

    public CertificateAuthority Authority => _files.Authority;

    public CertificateAuthority FrontProxyAuthority => _files.FrontProxyAuthority;

    /// <summary>Starts one and waits until all of it is ready. Skips the test where the programs are missing.</summary>
    public static async Task<KubernetesControlPlane> StartAsync(ControlPlaneOptions? options = null)
    {
        var programs = ControlPlaneBinaries.FolderOrSkip();
        for (var attempt = 1; ; attempt++)
        {
            var ports = FreePorts(5);
            var files = new ControlPlaneFiles(ports[0]);
            var plane = new KubernetesControlPlane(files, new ControlPlaneArguments(programs, files, ports, options ?? new()));
            try
            {
                await plane.StartAllAsync();
                return plane;
            }
            // Between choosing a port and listening on it someone else may have taken it.
            catch (InvalidOperationException) when (attempt < 3 && plane._children.Exists(child => child.Wrote("address already in use")))
            {
                await plane.DisposeAsync();
            }
            catch
            {
                await plane.DisposeAsync();
                throw;
            }
        }
    }

    /// <summary>The administrator, whom nothing is forbidden.</summary>
    public KubernetesClientConfiguration Admin() => ForToken(_files.AdminToken);

    /// <summary>Whoever this token belongs to; nobody (401) where the server does not know it.</summary>
    public KubernetesClientConfiguration ForToken(string token)
    {
        var configuration = Anonymous();
        configuration.AccessToken = token;
        return configuration;
    }

    /// <summary>A user of this name in these groups, by a client certificate; what they may do is up to RBAC.</summary>
    public KubernetesClientConfiguration ForUser(string name, params IEnumerable<string> groups)
    {
        var pair = Authority.IssueClient(name, groups);
        var configuration = Anonymous();
        configuration.ClientCertificateData = Convert.ToBase64String(Encoding.ASCII.GetBytes(pair.CertificatePem));
        configuration.ClientCertificateKeyData = Convert.ToBase64String(Encoding.ASCII.GetBytes(pair.KeyPem));
        return configuration;
    }

    /// <summary>A service account with a token of the server's own; the account is made where it is missing.</summary>
    public async Task<KubernetesClientConfiguration> ForServiceAccountAsync(string space, string name)
    {
        var cancel = TestContext.Current.CancellationToken;
        try
        {
            await Client.CoreV1.CreateNamespacedServiceAccountAsync(
                new V1ServiceAccount { Metadata = new() { Name = name } }, space, cancellationToken: cancel);
        }
        catch (k8s.Autorest.HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // it is there already
        }

        var request = new Authenticationv1TokenRequest { Spec = new() { Audiences = [ControlPlaneArguments.Issuer], ExpirationSeconds = 7200 } };
        var token = await Client.CoreV1.CreateNamespacedServiceAccountTokenAsync(request, name, space, cancellationToken: cancel);
        return ForToken(token.Status.Token);
    }

    /// <summary>SIGKILL; what was being answered breaks off.</summary>
    public Task KillApiServerAsync() => _apiServer.KillAsync();

    /// <summary>Starts the API server anew at the same address and waits until it is ready.</summary>
    public async Task StartApiServerAsync()
    {
        _children.Add(_apiServer = ServerChild.Start(_arguments.Program("kube-apiserver"), _arguments.ApiServer()));
        await ReadyAsync(_apiServer, new Uri(Address, "/readyz"));
    }

    /// <summary>SIGSTOP: requests that need storage hang until <see cref="ContinueEtcdAsync"/>.</summary>
    public Task StopEtcdAsync() => _etcd.SignalAsync("STOP");

    public Task ContinueEtcdAsync() => _etcd.SignalAsync("CONT");

    /// <summary>SIGKILL; what it had written lies on the disk.</summary>
    public Task KillEtcdAsync() => _etcd.KillAsync();

    /// <summary>Starts etcd anew on what lies on the disk; the API server finds it by itself.</summary>
    public void StartEtcd() => _children.Add(_etcd = ServerChild.Start(_arguments.Program("etcd"), _arguments.Etcd()));

    /// <summary>The end of what each server wrote.</summary>
    public string LogEnds() => string.Concat(_children.Select(child => child.LogEnd()));

    public async ValueTask DisposeAsync()
    {
        Client.Dispose();
        foreach (var child in Enumerable.Reverse(_children)) await child.DisposeAsync();
        _files.Dispose();
    }

    private static int[] FreePorts(int count)
    {
        // Below the range from which the kernel gives out ports to those who don't ask for one.
        var held = new List<TcpListener>();
        while (held.Count < count)
        {
            var listener = new TcpListener(IPAddress.Loopback, RandomNumberGenerator.GetInt32(15_000, 32_000));
            try
            {
                listener.Start();
                held.Add(listener);
            }
            catch (SocketException)
            {
                listener.Dispose();
            }
        }

        var ports = held.Select(listener => ((IPEndPoint)listener.LocalEndpoint).Port).ToArray();
        held.ForEach(listener => listener.Dispose());
        return ports;
    }

    private KubernetesClientConfiguration Anonymous() => new()
    {
        Host = Address.ToString(),
        SslCaCerts = [Authority.Certificate],
    };

    private async Task StartAllAsync()
    {
        _children.Add(_etcd = ServerChild.Start(_arguments.Program("etcd"), _arguments.Etcd()));
        await StartApiServerAsync();
        var installed = _arguments.Options.CustomResources ? CustomResources.InstallOursAsync(Client) : Task.CompletedTask;
        if (_arguments.Options.Controllers)
        {
            var manager = ServerChild.Start(_arguments.Program("kube-controller-manager"), _arguments.ControllerManager());
            var scheduler = ServerChild.Start(_arguments.Program("kube-scheduler"), _arguments.Scheduler());
            _children.AddRange([manager, scheduler]);
            await ReadyAsync(manager, _arguments.ControllerManagerHealth);
            await ReadyAsync(scheduler, _arguments.SchedulerHealth);
        }

        await installed;
    }

    /// <summary>Waits until a server of ours says that it is well; a server that ended, or was not ready in 2 minutes, is quoted.</summary>
    private async Task ReadyAsync(ServerChild child, Uri health)
    {
        var time = TimeProvider.System;
        var start = time.GetTimestamp();
        var trust = new X509ChainPolicy
        {
            TrustMode = X509ChainTrustMode.CustomRootTrust,
            CustomTrustStore = { Authority.Certificate },
            RevocationMode = X509RevocationMode.NoCheck,
        };
        using var handler = new SocketsHttpHandler { SslOptions = { CertificateChainPolicy = trust } };
        using var http = new HttpClient(handler) { Timeout = TimeSpan.FromSeconds(5) };
        http.DefaultRequestHeaders.Authorization = new("Bearer", _files.AdminToken);
        while (!child.HasExited && time.GetElapsedTime(start) < TimeSpan.FromMinutes(2))
        {
            try
            {
                using var answer = await http.GetAsync(health, CancellationToken.None);
                if (answer.IsSuccessStatusCode) return;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                // not listening yet, or busy starting
            }

            await Task.Delay(TimeSpan.FromMilliseconds(50), time, CancellationToken.None);
        }

        throw new InvalidOperationException($"{health} did not become ready\n{LogEnds()}");
    }
}
