using System.Net;
using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using YamlDotNet.Serialization;

namespace Plimsoll.Kubernetes.Tests.ControlPlane;

/// <summary>Definitions of custom resources from YAML files. Those in <c>crds/</c> are minimal and ours.</summary>
public static class CustomResources
{
    private const string Group = "apiextensions.k8s.io";
    private const string Plural = "customresourcedefinitions";

    /// <summary>Installs the definitions in <c>crds/</c>: LeaderWorkerSet, InferenceService, ScaledObject, NodePool, NodeClaim, Workload, AdmissionCheck, JobSet.</summary>
    public static async Task InstallOursAsync(k8s.Kubernetes client)
    {
        var files = Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "ControlPlane", "crds"), "*.yaml").Order(StringComparer.Ordinal);
        await Task.WhenAll(files.Select(async file => await InstallAsync(client, await File.ReadAllTextAsync(file))));
    }

    /// <summary>Installs one definition, unless it is there, and waits until its objects are served.</summary>
    public static async Task InstallAsync(k8s.Kubernetes client, string yaml)
    {
        var definition = ToJson(yaml);
        var name = definition["metadata"]!["name"]!.GetValue<string>();
        try
        {
            await client.CustomObjects.CreateClusterCustomObjectAsync(definition, Group, "v1", Plural);
        }
        catch (HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.Conflict)
        {
            // another one installed it
        }

        // Established says that the names are taken; the handler of its objects comes a moment later.
        var spec = definition["spec"]!;
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await client.CustomObjects.ListClusterCustomObjectAsync<JsonElement>(
                    spec["group"]!.GetValue<string>(), spec["versions"]![0]!["name"]!.GetValue<string>(), spec["names"]!["plural"]!.GetValue<string>());
                return;
            }
            catch (HttpOperationException e) when (e.Response.StatusCode == HttpStatusCode.NotFound && attempt < 300)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
            }
            catch (HttpOperationException e)
            {
                throw new InvalidOperationException($"{name} was not served: {e.Response.Content}", e);
            }
        }
    }

    /// <summary>One YAML document as JSON; unquoted scalars get the type that they look like.</summary>
    public static JsonObject ToJson(string yaml)
    {
        var document = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize<object>(yaml);
        return (JsonObject)Convert(document)!;
    }

    private static JsonNode? Convert(object? value) => value switch
    {
        null => null,
        IDictionary<object, object> map => new JsonObject(map.Select(pair => KeyValuePair.Create($"{pair.Key}", Convert(pair.Value)))),
        IList<object> list => new JsonArray([.. list.Select(Convert)]),
        _ => JsonSerializer.SerializeToNode(value, value.GetType()),
    };
}
