using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Tests.Training;

/// <summary>Gangs out of jobs and pods, and what is told of them.</summary>
public sealed class GangsTests
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 30, 12, 0, 0, TimeSpan.Zero);
    private static readonly Placement There = new(new NodeId("gpu-1"), [new DeviceId("gpu00")]);

    private readonly Gangs _gangs = new();
    private readonly List<Outcome> _told = [];
    private bool _askedToRun;
    private bool _mayStillRun;

    [Fact]
    public void A_gang_that_is_launched_starts_runs_gives_way_and_goes_on_each_told_once()
    {
        Assert.Null(Look(0, Target(suspended: true), suspended: true, launched: false));

        // The write is believed before the watch shows it, and the Job says nothing of its start yet.
        var starting = Look(1, Target(suspended: true), suspended: false, launched: false)!;
        Assert.Equal((GangState.Starting, At(1), At(1)), (starting.State, starting.StateSince, starting.StartedAt));
        Assert.Equal([Placement.Pending, Placement.Pending], starting.Members);
        starting = Look(5, Target(started: 2), false, true, Pod(0, ready: 4), Pod(1))!;
        Assert.Equal((GangState.Starting, At(2)), (starting.State, starting.StartedAt));
        Assert.Equal([There, There], starting.Members);
        Assert.Empty(_told);

        var running = Look(20, Target(started: 2), false, true, Pod(0, ready: 4), Pod(1, ready: 12))!;
        Assert.Equal((GangState.Running, At(12), At(2)), (running.State, running.StateSince, running.StartedAt));
        Look(21, Target(started: 2), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        var started = Assert.IsType<Outcome.GangStarted>(Assert.Single(_told));
        Assert.Equal((TimeSpan.FromSeconds(10), Bytes.Zero), (started.Took, started.Size));

        Look(30, Target(started: 2), true, true, Pod(0, ready: 4), Pod(1, ready: 12));
        var stopping = Look(33, Target(suspended: true, suspendedAt: 31), true, true, Pod(0, ready: 4, deleted: 61), Pod(1, ready: 12, deleted: 61))!;
        Assert.Equal((GangState.Stopping, At(30), 2), (stopping.State, stopping.StateSince, stopping.Members.Length));
        Look(40, Target(suspended: true, suspendedAt: 31), true, true, Pod(1, ready: 12, deleted: 61));
        Assert.Single(_told);
        var suspended = Look(42, Target(suspended: true, suspendedAt: 31), true, true)!;
        Assert.Equal((GangState.Suspended, At(42)), (suspended.State, suspended.StateSince));
        Assert.Empty(suspended.Members);
        Look(43, Target(suspended: true, suspendedAt: 31), true, true);
        var written = Assert.IsType<Outcome.CheckpointWritten>(_told[1]);
        Assert.Equal((TimeSpan.FromSeconds(12), Bytes.GiB(100)), (written.Took, written.Size));

        Look(50, Target(suspended: true, suspendedAt: 31), false, true);
        Look(70, Target(started: 51), false, true, Pod(2, ready: 60), Pod(3, ready: 66));
        var resumed = Assert.IsType<Outcome.GangStarted>(_told[2]);
        Assert.Equal((TimeSpan.FromSeconds(15), Bytes.GiB(100)), (resumed.Took, resumed.Size));
        Assert.Equal((GangState.Ended, At(80)), Look(90, Target(started: 51, ended: 80), false, true) is { Members: [] } ended ? (ended.State, ended.StateSince) : default);
        Assert.Equal(3, _told.Count);
    }

    [Fact]
    public void What_was_seen_by_nobody_is_not_told()
    {
        Assert.Equal(GangState.Starting, Look(10, Target(started: 0), false, true, Pod(0, ready: 4), Pod(1))!.State);
        Look(20, Target(started: 0), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Assert.Empty(_told);
    }

    [Fact]
    public void A_member_that_is_replaced_makes_the_gang_start_and_that_is_no_start_that_is_told()
    {
        Look(0, Target(suspended: true), true, true);
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        var broken = Look(30, Target(started: 1), false, true, Pod(0, ready: 4))!;
        Assert.Equal((GangState.Starting, At(30)), (broken.State, broken.StateSince));
        Assert.Equal([There, Placement.Pending], broken.Members);
        Assert.Equal(At(30), Look(35, Target(started: 1), false, true, Pod(0, ready: 4), Pod(2))!.StateSince);
        Look(40, Target(started: 1), false, true, Pod(0, ready: 4), Pod(2, ready: 39));
        Assert.Single(_told);

        // It trained all the same, and saves when it is told to.
        Look(50, Target(suspended: true, suspendedAt: 50), true, true);
        Assert.IsType<Outcome.CheckpointWritten>(_told[^1]);
    }

    [Fact]
    public void What_is_killed_at_the_end_of_its_grace_or_ended_while_it_started_has_saved_nothing()
    {
        Look(0, Target(suspended: true), true, true);
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(30, Target(suspended: true, suspendedAt: 30), true, true, Pod(0, ready: 4, deleted: 60), Pod(1, ready: 12, deleted: 60));
        Look(60, Target(suspended: true, suspendedAt: 30), true, true);
        Assert.IsType<Outcome.GangStarted>(Assert.Single(_told));

        Look(70, Target(started: 70), false, true, Pod(2), Pod(3));
        Look(75, Target(suspended: true, suspendedAt: 75), true, true, Pod(2, deleted: 105));
        Look(76, Target(suspended: true, suspendedAt: 75), true, true);
        Assert.Single(_told);
    }

    [Fact]
    public void What_saved_within_its_grace_is_told_though_only_the_grace_that_was_taken_back_was_ever_seen()
    {
        Look(0, Target(suspended: true), true, true);
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(31, Target(suspended: true, suspendedAt: 30), true, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(33, Target(suspended: true, suspendedAt: 30), true, true, Pod(1, ready: 12, deleted: 32));
        Look(35, Target(suspended: true, suspendedAt: 30), true, true);
        Assert.Equal(TimeSpan.FromSeconds(5), Assert.IsType<Outcome.CheckpointWritten>(_told[^1]).Took);
    }

    [Fact]
    public void What_saved_within_its_grace_is_told_though_its_kubelet_takes_the_grace_back_at_the_end()
    {
        Look(0, Target(suspended: true), true, true);
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(30, Target(suspended: true, suspendedAt: 30), true, true, Pod(0, ready: 4, deleted: 60), Pod(1, ready: 12, deleted: 60));

        // The API server moves deletionTimestamp to when it was first asked, before it removes the pod.
        Look(40, Target(suspended: true, suspendedAt: 30), true, true, Pod(1, ready: 12, deleted: 30));
        Look(41, Target(suspended: true, suspendedAt: 30), true, true);
        Assert.Equal(TimeSpan.FromSeconds(11), Assert.IsType<Outcome.CheckpointWritten>(_told[^1]).Took);
    }

    [Fact]
    public void A_gang_without_a_checkpoint_tells_of_none()
    {
        Look(0, Target(suspended: true), true, true, Bytes.Zero);
        Look(20, Target(started: 1), false, true, Bytes.Zero, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(30, Target(suspended: true, suspendedAt: 30), true, true, Bytes.Zero);
        Assert.IsType<Outcome.GangStarted>(Assert.Single(_told));
    }

    [Fact]
    public void Members_that_are_done_are_not_waited_for_and_those_without_a_node_are()
    {
        var gang = Look(20, Target(started: 1, size: 3), false, true, 1, Pod(0, ready: 4), Pod(1) with { Placement = Placement.Pending })!;
        Assert.Equal((GangState.Starting, 2), (gang.State, gang.Members.Length));
        Assert.Equal([There, Placement.Pending], gang.Members);
        Assert.Equal(GangState.Running, Look(30, Target(started: 1, size: 3), false, true, 1, Pod(0, ready: 4), Pod(1, ready: 22))!.State);
    }

    [Fact]
    public void One_that_goes_holds_its_place_and_another_is_to_come()
    {
        var gang = Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 4, deleted: 50))!;
        Assert.Equal([There, There, Placement.Pending], gang.Members);
        Assert.Equal(GangState.Starting, gang.State);
    }

    [Fact]
    public void Members_without_a_node_are_counted_until_they_are_deleted_though_it_is_asked_to_stop()
    {
        GangPod Unbound(int? deleted = null) => Pod(1, deleted: deleted) with { Placement = Placement.Pending };
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Unbound());

        // Asked, and not written yet: the one that is not made yet may come as well.
        _mayStillRun = true;
        var gang = Look(21, Target(started: 1), true, true, Pod(0, ready: 4))!;
        Assert.Equal(GangState.Stopping, gang.State);
        Assert.Equal([There, Placement.Pending], gang.Members);

        // Written, and its controller has yet to delete them.
        _mayStillRun = false;
        Assert.Equal([There, Placement.Pending], Look(22, Target(suspended: true, suspendedAt: 22), true, true, Pod(0, ready: 4, deleted: 52), Unbound())!.Members);
        Assert.Equal([There], Look(23, Target(suspended: true, suspendedAt: 22), true, true, Pod(0, ready: 4, deleted: 52), Unbound(deleted: 23))!.Members);
    }

    [Fact]
    public void One_that_is_asked_to_stop_before_it_has_pods_stops_until_that_is_seen()
    {
        Look(0, Target(suspended: true), true, false);
        Look(1, Target(suspended: true), false, false);
        _mayStillRun = true;
        var gang = Look(2, Target(), true, false)!;
        Assert.Equal(GangState.Stopping, gang.State);
        Assert.Equal([Placement.Pending, Placement.Pending], gang.Members);
        Assert.Equal(GangState.Stopping, Look(3, Target(), true, false)!.State);
        _mayStillRun = false;
        Assert.Equal(GangState.Suspended, Look(4, Target(suspended: true, suspendedAt: 3), true, false)!.State);
        Assert.Empty(_told);
    }

    [Fact]
    public void Another_job_under_the_name_was_never_launched()
    {
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 4));
        Assert.Null(Look(30, Target(suspended: true, uid: "other"), true, true));
        Assert.Empty(_told);
    }

    [Fact]
    public void That_it_was_launched_is_known_before_its_status_shows_it()
    {
        Look(0, Target(suspended: true), suspended: false, launched: false);
        Assert.Equal(GangState.Suspended, Look(1, Target(suspended: true), suspended: true, launched: false)!.State);
    }

    [Fact]
    public void One_that_goes_on_starts_now_whatever_its_controller_says_of_the_time_before()
    {
        Look(4000, Target(suspended: true, suspendedAt: 3900), true, true);
        var starting = Look(4002, Target(started: 10), false, true)!;
        Assert.Equal((GangState.Starting, At(4002), At(4002)), (starting.State, starting.StateSince, starting.StartedAt));
        Assert.Equal(At(4002), Look(4004, Target(started: 10), false, true)!.StateSince);

        // Once it says when that was, that counts.
        Assert.Equal(At(4003), Look(4006, Target(started: 4003), false, true, Pod(0))!.StartedAt);
    }

    [Fact]
    public void Of_one_that_nobody_looked_at_before_nobody_knows_how_long_it_has_lacked_a_pod()
    {
        var broken = Look(18_000, Target(started: 1), false, true, Pod(0, ready: 4))!;
        Assert.Equal((GangState.Starting, At(18_000), At(1)), (broken.State, broken.StateSince, broken.StartedAt));
        Assert.Equal(At(18_000), Look(18_005, Target(started: 1), false, true, Pod(0, ready: 4))!.StateSince);
    }

    [Fact]
    public void A_suspend_that_is_refused_after_all_starts_nothing_anew()
    {
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Assert.Equal(GangState.Stopping, Look(30, Target(started: 1), true, true, Pod(0, ready: 4), Pod(1, ready: 12))!.State);
        var gang = Look(40, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12))!;
        Assert.Equal((GangState.Running, At(1)), (gang.State, gang.StartedAt));
        Assert.Empty(_told);
    }

    [Fact]
    public void One_that_somebody_else_suspends_has_failed_and_one_that_we_did_has_not()
    {
        Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Look(30, Target(started: 1), true, true, Pod(0, ready: 4), Pod(1, ready: 12));
        Assert.Empty(_told);

        Look(40, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 12));
        _askedToRun = true;
        Look(50, Target(suspended: true, suspendedAt: 50), true, true, Pod(0, ready: 4, deleted: 80), Pod(1, ready: 12, deleted: 80));
        Look(51, Target(suspended: true, suspendedAt: 50), true, true, Pod(1, ready: 12, deleted: 80));
        Assert.Equal("somebody else suspended it", Assert.IsType<Outcome.GangFailed>(Assert.Single(_told)).Why);
    }

    [Fact]
    public void What_its_pods_ask_is_their_own()
    {
        var gang = Look(20, Target(started: 1), false, true, Pod(0, ready: 4), Pod(1, ready: 4))!;
        Assert.Equal((Bytes.GiB(9), new Cores(2500), 1, "pool"), (gang.Requests!.Memory, gang.Requests.Cores, gang.Requests.Devices, Assert.Single(gang.Requests.Pools)));
        Assert.Equal(Bytes.GiB(16), gang.ReservedPerMember.Host.Highest);
    }

    private static DateTimeOffset At(int second) => Noon.AddSeconds(second);

    private static JobView Target(bool suspended = false, int? started = null, int? suspendedAt = null, int? ended = null, int size = 2, string uid = "u") => new()
    {
        Name = new ObjectName("ns", "train"),
        Kind = "Job",
        Uid = uid,
        CreatedAt = At(-100),
        Suspended = suspended,
        StartedAt = started is { } start ? At(start) : null,
        SuspendedAt = suspendedAt is { } since ? At(since) : null,
        EndedAt = ended is { } end ? At(end) : null,
        Pods = [new JobPods(size, "{}"u8.ToArray())],
    };

    private static GangPod Pod(int number, int? ready = null, int? deleted = null) => new(
        new PodView
        {
            Name = new ObjectName("ns", $"train-{number}"),
            Uid = $"p{number}",
            Node = "gpu-1",
            Phase = "Running",
            CreatedAt = At(1),
            Ready = ready is not null,
            ReadyChangedAt = ready is { } since ? At(since) : At(1),
            DeletedAt = deleted is { } until ? At(until) : null,
            Requests = new PodRequests(2500, Bytes.GiB(9).Value, 0, System.Collections.Immutable.ImmutableSortedDictionary<string, long>.Empty.Add("nvidia.com/gpu", 1)),
        }, There);

    private TrainingGang? Look(int second, JobView target, bool suspended, bool launched, params GangPod[] pods) => Look(second, target, suspended, launched, Bytes.GiB(100), 0, pods);

    private TrainingGang? Look(int second, JobView target, bool suspended, bool launched, int succeeded, params GangPod[] pods) =>
        Look(second, target, suspended, launched, Bytes.GiB(100), succeeded, pods);

    private TrainingGang? Look(int second, JobView target, bool suspended, bool launched, Bytes checkpoint, params GangPod[] pods) =>
        Look(second, target, suspended, launched, checkpoint, 0, pods);

    private TrainingGang? Look(int second, JobView target, bool suspended, bool launched, Bytes checkpoint, int succeeded, GangPod[] pods)
    {
        var job = new ResolvedJob
        {
            View = new PlannedJobView(
                new ObjectName("ns", "train"), "pu", "1", new PlannedJob { Status = launched ? new PlannedJobStatus { LaunchedAt = "2026-11-30T11:59:00Z", TargetUid = "u" } : null }, null),
            Target = target,
            Planned = new Finding(JobConditionTypes.Planned, true, "Planned", ""),
            Spec = new TrainingSpec
            {
                Id = new JobId("ns/train"),
                GangSize = 2,
                CheckpointSize = checkpoint,
                NeedsPerMember = new ReplicaNeeds { Host = new MemoryNeed(Bytes.GiB(16), Bytes.GiB(16)), Cores = new Cores(2000), Devices = 1, Disk = Bytes.Zero },
                Requests = new SchedulerRequests { Memory = Bytes.GiB(8), Cores = new Cores(2000), Resource = "nvidia.com/gpu", Devices = 1, Pools = ["pool"] },
            },
        };
        var (gangs, outcomes) = _gangs.Look([new GangSeen(job, suspended, pods, succeeded) { AskedToRun = _askedToRun, MayStillRun = _mayStillRun }], At(second));
        _told.AddRange(outcomes);
        return gangs.SingleOrDefault();
    }
}
