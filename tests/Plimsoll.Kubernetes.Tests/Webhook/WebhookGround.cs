using System.Net;
using System.Net.Sockets;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Tests.ControlPlane;
using Plimsoll.Kubernetes.Tests.Operator;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Tests.Webhook;

/// <summary>What deploy/webhook installs, on a control plane whose Services lead to this machine.</summary>
internal static class WebhookGround
{
    public const string Home = "plimsoll-system";

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    /// <summary>Installs it, but for rules that are taken out, and gives the options to serve it with.</summary>
    public static async Task<WebhookOptions> InstallAsync(OperatedCluster cluster, params Permission[] without)
    {
        var client = cluster.Client;
        await client.CoreV1.CreateNamespaceAsync(new V1Namespace { Metadata = new() { Name = Home } }, cancellationToken: Cancel);
        var options = new WebhookOptions { Address = IPAddress.Loopback, Port = FreePort() };
        foreach (var item in Objects())
        {
            switch (item)
            {
                case V1ClusterRole role:
                    role.Rules = ShippedRole.Left(role.Rules, without);
                    await client.RbacAuthorizationV1.CreateClusterRoleAsync(role, cancellationToken: Cancel);
                    break;
                case V1ClusterRoleBinding binding:
                    await client.RbacAuthorizationV1.CreateClusterRoleBindingAsync(binding, cancellationToken: Cancel);
                    break;
                case V1Role role:
                    role.Rules = ShippedRole.Left(role.Rules, without);
                    await client.RbacAuthorizationV1.CreateNamespacedRoleAsync(role, Home, cancellationToken: Cancel);
                    break;
                case V1RoleBinding binding:
                    await client.RbacAuthorizationV1.CreateNamespacedRoleBindingAsync(binding, Home, cancellationToken: Cancel);
                    break;
                case V1Secret secret:
                    await client.CoreV1.CreateNamespacedSecretAsync(secret, Home, cancellationToken: Cancel);
                    break;
                case V1Service service:
                    // No kube-proxy here: the name leads to this machine, and the certificate must still be for it.
                    service.Spec = new() { Type = "ExternalName", ExternalName = "localhost", Ports = [new V1ServicePort { Port = options.Port }] };
                    await client.CoreV1.CreateNamespacedServiceAsync(service, Home, cancellationToken: Cancel);
                    break;
                case V1MutatingWebhookConfiguration configuration:
                    await client.AdmissionregistrationV1.CreateMutatingWebhookConfigurationAsync(configuration, cancellationToken: Cancel);
                    break;
                default:
                    break;
            }
        }

        // From 1.21 on the server labels each namespace so itself.
        await client.CoreV1.PatchNamespaceAsync(
            new V1Patch("""{"metadata":{"labels":{"kubernetes.io/metadata.name":"NAME"}}}""".Replace("NAME", OperatedCluster.Space, StringComparison.Ordinal), V1Patch.PatchType.MergePatch),
            OperatedCluster.Space, cancellationToken: Cancel);
        return options with { ServicePort = options.Port };
    }

    public static Task<V1MutatingWebhookConfiguration> RegisteredAsync(OperatedCluster cluster) => Patience.UntilAsync(
        "the API server is told to ask of the namespace", cancel => cluster.Client.AdmissionregistrationV1.ReadMutatingWebhookConfigurationAsync("plimsoll", cancellationToken: cancel),
        configuration => configuration.Webhooks[0].NamespaceSelector.MatchExpressions[0].Values.SequenceEqual([OperatedCluster.Space]),
        configuration => KubernetesJson.Serialize(configuration.Webhooks[0].NamespaceSelector) + "\n" + string.Join('\n', cluster.Log.TakeLast(12)));

    public static IEnumerable<object> Objects() =>
        ((string[])["rbac", "secret", "service", "configuration"]).SelectMany(file => KubernetesYaml.LoadAllFromString(File.ReadAllText(ShippedRole.PathOf($"webhook/{file}.yaml"))));

    private static int FreePort()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
