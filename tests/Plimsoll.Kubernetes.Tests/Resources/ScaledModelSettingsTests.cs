using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Tests.Resources;

public sealed class ScaledModelSettingsTests
{
    private static ScaledModelSettings Read(string spec) => ScaledModelSettings.Of(Written.Model(spec));

    [Fact]
    public void Five_lines_are_enough()
    {
        var settings = Read("target: {name: llama}");
        Assert.Equal(new ObjectName("prod", "llama"), settings.Name);
        Assert.Equal(new ScaleTarget("apps/v1", "Deployment", "llama"), Assert.Single(settings.Variants).Target);
        Assert.Equal(FleetMode.Recommend, settings.Mode);
        Assert.Equal(Actuation.Scale, settings.Actuation);
        Assert.Null(settings.MinReplicas);
        Assert.Equal(100, settings.MaxReplicas);
        Assert.Equal(300, Read("target: {name: llama}\nminReplicas: 300").MaxReplicas);
        Assert.Equal("llama", settings.GatewayModel);
        Assert.False(settings.Gateway);
    }

    [Fact]
    public void The_name_of_a_model_in_its_metrics_is_as_said_and_may_be_any()
    {
        Assert.Null(Read("target: {name: llama}\nmetrics: {port: 8002}").MetricsModel);
        Assert.Equal("org/ensemble v2", Read("target: {name: llama}\nmetrics: {model: org/ensemble v2}").MetricsModel);
    }

    [Fact]
    public void Known_events_are_read_as_universal_time_and_none_is_none()
    {
        Assert.True(Read("target: {name: llama}").Events.IsDefault);
        var settings = Read("""
            target: {name: llama}
            events:
            - {from: 2026-12-01T12:00:00+01:00, to: 2026-12-01T13:00+01:00, factor: 3}
            - {from: "2026-12-02T02:00Z", to: "2026-12-02T03:00Z", addedPerSecond: 5, every: 1d}
            """);
        var (eleven, two) = (new DateTimeOffset(2026, 12, 1, 11, 0, 0, TimeSpan.Zero), new DateTimeOffset(2026, 12, 2, 2, 0, 0, TimeSpan.Zero));
        Assert.Equal(
            [new DemandEvent(eleven, eleven.AddHours(1), 3), new DemandEvent(two, two.AddHours(1), 1, 5) { Every = TimeSpan.FromDays(1) }], settings.Events);
    }

    [Theory]
    [InlineData("Deployment", "apps/v1")]
    [InlineData("StatefulSet", "apps/v1")]
    [InlineData("LeaderWorkerSet", "leaderworkerset.x-k8s.io/v1")]
    [InlineData("InferenceService", "serving.kserve.io/v1beta1")]
    public void A_known_kind_needs_no_version(string kind, string version) =>
        Assert.Equal(version, Read($"target: {{kind: {kind}, name: llama}}").Variants[0].Target.ApiVersion);

    [Fact]
    public void A_template_names_a_workload_for_each_variant()
    {
        var settings = Read("""
            concurrency: 64
            template:
              kind: LeaderWorkerSet
              podTemplate: {spec: {containers: [{name: a}]}}
              variants:
              - {name: h100, device: h100-80gb, tp: 8, pp: 2, maxModelLen: 32768}
              - {name: l4}
            """);
        Assert.Equal(["llama-h100", "llama-l4"], settings.Variants.Select(variant => variant.Target.Name));
        Assert.Equal("leaderworkerset.x-k8s.io/v1", settings.Variants[0].Target.ApiVersion);
        Assert.Equal(2, settings.Variants[0].Template!.Pp);
        Assert.Equal(64, settings.Variants[1].Concurrency);
    }

    [Fact]
    public void A_variants_profile_and_concurrency_come_before_the_models()
    {
        var settings = Read("""
            concurrency: 64
            profile: [{batch: 1, latency: 8ms}, {batch: 32, latency: 52ms}]
            variants:
            - {name: a, target: {name: a}, concurrency: 16, profile: [{batch: 4, latency: 1s}]}
            - {name: b, target: {name: b}}
            """);
        Assert.Equal([(16, 4), (64, 32)], settings.Variants.Select(variant => (variant.Concurrency!.Value, variant.Profile!.BatchMax)));
    }

