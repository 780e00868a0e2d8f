using System.Net;
using System.Security.Cryptography;
using k8s;
using k8s.Autorest;
using k8s.Models;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>
/// A namespace of a test's own, with nodes of its own: the server gives its pods a node selector, so tests that run
/// side by side never take each other's GPUs. The selector is on the pods, not on their templates.
/// </summary>
public sealed class TestNamespace : IAsyncDisposable
{
    private readonly k8s.Kubernetes _client;

    private TestNamespace(k8s.Kubernetes client, string name)
    {
        _client = client;
        Name = name;
        Nodes = new TestNodes(client, name);
    }

    public string Name { get; }

    public TestNodes Nodes { get; }

    /// <summary>What the server adds to each pod here, for templates from which a node is to be predicted.</summary>
    public Dictionary<string, string> NodeSelector => new() { [TestNodes.OwnerLabel] = Name };

    /// <summary>Makes one; its name begins with the hint, which has lower-case letters, digits and hyphens.</summary>
    public static async Task<TestNamespace> CreateAsync(k8s.Kubernetes client, string hint)
    {
        var name = $"{hint}-{Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(3))}";
        var annotations = new Dictionary<string, string>
        {
            ["scheduler.alpha.kubernetes.io/node-selector"] = $"{TestNodes.OwnerLabel}={name}",
        };
        await client.CoreV1.CreateNamespaceAsync(
            new V1Namespace { Metadata = new() { Name = name, Annotations = annotations } },
            cancellationToken: TestContext.Current.CancellationToken);
        return new TestNamespace(client, name);
    }

    /// <summary>Lets the nodes and the namespace go, without waiting until they are gone.</summary>
    public async ValueTask DisposeAsync()
    {
        try
        {
            await _client.CoreV1.DeleteCollectionNodeAsync(labelSelector: $"{TestNodes.OwnerLabel}={Name}");
            await _client.CoreV1.DeleteNamespaceAsync(Name);
        }
        catch (Exception e) when (e is HttpOperationException { Response.StatusCode: HttpStatusCode.NotFound } or HttpRequestException)
        {
            // the test deleted it, or broke the server: then nobody needs the name again
        }
    }
}
