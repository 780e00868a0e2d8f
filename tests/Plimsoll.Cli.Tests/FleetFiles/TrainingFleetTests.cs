using System.Collections.Immutable;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;
using Plimsoll.Control;

namespace Plimsoll.Cli.Tests.FleetFiles;

/// <summary>Training jobs of a fleet file, and how they are shown.</summary>
public sealed class TrainingFleetTests
{
    private const string Model = "models:\n- {name: a, source: a.onnx}\n";
    private static readonly DateTimeOffset At = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);

    [Theory]
    [InlineData("- {command: [sh], memory: 1GiB}", "f:4:3: training[0].name: missing; a name would do")]
    [InlineData("- {name: t, memory: 1GiB}", "f:4:3: training[0].command: missing; a program with its arguments, such as [python3, train.py], would do")]
    [InlineData("- {name: t, command: [sh]}", "f:4:3: training[0].memory: missing; a size such as 250MB or 6GiB would do")]
    [InlineData("- {name: t, command: [], memory: 1GiB}", "f:4:22: training[0].command: found an empty list; a program with its arguments, such as [python3, train.py], would do")]
    [InlineData("- {name: t, command: [sh], memory: 1GiB, devices: 2}", "f:4:3: training[0].deviceMemory: missing, and devices is given; what it takes of each, such as 20GiB, would do")]
    [InlineData("- {name: t, command: [sh], memory: 1GiB, device: l4-24gb}", "f:4:50: training[0].device: given, and devices is 0; devices: 1 would do, or leave it out")]
    [InlineData("- {name: t, command: [sh], memory: 1GiB, priority: 2000}", "f:4:52: training[0].priority: found \"2000\"; it must be from -1000 to 1000")]
    [InlineData("- {name: t, command: [sh], memory: 1GiB, grace: 1h}", "f:4:49: training[0].grace: found \"1h\"; it must be from 100 ms to 10 min")]
    [InlineData("- {name: a, command: [sh], memory: 1GiB}", "f:4:10: training[0].name: found \"a\", which is the name of models[0]; another would do")]
    [InlineData("- {name: t, command: [sh], memory: 1GiB}\n- {name: t, command: [sh], memory: 1GiB}", "f:5:10: training[1].name: found \"t\" a second time, first in training[0]; names must differ")]
    public void A_mistake_is_named_with_its_place_and_what_would_do(string training, string problem) =>
        Assert.Equal([problem], FleetFile.Parse(Model + "training:\n" + training, "f").Problems.Lines());

    [Fact]
    public void Jobs_are_resolved_with_what_the_file_leaves_out()
    {
        using var scene = new FolderScene();
        var fleet = scene.Resolve("""
            - {name: z, command: [sh, "{not-ours}"], memory: 1GiB}
            - name: b
              command: [./train.sh, --steps, "5"]
              workingFolder: sub
              env: {A: b}
              memory: 4GiB
              devices: 2
              deviceMemory: 20GiB
              device: L4
              cores: 3
              priority: 5
              preemptible: false
              checkpoint: 500MiB
              grace: 90s
            """, out var problems);

        Assert.Equal([], problems);
        var (b, z) = (fleet!.Spec.Training[0], fleet.Spec.Training[1]);
        Assert.Equal((JobId.Of("b"), 1, 2, Bytes.GiB(4), Bytes.GiB(20)), (b.Id, b.GangSize, b.NeedsPerMember.Devices, b.NeedsPerMember.Host.Highest, b.NeedsPerMember.PerDevice!.Highest));
        Assert.Equal((Cores.Of(3), 5, false, Bytes.MiB(500), true), (b.NeedsPerMember.Cores, b.Priority, b.Preemptible, b.CheckpointSize, b.SavesOnStop));
        Assert.Equal(DeviceCatalogue.BuiltIn.Find("L4")!.Name, b.DeviceKind);
        Assert.Equal((JobId.Of("z"), 0, Cores.Zero, -1, true, Bytes.Zero), (z.Id, z.NeedsPerMember.Devices, z.NeedsPerMember.Cores, z.Priority, z.Preemptible, z.CheckpointSize));
        Assert.Null(z.NeedsPerMember.PerDevice);
        var (own, other) = (fleet.Jobs[b.Id], fleet.Jobs[z.Id]);
        Assert.Equal([Path.Combine(scene.Folder, "train.sh"), "--steps", "5"], own.Command);
        Assert.Equal((Path.Combine(scene.Folder, "sub"), TimeSpan.FromSeconds(90), "b"), (own.WorkingDirectory, own.Grace, own.Environment["A"]));
        Assert.Equal((scene.Folder, TimeSpan.FromMinutes(5)), (other.WorkingDirectory, other.Grace));
        Assert.Equal(["sh", "{not-ours}"], other.Command);
    }

    [Fact]
    public void A_program_or_folder_that_is_not_there_is_a_mistake_of_its_field()
    {
        using var scene = new FolderScene();
        scene.Resolve("- {name: t, command: [no-such-trainer], memory: 1GiB, workingFolder: nowhere}\n- {name: u, command: [./none.py], memory: 1GiB}", out var problems);

        Assert.Equal(3, problems.Length);
        Assert.EndsWith("training[0].command[0]: found \"no-such-trainer\", which is not on the PATH; a path to the program would do", problems[0], StringComparison.Ordinal);
        Assert.EndsWith($"training[0].workingFolder: {Path.Combine(scene.Folder, "nowhere")} does not exist; a folder to run the command in would do", problems[1], StringComparison.Ordinal);
        Assert.EndsWith($"training[1].command[0]: {Path.Combine(scene.Folder, "none.py")} does not exist", problems[2], StringComparison.Ordinal);
    }

    [Fact]
    public void What_changed_between_two_readings_names_jobs_too()
    {
        using var scene = new FolderScene();
        var before = scene.Resolve("- {name: t, command: [sh, one], memory: 1GiB}\n- {name: u, command: [sh], memory: 1GiB}", out _)!;
        var after = scene.Resolve("- {name: t, command: [sh, two], memory: 1GiB}\n- {name: v, command: [sh], memory: 1GiB}", out _)!;

        Assert.Equal("added v; removed u; changed t", FleetFileWatch.Changes(before, after));
        Assert.Equal("nothing changed", FleetFileWatch.Changes(after, after));
    }

    [Fact]
    public void Jobs_are_shown_below_the_models_with_state_and_reason()
    {
        var (spec, seen, plan) = Shown();

        Assert.Equal(
            [
                "MODEL    WEIGHT TIER      REPLICAS       DEMAND FORECAST    MEMORY",
                "JOB   STATE              SINCE    MEMORY  DEVICES",
                "later waiting            1 min  8.00 GiB  2 x 20.0 GiB",
                "tune  running              5 s  1.00 GiB",
                "memory [##########..........] 0 B and 1.00 GiB to train of 2.00 GiB, 2 cores",
                "later: it comes in 1 s",
                "tune: done 1 s ago",
            ],
            FleetTable.Lines(spec, seen, plan, 80).Select(line => line.EndsWith("  -", StringComparison.Ordinal) ? line[..^3] : line));
    }

    [Fact]
    public void A_job_is_explained_and_reported()
    {
        var (spec, seen, plan) = Shown();

        Assert.Equal(
            [
                "tune, now: done 1 s ago",
                "  state     running, priority -1",
                "  takes     1.00 GiB of host memory",
                "  saves     10.0 MiB in 2 s, and goes on from it in 3 s; last 30 s ago",
                "  next      suspend tune: the job is no longer in the fleet",
                "  12:00 before",
            ],
            ExplainText.Lines(spec.Training[1], seen, plan, "now", ["12:00 before"], 100));
        Assert.Contains("  saves     nothing: it begins anew each time", ExplainText.Lines(spec.Training[0], seen, plan, "now", [], 100));
        var status = JobStatus.Of(spec.Training[1], seen, plan);
        Assert.Equal(("tune", "running", At.AddSeconds(-5), "JobEnded", 10_485_760L), (status.Job, status.State, status.Since, status.Rule, status.CheckpointBytes));
        var waiting = JobStatus.Of(spec.Training[0], seen, plan);
        Assert.Equal(("waiting", At.AddMinutes(-1), 2), (waiting.State, waiting.Since, waiting.Devices));
        Assert.Equal("the fleet has no model or training job 'tunes'; did you mean 'tune'?", ExplainCommand.Unknown("tunes", spec));
    }

    [Fact]
    public void What_becomes_of_a_job_is_told_in_a_line_each()
    {
        var (spec, seen, plan) = Shown();
        var lines = new EventLines();
        IEnumerable<string> Of(FleetSnapshot snapshot) => lines.Of(new Tick(1, spec, snapshot, plan with { Steps = [] }, ApplyResult.Nothing));
        FleetSnapshot Done(params Outcome[] outcomes) => seen with { Training = [seen.Training[0] with { State = GangState.Ended, StateSince = At }], Outcomes = [.. outcomes] };
        var tune = spec.Training[1].Id;

        Assert.Equal([], Of(seen));
        Assert.Equal(
            ["12:00:00 saved tune: 10.0 MiB in 2 s", "12:00:00 died tune: exited with code 3 | loss is NaN", "12:00:00 done tune"],
            Of(Done(
                new Outcome.CheckpointWritten { At = At, Job = tune, Size = Bytes.MiB(10), Took = TimeSpan.FromSeconds(2) },
                new Outcome.GangFailed { At = At, Job = tune, Why = "exited with code 3\nloss is NaN" })));
        Assert.Equal([], Of(Done()));
        // What was done before anybody looked is no news.
        Assert.Equal([], new EventLines().Of(new Tick(1, spec, Done(), plan with { Steps = [] }, ApplyResult.Nothing)));
    }

    private static (FleetSpec Spec, FleetSnapshot Seen, Plan Plan) Shown()
    {
        var node = NodeId.Of("local");
        TrainingSpec[] jobs =
        [
            new()
            {
                Id = JobId.Of("later"),
                NeedsPerMember = new ReplicaNeeds
                {
                    Host = new MemoryNeed(Bytes.GiB(8), Bytes.GiB(8)),
                    Devices = 2,
                    PerDevice = new MemoryNeed(Bytes.GiB(20), Bytes.GiB(20)),
                    Cores = Cores.Zero,
                    Disk = Bytes.Zero,
                },
                SubmittedAt = At.AddMinutes(-1),
            },
            new()
            {
                Id = JobId.Of("tune"),
                NeedsPerMember = new ReplicaNeeds { Host = new MemoryNeed(Bytes.GiB(1), Bytes.GiB(1)), Cores = Cores.Zero, Disk = Bytes.Zero },
                Priority = -1,
                Preemptible = true,
                CheckpointSize = Bytes.MiB(10),
            },
        ];
        var gang = new TrainingGang
        {
            Job = jobs[1].Id,
            StateSince = At.AddSeconds(-5),
            StartedAt = At.AddSeconds(-5),
            LastCheckpoint = At.AddSeconds(-30),
            Members = [new Placement(node, [])],
            ReservedPerMember = jobs[1].NeedsPerMember,
        };
        var seen = new FleetSnapshot
        {
            At = At,
            Can = Capabilities.Train,
            Nodes = [new NodeState { Id = node, HostMemory = Bytes.GiB(8), HostMemoryBudget = Bytes.GiB(2), Cores = Cores.Of(2) }],
            Training = [gang],
        };
        var plan = new Plan(
            new InputHashes("", "", ""), [new Step.Suspend(jobs[1].Id) { Reason = new Reason(Rule.SuspendRemovedJob, []) }], [], Knowledge.Empty)
        {
            Jobs =
            [
                Verdict(jobs[0], new Reason(Rule.JobLater, [Fact.Of("left", TimeSpan.FromSeconds(1))])),
                Verdict(jobs[1], new Reason(Rule.JobEnded, [Fact.Of("since", TimeSpan.FromSeconds(1))])),
            ],
        };
        return (new FleetSpec { Models = [], Training = [.. jobs] }, seen, plan);
    }

    private static JobVerdict Verdict(TrainingSpec job, Reason reason) =>
        new() { Job = job.Id, Checkpoint = TimeSpan.FromSeconds(2), Start = TimeSpan.FromSeconds(3), Reason = reason };

    /// <summary>A folder with a model that any server could serve.</summary>
    private sealed class FolderScene : IDisposable
    {
        public FolderScene()
        {
            Directory.CreateDirectory(Path.Combine(Folder, "sub"));
            File.WriteAllText(Path.Combine(Folder, "train.sh"), "");
            File.WriteAllText(Path.Combine(Folder, "m.bin"), "weights");
        }

        public string Folder { get; } = Directory.CreateTempSubdirectory("plimsoll-test-").FullName;

        public FleetDefinition? Resolve(string training, out ImmutableArray<string> problems)
        {
            var path = Path.Combine(Folder, "fleet.yaml");
            File.WriteAllText(path, "models:\n- {name: m, source: m.bin, weights: 1MB, command: [sh, \"{port}\"]}\ntraining:\n" + training);
            var file = FleetFile.Read(path);
            var fleet = new FleetResolver(file, TimeProvider.System).Resolve(TestContext.Current.CancellationToken);
            problems = file.Problems.Lines();
            return fleet;
        }

        public void Dispose() => Directory.Delete(Folder, recursive: true);
    }
}
