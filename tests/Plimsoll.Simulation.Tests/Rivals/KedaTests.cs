using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class KedaTests
{
    private static KedaDecision Poll(KedaSettings settings, KedaState state, double at, int replicas, double? queue) => KedaScaler.Decide(
        settings, state, new(RivalVector.At(at), RivalVector.Start, replicas, replicas, [new KedaTrigger("queue", queue, 10)]));

    [Fact]
    public void The_cooldown_counts_from_the_last_poll_that_was_active()
    {
        var settings = new KedaSettings();
        var decision = Poll(settings, KedaState.Fresh, 30, 0, 5);
        Assert.Equal(1, decision.Replicas);
        decision = Poll(settings, decision.State, 60, 1, 5);
        for (var at = 90; at <= 360; at += 30)
        {
            decision = Poll(settings, decision.State, at, 1, 0);
            Assert.Equal(1, decision.Replicas);
        }

        Assert.Equal(0, Poll(settings, decision.State, 390, 1, 0).Replicas);
    }

    [Fact]
    public void Its_object_for_the_HPA_never_goes_to_zero_and_at_zero_it_is_off()
    {
        var hpa = new KedaSettings().ToHpa();
        Assert.Equal((1, 100), (hpa.MinReplicas, hpa.MaxReplicas));
        var seen = new HpaObservation(RivalVector.Start, 0, 0, [], [new HpaMetric.AverageValue(50_000, 1000)]);
        Assert.Equal(HpaReason.ScalingDisabled, HorizontalPodAutoscaler.Decide(hpa, HpaState.Fresh, seen).Reason);
    }

    [Fact]
    public void While_a_fallback_is_in_force_the_trigger_counts_as_active()
    {
        var settings = new KedaSettings { Fallback = new(1, 6) };
        var first = Poll(settings, KedaState.Fresh, 30, 0, null);
        Assert.Equal((0, false), (first.Replicas, first.Active));
        var second = Poll(settings, first.State, 60, 0, null);
        Assert.Equal((1, true), (second.Replicas, second.Active));
        Assert.Equal(new HpaMetric.AverageValue(60_000, 10_000), second.HpaMetrics.Single());
    }

    [Fact]
    public void A_success_forgets_the_failures()
    {
        var failed = Poll(new(), KedaState.Fresh, 30, 3, null);
        Assert.Equal(1, failed.State.Failures["queue"]);
        Assert.Equal(0, Poll(new(), failed.State, 60, 3, 1).State.Failures["queue"]);
    }
}
