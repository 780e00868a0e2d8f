using System.Diagnostics;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

public sealed class FleetAdoptionTests
{
    [Fact]
    public async Task A_killed_controllers_replica_is_adopted_ready_and_nothing_is_reloaded()
    {
        var folder = RunningFleet.NewFolder();
        using var controller = StartController(folder, RunningFleet.Host, "serve", "{port}", "hold=50");
        await UntilSaysAsync(controller, "m-1 Ready");
        controller.Kill();
        await controller.WaitForExitAsync(RunningFleet.Cancel);
        var before = RunningFleet.ProcessesOf(folder);
        Assert.Single(before);

        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            // In the routes before anything else is done.
            Assert.Equal(running.Record(1).Port, running.Route(1)!.Address.Port);
            var snapshot = await running.ObserveAsync();
            var adopted = snapshot.Replicas.Single();
            Assert.Equal((ReplicaState.Ready, "v1"), (adopted.State, adopted.Version));
            Assert.True(adopted.HostMemory.TryGetKnown(out var memory) && memory > Bytes.MiB(50));
            Assert.DoesNotContain(snapshot.Outcomes, outcome => outcome is Outcome.Exited or Outcome.Loaded);
            Assert.Equal(before, RunningFleet.ProcessesOf(folder));

            // And it is ours to end, though it is nobody's child.
            await running.ApplyAsync(RunningFleet.Stop(1));
            Assert.True((await running.UntilOutcomeAsync<Outcome.Exited>()).Asked);
        }

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_controller_that_fails_can_leave_its_replicas_to_the_next()
    {
        var folder = RunningFleet.NewFolder();
        var failing = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder);
        await failing.ApplyAsync(RunningFleet.Start(1));
        await failing.UntilStateAsync(1, ReplicaState.Ready);
        failing.Fleet.KeepReplicas();
        await failing.DisposeAsync();
        var left = RunningFleet.ProcessesOf(folder);
        Assert.Single(left);

