using Microsoft.Extensions.Time.Testing;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Tests.Operator;

/// <summary>Against a server whose clock is known.</summary>
public sealed class ClusterTimeTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 29, 12, 0, 0, TimeSpan.Zero);

    private readonly FakeTimeProvider _passed = new(Noon);
    private readonly Wrong _own;
    private readonly ClusterTime _time;

    public ClusterTimeTests()
    {
        _own = new Wrong(_passed);
        _time = new ClusterTime(_own);
    }

    [Fact]
    public void Before_anything_was_answered_it_is_the_own_clock() => Assert.Equal(Noon, _time.GetUtcNow());

    [Fact]
    public void A_clock_that_agrees_with_the_server_stays_as_it_is()
    {
        _passed.Advance(TimeSpan.FromMilliseconds(640));
        for (var i = 0; i < 20; i++)
        {
            Answer(TimeSpan.FromMilliseconds(30));
            _passed.Advance(TimeSpan.FromMilliseconds(370));
        }

        Assert.Equal(_passed.GetUtcNow(), _time.GetUtcNow());
    }

    [Theory]
    [InlineData(-420)]
    [InlineData(4900)]
    [InlineData(-34_560_000)]
    public void One_that_is_wrong_is_the_servers_within_its_second_from_the_first_answer_on(int seconds)
    {
        var (own, passed) = (new Wrong(_passed), _passed);
        own.Jump(TimeSpan.FromSeconds(seconds));
        var time = new ClusterTime(own);
        Assert.Equal(Noon.AddSeconds(seconds), time.GetUtcNow());

        Answer(TimeSpan.FromMilliseconds(20), time);
        Assert.InRange((time.GetUtcNow() - passed.GetUtcNow()).TotalSeconds, -1.02, 1.02);
        passed.Advance(TimeSpan.FromHours(1));
        Assert.InRange((time.GetUtcNow() - passed.GetUtcNow()).TotalSeconds, -1.02, 1.02);
    }

    [Fact]
    public void Answers_at_different_parts_of_a_second_narrow_it()
    {
        _own.Jump(TimeSpan.FromMinutes(5));
        var time = new ClusterTime(_own);
        for (var i = 0; i < 50; i++)
        {
            Answer(TimeSpan.FromMilliseconds(10), time);
            _passed.Advance(TimeSpan.FromMilliseconds(317));
        }

        Assert.InRange((time.GetUtcNow() - _passed.GetUtcNow()).TotalMilliseconds, -60, 60);
    }

    [Fact]
    public void An_own_clock_that_jumps_moves_nothing()
    {
        Answer(TimeSpan.Zero);
        _own.Jump(TimeSpan.FromHours(2));
        Assert.Equal(Noon, _time.GetUtcNow());
        _passed.Advance(TimeSpan.FromSeconds(10));
        _own.Jump(TimeSpan.FromHours(-30));
        Assert.Equal(Noon.AddSeconds(10), _time.GetUtcNow());
    }

    [Fact]
    public void A_slow_answer_says_little_and_is_taken_for_no_more()
    {
        // Written at any moment of the minute that it took.
        var asked = _time.GetTimestamp();
        _passed.Advance(TimeSpan.FromMinutes(1));
        _time.Heard(Noon.AddSeconds(20), asked);
        Assert.Equal(Noon.AddMinutes(1), _time.GetUtcNow());
    }

    [Fact]
    public void A_server_whose_clock_is_set_is_followed()
    {
        Answer(TimeSpan.Zero);
        _time.Heard(Noon.AddHours(1), _time.GetTimestamp());
        Assert.Equal(Noon.AddHours(1), _time.GetUtcNow());
        _time.Heard(Noon.AddHours(-1), _time.GetTimestamp());
        Assert.Equal(Noon.AddHours(-1).AddSeconds(1), _time.GetUtcNow());
    }

    [Fact]
    public void Timers_and_timestamps_are_the_own_clocks()
    {
        var fired = false;
        using var timer = _time.CreateTimer(_ => fired = true, null, TimeSpan.FromSeconds(3), Timeout.InfiniteTimeSpan);
        var began = _time.GetTimestamp();
        _passed.Advance(TimeSpan.FromSeconds(3));
        Assert.True(fired);
        Assert.Equal(TimeSpan.FromSeconds(3), _time.GetElapsedTime(began));
    }

    // The server's clock is right, its Date has whole seconds, and its answer takes as long there as back.
    private void Answer(TimeSpan took, ClusterTime? time = null)
    {
        var asked = _passed.GetTimestamp();
        _passed.Advance(took / 2);
        var date = DateTimeOffset.FromUnixTimeSeconds(_passed.GetUtcNow().ToUnixTimeSeconds());
        _passed.Advance(took / 2);
        (time ?? _time).Heard(date, asked);
    }

    /// <summary>Time passes on it as it does, but what it shows is wrong.</summary>
    private sealed class Wrong(TimeProvider right) : TimeProvider
    {
        private TimeSpan _by;

        public override long TimestampFrequency => right.TimestampFrequency;

        public void Jump(TimeSpan by) => _by += by;

        public override DateTimeOffset GetUtcNow() => right.GetUtcNow() + _by;

        public override long GetTimestamp() => right.GetTimestamp();

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period) => right.CreateTimer(callback, state, dueTime, period);
    }
}
