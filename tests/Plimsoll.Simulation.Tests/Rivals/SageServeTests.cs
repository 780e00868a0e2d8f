using Plimsoll.Simulation.Rivals.SageServe;

namespace Plimsoll.Simulation.Tests.Rivals;

public sealed class SageServeTests
{
    [Fact]
    public void Several_types_are_mixed_at_the_least_cost()
    {
        // 250: one of each costs 22; two of the second 24, three of the first 30.
        Assert.Equal([1, 1], SageServePlanner.Plan(250, [new(0, 100, 10, 0), new(0, 150, 12, 0)]));
        // With one of the first there and a dear start, two more of the first (20 + 10 startup) beat one of the second (12 + 40).
        Assert.Equal([2, 0], SageServePlanner.Plan(250, [new(1, 100, 10, 5), new(0, 150, 12, 40)]));
    }

    [Fact]
    public void The_forecast_adds_a_tenth_of_one_prompt_to_the_largest_minute() =>
        Assert.Equal(520, SageServePlanner.Forecast(new(), [100, 500, 300], 200));

    [Fact]
    public void One_instance_goes_at_a_time_and_two_stay()
    {
        Assert.Equal(1, SageServePlanner.Removed(new(), 5, -3));
        Assert.Equal(0, SageServePlanner.Removed(new(), 2, -3));
        Assert.Equal(0, SageServePlanner.Removed(new(), 5, 1));
    }

    [Fact]
    public void While_an_action_runs_nothing_is_decided_and_counters_move_by_one()
    {
        Assert.Equal((SageServeAction.None, 2), SageServeGate.Decide(new(), 2, 0.95, acting: true));
        Assert.Equal((SageServeAction.Up, 1), SageServeGate.Decide(new(), 2, 0.6));
        Assert.Equal((SageServeAction.Down, -1), SageServeGate.Decide(new(), -2, 0.2));
        Assert.Equal((SageServeAction.Up, -1), SageServeGate.Decide(new(), 0, 0.95));
    }

    [Fact]
    public void One_variant_goes_by_tokens_over_the_forecast()
    {
        var settings = new SageServeSettings { UpAnywayRatio = 5 };
        Assert.Equal(SageServeAction.None, SageServeGate.Decide(settings, 0, 0.99, tokensOverForecast: 5).Action);
        Assert.Equal(SageServeAction.Up, SageServeGate.Decide(settings, 0, 0.1, tokensOverForecast: 5.1).Action);
    }

    [Theory]
    [InlineData(0.51, SageServeAction.Up)]
    [InlineData(0.5, SageServeAction.None)]
    [InlineData(0.25, SageServeAction.None)]
    [InlineData(0.24, SageServeAction.Down)]
    public void Its_reactive_baseline_knows_two_thresholds(double use, SageServeAction action) =>
        Assert.Equal(action, SageServeGate.Reactive(new(), use));
}
