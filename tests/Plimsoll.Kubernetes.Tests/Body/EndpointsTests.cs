using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;
using Plimsoll.Kubernetes.Tests.Resources;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Where pods are asked for their metrics, and which model's count.</summary>
public sealed class EndpointsTests
{
    [Theory]
    [InlineData("", "resnet")]
    [InlineData(", model: ensemble", "ensemble")]
    public void The_model_that_counts_is_the_one_that_is_named_and_else_the_one_of_the_pods_arguments(string named, string counted)
    {
        using var json = JsonDocument.Parse("""
            {"metadata":{"name":"llama-0","namespace":"prod","uid":"u","labels":{"pod-template-hash":"abc"},"ownerReferences":[{"controller":true,"kind":"ReplicaSet","name":"llama-abc"}]},
            "spec":{"containers":[{"name":"server"}]},"status":{"phase":"Running","podIP":"10.0.0.7"}}
            """);
        var model = PodHistoryTests.Model(weighed: true) with
        {
            Settings = ScaledModelSettings.Of(Written.Model($"target: {{name: llama}}\nmetrics: {{port: 8002{named}}}")),
            Served = new ServedModel { Container = "server", ServedName = "resnet", Requests = PodRequests.Of(new V1PodSpec { Containers = [] }) },
        };
        var finder = new SnapshotBuilder(
            DateTimeOffset.UnixEpoch, new NodeGroups([], new Dictionary<string, V1PodSpec>()), [model], new Dictionary<string, PodLoad>(), 3);

        var endpoint = Assert.Single(new Endpoints().Of([PodView.Of(json.RootElement)!], finder));

        Assert.Equal((counted, "http://10.0.0.7:8002/metrics"), (endpoint.ServedName, endpoint.Metrics.AbsoluteUri));
    }

    [Fact]
    public void Pods_of_a_templates_variant_that_is_no_longer_listed_are_asked_while_they_serve()
    {
        PodView Pod(string variant, string model = "llama")
        {
            using var json = JsonDocument.Parse($$$"""
                {"metadata":{"name":"{{{model}}}-{{{variant}}}-0","namespace":"prod","uid":"{{{variant}}}","ownerReferences":[{"controller":true,"kind":"ReplicaSet","name":"llama-{{{variant}}}-abc"}],
                  "labels":{"pod-template-hash":"abc","plimsoll.dev/scaledmodel":"{{{model}}}","plimsoll.dev/variant":"{{{variant}}}"} },
                 "spec":{"containers":[{"name":"server"}]},"status":{"phase":"Running","podIP":"10.0.0.7"} }
                """);
            return PodView.Of(json.RootElement)!;
        }

        var model = PodHistoryTests.Model(weighed: true);
        var written = Written.Model("template: {podTemplate: {spec: {containers: [{name: server}]}}, variants: [{name: new}]}\nmetrics: {port: 8002}");
        model = model with { View = model.View with { Name = new ObjectName("prod", "llama"), Model = written }, Settings = ScaledModelSettings.Of(written) };
        var finder = new SnapshotBuilder(
            DateTimeOffset.UnixEpoch, new NodeGroups([], new Dictionary<string, V1PodSpec>()), [model], new Dictionary<string, PodLoad>(), 3);

        var asked = new Endpoints();
        var endpoints = asked.Of([Pod("old"), Pod("old", "other")], finder, [model]);
        Assert.Equal([model.Id], asked.ServedByOthers);
        Assert.Equal([("llama-old-0", model.Id)], endpoints.Select(endpoint => (endpoint.Pod.Name, endpoint.Model)));
        Assert.Empty(new Endpoints().Of([Pod("old")], finder));
    }
}
