using System.Collections.Immutable;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Tests.Fleets;

/// <summary>Training jobs as real processes: small shell scripts that save on SIGTERM, or do not.</summary>
public sealed class FleetTrainingTests
{
    private static readonly JobId Tune = JobId.Of("tune");

    // Says what it was started with, trains until it is told to end, and then writes its checkpoint.
    private const string Saves = """
        trap 'echo "$PLIMSOLL_JOB" > checkpoint; exit 0' TERM
        echo "begins $PLIMSOLL_JOB resume=$PLIMSOLL_RESUME mine=$MINE"
        while :; do sleep 0.05; done
        """;

    [Fact]
    public async Task A_job_trains_writes_its_checkpoint_when_it_is_suspended_and_goes_on_from_it()
    {
        await using var scene = await JobScene.OpenAsync(Saves);
        await scene.LaunchAsync();
        var gang = (await scene.UntilAsync(GangState.Running)).Training.Single();
        Assert.Equal([scene.On], gang.Members);
        Assert.Equal(scene.Job.NeedsPerMember, gang.ReservedPerMember);
        Assert.True(scene.Running.Last.Can.HasFlag(Capabilities.Train));
        await scene.UntilLogAsync("begins tune resume= mine=yes");
        // The same step again starts no second one.
        Assert.Empty((await scene.Running.ApplyAsync(scene.LaunchStep)).Started);
        Assert.NotEmpty(scene.Processes);

        await scene.SuspendAsync();
        var suspended = (await scene.UntilAsync(GangState.Suspended)).Training.Single();

        Assert.Empty(suspended.Members);
        Assert.Empty(scene.Processes);
        Assert.Equal("tune", (await File.ReadAllTextAsync(scene.Path("checkpoint"), RunningFleet.Cancel)).Trim());
        var written = await scene.Running.UntilOutcomeAsync<Outcome.CheckpointWritten>();
        Assert.Equal((Tune, Bytes.MiB(3)), (written.Job, written.Size));
        Assert.Equal(written.At, suspended.LastCheckpoint);
        // It was seen to give way, however fast it was.
        Assert.Contains(GangState.Stopping, scene.Seen);

        await scene.Running.ApplyAsync(scene.ResumeStep);
        await scene.UntilAsync(GangState.Running);
        await scene.UntilLogAsync("begins tune resume=1 mine=yes");
        Assert.Single(scene.Running.Outcomes.OfType<Outcome.CheckpointWritten>());
        Assert.Empty(scene.Running.Outcomes.OfType<Outcome.GangStarted>());
    }

    [Fact]
    public async Task What_a_shell_started_is_given_its_grace_after_the_shell_has_ended()
    {
        // The shell dies of the signal at once; the trainer behind it takes its time.
        await using var scene = await JobScene.OpenAsync("""
            sh -c 'trap "sleep 1; echo late > checkpoint; exit 0" TERM; echo ready; while :; do sleep 0.05; done' &
            wait
            """);
        await scene.LaunchAsync();
        await scene.UntilLogAsync("ready");

        await scene.SuspendAsync();
        await scene.UntilAsync(GangState.Suspended);

        Assert.Equal("late", (await File.ReadAllTextAsync(scene.Path("checkpoint"), RunningFleet.Cancel)).Trim());
        Assert.Single(scene.Running.Outcomes.OfType<Outcome.CheckpointWritten>());
    }

    [Fact]
    public async Task A_job_that_will_not_end_is_killed_after_its_grace_and_saved_nothing()
    {
        await using var scene = await JobScene.OpenAsync("trap '' TERM; echo deaf; while :; do sleep 0.05; done", grace: TimeSpan.FromSeconds(1));
        await scene.LaunchAsync();
        await scene.UntilLogAsync("deaf");

        await scene.SuspendAsync();
        var seen = await scene.UntilAsync(GangState.Suspended);

        Assert.Null(seen.Training.Single().LastCheckpoint);
        Assert.Empty(scene.Running.Outcomes);
        Assert.Empty(scene.Processes);
    }

