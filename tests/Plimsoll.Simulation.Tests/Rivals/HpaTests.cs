using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class HpaTests
{
    private static readonly HpaSettings Plain = new() { MaxReplicas = 100 };

    private static (int Replicas, HpaState State) Pass(HpaSettings settings, HpaState state, double at, int spec, long usageMilli)
    {
        var decision = HorizontalPodAutoscaler.Decide(
            settings, state, new(RivalVector.At(at), spec, spec, [], [new HpaMetric.AverageValue(usageMilli, 1000)]));
        return (decision.Replicas, decision.State);
    }

    [Fact]
    public void A_fresh_object_stays_at_its_size_for_the_down_window_and_the_pass_at_its_very_end()
    {
        var (replicas, state) = (10, HpaState.Fresh);
        for (var at = 0; at <= 300; at += 15)
        {
            (replicas, state) = Pass(Plain, state, at, replicas, 2000);
            Assert.Equal(10, replicas);
        }

        Assert.Equal(2, Pass(Plain, state, 315, replicas, 2000).Replicas);
    }

    [Fact]
    public void With_the_default_behaviour_the_window_ends_one_pass_earlier()
    {
        var settings = Plain with { Behavior = new() };
        var (replicas, state) = (10, HpaState.Fresh);
        for (var at = 0; at < 300; at += 15) (replicas, state) = Pass(settings, state, at, replicas, 2000);
        Assert.Equal(10, replicas);
        Assert.Equal(2, Pass(settings, state, 300, replicas, 2000).Replicas);
    }

    [Fact]
    public void A_rate_policy_counts_the_steps_of_its_period_and_forgets_them_after_it()
    {
        var settings = Plain with { Behavior = new() { ScaleUp = new() { Policies = [HpaPolicy.OfPods(4, TimeSpan.FromSeconds(60))] } } };
        var (replicas, state) = Pass(settings, HpaState.Fresh, 0, 10, 50_000);
        Assert.Equal(14, replicas);
        (replicas, state) = Pass(settings, state, 45, replicas, 50_000);
        Assert.Equal(14, replicas);
        (replicas, _) = Pass(settings, state, 60, replicas, 50_000);
        Assert.Equal(18, replicas);
    }

    [Fact]
    public void Bounds_are_set_without_a_look_at_metrics_and_leave_recommendations_alone()
    {
        var decision = HorizontalPodAutoscaler.Decide(
            Plain with { MaxReplicas = 5 }, HpaState.Fresh, new(RivalVector.Start, 9, 9, [], [new HpaMetric.Failed()]));
        Assert.Equal((5, HpaReason.OutOfBounds), (decision.Replicas, decision.Reason));
        Assert.Equal([new HpaMark(9, RivalVector.Start)], decision.State.Recommendations);
    }

    [Fact]
    public void When_all_metrics_fail_nothing_changes()
    {
        var decision = HorizontalPodAutoscaler.Decide(Plain, HpaState.Fresh, new(RivalVector.Start, 9, 9, [], [new HpaMetric.Failed()]));
        Assert.Equal((9, HpaReason.MetricsFailed), (decision.Replicas, decision.Reason));
    }

    /// <summary>A pod's processor use counts from a window after it became ready, or, after its first five minutes, unless it never was.</summary>
    [Theory]
    [InlineData(100, true, 20, 90, true)]
    [InlineData(100, true, 20, 49, false)]
    [InlineData(100, false, 20, 90, false)]
    [InlineData(400, false, 20, 390, false)]
    [InlineData(400, false, 200, 390, true)]
    [InlineData(400, true, 20, 390, true)]
    public void Processor_use_counts_once_a_pod_is_past_its_start(
        double ageSeconds, bool ready, double changedAfterSeconds, double sampledAfterSeconds, bool counts)
    {
        var now = RivalVector.At(10_000);
        var start = now - TimeSpan.FromSeconds(ageSeconds);
        HpaPod[] pods =
        [
            new("old", HpaPodPhase.Running, StartedAt: now.AddHours(-1), ReadyChangedAt: now.AddHours(-1)),
            new("new", HpaPodPhase.Running, ready, StartedAt: start, ReadyChangedAt: start.AddSeconds(changedAfterSeconds)),
        ];
        ImmutableArray<HpaSample> samples = [new("old", 2000, now), new("new", 2000, start.AddSeconds(sampledAfterSeconds), TimeSpan.FromSeconds(30))];
        var seen = new HpaObservation(now, 2, 2, [.. pods], [new HpaMetric.PerPod(1000, samples, Cpu: true)]);
        // Both at twice the target: 4. With the new one left out it stands for 0, the mean is on target and nothing changes.
        Assert.Equal(counts ? 4 : 2, HpaProposal.For(Plain, seen.Metrics[0], seen));
    }
}
