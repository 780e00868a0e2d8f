using System.Collections.Immutable;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

public sealed class FleetLifeTests
{
    [Fact]
    public async Task A_replica_starts_becomes_ready_drains_and_ends_when_told()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server("load=0.5"));

        var applied = await running.ApplyAsync(RunningFleet.Start(1));
        Assert.Equal([StepId.Of("start/m-1")], applied.Started);
        var loading = await running.ObserveAsync();
        Assert.Equal(ReplicaState.Loading, loading.Replicas.Single().State);
        var work = loading.InFlight.Single();
        Assert.Equal((WorkKind.Loading, StepId.Of("start/m-1")), (work.Kind, work.Step));
        Assert.Equal(work.StartedAt + TimeSpan.FromSeconds(5), work.ExpectedEnd);
        Assert.Null(running.Route(1));
        Assert.NotNull(running.Routes.Models.Single().ExpectedReady);

        await running.UntilStateAsync(1, ReplicaState.Ready);
        Assert.Equal((3, false), (running.Route(1)!.Concurrency, running.Route(1)!.Draining));
        var loaded = await running.UntilOutcomeAsync<Outcome.Loaded>();
        Assert.True(loaded.Took >= TimeSpan.FromSeconds(0.5));
        Assert.Equal([new StageTime("read", TimeSpan.FromSeconds(0.25))], loaded.Stages);
        Assert.Equal((Bytes.MiB(9), 1), (loaded.Size, loaded.Concurrent));

        running.Outstanding[RunningFleet.Replica(1)] = 1;
        await running.ApplyAsync(RunningFleet.Drain(1));
        Assert.True(running.Route(1)!.Draining);
        Assert.Equal(ReplicaState.Draining, (await running.ObserveAsync()).Replicas.Single().State);
        running.Outstanding[RunningFleet.Replica(1)] = 0;
        await running.UntilStateAsync(1, ReplicaState.Drained);

        await running.ApplyAsync(RunningFleet.Stop(1));
        Assert.Null(running.Route(1));
        await running.UntilAsync(seen => seen.Replicas.IsEmpty);
        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();
        Assert.True(exited.Asked);
        Assert.Empty(Directory.GetFiles(Path.Combine(running.Folder, "replicas")));
    }

    [Fact]
    public async Task A_model_that_is_not_started_for_a_while_after_crashes_says_until_when_and_why_unless_a_replica_is_there()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server());
        var verdict = new ModelVerdict
        {
            Model = RunningFleet.Model,
            Wanted = 1,
            Serving = 0,
            Needs = RunningFleet.Needs,
            Reason = new Reason(Rule.HoldBackoff, [Fact.Of("failures", 9), Fact.Of("wait", TimeSpan.FromMinutes(4)), Fact.Of("why", "exited with code 3")]),
        };
        var plan = new Plan(new InputHashes("", "", ""), [], [verdict], Knowledge.Empty);
        var before = TimeProvider.System.GetUtcNow();
        await running.Fleet.ApplyAsync(plan, RunningFleet.Cancel);

        var pause = running.Routes.Models.Single().Pause!;
        Assert.InRange(pause.Until, before.AddMinutes(4), TimeProvider.System.GetUtcNow().AddMinutes(4));
        Assert.Equal("failed 9 times, next try in 4 min: exited with code 3", pause.Why);

        await running.Fleet.ApplyAsync(plan with { Steps = [RunningFleet.Start(1)] }, RunningFleet.Cancel);
        Assert.Null(running.Routes.Models.Single().Pause);
    }

    [Fact]
    public async Task Applying_a_plan_twice_is_applying_it_once_and_steps_that_wait_are_left()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server());
        var later = RunningFleet.Start(2) with { After = [StepId.Of("start/m-1")] };

        var first = await running.ApplyAsync(RunningFleet.Start(1), later);
        var second = await running.ApplyAsync(RunningFleet.Start(1), later);

        Assert.Equal([StepId.Of("start/m-1")], first.Started);
        Assert.Equal([StepId.Of("start/m-2")], first.Waiting);
        Assert.Empty(second.Started);
        Assert.Single((await running.ObserveAsync()).Replicas);
        Assert.Single(RunningFleet.ProcessesOf(running.Folder));
    }

    [Fact]
    public async Task A_replica_that_ignores_the_request_to_end_is_killed_with_its_children()
    {
        const string Stubborn = "trap '' TERM; (trap '' TERM; sleep 1000) & while :; do sleep 1; done";
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell(Stubborn));
        await running.ApplyAsync(RunningFleet.Start(1));
        await running.UntilAsync(_ => RunningFleet.ProcessesOf(running.Folder).Length >= 3);

        await running.ApplyAsync(RunningFleet.Stop(1));

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();
        Assert.True(exited.Asked);
        Assert.Contains("signal 9", exited.Why, StringComparison.Ordinal);
        Assert.Empty(RunningFleet.ProcessesOf(running.Folder));
    }

    [Fact]
    public async Task What_a_dead_leader_leaves_behind_is_ended_too()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell("setsid sleep 1000 & sleep 0.3; exit 7"));
        await running.ApplyAsync(RunningFleet.Start(1));

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();

        Assert.Contains("exited with code 7", exited.Why, StringComparison.Ordinal);
        Assert.Empty(RunningFleet.ProcessesOf(running.Folder));
    }

    [Fact]
    public async Task A_command_that_ends_at_once_is_reported_with_the_end_of_what_it_said()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell("echo starting; echo no such model >&2; exit 3"));
        await running.ApplyAsync(RunningFleet.Start(1));

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();

        Assert.False(exited.Asked);
        Assert.Equal(ReplicaState.Loading, exited.Was);
        Assert.Equal("exited with code 3 while loading; the end of its output:\nstarting\nno such model", exited.Why);
    }

    [Fact]
    public async Task A_killed_replica_is_a_crash_and_leaves_the_routes()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server());
        await running.ApplyAsync(RunningFleet.Start(1), RunningFleet.Start(2));
        await running.UntilAsync(seen => seen.Replicas.All(one => one.State == ReplicaState.Ready));
        var change = running.Fleet.WaitForChangeAsync(RunningFleet.Cancel);

        Assert.True(running.Record(1).Process!.Signal(Native.SigKill));
        await change.WaitAsync(RunningFleet.Patience, TimeProvider.System, RunningFleet.Cancel);

        var exited = await running.UntilOutcomeAsync<Outcome.Exited>();
        Assert.Equal((RunningFleet.Replica(1), false, ReplicaState.Ready), (exited.Replica, exited.Asked, exited.Was));
        Assert.Contains("signal 9 (kill", exited.Why, StringComparison.Ordinal);
        Assert.Null(running.Route(1));
        Assert.NotNull(running.Route(2));
    }

    [Theory]
    [InlineData("no-such-program-anywhere", "the program 'no-such-program-anywhere' was not found; install it, or give its full path in the command")]
    [InlineData("/etc", "the program '/etc' may not be executed; is it a program, and are its rights set?")]
    public async Task A_command_that_cannot_run_is_one_clear_sentence(string program, string sentence)
    {
        await using var running = await RunningFleet.OpenAsync(new LaunchSpec { Command = [program] });

        var applied = await running.ApplyAsync(RunningFleet.Start(1));

        Assert.Empty(applied.Started);
        var snapshot = await running.ObserveAsync();
        Assert.Empty(snapshot.Replicas);
        var failed = Assert.IsType<Outcome.StepFailed>(snapshot.Outcomes.Single());
        Assert.Equal((StepId.Of("start/m-1"), sentence), (failed.Step, failed.Why));
    }

    [Fact]
    public async Task A_missing_artefact_or_command_is_a_failed_step()
    {
        var missing = RunningFleet.Server() with { ModelPath = "/nowhere/model.onnx" };
        await using var running = await RunningFleet.OpenAsync(missing);
        await running.ApplyAsync(RunningFleet.Start(1));
        Assert.Equal("m's artefact /nowhere/model.onnx is not there", (await running.UntilOutcomeAsync<Outcome.StepFailed>()).Why);

        await using var commandless = await RunningFleet.OpenAsync(null);
        await commandless.ApplyAsync(RunningFleet.Start(1));
        Assert.Equal("no command is known that runs cpu of m on this machine",
            (await commandless.UntilOutcomeAsync<Outcome.StepFailed>()).Why);
    }

    [Fact]
    public async Task A_stranger_on_the_port_is_not_taken_for_a_ready_replica()
    {
        // The replica itself never listens; the test does, on its port, and answers what a ready server would.
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Shell("sleep 1000"));
        await running.ApplyAsync(RunningFleet.Start(1));
        await using var stranger = AnsweringStranger.Listen(running.Record(1).Port);

        await stranger.UntilAskedAsync(times: 3);

        Assert.Equal(ReplicaState.Loading, (await running.ObserveAsync()).Replicas.Single().State);
    }

    [Fact]
    public async Task A_server_that_can_sleep_is_put_to_sleep_and_woken()
    {
        var server = RunningFleet.Server() with { SleepPath = "/sleep?level=1", WakePath = "/wake_up" };
        await using var running = await RunningFleet.OpenAsync(server);
        await running.ApplyAsync(RunningFleet.Start(1));
        var ready = await running.UntilStateAsync(1, ReplicaState.Ready);
        Assert.True(ready.Can.HasFlag(Capabilities.Sleep));

        await running.ApplyAsync(RunningFleet.Sleep(1));
        await running.UntilStateAsync(1, ReplicaState.Asleep);
        Assert.Null(running.Route(1));

        await running.ApplyAsync(RunningFleet.Wake(1));
        await running.UntilStateAsync(1, ReplicaState.Ready);
        Assert.False(running.Route(1)!.Draining);
        var woken = await running.UntilOutcomeAsync<Outcome.Woken>();
        Assert.Equal(ReplicaId.Of(ModelId.Of("m"), 1), woken.Replica);
        Assert.True(woken.Took > TimeSpan.Zero);
        Assert.Empty(running.Outcomes.OfType<Outcome.StepFailed>());
    }

    [Fact]
    public async Task Replicas_are_left_running_only_when_asked()
    {
        var folder = RunningFleet.NewFolder();
        var leave = new LocalNodeOptions { MemoryBudget = Bytes.GiB(1), LeaveRunning = true };
        ImmutableArray<int> before;
        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), leave, folder))
        {
            await running.ApplyAsync(RunningFleet.Start(1));
            await running.UntilStateAsync(1, ReplicaState.Ready);
            before = RunningFleet.ProcessesOf(folder);
        }

        Assert.Equal(before, RunningFleet.ProcessesOf(folder));
        await using (var next = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            var adopted = (await next.ObserveAsync()).Replicas.Single();
            Assert.Equal((RunningFleet.Replica(1), ReplicaState.Ready), (adopted.Id, adopted.State));
        }

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Directory.Delete(folder, recursive: true);
    }
}
