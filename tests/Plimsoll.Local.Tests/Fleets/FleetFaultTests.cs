using System.Collections.Concurrent;
using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>The machine refuses something: what runs goes on, and what does not is told in a sentence.</summary>
public sealed class FleetFaultTests
{
    [Fact]
    public async Task Where_no_port_can_be_had_a_start_is_a_failed_step_and_the_next_one_is_tried()
    {
        var refusals = 1;
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server(), change: parts => parts with
        {
            ChoosePort = given => refusals-- > 0 ? throw new SocketException((int)SocketError.TooManyOpenSockets) : LoopbackPorts.Choose(given),
        });

        await running.ApplyAsync(RunningFleet.Start(1));

        var failed = await running.UntilOutcomeAsync<Outcome.StepFailed>();
        Assert.StartsWith("m-1 could not be started: ", failed.Why, StringComparison.Ordinal);
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);
    }

    [Fact]
    public async Task A_stranger_on_the_port_is_told_of_once()
    {
        using var log = new KeptLog();
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell("sleep 1000"), change: parts => parts with { Log = log });
        await running.ApplyAsync(RunningFleet.Start(1));
        await using var stranger = AnsweringStranger.Listen(running.Record(1).Port);

        await stranger.UntilAskedAsync(times: 4);

        Assert.Single(log.Lines, line => line.Contains("is answered by a process that is not its own", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_record_that_cannot_be_deleted_is_tried_again_and_its_replica_is_gone_all_the_same()
    {
        using var log = new KeptLog();
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server(), change: parts => parts with { Log = log });
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);
        var process = running.Record(1).Process!;
        var file = Assert.Single(Directory.GetFiles(Path.Combine(running.Folder, "replicas")));
        var text = await File.ReadAllTextAsync(file, RunningFleet.Cancel);

        // What is a folder cannot be deleted as a file.
        File.Delete(file);
        Directory.CreateDirectory(file);
        Assert.True(process.Signal(Native.SigKill));
        await running.UntilAsync(seen => seen.Replicas.IsEmpty);
        Assert.Single(running.Outcomes.OfType<Outcome.Exited>());
        Assert.Single(log.Lines, line => line.StartsWith("The record of m-1, which is gone, cannot be deleted", StringComparison.Ordinal));

        Directory.Delete(file);
        await File.WriteAllTextAsync(file, text, RunningFleet.Cancel);
        await running.UntilAsync(_ => !File.Exists(file));
        Assert.Single(running.Outcomes.OfType<Outcome.Exited>());
    }

    [Fact]
    public async Task A_script_without_what_runs_it_is_not_said_to_be_missing_itself()
    {
        var folder = RunningFleet.NewFolder();
        foreach (var (name, first, missing) in new[] { ("a", "#!/no/such/shell -e", "'/no/such/shell'"), ("b", "#!/bin/sh\r", "'/bin/sh\\r'") })
        {
            var script = Path.Combine(folder, name);
            await File.WriteAllTextAsync(script, first + "\nexit 0\n", RunningFleet.Cancel);
            if (OperatingSystem.IsLinux()) File.SetUnixFileMode(script, UnixFileMode.UserRead | UnixFileMode.UserExecute);
            await using var running = await RunningFleet.OpenAsync(new LaunchSpec { Command = [script] });
            await running.ApplyAsync(RunningFleet.Start(1));
            Assert.Equal($"the program '{script}' is there, but not {missing}, which its first line has run it", (await running.UntilOutcomeAsync<Outcome.StepFailed>()).Why);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_withheld_variable_reaches_a_replica_only_where_its_own_environment_sets_it()
    {
        Environment.SetEnvironmentVariable("PLIMSOLL_TEST_WITHHELD", "sesame");
        foreach (var (own, seen) in new[] { (null, "[]"), ("mine", "[mine]") })
        {
            var launch = RunningFleet.Shell("echo \"[$PLIMSOLL_TEST_WITHHELD]\"; exit 1");
            if (own is not null) launch = launch with { Environment = launch.Environment.Add("PLIMSOLL_TEST_WITHHELD", own) };
            await using var running = await RunningFleet.OpenAsync(launch, change: parts => parts with { Withheld = ["PLIMSOLL_TEST_WITHHELD"] });
            await running.ApplyAsync(RunningFleet.Start(1));
            Assert.EndsWith("\n" + seen, (await running.UntilOutcomeAsync<Outcome.Exited>()).Why, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task Logs_of_jobs_that_are_no_longer_in_the_fleet_are_bounded_in_number()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: Left());

        await running.ObserveAsync();

        Assert.Equal(50, Directory.GetFiles(Path.Combine(running.Folder, "logs", "jobs")).Length);
        await running.Fleet.DisposeAsync();
        Directory.Delete(running.Folder, recursive: true);

        // A folder in which sixty jobs have been, and the record of one more.
        static string Left()
        {
            var folder = RunningFleet.NewFolder();
            var logs = Directory.CreateDirectory(Path.Combine(folder, "logs", "jobs")).FullName;
            for (var i = 0; i < 60; i++) File.WriteAllText(Path.Combine(logs, $"job-{i}.log"), "it ran\n");
            Directory.CreateDirectory(Path.Combine(folder, "jobs"));
            RecordFolder.OfJobs(Path.Combine(folder, "jobs")).Write(new JobRecord
            {
                Job = JobId.Of("gone"),
                Command = "",
                SubmittedAt = DateTimeOffset.UnixEpoch,
                LogFile = Path.Combine(logs, "job-0.log"),
            });
            return folder;
        }
    }

    private sealed class KeptLog : ILogger, IDisposable
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public IDisposable BeginScope<TState>(TState state) where TState : notnull => this;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            Lines.Enqueue(formatter(state, exception));

        public void Dispose()
        {
            // It is its own scope.
        }
    }
}
