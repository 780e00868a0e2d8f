using System.Collections.Immutable;
using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Nodes;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Nodes;

/// <summary>What is written for a request for a node, and what is read back.</summary>
public sealed class PlaceholderTests
{
    [Fact]
    public void It_asks_for_what_its_replicas_ask_for_on_a_node_of_its_pool_alone_and_may_displace_nobody()
    {
        var pod = Written(image: "example.com/nothing:1");
        var spec = pod.GetProperty("spec");

        Assert.Equal("placeholder-l4-2", pod.GetProperty("metadata").GetProperty("name").GetString());
        Assert.Equal("fleet-uid", pod.GetProperty("metadata").GetProperty("ownerReferences")[0].GetProperty("uid").GetString());
        Assert.Equal(("plimsoll-placeholder", "Never", 0),
            (spec.GetProperty("priorityClassName").GetString(), spec.GetProperty("preemptionPolicy").GetString(), spec.GetProperty("terminationGracePeriodSeconds").GetInt32()));
        Assert.Equal("""{"pool":"l4"}""", spec.GetProperty("nodeSelector").GetRawText());
        Assert.Equal(
            """[{"key":"gpu","effect":"NoSchedule","operator":"Exists"},{"key":"team","effect":"NoExecute","operator":"Equal","value":"a"}]""",
            spec.GetProperty("tolerations").GetRawText());
        var container = spec.GetProperty("containers")[0];
        Assert.Equal("example.com/nothing:1", container.GetProperty("image").GetString());
        Assert.Equal(
            """{"requests":{"cpu":"1500m","memory":"2147483648","nvidia.com/gpu":"2"},"limits":{"nvidia.com/gpu":"2"}}""",
            container.GetProperty("resources").GetRawText());
        // As the pod security standard "restricted" wants it, which the operator's namespace asks for.
        Assert.True(spec.GetProperty("securityContext").GetProperty("runAsNonRoot").GetBoolean());
        Assert.False(container.GetProperty("securityContext").GetProperty("allowPrivilegeEscalation").GetBoolean());
    }

    [Fact]
    public void What_was_asked_for_and_for_whom_is_read_back_from_the_pod()
    {
        var request = PlaceholderManifest.RequestOf(View(Written().GetRawText()))!;

        Assert.Equal(("l4", 2), (request.Pool, request.Ordinal));
        Assert.Equal([new ModelCount(new ModelId("a/one"), 1), new ModelCount(new ModelId("b/two"), 1)], request.For);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"pool\":7,\"ordinal\":1}")]
    [InlineData("{\"pool\":\"l4\",\"ordinal\":0}")]
    [InlineData("{\"pool\":\"l4\",\"ordinal\":99999999999}")]
    public void What_cannot_be_read_is_no_placeholder(string annotation) => Assert.Null(PlaceholderManifest.RequestOf(View(Pod(annotation))));

    [Fact]
    public void A_request_with_too_much_in_it_is_cut_or_is_none()
    {
        var many = string.Join(',', Enumerable.Range(0, 400).Select(i => $"\"m{i:000}\":{(i == 0 ? "-5" : "1")}"));
        var request = PlaceholderManifest.RequestOf(View(Pod($$"""{"pool":"l4","ordinal":1,"for":{ {{many}} } }""")))!;
        Assert.Equal((64, 0), (request.For.Length, request.For[0].Replicas));
        Assert.Null(PlaceholderManifest.RequestOf(View(Pod($$"""{"pool":"{{new string('a', 20_000)}}","ordinal":1}"""))));
    }

    [Fact]
    public void Long_names_of_pools_make_names_that_a_server_takes_and_that_differ()
    {
        var (a, b) = (PlaceholderManifest.NameOf(new string('a', 253), 1), PlaceholderManifest.NameOf(new string('a', 252), 1));
        Assert.True(a.Length <= 253);
        Assert.NotEqual(a, b);
    }

    [Fact]
    public void Only_what_is_missing_is_written_and_only_what_is_ours_is_taken_off()
    {
        const string both = PodGuards.KarpenterKey + "," + PodGuards.ClusterAutoscalerKey;
        Assert.Equal(3, PodGuards.None.Protect()!.Count);
        Assert.Null(new PodGuards("true", "false", both).Protect());
        Assert.Equal([PodGuards.ClusterAutoscalerKey, PodGuards.MarkerKey], new PodGuards("true", null, null).Protect()!.Select(one => one.Key));
        Assert.Null(new PodGuards("false", "true", null).Protect());

        Assert.Null(new PodGuards("true", "false", null).Release());
        Assert.Equal([PodGuards.MarkerKey, PodGuards.ClusterAutoscalerKey], new PodGuards("true", "false", PodGuards.ClusterAutoscalerKey).Release()!.Select(one => one.Key));
        // A person changed what we wrote: it is theirs now.
        Assert.Equal([PodGuards.MarkerKey, PodGuards.KarpenterKey], new PodGuards("true", "true", both).Release()!.Select(one => one.Key));
    }

    private static JsonElement Written(string image = "pause")
    {
        var step = new Step.AddNode("l4", 2)
        {
            Reason = new Reason(Rule.AddNodeForReplicas, []),
            For = [new ModelCount(new ModelId("a/one"), 1), new ModelCount(new ModelId("b/two"), 1)],
            Room = new SchedulerRoom { Memory = Bytes.GiB(2), Cores = Cores.Of(1.5), Resources = [new ResourceCount("nvidia.com/gpu", 2)] },
        };
        var node = NodeView.Of(JsonDocument.Parse("""{"metadata":{"name":"n"}}""").RootElement)! with { Taints = [new Taint("gpu", "", "NoSchedule"), new Taint("team", "a", "NoExecute")] };
        var pool = new OfferedPool { Name = "l4", Node = node, Selector = ImmutableSortedDictionary<string, string>.Empty.Add("pool", "l4") };
        var owner = new FleetResource { Metadata = new() { Name = "default", Uid = "fleet-uid" } };
        return JsonDocument.Parse(PlaceholderManifest.Write(step, pool, image, "home", owner)).RootElement;
    }

    private static string Pod(string annotation) =>
        $$$"""{"metadata":{"name":"p","namespace":"home","annotations":{"{{{PlaceholderManifest.RequestAnnotation}}}":{{{JsonSerializer.Serialize(annotation)}}}}},"spec":{}}""";

    private static PodView View(string json)
    {
        var pod = System.Text.Json.Nodes.JsonNode.Parse(json)!;
        pod["metadata"]!["uid"] = "uid";
        return PodView.Of(JsonDocument.Parse(pod.ToJsonString()).RootElement)!;
    }
}
