using k8s;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>A client of a cluster that is not there, for what must not need one.</summary>
internal static class NoKubernetes
{
    // Port 9 of loopback: nothing listens there.
    public static k8s.Kubernetes Client { get; } = new(new KubernetesClientConfiguration { Host = "http://127.0.0.1:9" });
}
