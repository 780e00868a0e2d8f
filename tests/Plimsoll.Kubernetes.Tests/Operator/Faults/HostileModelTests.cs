using System.Text.Json;
using System.Text.Json.Nodes;
using k8s;
using k8s.Autorest;
using k8s.Models;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Tests.ControlPlane;

namespace Plimsoll.Kubernetes.Tests.Operator.Faults;

/// <summary>ScaledModels as somebody writes them who wants to do harm, or knows no better.</summary>
[Collection(nameof(Alone))]
public sealed class HostileModelTests
{
    private const int Many = 10_000;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Whatever_ScaledModels_say_and_however_many_they_are_those_in_order_are_served()
    {
        await using var cluster = await FaultGround.StartAsync();
        await cluster.ActAsync("zz-good", 0, 1);
        await cluster.ServeAsync("other", 1, 1, "24Gi");
        var refused = 0;
        foreach (var (spec, i) in Specs().Select((spec, i) => (spec, i))) refused += await TryAsync(cluster, $"refused-{i}", spec) ? 0 : 1;
        Assert.True(refused > Specs().Count() / 2, "the schema lets almost anything in");

        // Then as if a server did not check: what its schema refused is stored all the same.
        await cluster.Client.CustomObjects.PatchClusterCustomObjectAsync(
            new V1Patch("""
                [{"op":"replace","path":"/spec/versions/0/schema/openAPIV3Schema","value":{"type":"object","properties":{
                  "spec":{"type":"object","x-kubernetes-preserve-unknown-fields":true},"status":{"type":"object","x-kubernetes-preserve-unknown-fields":true}}}}]
                """, V1Patch.PatchType.JsonPatch),
            "apiextensions.k8s.io", "v1", "customresourcedefinitions", "scaledmodels.plimsoll.dev", cancellationToken: Cancel);
        await Patience.UntilAsync("anything is stored", _ => TryAsync(cluster, "wild-first", "{\"target\":-1}"));
        foreach (var (spec, i) in Specs().Select((spec, i) => (spec, i))) Assert.True(await TryAsync(cluster, $"wild-{i}", spec), spec.Length > 200 ? spec[..200] : spec);
        // Thousands at once keep this machine's processors busy: a lease as in production.
        var host = await cluster.OperateAsync(lease: LeaseTimes.Default);
        await cluster.ReadyAsync("zz-good", 1);

        // Each of ten thousand names the one Deployment that is the good one's, or one that is not there.
        await Parallel.ForAsync(0, Many, new ParallelOptions { MaxDegreeOfParallelism = 32, CancellationToken = Cancel }, async (i, _) =>
            await TryAsync(cluster, $"many-{i}", $$$"""{"target":{"name":"{{{(i % 2 == 0 ? "zz-good" : $"none-{i}")}}}"},"mode":"act","minReplicas":{{{i % 7}}},"weights":"1GiB"}"""));
        await cluster.WantAsync("zz-good", 3);
        await cluster.ReadyAsync("zz-good", 3);
        var status = await cluster.StatusAsync("zz-good", status => status is { DesiredReplicas: 3, ReadyReplicas: 3 }, "three in status");

        Assert.Contains("expected", status!.Reason, StringComparison.Ordinal);
        Assert.True(host.Run.Health.Leads);
        Assert.Null(host.Run.Health.Problem);
        Assert.Equal(1, (await cluster.DeploymentAsync("other", Cancel)).Spec.Replicas);
        await cluster.StatusAsync("many-0", status => status.Reason is { Length: > 0 }, "one of the many is told why not");
        foreach (var (_, i) in Specs().Select((spec, i) => (spec, i)).Where(one => one.spec.Contains("\\ud83d", StringComparison.Ordinal)))
            await ToldAsync(cluster, $"wild-{i}");
        await ToldAsync(cluster, "wild-0");
    }

