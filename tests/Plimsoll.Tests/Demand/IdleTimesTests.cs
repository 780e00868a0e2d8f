using System.Text.Json;
using Plimsoll.Json;

namespace Plimsoll.Tests.Demand;

public class IdleTimesTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    private static IdleTimes Every(TimeSpan gap, int times)
    {
        var idle = IdleTimes.None;
        for (var i = 0; i <= times; i++) idle = idle.Arrived(Noon + (i * gap));
        return idle;
    }

    [Fact]
    public void With_few_gaps_the_hold_is_the_break_even() =>
        Assert.Equal(TimeSpan.FromMinutes(3), Every(TimeSpan.FromMinutes(1), 5).LeastCostHold(TimeSpan.FromMinutes(3)));

    [Fact]
    public void A_use_every_minute_is_held_for_when_a_reload_costs_more() =>
        Assert.InRange(Every(TimeSpan.FromMinutes(1), 50).LeastCostHold(TimeSpan.FromMinutes(3)), TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(90));

    [Fact]
    public void A_use_every_hour_is_not_held_for_when_a_reload_costs_a_minute() =>
        Assert.Equal(TimeSpan.Zero, Every(TimeSpan.FromHours(1), 50).LeastCostHold(TimeSpan.FromMinutes(1)));

    [Fact]
    public void The_next_arrival_is_expected_when_the_gaps_end()
    {
        var idle = Every(TimeSpan.FromMinutes(10), 50);
        Assert.True(idle.ArrivesWithin(TimeSpan.FromMinutes(2), TimeSpan.FromMinutes(1)).TryGetKnown(out var early));
        Assert.True(idle.ArrivesWithin(TimeSpan.FromMinutes(4), TimeSpan.FromMinutes(8)).TryGetKnown(out var late));
        Assert.Equal(0, early, 6);
        Assert.Equal(1, late, 6);
    }

    [Fact]
    public void An_idle_time_never_seen_is_missing() => Assert.Equal(SignalState.Missing,
        Every(TimeSpan.FromMinutes(1), 50).ArrivesWithin(TimeSpan.FromMinutes(1), TimeSpan.FromHours(5)).State);

    [Fact]
    public void A_clock_that_jumps_back_is_no_gap()
    {
        var idle = Every(TimeSpan.FromMinutes(1), 5);
        Assert.Same(idle, idle.Arrived(Noon));
    }

    [Fact]
    public void Its_json_reads_back()
    {
        var json = JsonSerializer.Serialize(Every(TimeSpan.FromMinutes(1), 5), PlimsollJson.Default.IdleTimes);
        Assert.Equal(json, JsonSerializer.Serialize(
            JsonSerializer.Deserialize(json, PlimsollJson.Default.IdleTimes), PlimsollJson.Default.IdleTimes));
    }
}
