using System.Text.Json;
using System.Text.Json.Nodes;
using CsCheck;
using k8s;
using k8s.Models;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Recommend;

/// <summary>What is done to a pod, and what never is.</summary>
public sealed class PodPatchTests
{
    private static readonly RecommendedPod Wanted = new()
    {
        Container = "server",
        Requests = new Dictionary<string, string> { ["cpu"] = "2000m", ["memory"] = "20480Mi", ["ephemeral-storage"] = "17408Mi", ["nvidia.com/gpu"] = "2" },
        Nodes = [new() { Label = "nvidia.com/gpu.product", Value = "H100" }, new() { Label = "nvidia.com/gpu.product", Value = "H200" }],
        SharedMemory = "2048Mi",
    };

    [Fact]
    public void What_is_missing_is_filled_in_and_told_on_the_pod()
    {
        var pod = Pod("{name: side, image: x}", "{name: server, image: x}");
        var patch = PodPatch.Of(pod, Wanted);

        Assert.Equal(
            ["/spec/containers/1/resources", "/spec/volumes", "/spec/containers/1/volumeMounts", "/spec/affinity", "/metadata/annotations"],
            patch.Operations.Select(one => (string)one["path"]!));
        var spec = Spec(patch.Pod);
        Assert.Equal("20Gi", spec.Containers[1].Resources.Requests["memory"].ToString());
        // A limit kills what passes it, so none is made up but a device's, which is its request.
        Assert.Equal(["nvidia.com/gpu"], spec.Containers[1].Resources.Limits.Keys);
        Assert.Null(spec.Containers[0].Resources);
        Assert.Equal(("Memory", "2Gi"), (spec.Volumes[0].EmptyDir.Medium, spec.Volumes[0].EmptyDir.SizeLimit.ToString()));
        Assert.Equal("/dev/shm", spec.Containers[1].VolumeMounts[0].MountPath);
        var term = Assert.Single(spec.Affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms);
        var expression = Assert.Single(term.MatchExpressions);
        Assert.Equal(("nvidia.com/gpu.product", "In"), (expression.Key, expression.OperatorProperty));
        Assert.Equal(["H100", "H200"], expression.Values);
        Assert.Equal(
            "cpu none to 2000m; ephemeral-storage none to 17408Mi; memory none to 20480Mi; nvidia.com/gpu none to 2; 2048Mi at /dev/shm; "
            + "nodes with nvidia.com/gpu.product=H100 or nvidia.com/gpu.product=H200", (string?)patch.Pod["metadata"]!["annotations"]![PodPatch.Annotation]);
    }