    [Theory]
    [InlineData("source: hf://org/name\nrevision: v1", "hf://org/name@v1")]
    [InlineData("source: hf://org/name@v1\nrevision: v1", "hf://org/name@v1")]
    [InlineData("source: hf://org/name/model.gguf\nrevision: refs/pr/1", "hf://org/name@refs%2Fpr%2F1/model.gguf")]
    [InlineData("source: s3://bucket/key", "s3://bucket/key")]
    public void A_revision_goes_into_the_address(string spec, string source) => Assert.Equal(source, Read("target: {name: a}\n" + spec).Source);

    [Theory]
    [InlineData("", 0, 2)]
    [InlineData("", 1024, 60)]
    [InlineData("slo: {ttft: 300ms}", 1024, 3600)]
    [InlineData("slo: {latency: 500ms}", 1024, 0.5)]
    public void An_objective_that_was_not_stated_follows_from_what_the_model_does(string slo, long kvBytesPerToken, double seconds)
    {
        var footprint = new Footprint
        {
            Format = ArtifactFormat.HuggingFace,
            Source = FootprintSource.Header,
            Digest = "d",
            OnDisk = Bytes.GiB(1),
            Weights = Bytes.GiB(1),
            KvPerToken = new Bytes(kvBytesPerToken),
        };
        var objective = Read("target: {name: a}\n" + slo).SloFor(footprint);
        Assert.Equal(seconds, objective.Latency.TotalSeconds);
        Assert.Equal(0.99, objective.Attainment);
    }

    [Fact]
    public void A_fleet_caps_the_mode_of_its_models_and_never_raises_it()
    {
        var fleet = FleetSettings.Of(Written.Fleet("mode: recommend"));
        Assert.Equal(FleetMode.Recommend, fleet.Cap(FleetMode.Act));
        Assert.Equal(FleetMode.Observe, fleet.Cap(FleetMode.Observe));
        Assert.Equal(FleetMode.Act, FleetSettings.Of(null).Cap(FleetMode.Act));
    }

    [Fact]
    public void A_fleet_is_read_in_the_brains_types()
    {
        var resource = Written.Fleet("""
            prices: {hostMemoryPerGiB: 0.004, devices: {l4-24gb: 0.8, h100-80gb: 4}}
            quotas: {devices: {h100-80gb: 16}}
            nodePools:
            - {name: l4, nodeLabels: {pool: l4}, device: l4-24gb, devices: 2, memory: 96Gi, cores: 24, bootTime: 4min, pricePerHour: 2.1, maxNodes: 8}
            planner: {review: 10s, demandHistory: 30min, demandBucket: 10s, assumedLoadBandwidth: 1GiB/s}
            """);
        Assert.Empty(FleetSettings.Check(resource));
        var fleet = FleetSettings.Of(resource);
        Assert.Equal(["h100-80gb", "l4-24gb"], fleet.Prices.Devices.Select(price => price.Kind));
        Assert.Equal([new DeviceQuota("h100-80gb", 16)], fleet.DeviceQuotas);
        Assert.Equal(Bytes.GiB(96), fleet.NodePools[0].Memory);
        Assert.Equal(TimeSpan.FromMinutes(4), fleet.NodePools[0].BootTime);
        Assert.Equal(180, fleet.Planner.DemandBuckets);
        Assert.Equal(BytesPerSecond.MiB(1024), fleet.Planner.AssumedLoadBandwidth);
        Assert.Equal(TimeSpan.FromSeconds(30), fleet.Planner.DrainDeadline);
    }

    [Theory]
    [InlineData("nodePools: [{name: a, device: l4-24gb}]", "spec.nodePools[0].devices: missing; how many of the device one node has would do")]
    [InlineData("nodePools: [{name: a, minNodes: 3, maxNodes: 2}]", "spec.nodePools[0].minNodes: found 3, above maxNodes (2); at most that would do")]
    [InlineData("prices: {devices: {l4-24gb: -1}}", "spec.prices.devices[l4-24gb]: found -1; it must be from 0 to 1000000")]
    [InlineData("planner: {demandHistory: 7d, demandBucket: 100ms}", "spec.planner.demandHistory: 100 ms go into it 1000000 times; 1 to 100000 would do")]
    [InlineData("planner: {assumedLoadBandwidth: fast}", "spec.planner.assumedLoadBandwidth: found \"fast\"; a bandwidth such as 200MB/s would do")]
    public void What_is_wrong_with_a_fleet_is_told(string spec, string problem) =>
        Assert.Equal(problem, Assert.Single(FleetSettings.Check(Written.Fleet(spec))).ToString());
}
