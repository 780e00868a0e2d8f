using System.Net;
using System.Text.Json;
using k8s;
using k8s.Models;
using Plimsoll.Gateway;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Gateway;

/// <summary>Routes made of objects.</summary>
public sealed class ClusterRoutesTests
{
    private readonly ClusterRoutes _routes = new();
    private int _version;

    private ScaledModelView Model(string name, string spec, int created = 0, string space = "prod")
    {
        var json = $$$"""
            {"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel",
             "metadata":{"name":"{{{name}}}","namespace":"{{{space}}}","uid":"{{{name}}}","resourceVersion":"{{{++_version}}}","creationTimestamp":"2026-01-01T00:00:{{{created:00}}}Z"},
             "spec":{"target":{"name":"{{{name}}}"},{{{spec}}} },"status":{"loadTime":"4 min 10 s"} }
            """;
        using var read = JsonDocument.Parse(json);
        return ClusterWatch.Read(read.RootElement)!;
    }

    private static GatewayPod Pod(string name, bool ready = true, bool ends = false, bool marked = false, int? port = 8000, int? concurrency = null, bool tls = false) => new()
    {
        Name = new ObjectName("prod", name),
        Uid = $"uid-of-{name}",
        Workload = "Deployment/llama",
        Address = IPAddress.Parse("10.0.0.7"),
        Ready = ready,
        Ends = ends,
        Marked = marked,
        Server = new ServerPort(port, concurrency, tls, true),
    };

    private ModelRoute Route(string spec, int gateways, params GatewayPod[] pods) =>
        Assert.Single(_routes.Build([Model("llama", spec)], pods, gateways).Routes.Models);

    [Fact]
    public void Only_models_with_a_gateway_have_routes_and_one_without_pods_has_one()
    {
        var table = _routes.Build([Model("llama", "\"gateway\":{\"wait\":\"3min\"}"), Model("other", "\"priority\":1")], [], 1);
        var route = Assert.Single(table.Routes.Models);
        Assert.Equal(("llama", TimeSpan.FromMinutes(3), null, TimeSpan.FromSeconds(250)), (route.Model.Value, route.HoldTime, route.Unavailable, route.ExpectedReady));
        Assert.Empty(route.Replicas);
    }

    [Fact]
    public void Pods_of_a_kind_that_they_do_not_name_are_found_by_the_selector_in_status()
    {
        const string json = """
            {"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel",
             "metadata":{"name":"llama","namespace":"prod","uid":"llama","resourceVersion":"1"},
             "spec":{"target":{"apiVersion":"argoproj.io/v1alpha1","kind":"Rollout","name":"llama"},"gateway":{} },"status":{"selector":"app in (llama, lama)"} }
            """;
        using var read = JsonDocument.Parse(json);
        GatewayPod Labelled(string name, string app) => Pod(name) with { Workload = "ReplicaSet/llama-1", Labels = new Dictionary<string, string> { ["app"] = app } };
        GatewayPod[] pods = [Labelled("a", "llama"), Labelled("b", "other"), Pod("c"), Labelled("d", "lama") with { Name = new ObjectName("test", "d") }];
        var table = _routes.Build([ClusterWatch.Read(read.RootElement)!], pods, 1);
        Assert.Equal(["prod/a@uid-of-a"], Assert.Single(table.Routes.Models).Replicas.Select(replica => replica.Replica.Value));
    }

    [Fact]
    public void Pods_of_a_templates_variant_that_is_no_longer_listed_get_requests_until_they_end()
    {
        const string json = """
            {"apiVersion":"plimsoll.dev/v1alpha1","kind":"ScaledModel",
             "metadata":{"name":"llama","namespace":"prod","uid":"llama","resourceVersion":"1"},
             "spec":{"gateway":{},"weights":"16GiB","template":{"podTemplate":{"spec":{"containers":[{"name":"server","image":"vllm/vllm-openai:v0.8.0"}]}},"variants":[{"name":"new"}]} } }
            """;
        using var read = JsonDocument.Parse(json);
        GatewayPod Made(string name, string variant, string model = "llama", string? workload = null) => Pod(name) with
        {
            Workload = workload ?? $"Deployment/llama-{variant}",
            Labels = new Dictionary<string, string> { ["plimsoll.dev/scaledmodel"] = model, ["plimsoll.dev/variant"] = variant },
        };
        GatewayPod[] pods =
        [
            Made("a", "old"), Made("b", "old") with { Ends = true }, Made("c", "new") with { Ready = false }, Made("d", "old", model: "other"),
            Made("e", "old", workload: "Deployment/of-somebody-else"), Made("f", "old") with { Name = new ObjectName("test", "f") },
        ];
        var replicas = Assert.Single(_routes.Build([ClusterWatch.Read(read.RootElement)!], pods, 1).Routes.Models).Replicas;
        Assert.Equal([("prod/a@uid-of-a", false), ("prod/b@uid-of-b", true)], replicas.Select(replica => (replica.Replica.Value, replica.Draining)));
    }

