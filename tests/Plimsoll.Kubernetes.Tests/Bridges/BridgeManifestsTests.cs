using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Bridges;
using YamlDotNet.Serialization;

namespace Plimsoll.Kubernetes.Tests.Bridges;

/// <summary>That the files in deploy/bridges name what the code serves, in the form that avoids the traps.</summary>
public sealed class BridgeManifestsTests
{
    [Fact]
    public void The_HPA_asks_for_our_metric_as_an_average_value_of_one()
    {
        var hpa = Manifest.Read("examples/hpa.yaml");
        Assert.Equal("autoscaling/v2", (string?)hpa["apiVersion"]);
        var external = Assert.Single(hpa["spec"]!["metrics"]!.AsArray())!["external"]!;
        Assert.Equal(BridgeNames.DesiredReplicas, (string?)external["metric"]!["name"]);
        Assert.Equal("llama", (string?)external["metric"]!["selector"]!["matchLabels"]![BridgeNames.ScaledModelLabel]);
        Assert.Equal("""{"type":"AverageValue","averageValue":"1"}""", external["target"]!.ToJsonString());
        foreach (var direction in (string[])["scaleUp", "scaleDown"])
        {
            Assert.Equal("0", (string?)hpa["spec"]!["behavior"]![direction]!["tolerance"]);
            Assert.Equal("0", hpa["spec"]!["behavior"]![direction]!["stabilizationWindowSeconds"]!.ToString());
        }
    }

    [Theory]
    [InlineData("examples/scaledobject-external.yaml", "external")]
    [InlineData("examples/scaledobject-external-push.yaml", "external-push")]
    public void A_ScaledObject_asks_our_service_and_has_no_fallback_to_zero(string file, string type)
    {
        var scaled = Manifest.Read(file);
        var trigger = Assert.Single(scaled["spec"]!["triggers"]!.AsArray())!;
        Assert.Equal((type, "AverageValue"), ((string?)trigger["type"], (string?)trigger["metricType"]));
        var service = Manifest.Read("keda/service.yaml");
        Assert.Equal(
            $"{service["metadata"]!["name"]}.{service["metadata"]!["namespace"]}.svc:{service["spec"]!["ports"]![0]!["port"]}",
            (string?)trigger["metadata"]!["scalerAddress"]);
        Assert.Null(scaled["spec"]!["fallback"]);
    }

    [Theory]
    [InlineData("external-metrics")]
    [InlineData("keda")]
    public void What_a_bridge_serves_is_let_through_by_a_policy_that_comes_with_it(string bridge)
    {
        var (service, policy) = (Manifest.Read($"{bridge}/service.yaml"), Manifest.Read($"{bridge}/networkpolicy.yaml"));
        Assert.Contains("networkpolicy.yaml", Manifest.Read($"{bridge}/kustomization.yaml")["resources"]!.AsArray().Select(file => (string?)file));
        Assert.Equal(service["metadata"]!["namespace"]!.ToString(), policy["metadata"]!["namespace"]!.ToString());
        foreach (var (label, value) in policy["spec"]!["podSelector"]!["matchLabels"]!.AsObject())
            Assert.Equal(value!.ToString(), service["spec"]!["selector"]![label]?.ToString());
        var admitted = policy["spec"]!["ingress"]!.AsArray().SelectMany(rule => rule!["ports"]!.AsArray()).Select(port => port!["port"]!.ToString()).ToArray();
        Assert.All(service["spec"]!["ports"]!.AsArray(), port => Assert.Contains(port!["targetPort"]!.ToString(), admitted));
    }

    [Fact]
    public void The_APIService_is_of_our_group_and_names_our_service()
    {
        var api = Manifest.Read("external-metrics/apiservice.yaml");
        Assert.Equal("v1beta1.external.metrics.k8s.io", (string?)api["metadata"]!["name"]);
        Assert.Equal((BridgeNames.Group, BridgeNames.Version), ((string?)api["spec"]!["group"], (string?)api["spec"]!["version"]));
        Assert.Null(api["spec"]!["insecureSkipTLSVerify"]);
        var service = Manifest.Read("external-metrics/service.yaml");
        Assert.Equal(service["metadata"]!["name"]!.ToString(), api["spec"]!["service"]!["name"]!.ToString());
        Assert.Equal(service["metadata"]!["namespace"]!.ToString(), api["spec"]!["service"]!["namespace"]!.ToString());
    }
}

/// <summary>A file of deploy/bridges, as it is beside the tests.</summary>
internal static class Manifest
{
    public static string PathOf(string file) => Path.Combine(AppContext.BaseDirectory, "deploy", "bridges", file);

    /// <summary>Its one document.</summary>
    public static JsonObject Read(string file)
    {
        var yaml = new DeserializerBuilder().WithAttemptingUnquotedStringTypeDeserialization().Build().Deserialize<object>(File.ReadAllText(PathOf(file)));
        return (JsonObject)Convert(yaml)!;
    }

    private static JsonNode? Convert(object? value) => value switch
    {
        null => null,
        IDictionary<object, object> map => new JsonObject(map.Select(pair => KeyValuePair.Create($"{pair.Key}", Convert(pair.Value)))),
        IList<object> list => new JsonArray([.. list.Select(Convert)]),
        _ => System.Text.Json.JsonSerializer.SerializeToNode(value, value.GetType()),
    };
}
