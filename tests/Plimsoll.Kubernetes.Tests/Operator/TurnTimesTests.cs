using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Operator;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>What a liveness probe is told of turns.</summary>
public sealed class TurnTimesTests
{
    [Fact]
    public void A_turn_that_does_not_end_in_five_minutes_is_stuck_and_a_pause_of_an_hour_is_not()
    {
        var time = new FakeTimeProvider();
        var turns = new TurnTimes(time);
        time.Advance(TimeSpan.FromHours(1));
        Assert.Null(turns.Stuck);

        turns.Begin();
        time.Advance(TimeSpan.FromMinutes(5));
        Assert.Null(turns.Stuck);
        turns.End();
        time.Advance(TimeSpan.FromHours(1));
        Assert.Null(turns.Stuck);

        // One that failed is followed by another.
        turns.Begin();
        time.Advance(TimeSpan.FromMinutes(3));
        turns.Begin();
        time.Advance(TimeSpan.FromMinutes(3));
        Assert.Null(turns.Stuck);
        time.Advance(TimeSpan.FromMinutes(3));
        Assert.Equal("it leads, and a turn has not ended for 6 min", turns.Stuck);
        turns.Begin();
        Assert.Null(turns.Stuck);
    }
}
