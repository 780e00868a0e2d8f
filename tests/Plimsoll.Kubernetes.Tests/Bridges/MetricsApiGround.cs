using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Bridges;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Bridges;

[CollectionDefinition(Name)]
public sealed class MetricsApiCollection : ICollectionFixture<MetricsApiGround>
{
    // A cluster has one owner of the group, so tests with it run one after the other.
    public const string Name = "external metrics API";
}

/// <summary>
/// Our external metrics API registered with a real control plane as deploy/bridges registers it, running as its service
/// account with the rights of deploy/bridges and no others.
/// </summary>
public sealed class MetricsApiGround : IAsyncDisposable
{
    private const string Space = "plimsoll-system";

    private readonly string _folder = Directory.CreateTempSubdirectory("plimsoll-bridges-").FullName;
    private KubernetesControlPlane? _plane;
    private k8s.Kubernetes? _asOperator;
    private BridgesHost? _host;

    public DesiredScales Scales { get; } = new(TimeProvider.System);

    /// <summary>Where the API itself listens, without the API server before it.</summary>
    public Uri Address => _host!.ExternalMetrics!;

    public string CertificatePath => Path.Combine(_folder, "tls.crt");

    public string KeyPath => Path.Combine(_folder, "tls.key");

    /// <summary>Once per control plane: registers the API and waits until the API server reaches it.</summary>
    public async Task<MetricsApiGround> OnAsync(KubernetesControlPlane plane)
    {
        if (_plane is not null) return this;
        _plane = plane;
        var cancel = TestContext.Current.CancellationToken;
        var api = Manifest.Read("external-metrics/apiservice.yaml")["spec"]!["service"]!;
        var certificate = TestCertificate.SelfSigned("plimsoll-metrics-api", null, $"{api["name"]}.{Space}.svc");
        await certificate.WriteAsync(_folder, "tls");
        await plane.Client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = Space } }, cancellationToken: cancel);
        foreach (var item in await KubernetesYaml.LoadAllFromFileAsync(Manifest.PathOf("external-metrics/rbac.yaml")))
        {
            _ = item switch
            {
                V1ClusterRoleBinding binding => (object)await plane.Client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: cancel),
                V1RoleBinding binding => await plane.Client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(binding, binding.Namespace(), cancellationToken: cancel),
                V1ClusterRole role => await plane.Client.RbacAuthorizationV1.CreateClusterRoleAsync(role, cancellationToken: cancel),
                _ => throw new InvalidOperationException($"{item} is not expected there"),
            };
        }

        _asOperator = new(await plane.ForServiceAccountAsync(Space, "plimsoll-operator"));
        _host = await StartAsync(_asOperator);
        var service = new V1Service { Metadata = new() { Name = (string)api["name"]! }, Spec = new() { Type = "ExternalName", ExternalName = "localhost" } };
        await plane.Client.CoreV1.CreateNamespacedServiceAsync(service, Space, cancellationToken: cancel);
        var registration = (await KubernetesYaml.LoadAllFromFileAsync(Manifest.PathOf("external-metrics/apiservice.yaml"))).Cast<V1APIService>().Single();
        registration.Spec.CaBundle = Encoding.ASCII.GetBytes(certificate.CertificatePem);
        registration.Spec.Service.Port = Address.Port;
        await plane.Client.ApiregistrationV1.CreateAPIServiceAsync(registration, cancellationToken: cancel);
        await Patience.UntilAsync(
            "the APIService is available",
            async end => await plane.Client.ApiregistrationV1.ReadAPIServiceAsync(registration.Name(), cancellationToken: end),
            read => read.Status?.Conditions?.Any(condition => condition is { Type: "Available", Status: "True" }) == true,
            read => string.Join("; ", read.Status?.Conditions?.Select(condition => condition.Message) ?? []));
        // Available is written a moment before the aggregator's own routes know of it.
        await Patience.UntilAsync("the aggregator passes requests on", async end =>
        {
            using var request = new HttpRequestMessage(HttpMethod.Get, new Uri(plane.Client.BaseUri, "apis/external.metrics.k8s.io/v1beta1"));
            await plane.Client.Credentials.ProcessHttpRequestAsync(request, end);
            using var answer = await plane.Client.HttpClient.SendAsync(request, end);
            return answer.IsSuccessStatusCode;
        });
        return this;
    }

    /// <summary>Another host with the same certificate, as somebody else.</summary>
    public Task<BridgesHost> StartAsync(IKubernetes kubernetes) => BridgesHost.StartAsync(
        new() { Address = IPAddress.Loopback, ExternalMetricsPort = 0, CertificatePath = CertificatePath, CertificateKeyPath = KeyPath },
        Scales, kubernetes, TimeProvider.System, null, TestContext.Current.CancellationToken);

    /// <summary>Publishes what was wanted of one namespace's models so long ago, and nothing else.</summary>
    public void Publish(string space, TimeSpan age, params (string Name, int Replicas)[] wanted) =>
        Scales.Publish(wanted.Select(one => new DesiredScale
        {
            ScaledModel = new(space, one.Name),
            Replicas = one.Replicas,
            Active = one.Replicas > 0,
            DecidedAt = TimeProvider.System.GetUtcNow() - age,
            Reason = "as wanted",
        }));

    /// <summary>A client that goes past the API server.</summary>
    internal HttpClient Direct(X509Certificate2? certificate = null)
    {
        var handler = new SocketsHttpHandler { SslOptions = { RemoteCertificateValidationCallback = (_, shown, _, _) => shown is not null } };
        if (certificate is not null) handler.SslOptions.LocalCertificateSelectionCallback = (_, _, _, _, _) => certificate;
        return new HttpClient(handler) { BaseAddress = Address };
    }

    public async ValueTask DisposeAsync()
    {
        // First the registration: a group whose server is gone keeps namespaces from being deleted.
        if (_host is not null) await _plane!.Client.ApiregistrationV1.DeleteAPIServiceAsync("v1beta1.external.metrics.k8s.io");
        if (_host is not null) await _host.DisposeAsync();
        _asOperator?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}
