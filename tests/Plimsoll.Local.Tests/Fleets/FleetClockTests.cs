namespace Plimsoll.Local.Tests.Fleets;

/// <summary>A wall clock that is set, or that goes on while the machine sleeps: what runs is as old as it ran.</summary>
public sealed class FleetClockTests
{
    private static readonly TimeSpan Brief = TimeSpan.FromMinutes(2);
    private readonly SetClock _clock = new();

    public static TheoryData<TimeSpan> Jumps { get; } = [TimeSpan.FromHours(1), TimeSpan.FromHours(-1)];

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task A_load_and_a_drain_are_as_old_as_they_ran(TimeSpan jump)
    {
        await using var running = await OpenAsync(RunningFleet.Server("load=0.2"));
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);
        running.Outstanding[RunningFleet.Replica(1)] = 1;
        await running.ApplyAsync(RunningFleet.Drain(1));
        _clock.Ahead += jump;
        await running.ApplyAsync(RunningFleet.Start(2));
        _clock.Ahead += jump;

        var seen = await running.ObserveAsync();

        Assert.All(seen.Replicas, replica =>
        {
            Assert.InRange(seen.At - replica.StartedAt, TimeSpan.Zero, Brief);
            Assert.InRange(seen.At - replica.StateSince, TimeSpan.Zero, Brief);
            Assert.Equal(replica.StartedAt, running.Record(replica.Id.Ordinal).StartedAt);
        });
        Assert.Equal(ReplicaState.Draining, seen.Replicas[0].State);
        Assert.All(seen.InFlight, work => Assert.InRange(seen.At - work.StartedAt, TimeSpan.Zero, Brief));
        Assert.InRange(seen.InFlight.Single(work => work.Kind == WorkKind.Loading).ExpectedEnd!.Value - seen.At, -Brief, TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task A_clock_that_is_set_back_postpones_no_kill()
    {
        await using var running = await OpenAsync(RunningFleet.Shell("trap '' TERM; echo deaf; while :; do sleep 1; done"));
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilAsync(_ => File.ReadAllText(running.Record(1).LogFile).Contains("deaf", StringComparison.Ordinal));
        await running.ApplyAsync(RunningFleet.Stop(1));
        _clock.Ahead -= TimeSpan.FromHours(1);

        Assert.Contains("signal 9", (await running.UntilOutcomeAsync<Outcome.Exited>()).Why, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Jumps))]
    public async Task A_load_during_which_the_clock_jumped_teaches_no_load_time(TimeSpan jump)
    {
        await using var running = await OpenAsync(RunningFleet.Server("load=1"));
        await running.ApplyAsync(RunningFleet.Start(1));
        _clock.Ahead += jump;
        await running.UntilStateAsync(1, ReplicaState.Ready);
        await running.UntilOutcomeAsync<Outcome.MemoryMeasured>();
        Assert.Empty(running.Outcomes.OfType<Outcome.Loaded>());

        await running.ApplyAsync(RunningFleet.Start(2));
        Assert.InRange((await running.UntilOutcomeAsync<Outcome.Loaded>()).Took, TimeSpan.FromSeconds(1), Brief);
    }

    private Task<RunningFleet> OpenAsync(LaunchSpec server) =>
        RunningFleet.OpenAsync(server, change: parts => parts with { Time = _clock });

    private sealed class SetClock : TimeProvider
    {
        private long _ahead;

        public TimeSpan Ahead
        {
            get => new(Interlocked.Read(ref _ahead));
            set => Interlocked.Exchange(ref _ahead, value.Ticks);
        }

        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + Ahead;
    }
}