    [Fact]
    public async Task Pods_and_nodes_of_absurd_sizes_stop_no_plan()
    {
        await using var cluster = await FaultGround.StartAsync();
        await cluster.ActAsync("good", 0, 1);
        await cluster.Nodes.CreateAsync("vast", memory: "9223372036854775807", cpu: "9223372036854775", ephemeral: "9223372036854775807", pods: "9223372036854775807");
        await cluster.Nodes.CreateAsync("void", gpus: 8, memory: "0", cpu: "0", pods: "0");
        var host = await cluster.OperateAsync();
        await cluster.ReadyAsync("good", 1);

        // Put on a node by name, past the scheduler, they may ask for whatever they like.
        for (var i = 0; i < 3; i++)
        {
            var spec = Workloads.PodSpec(0, "9223372036854775807");
            spec.NodeName = i == 0 ? "node-h100" : "node-vast";
            spec.Containers[0].Resources.Requests["cpu"] = new("9223372036854775");
            spec.Containers[0].Resources.Limits = null;
            await cluster.Client.CoreV1.CreateNamespacedPodAsync(new V1Pod { Metadata = new() { Name = $"greedy-{i}" }, Spec = spec }, "default", cancellationToken: Cancel);
        }

        var ticks = cluster.Ticks.Count;
        await Patience.UntilAsync("it goes on planning", _ => Task.FromResult(cluster.Ticks.Count > ticks + 3));
        Assert.Null(host.Run.Health.Problem);
        Assert.Empty(cluster.Removals());
        for (var i = 0; i < 3; i++)
            await cluster.Client.CoreV1.DeleteNamespacedPodAsync($"greedy-{i}", "default", new V1DeleteOptions { GracePeriodSeconds = 0 }, cancellationToken: Cancel);
        await cluster.WantAsync("good", 2);
        await cluster.ReadyAsync("good", 2);
    }

    // Read as it is: its spec is none of ours.
    private static Task<string?> ToldAsync(OperatedCluster cluster, string name) => Patience.UntilAsync($"{name} is told why not", async cancel =>
    {
        var read = await cluster.Client.CustomObjects.GetNamespacedCustomObjectAsync("plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", name, cancel);
        return JsonNode.Parse(JsonSerializer.Serialize(read))?["status"]?["reason"]?.GetValue<string>();
    }, reason => reason is { Length: > 0 });

    // True when it is stored, whatever it says.
    private static async Task<bool> TryAsync(OperatedCluster cluster, string name, string spec)
    {
        var body = new JsonObject
        {
            ["apiVersion"] = "plimsoll.dev/v1alpha1",
            ["kind"] = "ScaledModel",
            ["metadata"] = new JsonObject { ["name"] = name },
            ["spec"] = JsonNode.Parse(spec, documentOptions: new JsonDocumentOptions { MaxDepth = 1000 }),
        };
        try
        {
            await cluster.Client.CustomObjects.CreateNamespacedCustomObjectAsync(body, "plimsoll.dev", "v1alpha1", OperatedCluster.Space, "scaledmodels", cancellationToken: Cancel);
            return true;
        }
        catch (HttpOperationException)
        {
            return false;
        }
        catch (InvalidOperationException)
        {
            // Deeper than a client of .NET writes.
            return false;
        }
    }

    private static IEnumerable<string> Specs()
    {
        string[] texts =
        [
            "-1", "1e308", "-1e308", "9223372036854775808", "999999999999999999999999", "\"-5GiB\"", "\"9e99TiB\"", "\"NaN\"", "\"\"", "\"\\u0000\"", "\"\\u202e\\ud83d\\udea2\\u0007\"",
            "null", "true", "[]", "{}", "[[[[]]]]", "\"" + new string('x', 5000) + "\"", "\"12 parsecs\"",
        ];
        string[] fields = ["weights", "minReplicas", "maxReplicas", "priority", "concurrency", "context", "idleLimit", "source", "revision", "mode", "actuation"];
        foreach (var field in fields)
        {
            foreach (var text in texts) yield return $$$"""{"target":{"name":"other"},"mode":"act","{{{field}}}":{{{text}}}}""";
        }

        foreach (var text in texts)
        {
            yield return $$$"""{"target":{{{text}}}}""";
            yield return $$$"""{"target":{"name":{{{text}}},"kind":{{{text}}},"apiVersion":{{{text}}}}}""";
            yield return $$$"""{"target":{"name":"other"},"slo":{"latency":{{{text}}},"attainment":{{{text}}}}}""";
            yield return $$$"""{"target":{"name":"other"},"metrics":{"port":{{{text}}},"path":{{{text}}},"server":{{{text}}}}}""";
            yield return $$$"""{"variants":[{"name":{{{text}}},"target":{"name":"other"}},{{{text}}}]}""";
        }

        yield return """{"target":{"name":"other"},"template":{"podTemplate":""" + Deep(200) + ""","variants":[{"name":"a"}]}}""";
        yield return """{"variants":[""" + string.Join(',', Enumerable.Range(0, 5000).Select(i => $$$"""{"name":"v{{{i}}}","target":{"name":"other"}}""")) + "]}";
        yield return """{"template":{"podTemplate":{"spec":{"containers":[""" + string.Join(',', Enumerable.Repeat("""{"name":"{tp}{pp}"}""", 20_000)) + """]}},"variants":[{"name":"a","tp":2147483647,"pp":2147483647}]}}""";
    }

    private static string Deep(int levels) => string.Concat(Enumerable.Repeat("{\"a\":", levels)) + "1" + new string('}', levels);
}
