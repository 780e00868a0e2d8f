using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>Real processes that run and answer nobody; a second here stands for a minute of a real fleet.</summary>
public sealed class FleetSilenceTests
{
    private const string SleepPath = "/sleep?level=1";
    private static readonly Silence Brief = new(TimeSpan.FromMilliseconds(200), TimeSpan.FromMilliseconds(500), 4);
    private readonly Answers _answers = new();

    [Fact]
    public async Task A_replica_that_hangs_with_a_request_in_it_is_ended_and_reported_as_one_that_crashed()
    {
        await using var running = await OpenAsync(RunningFleet.Server("answer=1000"));
        var port = running.Record(1).Port;
        using var asking = Post(running, "/v2/models/m/infer");

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();

        Assert.Equal((RunningFleet.Replica(1), false, ReplicaState.Ready), (exited.Replica, exited.Asked, exited.Was));
        Assert.StartsWith("answered nothing on /v2/health/ready, asked 4 times in ", exited.Why, StringComparison.Ordinal);
        Assert.EndsWith("and was ended; the end of its output:\n" + $"listening on {port}\nready", exited.Why, StringComparison.Ordinal);
        Assert.Null(running.Route(1));
        Assert.Empty(RunningFleet.ProcessesOf(running.Folder));
        await Assert.ThrowsAsync<HttpRequestException>(() => asking.Asked);
    }

    [Fact]
    public async Task One_that_has_no_time_for_its_readiness_and_answers_requests_is_left()
    {
        await using var running = await OpenAsync(RunningFleet.Server("answer=1000"));
        _answers.AreMore = true;
        using var asking = Post(running, "/v2/models/m/infer");

        await running.UntilAsync(_ => _answers.Read >= 10);
        Assert.Equal(ReplicaState.Ready, running.Last.Replicas.Single().State);
        Assert.Empty(running.Outcomes.OfType<Outcome.Exited>());

        _answers.AreMore = false;
        await running.UntilOutcomeAsync<Outcome.Exited>();
        await Assert.ThrowsAsync<HttpRequestException>(() => asking.Asked);
    }

    [Theory]
    [InlineData("/deaf", "refused connections on ")]
    [InlineData(SleepPath, "said that it is not ready on ")]
    public async Task One_that_listens_no_more_or_is_not_ready_any_more_is_ended_too(string path, string why)
    {
        await using var running = await OpenAsync(RunningFleet.Server());
        using var asking = Post(running, path);

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();

        Assert.False(exited.Asked);
        Assert.StartsWith(why, exited.Why, StringComparison.Ordinal);
        await Task.WhenAny(asking.Asked);
    }

    [Fact]
    public async Task One_that_somebody_stopped_is_left_until_it_runs_again()
    {
        await using var running = await OpenAsync(RunningFleet.Server());
        var process = running.Record(1).Process!;
        Assert.True(process.Signal(SigStop));

        var read = _answers.Read;
        await running.UntilAsync(_ => _answers.Read >= read + 8);
        Assert.Equal(ReplicaState.Ready, running.Last.Replicas.Single().State);

        Assert.True(process.Signal(Native.SigCont));
        read = _answers.Read;
        await running.UntilAsync(_ => _answers.Read >= read + 8);
        Assert.Equal(ReplicaState.Ready, running.Last.Replicas.Single().State);
        Assert.Empty(running.Outcomes.OfType<Outcome.Exited>());
    }

    [Fact]
    public async Task One_that_sleeps_is_not_asked()
    {
        await using var running = await OpenAsync(RunningFleet.Server() with { SleepPath = SleepPath, WakePath = "/wake_up" });
        await running.ApplyAsync(RunningFleet.Sleep(1));
        await running.UntilStateAsync(1, ReplicaState.Asleep);

        var read = _answers.Read;
        await Task.Delay((Brief.Period + Brief.Patience) * (Brief.Most + 1), TimeProvider.System, RunningFleet.Cancel);

        // One may have been on its way when it lay down.
        Assert.InRange(_answers.Read, read, read + 1);
        Assert.Equal(ReplicaState.Asleep, (await running.ObserveAsync()).Replicas.Single().State);
    }

    [Fact]
    public async Task One_that_was_woken_and_is_never_ready_is_ended()
    {
        // It answers the call that is to wake it, and sleeps on.
        await using var running = await OpenAsync(RunningFleet.Server() with { SleepPath = SleepPath, WakePath = SleepPath });
        await running.ApplyAsync(RunningFleet.Sleep(1));
        await running.UntilStateAsync(1, ReplicaState.Asleep);

        await running.ApplyAsync(RunningFleet.Wake(1));
        Assert.True((await running.ObserveAsync()).Replicas.Single().Turning);
        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();

        Assert.False(exited.Asked);
        Assert.StartsWith("was not ready on /v2/health/ready for 1 s after it was woken, and was ended", exited.Why, StringComparison.Ordinal);
        Assert.Empty(running.Last.Replicas);
    }

    private const int SigStop = 19;

    private async Task<RunningFleet> OpenAsync(LaunchSpec server)
    {
        var running = await RunningFleet.OpenAsync(server, change: parts => parts with
        {
            Silence = Brief,
            WakePatience = TimeSpan.FromSeconds(1),
            Routing = parts.Routing with { Answered = _ => _answers.Now() },
        });
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);
        return running;
    }

    private static Request Post(RunningFleet running, string path) => new(new Uri(running.Record(1).Address, path));

    /// <summary>What the gateway has counted of the replica; read once each time that its ready path was asked.</summary>
    private sealed class Answers
    {
        private long _count;
        private int _read;

        public bool AreMore { get; set; }

        public int Read => Volatile.Read(ref _read);

        public long Now()
        {
            Interlocked.Increment(ref _read);
            return AreMore ? ++_count : _count;
        }
    }

    private sealed class Request : IDisposable
    {
        private readonly HttpClient _http = new();

        public Request(Uri address) => Asked = _http.PostAsync(address, null, RunningFleet.Cancel);

        public Task<HttpResponseMessage> Asked { get; }

        public void Dispose() => _http.Dispose();
    }
}