        await using (var next = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            Assert.Equal(ReplicaState.Ready, (await next.ObserveAsync()).Replicas.Single().State);
            Assert.Equal(left, RunningFleet.ProcessesOf(folder));
        }

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_replica_that_was_loading_goes_on_loading_under_the_next_controller()
    {
        var folder = RunningFleet.NewFolder();
        using var controller = StartController(folder, RunningFleet.Host, "serve", "{port}", "load=4");
        await UntilSaysAsync(controller, "m-1 Loading");
        controller.Kill();
        await controller.WaitForExitAsync(RunningFleet.Cancel);

        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            var pid = running.Record(1).Process!.Pid;
            await running.UntilStateAsync(1, ReplicaState.Ready);
            Assert.Equal(pid, running.Record(1).Process!.Pid);
            // How long it took is not known: nobody watched all of it.
            Assert.Empty(running.Outcomes.OfType<Outcome.Loaded>());
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_process_of_the_fleet_without_a_record_is_ended_and_others_are_left_alone()
    {
        var folder = RunningFleet.NewFolder();
        using var controller = StartController(folder, RunningFleet.Host, "serve", "{port}");
        await UntilSaysAsync(controller, "m-1 Ready");
        controller.Kill();
        await controller.WaitForExitAsync(RunningFleet.Cancel);
        foreach (var record in Directory.GetFiles(Path.Combine(folder, "replicas"))) File.Delete(record);

        await using var stranger = await RunningFleet.OpenAsync(RunningFleet.Server(), name: "fleet");
        await stranger.ApplyAsync(RunningFleet.Start(1));
        await stranger.UntilStateAsync(1, ReplicaState.Ready);
        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
            Assert.Empty((await running.ObserveAsync()).Replicas);

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Assert.Single((await stranger.ObserveAsync()).Replicas);
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_replica_that_died_while_no_controller_ran_is_reported_once()
    {
        var folder = RunningFleet.NewFolder();
        using var controller = StartController(folder, RunningFleet.Host, "serve", "{port}");
        await UntilSaysAsync(controller, "m-1 Ready");
        controller.Kill();
        await controller.WaitForExitAsync(RunningFleet.Cancel);
        ProcessIdentity[] killed = [.. RunningFleet.ProcessesOf(folder).Select(pid => ProcessIdentity.Of(pid)!)];
        foreach (var process in killed) Assert.True(process.Signal(Native.SigKill));
        await UntilGoneAsync(folder);
        // A dying process has lost its environment a moment before the kernel calls it dead.
        while (killed.Any(process => process.IsAlive())) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, RunningFleet.Cancel);

        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            var exited = Assert.IsType<Outcome.Exited>((await running.ObserveAsync()).Outcomes.Single());
            Assert.Equal((RunningFleet.Replica(1), false, ReplicaState.Ready), (exited.Replica, exited.Asked, exited.Was));
            Assert.StartsWith("ended, and nobody was there to see how", exited.Why, StringComparison.Ordinal);
        }

        await using (var again = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
            Assert.Empty((await again.ObserveAsync()).Outcomes);
        Directory.Delete(folder, recursive: true);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_process_that_got_a_dead_replicas_number_is_neither_adopted_nor_ended(bool ofAnotherBoot)
    {
        var folder = RunningFleet.NewFolder();
        using var innocent = Process.Start("sleep", "1000");
        var identity = ProcessIdentity.Of(innocent.Id)!;
        var boot = ofAnotherBoot ? "another" : identity.BootId;
        Directory.CreateDirectory(Path.Combine(folder, "replicas"));
        RecordFolder.OfReplicas(Path.Combine(folder, "replicas")).Write(RecordOf(folder,
            identity with { StartTicks = identity.StartTicks - (ofAnotherBoot ? 0 : 1), BootId = boot }));

        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
        {
            var snapshot = await running.ObserveAsync();
            Assert.Empty(snapshot.Replicas);
            // After a reboot nothing crashed; in the same boot it did.
            Assert.Equal(ofAnotherBoot ? 0 : 1, snapshot.Outcomes.OfType<Outcome.Exited>().Count());
        }

        Assert.True(identity.IsAlive());
        innocent.Kill();
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_second_controller_of_the_same_fleet_gets_one_clear_sentence()
    {
        await using var running = await RunningFleet.OpenAsync(RunningFleet.Server());
        var refused = await Assert.ThrowsAsync<LocalFleetException>(
            () => RunningFleet.OpenAsync(RunningFleet.Server(), folder: running.Folder));
        Assert.Equal(
            $"another controller (process {Environment.ProcessId}) runs fleet 'fleet' from {running.Folder}; "
            + "end it first, or give this one a state folder of its own", refused.Message);

        using var other = StartController(running.Folder, "sleep", "1000");
        Assert.Equal(refused.Message, await other.StandardOutput.ReadLineAsync(RunningFleet.Cancel));
        await other.WaitForExitAsync(RunningFleet.Cancel);
        Assert.Equal(1, other.ExitCode);
    }

    [Fact]
    public async Task Two_fleets_with_one_name_on_one_machine_do_not_collide()
    {
        await using var one = await RunningFleet.OpenAsync(RunningFleet.Server());
        await using var two = await RunningFleet.OpenAsync(RunningFleet.Server());
        await one.ApplyAsync(RunningFleet.Start(1));
        await two.ApplyAsync(RunningFleet.Start(1));
        await one.UntilStateAsync(1, ReplicaState.Ready);
        await two.UntilStateAsync(1, ReplicaState.Ready);
        Assert.NotEqual(one.Record(1).Port, two.Record(1).Port);

        await one.ApplyAsync(RunningFleet.Stop(1));
        await one.UntilAsync(seen => seen.Replicas.IsEmpty);

        Assert.Equal(ReplicaState.Ready, (await two.ObserveAsync()).Replicas.Single().State);
    }

    [Fact]
    public async Task A_record_that_cannot_be_read_is_set_aside()
    {
        var folder = RunningFleet.NewFolder();
        Directory.CreateDirectory(Path.Combine(folder, "replicas"));
        await File.WriteAllTextAsync(Path.Combine(folder, "replicas", "m-1.json"), "{ \"replica\": ", RunningFleet.Cancel);

        await using (var running = await RunningFleet.OpenAsync(RunningFleet.Server(), folder: folder))
            Assert.Empty((await running.ObserveAsync()).Replicas);

        Assert.True(File.Exists(Path.Combine(folder, "replicas", "m-1.json.unreadable")));
        Directory.Delete(folder, recursive: true);
    }

    private static ReplicaRecord RecordOf(string folder, ProcessIdentity process) => new()
    {
        Replica = RunningFleet.Replica(1),
        Model = RunningFleet.Model,
        Version = "v1",
        Variant = VariantId.Of("cpu"),
        Placement = new Placement(LocalFleet.Node, []),
        Needs = RunningFleet.Needs,
        ExpectedLoad = TimeSpan.FromSeconds(5),
        Token = "00",
        Port = 1,
        Process = process,
        BootId = process.BootId,
        LogFile = Path.Combine(folder, "logs", "m-1.log"),
        StartedAt = DateTimeOffset.UnixEpoch,
        State = ReplicaState.Ready,
        StateSince = DateTimeOffset.UnixEpoch,
        ReadyPath = "/",
    };

    private static Process StartController(string folder, params string[] command) => Process.Start(
        new ProcessStartInfo(RunningFleet.Host, ["fleet", folder, "fleet", .. command]) { RedirectStandardOutput = true })!;

    private static async Task UntilSaysAsync(Process controller, string line)
    {
        using var patience = new CancellationTokenSource(RunningFleet.Patience, TimeProvider.System);
        while (await controller.StandardOutput.ReadLineAsync(patience.Token) is { } said)
        {
            if (said == line) return;
        }

        Assert.Fail($"the controller ended without saying '{line}'");
    }

    private static async Task UntilGoneAsync(string folder)
    {
        var since = TimeProvider.System.GetTimestamp();
        while (!RunningFleet.ProcessesOf(folder).IsEmpty)
        {
            Assert.True(TimeProvider.System.GetElapsedTime(since) < RunningFleet.Patience, "a killed process is still there");
            await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System, RunningFleet.Cancel);
        }
    }
}
