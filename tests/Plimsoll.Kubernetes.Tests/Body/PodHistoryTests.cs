using System.Collections.Immutable;
using System.Text.Json;
using k8s.Models;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Tests.Body;

/// <summary>Which loads are learned from: those that were watched, and of no others what their pods say.</summary>
public sealed class PodHistoryTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);

    private readonly PodHistory _history = new();

    [Fact]
    public void A_load_that_is_watched_to_its_end_is_learned_from()
    {
        Look(0, weighed: true);
        Look(1, weighed: true, Pod(scheduled: 1, ready: null));
        var loaded = Assert.IsType<Outcome.Loaded>(Assert.Single(Look(40, weighed: true, Pod(scheduled: 1, ready: 39))));
        Assert.Equal(TimeSpan.FromSeconds(38), loaded.Took);
    }

    [Fact]
    public void One_that_ends_between_the_looks_at_which_its_model_is_weighed_is_learned_from_too()
    {
        Look(0, weighed: false);
        Look(30, weighed: false, Pod(scheduled: 1, ready: null));
        Assert.Equal(TimeSpan.FromSeconds(30), Assert.IsType<Outcome.Loaded>(Assert.Single(Look(32, weighed: true, Pod(scheduled: 1, ready: 31)))).Took);
    }

    [Theory]
    [InlineData(-36_000, -60)]
    [InlineData(-300, -200)]
    public void Of_pods_that_served_before_their_model_was_weighed_the_last_readiness_is_no_load(int scheduled, int ready)
    {
        // A leader that has just begun reads weights' headers anew, and the node was lost for a minute long after the load.
        Look(0, weighed: false, Pod(scheduled, ready));
        Look(1, weighed: false, Pod(scheduled, ready));
        Assert.Empty(Look(3, weighed: true, Pod(scheduled, ready)));
        Assert.Empty(Look(4, weighed: true, Pod(scheduled, ready)));
    }

    private ImmutableArray<Outcome> Look(int second, bool weighed, params PodView[] pods)
    {
        var at = Noon.AddSeconds(second);
        var built = new SnapshotBuilder(at, new NodeGroups([], new Dictionary<string, V1PodSpec>()), [Model(weighed)], new Dictionary<string, PodLoad>(), 2);
        return _history.Advance(pods, built, at);
    }

    private static PodView Pod(int scheduled, int? ready) => PodView.Of(Parse($$$$"""
        {"metadata":{"name":"llama-abc-1","namespace":"prod","uid":"1","labels":{"pod-template-hash":"abc"},"ownerReferences":[{"controller":true,"kind":"ReplicaSet","name":"llama-abc"}]},
        "spec":{"nodeName":"gpu-1","containers":[{"name":"server"}]},
        "status":{"phase":"Running","conditions":[{"type":"PodScheduled","status":"True","lastTransitionTime":"{{{{Noon.AddSeconds(scheduled):yyyy-MM-ddTHH:mm:ssZ}}}}"},
        {"type":"Ready","status":"{{{{(ready is null ? "False" : "True")}}}}","lastTransitionTime":"{{{{Noon.AddSeconds(ready ?? scheduled):yyyy-MM-ddTHH:mm:ssZ}}}}"}]}}
        """))!;

    internal static ResolvedModel Model(bool weighed) => new()
    {
        View = new ScaledModelView(new ObjectName("prod", "llama"), "uid", "1", null, null),
        Workload = new WorkloadView
        {
            Name = new ObjectName("prod", "llama"),
            ApiVersion = "apps/v1",
            Kind = "Deployment",
            Uid = "uid",
            Generation = 1,
            ResourceVersion = "1",
            Replicas = 1,
        },
        Spec = !weighed ? null : new ModelSpec
        {
            Id = new ModelId("prod/llama"),
            Version = "1",
            Source = "hf://org/llama",
            Footprint = Footprint.Declared(Bytes.GiB(15), "weights"),
            Slo = new Slo(TimeSpan.FromSeconds(2), 0.99),
            Variants = [new VariantSpec { Id = new VariantId("l4-24gb"), Engine = "vllm", DeviceKind = "l4-24gb", Needs = new ReplicaNeeds { Host = MemoryNeed.None, Cores = new Cores(1000), Disk = Bytes.Zero } }],
        },
    };

    private static JsonElement Parse(string json)
    {
        using var document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