    [Fact]
    public void Requests_go_to_the_servers_port_or_the_stated_one()
    {
        Assert.Equal(new Uri("http://10.0.0.7:8000"), Assert.Single(Route("\"gateway\":{}", 1, Pod("a")).Replicas).Address);
        Assert.Equal(new Uri("http://10.0.0.7:9000"), Assert.Single(Route("\"gateway\":{\"port\":9000}", 1, Pod("a", port: null)).Replicas).Address);
        Assert.Equal("its pods do not say on which port they serve; spec.gateway.port would do", Route("\"gateway\":{}", 1, Pod("a", port: null)).Unavailable);
        Assert.Contains("TLS", Route("\"gateway\":{}", 1, Pod("a", tls: true)).Unavailable, StringComparison.Ordinal);
    }

    [Fact]
    public void A_replicas_places_are_shared_by_the_gateways_so_that_together_they_send_hardly_more()
    {
        CsCheck.Check.Sample(CsCheck.Gen.Select(CsCheck.Gen.Int[1, 300], CsCheck.Gen.Int[1, 20]), (places, gateways) =>
        {
            var share = Assert.Single(Route("\"gateway\":{}", gateways, Pod("a", concurrency: places)).Replicas).Concurrency;
            Assert.InRange(share * gateways, places, places + gateways - 1);
        });
        Assert.Equal(4, Assert.Single(Route("\"gateway\":{}", 2, Pod("a")).Replicas).Concurrency);
        Assert.Equal(8, Assert.Single(Route("\"gateway\":{},\"concurrency\":16", 2, Pod("a", concurrency: 256)).Replicas).Concurrency);
    }

    [Fact]
    public void One_that_ends_or_was_chosen_to_end_drains_while_another_serves()
    {
        bool[] Draining(params GatewayPod[] pods) => [.. Route("\"gateway\":{}", 1, pods).Replicas.Select(replica => replica.Draining)];
        Assert.Equal([true, false, true], Draining(Pod("a", marked: true), Pod("b"), Pod("c", ends: true)));
        Assert.Equal([false, true], Draining(Pod("a", marked: true), Pod("c", ends: true)));
        Assert.Empty(Draining(Pod("a", ready: false)));
    }

    [Fact]
    public void A_name_is_whose_it_was_first()
    {
        var table = _routes.Build(
            [Model("thief", "\"gateway\":{\"model\":\"llama\"}", created: 9, space: "elsewhere"), Model("llama", "\"gateway\":{}", created: 5)], [Pod("a")], 1);
        Assert.Equal(new ObjectName("prod", "llama"), table.Owners["llama"]);
        Assert.Single(Assert.Single(table.Routes.Models).Replicas);
        Assert.Equal("elsewhere/thief is not served: the name llama is prod/llama's, which is older; another spec.gateway.model would do", Assert.Single(table.Notes));
    }

    [Fact]
    public void A_mistake_in_an_edit_takes_nothing_away_and_a_model_that_never_was_right_says_so()
    {
        const string Mistaken = "\"gateway\":{},\"minReplicas\":7,\"maxReplicas\":2";
        Assert.Contains("mistakes", Route(Mistaken, 1, Pod("a")).Unavailable, StringComparison.Ordinal);
        Assert.Null(Route("\"gateway\":{}", 1, Pod("a")).Unavailable);
        var kept = Route(Mistaken, 1, Pod("a"));
        Assert.Null(kept.Unavailable);
        Assert.Single(kept.Replicas);
        Assert.Empty(_routes.Build([Model("llama", "\"priority\":0")], [Pod("a")], 1).Routes.Models);
    }

    [Fact]
    public void A_pods_own_words_are_read_from_its_spec_and_annotations()
    {
        var spec = Workloads.PodSpec(1, "24Gi", "--model", "org/llama", "--max-num-seqs", "16", "--port", "8123");
        spec.Containers[0].Image = "vllm/vllm-openai:v0.19.0";
        var json = KubernetesJson.Serialize(new V1Pod
        {
            Metadata = new()
            {
                Name = "llama-abc-x",
                NamespaceProperty = "prod",
                Uid = "u",
                DeletionTimestamp = new DateTime(2026, 1, 1, 0, 0, 0, DateTimeKind.Utc),
                Labels = new Dictionary<string, string> { ["pod-template-hash"] = "abc" },
                Annotations = new Dictionary<string, string> { ["controller.kubernetes.io/pod-deletion-cost"] = "-5" },
                OwnerReferences = [new V1OwnerReference { Kind = "ReplicaSet", Name = "llama-abc", Uid = "rs", Controller = true, ApiVersion = "apps/v1" }],
            },
            Spec = spec,
            Status = new() { PodIP = "fd00::7", Phase = "Running", Conditions = [new V1PodCondition { Type = "Ready", Status = "True" }] },
        });
        using var read = JsonDocument.Parse(json);
        var pod = new GatewayPodReader().Read(read.RootElement)!;
        Assert.Equal(("Deployment/llama", true, true, true), (pod.Workload, pod.Ready, pod.Ends, pod.Marked));
        Assert.Equal(new ServerPort(8123, 16, false, true), pod.Server);
        Assert.Equal(new Uri("http://[fd00::7]:8123"), Assert.Single(Route("\"gateway\":{}", 1, pod).Replicas).Address);
    }
}
