using System.Text.Json;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Somebody's own autoscaler in the simulated cluster.</summary>
public sealed class OwnRuleTests
{
    private static OwnMetric Metric(SimulatedMetric reads, MetricTarget kind, double target) => new() { Name = "m", Reads = reads, Kind = kind, Target = target };

    private static OwnAutoscaler Hpa(params OwnMetric[] metrics) => new("m", new HpaSettings { MaxReplicas = 8 }, null, [.. metrics]);

    [Theory]
    [InlineData("hpa")]
    [InlineData("keda")]
    public void The_same_object_as_a_rivals_does_the_same(string rival)
    {
        var world = TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(40, 100, 700, 1800), min: 1), 1800);
        var model = world.Models[0].Spec;
        var target = Math.Max(0.01, model.Variants[0].Concurrency * RequestRules.DefaultShare);
        var metric = Metric(SimulatedMetric.InFlight, MetricTarget.AverageValue, target);
        var keda = new KedaSettings { MinReplicaCount = 1, MaxReplicaCount = model.MaxReplicas };
        var own = rival == "hpa"
            ? new OwnAutoscaler(model.Id.Value, RequestRules.Hpa(model, RivalKnobs.Defaults), null, [metric])
            : new OwnAutoscaler(model.Id.Value, keda.ToHpa(), keda, [metric]);
        var run = SimulationRun.Own(world, 1, [own], rival);
        Assert.Equal(JsonSerializer.Serialize(SimulationRun.Rival(world, 1, rival)), JsonSerializer.Serialize(run));
        Assert.True(run.Timeline!.Models[0].Ready.Max() >= 2);
    }

    [Fact]
    public void A_model_without_one_keeps_what_it_began_with()
    {
        var world = TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(40, 0, 500, 600), min: 0), 600);
        var ready = SimulationRun.Own(world, 1, [Hpa(Metric(SimulatedMetric.InFlight, MetricTarget.AverageValue, 1)) with { Target = "other" }], "own").Timeline!.Models[0].Ready;
        Assert.Equal((1, 1), ((int)ready.Max(), (int)ready[^1]));
    }

    [Theory]
    [InlineData(MetricTarget.PerPod, 5, 4)] // (12 + 8) / 2 pods = 10 each, twice the target
    [InlineData(MetricTarget.AverageValue, 5, 4)] // 20 in all
    [InlineData(MetricTarget.AverageValue, 4, 4)] // 5, but an HPA without a behaviour allows four at once
    [InlineData(MetricTarget.Value, 10, 4)] // twice the target, times the two that are ready
    public void What_waits_is_read_as_the_target_asks(MetricTarget kind, double target, int replicas)
    {
        var seen = TextWorlds.Seen(15, spec: 2, ready: 2, running: 3) with { Pods = [Pod("a", 12), Pod("b", 8)] };
        Assert.Equal(replicas, new OwnRule(Hpa(Metric(SimulatedMetric.Waiting, kind, target))).Desired(seen).Total);
    }

    [Fact]
    public void A_busy_share_is_a_utilisation()
    {
        PodView[] pods = [.. Enumerable.Range(0, 4).Select(i => Pod($"p{i}", 0) with { Running = i < 3 ? 1 : 0 })];
        var seen = TextWorlds.Seen(15, spec: 4, ready: 4) with { Pods = [.. pods] };

        // Three of four work: 75 % over 50 % is half as many again.
        Assert.Equal(6, new OwnRule(Hpa(Metric(SimulatedMetric.Busy, MetricTarget.Utilization, 50) with { Aggregate = MetricAggregate.Mean })).Desired(seen).Total);
        Assert.Equal(6, new OwnRule(Hpa(Metric(SimulatedMetric.Busy, MetricTarget.PerPod, 50) with { Scale = 100 })).Desired(seen).Total);
    }

    [Fact]
    public void Arrivals_a_second_are_of_the_window_and_seen_without_a_pod()
    {
        var keda = new KedaSettings { MaxReplicaCount = 20, PollingInterval = TimeSpan.FromSeconds(15) };
        var rule = new OwnRule(new OwnAutoscaler("m", keda.ToHpa(), keda, [Metric(SimulatedMetric.ArrivalsPerSecond, MetricTarget.AverageValue, 1)]));
        Assert.Equal(0, rule.Desired(TextWorlds.Seen(0, spec: 0, ready: 0)).Total);
        Assert.Equal(2, rule.Desired(TextWorlds.Seen(60, spec: 0, ready: 0, held: 120, arrived: 120)).Total);
        Assert.Equal(4, rule.Desired(TextWorlds.Seen(120, spec: 2, ready: 2, arrived: 360)).Total);
    }

    [Fact]
    public void KEDA_polls_as_often_as_it_says_and_its_HPA_looks_every_fifteen_seconds()
    {
        var keda = new KedaSettings { MaxReplicaCount = 20, PollingInterval = TimeSpan.FromSeconds(5) };
        var rule = new OwnRule(new OwnAutoscaler("m", keda.ToHpa(), keda, [Metric(SimulatedMetric.Waiting, MetricTarget.AverageValue, 5)]));
        Assert.Equal(TimeSpan.FromSeconds(5), rule.Period);
        Assert.Equal(0, rule.Desired(TextWorlds.Seen(0, spec: 0, ready: 0)).Total);

        // Awake five seconds later, and up to what waits at once; beyond that with the HPA's next look.
        var first = rule.Desired(TextWorlds.Seen(5, spec: 0, ready: 0, held: 7)).Total;
        Assert.Equal(2, first);
        Assert.Equal(2, rule.Desired(TextWorlds.Seen(10, spec: 2, ready: 2, held: 0) with { Pods = [Pod("a", 20), Pod("b", 20)] }).Total);
        Assert.Equal(4, rule.Desired(TextWorlds.Seen(20, spec: 2, ready: 2, held: 0) with { Pods = [Pod("a", 20), Pod("b", 20)] }).Total);
        Assert.Equal(TimeSpan.FromSeconds(5), new OwnRule(new OwnAutoscaler("m", keda.ToHpa(), keda with { PollingInterval = TimeSpan.FromSeconds(20) }, [Metric(SimulatedMetric.Waiting, MetricTarget.AverageValue, 5)])).Period);
    }

    [Fact]
    public void KEDAs_idle_replicas_are_the_fewest_that_it_has()
    {
        var keda = new KedaSettings { MinReplicaCount = 2, IdleReplicaCount = 0, MaxReplicaCount = 8 };
        Assert.Equal(0, new OwnAutoscaler("m", keda.ToHpa(), keda, [Metric(SimulatedMetric.Waiting, MetricTarget.AverageValue, 5)]).MinReplicas);
        Assert.Equal(2, new OwnAutoscaler("m", keda.ToHpa(), keda with { IdleReplicaCount = null }, [Metric(SimulatedMetric.Waiting, MetricTarget.AverageValue, 5)]).MinReplicas);
    }

    [Fact]
    public void What_only_pods_report_wakes_nobody_from_zero()
    {
        var keda = new KedaSettings { MaxReplicaCount = 8 };
        OwnRule Of(bool pods) => new(new OwnAutoscaler("m", keda.ToHpa(), keda, [Metric(SimulatedMetric.Waiting, MetricTarget.AverageValue, 5) with { OfPods = pods }]));
        var seen = TextWorlds.Seen(30, spec: 0, ready: 0, held: 7);
        Assert.Equal((0, 2), (Of(true).Desired(seen).Total, Of(false).Desired(seen).Total));
    }

    private static PodView Pod(string name, int waiting) => new(name, true, DateTimeOffset.UnixEpoch, 3, waiting, 0);
}