    [Fact]
    public async Task A_job_that_fails_is_reported_with_the_end_of_its_output()
    {
        await using var scene = await JobScene.OpenAsync("echo loss is NaN; exit 3");
        await scene.LaunchAsync();

        await scene.UntilAsync(GangState.Suspended);

        var failed = Assert.Single(scene.Running.Outcomes.OfType<Outcome.GangFailed>());
        Assert.Equal((Tune, "exited with code 3; the end of its output:\nloss is NaN"), (failed.Job, failed.Why));
        // Of the next start too it is what that one wrote.
        await scene.Running.ApplyAsync(scene.ResumeStep);
        await scene.Running.UntilAsync(_ => scene.Running.Outcomes.OfType<Outcome.GangFailed>().Count() == 2);
        Assert.Equal(failed.Why, scene.Running.Outcomes.OfType<Outcome.GangFailed>().Last().Why);
        Assert.Equal(2, (await File.ReadAllLinesAsync(scene.Record.LogFile, RunningFleet.Cancel)).Length);
    }

    [Fact]
    public async Task A_job_is_shown_the_devices_that_it_was_placed_on()
    {
        await using var scene = await JobScene.OpenAsync("echo \"on $CUDA_VISIBLE_DEVICES\"; sleep 1000");
        scene.On = new Placement(LocalFleet.Node, [DeviceId.Of("GPU-a"), DeviceId.Of("GPU-b")]);
        await scene.LaunchAsync();

        await scene.UntilLogAsync("on GPU-a,GPU-b");

        Assert.Equal([scene.On], (await scene.Running.ObserveAsync()).Training.Single().Members);
    }

    [Fact]
    public async Task A_job_whose_shell_has_ended_writes_on_under_the_next_controller()
    {
        var folder = RunningFleet.NewFolder();
        await using (var scene = await JobScene.OpenAsync(
            "sh -c 'trap \"sleep 4; echo late > checkpoint; exit 0\" TERM; echo ready; while :; do sleep 0.05; done' & wait", folder: folder))
        {
            await scene.LaunchAsync();
            await scene.UntilLogAsync("ready");
            await scene.SuspendAsync();
            await scene.UntilAsync(GangState.Stopping);
            var shell = scene.Record.Process!;
            while (shell.IsAlive()) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, RunningFleet.Cancel);
            scene.Running.Fleet.KeepReplicas();
        }

