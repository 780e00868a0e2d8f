using Plimsoll.Simulation.Rivals.Knative;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class KpaTests
{
    private static readonly KpaSettings Settings = new();

    [Fact]
    public void A_revision_that_falls_silent_is_marked_inactive_and_gone_thirty_seconds_later()
    {
        var state = new KpaScalerState(KpaActivity.Active, RivalVector.Start, true);
        (int scale, double? gone) = (3, null);
        for (double at = 100; at <= 140; at += 2)
        {
            (scale, state) = KpaScaler.Apply(Settings, state, new(RivalVector.At(at), 0, scale, scale, true, RivalVector.At(100)));
            if (scale == 0) gone ??= at;
        }

        Assert.Equal(130, gone);
        Assert.Equal(KpaActivity.Inactive, state.Activity);
    }

    [Fact]
    public void Active_for_less_than_the_stable_window_it_keeps_one_pod()
    {
        var state = new KpaScalerState(KpaActivity.Active, RivalVector.Start, true);
        var (scale, next) = KpaScaler.Apply(Settings, state, new(RivalVector.At(58), 0, 3, 3, true, null));
        Assert.Equal((1, KpaActivity.Active), (scale, next.Activity));
    }

    [Fact]
    public void Without_the_activator_in_the_path_nothing_goes_to_zero()
    {
        var state = new KpaScalerState(KpaActivity.Inactive, RivalVector.Start, true);
        Assert.Equal(2, KpaScaler.Apply(Settings, state, new(RivalVector.At(500), 0, 2, 2, false, null)).Scale);
    }

    [Fact]
    public void An_activation_that_does_not_succeed_is_given_up_after_its_deadline()
    {
        var state = KpaScalerState.Start(RivalVector.Start) with { ReachedInitialScale = true };
        Assert.Equal(1, KpaScaler.Apply(Settings, state, new(RivalVector.At(628), 0, 1, 0, true, null)).Scale);
        Assert.Equal(0, KpaScaler.Apply(Settings, state, new(RivalVector.At(630), 0, 1, 0, true, null)).Scale);
    }

    [Fact]
    public void Until_it_had_its_first_pods_the_initial_scale_is_the_least()
    {
        var settings = Settings with { InitialScale = 3, MaxScale = 5 };
        var (scale, state) = KpaScaler.Apply(settings, KpaScalerState.Start(RivalVector.Start), new(RivalVector.At(2), 0, 3, 0, false, null));
        Assert.Equal((3, false), (scale, state.ReachedInitialScale));
        (_, state) = KpaScaler.Apply(settings, state, new(RivalVector.At(60), 9, 3, 3, false, null));
        Assert.True(state.ReachedInitialScale);
        Assert.Equal(5, KpaScaler.Apply(settings, state, new(RivalVector.At(62), 9, 3, 3, false, null)).Scale);
    }

    [Fact]
    public void Without_data_nothing_is_decided()
    {
        var decision = KpaDecider.Decide(Settings, KpaState.Start(1, RivalVector.Start), new(RivalVector.At(2), 1, null, null));
        Assert.Null(decision.Desired);
    }

    [Fact]
    public void A_restart_with_pods_begins_in_panic_so_that_none_are_taken()
    {
        var state = KpaState.Start(8, RivalVector.Start);
        Assert.Equal(8, KpaDecider.Decide(Settings, state, new(RivalVector.At(60), 8, 0, 0)).Desired);
        Assert.Equal(4, KpaDecider.Decide(Settings, state, new(RivalVector.At(62), 8, 0, 0)).Desired);
    }

    [Fact]
    public void After_a_whole_window_of_silence_an_average_begins_anew()
    {
        var window = new KpaWindow(TimeSpan.FromSeconds(6), TimeSpan.FromSeconds(1));
        Assert.Null(window.Average(RivalVector.Start));
        for (var at = 0; at < 6; at++) window.Record(RivalVector.At(at), 6);
        window.Record(RivalVector.At(20), 3);
        Assert.Equal(3, window.Average(RivalVector.At(20)));
        window.Record(RivalVector.At(22), 3);
        Assert.Equal(2, window.Average(RivalVector.At(22)));
    }

    [Theory]
    [InlineData(211, 2, 5)]
    [InlineData(0, 50, 2)]
    [InlineData(-1, 50, 50)]
    public void Activators_cover_ready_pods_and_the_burst(double burst, int ready, int activators) =>
        Assert.Equal(activators, KpaDecider.Activators(Settings with { TargetBurstCapacity = burst }, ready));
}