    [Fact]
    public void What_was_stated_is_raised_with_its_limit_and_never_lowered()
    {
        var pod = Pod("{name: server, image: x, resources: {requests: {cpu: '8', memory: 1Gi, ephemeral-storage: 1Gi, nvidia.com/gpu: '4'}, limits: {memory: 2Gi, cpu: '9', ephemeral-storage: 40Gi, nvidia.com/gpu: '4'}}}");
        var resources = Spec(PodPatch.Of(pod, Wanted).Pod).Containers[0].Resources;

        Assert.Equal(
            ["cpu=8", "ephemeral-storage=17Gi", "memory=20Gi", "nvidia.com/gpu=4"],
            resources.Requests.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}={one.Value}"));
        Assert.Equal(
            ["cpu=9", "ephemeral-storage=40Gi", "memory=20Gi", "nvidia.com/gpu=4"],
            resources.Limits.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => $"{one.Key}={one.Value}"));
    }

    [Fact]
    public void Every_way_that_its_affinity_allows_is_narrowed_and_its_own_selector_is_believed()
    {
        var pod = Pod("{name: server, image: x}");
        pod["spec"]!["affinity"] = JsonNode.Parse("""
            {"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
              {"matchExpressions":[{"key":"zone","operator":"In","values":["a"]}]},
              {"matchExpressions":[{"key":"nvidia.com/gpu.product","operator":"In","values":["H200"]}]},
              {}]}},"podAntiAffinity":{}}
            """);
        var affinity = Spec(PodPatch.Of(pod, Wanted).Pod).Affinity;
        var terms = affinity.NodeAffinity.RequiredDuringSchedulingIgnoredDuringExecution.NodeSelectorTerms;

        // The one that allows less already stays as it is; the one that matches nothing is none.
        Assert.Equal(2, terms.Count);
        Assert.Equal(["H200"], Assert.Single(terms[0].MatchExpressions).Values);
        Assert.Equal(["zone", "nvidia.com/gpu.product"], terms[1].MatchExpressions.Select(one => one.Key));
        Assert.NotNull(affinity.PodAntiAffinity);

        var chosen = Pod("{name: server, image: x}");
        chosen["spec"]!["nodeSelector"] = new JsonObject { ["nvidia.com/gpu.product"] = "H100" };
        Assert.Null(PodPatch.Of(chosen, Wanted).Pod["spec"]!["affinity"]);
        var elsewhere = Pod("{name: server, image: x}");
        elsewhere["spec"]!["nodeSelector"] = new JsonObject { ["nvidia.com/gpu.product"] = "T4" };
        Assert.Null(PodPatch.Of(elsewhere, Wanted).Pod["spec"]!["affinity"]);
        var bound = Pod("{name: server, image: x}");
        bound["spec"]!["nodeName"] = "node-1";
        Assert.Null(PodPatch.Of(bound, Wanted).Pod["spec"]!["affinity"]);
    }

    [Theory]
    [InlineData("{name: server, image: 'org/vllm:1', command: [serve], args: [--model, a], resources: {limits: {nvidia.com/gpu: '1'}}}", true)]
    [InlineData("{name: server, image: 'mirror.corp:5000/org/vllm@sha256:0', command: [serve], args: [--model, a], resources: {requests: {memory: 1Gi}, limits: {nvidia.com/gpu: '1'}}}", true)]
    [InlineData("{name: server, image: 'org/vllm:1', command: [serve], args: [--model, b], resources: {limits: {nvidia.com/gpu: '1'}}}", false)]
    [InlineData("{name: server, image: 'org/sglang:1', command: [serve], args: [--model, a], resources: {limits: {nvidia.com/gpu: '1'}}}", false)]
    [InlineData("{name: server, image: 'org/vllm:1', command: [serve, --model], args: [a], resources: {limits: {nvidia.com/gpu: '1'}}}", false)]
    [InlineData("{name: server, image: 'org/vllm:1', command: [serve], args: [--model, a], resources: {limits: {nvidia.com/gpu: '2'}}}", false)]
    [InlineData("{name: server, image: 'org/vllm:1', command: [serve], args: [--model, a], env: [{name: MODEL_ID, value: c}], resources: {limits: {nvidia.com/gpu: '1'}}}", false)]
    public void A_pod_of_another_template_than_the_recommendation_is_left_as_it_is(string container, bool patched)
    {
        var template = Pod("{name: server, image: 'org/vllm:1', command: [serve], args: [--model, a], resources: {limits: {nvidia.com/gpu: '1'}}}", "{name: side, image: x}");
        template["spec"]!["nodeSelector"] = new JsonObject { ["pool"] = "a" };
        var wanted = Wanted with { Template = TemplateDigest.Of(Spec(template), "server") };
        var pod = Pod(container, "{name: side, image: y}");

        // Others may add to what a pod selects as it is made, and do not take away or change.
        foreach (var (selector, same) in ((JsonObject, bool)[])[(new() { ["pool"] = "a" }, true), (new() { ["pool"] = "a", ["project"] = "x" }, true), (new() { ["pool"] = "b" }, false), ([], false)])
        {
            pod["spec"]!["nodeSelector"] = selector;
            var once = PodPatch.Of(pod, wanted);
            Assert.Equal(patched && same, !once.Operations.IsEmpty);
            Assert.Empty(PodPatch.Of(once.Pod, wanted).Operations);
        }

        Assert.NotEmpty(PodPatch.Of(pod, Wanted).Operations);
    }

    [Fact]
    public void A_pod_that_states_its_resources_as_a_whole_shares_the_hosts_memory_or_runs_another_container_is_left_so()
    {
        // With resources of the pod's own, what containers ask must stay below: a raised one would be refused.
        var whole = Pod("{name: server, image: x}");
        whole["spec"]!["resources"] = new JsonObject { ["requests"] = new JsonObject { ["memory"] = "4Gi" } };
        whole["spec"]!["hostIPC"] = true;
        Assert.Equal(["/spec/affinity", "/metadata/annotations"], PodPatch.Of(whole, Wanted).Operations.Select(one => (string)one["path"]!));
        Assert.Equal(["/spec/affinity", "/metadata/annotations"], PodPatch.Of(Pod("{name: other, image: x}"), Wanted).Operations.Select(one => (string)one["path"]!));
    }

    [Fact]
    public void A_patched_pod_needs_no_patch_and_asks_for_no_less_whatever_it_asked()
    {
        string?[] amounts = [null, "1Gi", "100Gi", "20480Mi", "0", "1500m"];
        var amount = Gen.Int[0, 5].Select(index => amounts[index]);
        Gen.Select(amount, amount, amount, amount, Gen.Bool, Gen.Int[0, 3]).Sample((memory, limit, cpu, disk, shared, terms) =>
        {
            var (requests, limits) = (new JsonObject(), new JsonObject());
            if (memory is not null) requests["memory"] = memory;
            if (cpu is not null) requests["cpu"] = cpu;
            if (disk is not null) requests["ephemeral-storage"] = disk;
            if (limit is not null) limits["memory"] = limit;
            var pod = Pod("{name: server, image: x}");
            pod["spec"]!["containers"]![0]!["resources"] = new JsonObject { ["requests"] = requests, ["limits"] = limits };
            pod["spec"]!["hostIPC"] = shared;
            if (terms > 0) pod["spec"]!["affinity"] = Affinity(terms);
            var before = Asked(pod);

            var once = PodPatch.Of(pod, Wanted);
            var twice = PodPatch.Of(once.Pod, Wanted);

            Assert.Empty(twice.Operations);
            var after = Asked(once.Pod);
            Assert.All(before, one => Assert.True(after[one.Key] >= one.Value, one.Key));
            Assert.True(after["memory"] >= 20_480L << 20);
            var patched = Spec(once.Pod).Containers[0].Resources;
            Assert.All(patched.Limits ?? new Dictionary<string, ResourceQuantity>(), one =>
                Assert.True(!patched.Requests.TryGetValue(one.Key, out var asked) || asked.ToDecimal() <= one.Value.ToDecimal() || !IsOurs(pod, one.Key), one.Key));
        }, iter: 300);
    }

    [Theory]
    [InlineData("""{"metadata":{}}""")]
    [InlineData("""{"spec":{"containers":{}}}""")]
    [InlineData("""{"spec":{"containers":[{"name":7}]}}""")]
    [InlineData("""{"spec":{"containers":[{"name":"server","volumeMounts":[{"mountPath":{}}]}]}}""")]
    public void What_is_no_pod_is_told(string json) =>
        Assert.Throws<JsonException>(() => PodPatch.Of((JsonObject)JsonNode.Parse(json)!, Wanted));

    // A request above its limit is refused by the server whatever we do.
    private static bool IsOurs(JsonObject pod, string name)
    {
        var resources = pod["spec"]!["containers"]![0]!["resources"]!;
        return PodRequests.Amount((string?)resources["requests"]?[name] ?? "0", name) <= PodRequests.Amount((string?)resources["limits"]?[name] ?? "0", name);
    }

    private static JsonObject Affinity(int terms) => new JsonObject
    {
        ["nodeAffinity"] = new JsonObject
        {
            ["requiredDuringSchedulingIgnoredDuringExecution"] = new JsonObject
            {
                ["nodeSelectorTerms"] = new JsonArray([.. Enumerable.Range(0, terms).Select(number => (JsonNode)new JsonObject
                {
                    ["matchExpressions"] = new JsonArray(new JsonObject { ["key"] = $"zone{number}", ["operator"] = "Exists" }),
                })]),
            },
        },
    };

    private static Dictionary<string, long> Asked(JsonObject pod) => PodRequests.AskedBy(Spec(pod).Containers[0]);

    private static V1PodSpec Spec(JsonObject pod) => KubernetesJson.Deserialize<V1PodSpec>(pod["spec"]!.ToJsonString());

    private static JsonObject Pod(params string[] containers) => new()
    {
        ["metadata"] = new JsonObject { ["generateName"] = "llama-" },
        ["spec"] = JsonNode.Parse(KubernetesJson.Serialize(KubernetesYaml.Deserialize<V1PodSpec>($"containers: [{string.Join(", ", containers)}]"))),
    };
}