        await using (var next = await JobScene.OpenAsync("", folder: folder))
        {
            next.Spec = next.Spec with { Training = [] };
            Assert.Equal(GangState.Stopping, next.Running.Last.Training.Single().State);
            await next.Running.UntilAsync(seen => seen.Training.IsEmpty);
            Assert.Equal("late", (await File.ReadAllTextAsync(next.Path("checkpoint"), RunningFleet.Cancel)).Trim());
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_program_that_is_not_there_is_a_step_that_failed()
    {
        await using var scene = await JobScene.OpenAsync("");
        scene.Command = ["no-such-trainer"];
        Assert.Empty((await scene.Running.ApplyAsync(scene.LaunchStep)).Started);

        var failed = await scene.Running.UntilOutcomeAsync<Outcome.StepFailed>();

        Assert.Equal(StepId.Of("launch/tune"), failed.Step);
        Assert.StartsWith("the program 'no-such-trainer' was not found", failed.Why, StringComparison.Ordinal);
        Assert.Empty(scene.Running.Last.Training);
    }

    [Fact]
    public async Task A_job_that_is_done_stays_done_until_its_command_changes()
    {
        var folder = RunningFleet.NewFolder();
        DateTimeOffset submitted;
        await using (var scene = await JobScene.OpenAsync("echo done", folder: folder))
        {
            submitted = scene.Running.Fleet.Submitted(scene.Spec).Training.Single().SubmittedAt;
            await scene.LaunchAsync();
            await scene.UntilAsync(GangState.Ended);
        }

        await using (var again = await JobScene.OpenAsync("echo done", folder: folder))
        {
            Assert.Equal(submitted, again.Running.Fleet.Submitted(again.Spec).Training.Single().SubmittedAt);
            Assert.Equal(GangState.Ended, (await again.Running.ObserveAsync()).Training.Single().State);
            Assert.Empty((await again.Running.ApplyAsync(again.ResumeStep)).Started);
            again.Command = ["sh", "-c", "echo other"];
            Assert.True(again.Running.Fleet.Submitted(again.Spec).Training.Single().SubmittedAt > submitted);
            Assert.Empty((await again.Running.ObserveAsync()).Training);
            // And one that leaves the fleet leaves nothing behind.
            again.Spec = again.Spec with { Training = [] };
            Assert.False((await again.Running.ObserveAsync()).Can.HasFlag(Capabilities.Train));
            Assert.Empty(Directory.GetFiles(Path.Combine(folder, "jobs")));
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task The_end_of_a_controller_suspends_its_job_and_the_next_finds_it_so()
    {
        var folder = RunningFleet.NewFolder();
        await using (var scene = await JobScene.OpenAsync(Saves, folder: folder))
        {
            await scene.LaunchAsync();
            await scene.UntilLogAsync("begins tune");
        }

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Assert.True(File.Exists(Path.Combine(folder, "checkpoint")));
        await using (var next = await JobScene.OpenAsync(Saves, folder: folder))
        {
            var gang = (await next.Running.ObserveAsync()).Training.Single();
            Assert.Equal(GangState.Suspended, gang.State);
            Assert.NotNull(gang.LastCheckpoint);
            Assert.Single((await next.Running.ApplyAsync(next.ResumeStep)).Started);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_controller_that_left_its_job_running_is_followed_by_one_that_adopts_it()
    {
        var folder = RunningFleet.NewFolder();
        await using (var scene = await JobScene.OpenAsync(Saves, folder: folder))
        {
            await scene.LaunchAsync();
            await scene.UntilLogAsync("begins tune");
            scene.Running.Fleet.KeepReplicas();
        }

        var left = RunningFleet.ProcessesOf(folder);
        Assert.NotEmpty(left);
        await using (var next = await JobScene.OpenAsync(Saves, folder: folder))
        {
            Assert.Equal(GangState.Running, (await next.Running.ObserveAsync()).Training.Single().State);
            Assert.Contains(next.Record.Process!.Pid, left);
            Assert.Empty((await next.Running.ApplyAsync(next.LaunchStep, next.ResumeStep)).Started);

            await next.SuspendAsync();
            await next.UntilAsync(GangState.Suspended);
            Assert.Single(next.Running.Outcomes.OfType<Outcome.CheckpointWritten>());
        }

        Assert.Empty(RunningFleet.ProcessesOf(folder));
        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task A_job_that_died_while_no_controller_ran_is_reported_and_may_go_on()
    {
        var folder = RunningFleet.NewFolder();
        await using (var scene = await JobScene.OpenAsync(Saves, folder: folder))
        {
            await scene.LaunchAsync();
            await scene.UntilLogAsync("begins tune");
            scene.Running.Fleet.KeepReplicas();
        }

        // Its leader first, or the shell would go on with another sleep.
        ProcessIdentity[] killed = [.. RunningFleet.ProcessesOf(folder).Select(ProcessIdentity.Of).OfType<ProcessIdentity>()];
        foreach (var process in killed) process.Signal(Native.SigKill);
        while (killed.Any(process => process.IsAlive())) await Task.Delay(TimeSpan.FromMilliseconds(5), TimeProvider.System, RunningFleet.Cancel);

        await using (var next = await JobScene.OpenAsync(Saves, folder: folder))
        {
            Assert.Equal(GangState.Suspended, next.Running.Last.Training.Single().State);
            var failed = Assert.IsType<Outcome.GangFailed>(Assert.Single(next.Running.Last.Outcomes));
            Assert.StartsWith("ended, and nobody was there to see how; the end of its output:\nbegins tune", failed.Why, StringComparison.Ordinal);
            Assert.Empty((await next.Running.ObserveAsync()).Outcomes);
        }

        Directory.Delete(folder, recursive: true);
    }

    [Fact]
    public async Task What_a_job_holds_is_no_foreign_use_as_far_as_it_is_charged()
    {
        await using var scene = await JobScene.OpenAsync("echo up; exec \"$HOST\" serve \"$PORT\" hold=200");
        var before = await ForeignAsync(scene);
        await scene.LaunchAsync();
        await scene.Running.UntilAsync(_ => Held(scene) > Bytes.MiB(190));

        var charged = await ForeignAsync(scene);

        Assert.True(charged - before < Bytes.MiB(100), $"{before} and {charged}");
    }

    private static Bytes Held(JobScene scene) =>
        ProcessMemory.Unreclaimable([.. scene.Processes.Select(ProcessIdentity.Of).OfType<ProcessIdentity>()]) ?? Bytes.Zero;

    private static async Task<Bytes> ForeignAsync(JobScene scene) =>
        (await scene.Running.ObserveAsync()).Foreign.Single(use => use.Device is null).Memory.TryGetKnown(out var known) ? known : Bytes.Zero;

    /// <summary>A fleet with one job.</summary>
    private sealed class JobScene : IAsyncDisposable
    {
        private JobScene(TimeSpan grace, string script)
        {
            (Grace, Command) = (grace, ["sh", "-c", script]);
            Spec = RunningFleet.Spec with { Training = [Job] };
        }

        public RunningFleet Running { get; private set; } = null!;

        public ImmutableArray<string> Command { get; set; }

        public TimeSpan Grace { get; }

        public FleetSpec Spec { get; set; }

        public List<GangState> Seen { get; } = [];

        public TrainingSpec Job { get; } = new()
        {
            Id = Tune,
            NeedsPerMember = new ReplicaNeeds { Host = new MemoryNeed(Bytes.MiB(300), Bytes.MiB(300)), Cores = Cores.Zero, Disk = Bytes.Zero },
            Preemptible = true,
            CheckpointSize = Bytes.MiB(3),
            SavesOnStop = true,
        };

        public Placement On { get; set; } = new(LocalFleet.Node, []);

        public Step LaunchStep => new Step.Launch(Tune, [On], Job.NeedsPerMember) { Reason = Why };

        public Step ResumeStep => new Step.Resume(Tune, [On], Job.NeedsPerMember) { Reason = Why };

        public ImmutableArray<int> Processes => RunningFleet.ProcessesOf(Running.Folder);

        public JobRecord Record => RecordFolder.OfJobs(Path("jobs")).ReadAll().Records.Single();

        private static Reason Why => new(Rule.LaunchJob, []);

        public static async Task<JobScene> OpenAsync(string script, TimeSpan? grace = null, string? folder = null)
        {
            var scene = new JobScene(grace ?? TimeSpan.FromSeconds(30), script);
            scene.Running = await RunningFleet.OpenAsync(null, folder: folder, change: parts => parts with
            {
                Spec = () => scene.Spec,
                Job = _ => new JobLaunch
                {
                    Command = scene.Command,
                    Environment = ImmutableSortedDictionary<string, string>.Empty.Add("MINE", "yes").Add("HOST", RunningFleet.Host)
                        .Add("PORT", LoopbackPorts.Choose(new HashSet<int>()).ToString(System.Globalization.CultureInfo.InvariantCulture)),
                    WorkingDirectory = parts.StateFolder,
                    Grace = scene.Grace,
                },
            });
            await scene.Running.ObserveAsync();
            return scene;
        }

        public string Path(string name) => System.IO.Path.Combine(Running.Folder, name);

        public async Task LaunchAsync() => Assert.Single((await Running.ApplyAsync(LaunchStep)).Started);

        public async Task SuspendAsync() => Assert.Single((await Running.ApplyAsync(new Step.Suspend(Tune) { Reason = Why })).Started);

        public Task<FleetSnapshot> UntilAsync(GangState state) => Running.UntilAsync(seen =>
        {
            Seen.AddRange(seen.Training.Select(gang => gang.State));
            return seen.Training.Any(gang => gang.State == state);
        });

        public Task<FleetSnapshot> UntilLogAsync(string line) => Running.UntilAsync(_ =>
            File.Exists(Record.LogFile) && File.ReadAllText(Record.LogFile).Contains(line, StringComparison.Ordinal));

        public ValueTask DisposeAsync() => Running.DisposeAsync();
    }
}
