using System.Text.Json;
using k8s;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>How our resources are read from an API server.</summary>
public static class ResourceJson
{
    /// <summary>
    /// Deeper than any object that an API server takes. A pod template, and the list of fields that each object carries,
    /// may be as deep as somebody wants; a reader that gives up at 64 levels loses every other object of the list with it.
    /// </summary>
    public const int DepthMax = 20_000;

    /// <summary>Prepares Kubernetes' client for the whole process; harmless when called again.</summary>
    /// <exception cref="InvalidOperationException">The client has read something before: it is too late.</exception>
    public static void Prepare() => KubernetesJson.AddJsonOptions(static options =>
    {
        if (options.MaxDepth < DepthMax) options.MaxDepth = DepthMax;
    });

    /// <summary>A copy of the client's options that takes such depth, for what reads by itself.</summary>
    public static JsonSerializerOptions Options { get; } = MakeOptions();

    private static JsonSerializerOptions MakeOptions()
    {
        JsonSerializerOptions? copy = null;
        KubernetesJson.AddJsonOptions(options => copy = new JsonSerializerOptions(options) { MaxDepth = DepthMax });
        return copy!;
    }
}
