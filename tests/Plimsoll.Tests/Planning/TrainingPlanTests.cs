using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Gangs beside models: whole or not at all, by rank, and giving way at the price of their checkpoints.</summary>
public class TrainingPlanTests
{
    // A member takes one device of a GiB whole, and writes 100 MiB in 2.5 s at what is assumed: 2.6 s for nine in ten, with the fixed part 3.3.
    private static TrainingSpec Job(string id, int members = 1, int priority = -1, double checkpointMiB = 100, double secondsAgo = 60, bool preemptible = true) => new()
    {
        Id = new JobId(id),
        GangSize = members,
        DeviceKind = "gpu",
        NeedsPerMember = new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(100), Bytes.MiB(100)),
            Devices = 1,
            PerDevice = new MemoryNeed(Bytes.MiB(1000), Bytes.MiB(1000)),
            Cores = Cores.Of(0.5),
            Disk = Bytes.Zero,
        },
        Priority = priority,
        Preemptible = preemptible,
        CheckpointSize = Bytes.MiB(checkpointMiB),
        SubmittedAt = Noon.AddSeconds(-secondsAgo),
    };

    private static NodeState Node(string id, int devices) => Fleets.Node(8000, id: id, deviceMiB: [.. Enumerable.Repeat(1000.0, devices)]);

    private static Placement On(string node, params int[] devices) => new(new NodeId(node), [.. devices.Select(device => new DeviceId($"gpu{device}"))]);

    private static TrainingGang Runs(TrainingSpec job, double sinceSeconds, params Placement[] members) => new()
    {
        Job = job.Id,
        Members = [.. members],
        ReservedPerMember = job.NeedsPerMember,
        StateSince = Noon.AddSeconds(-sinceSeconds),
        StartedAt = Noon.AddSeconds(-sinceSeconds),
    };

    private static FleetSnapshot Seen(FleetSpec spec, NodeState[] nodes, params TrainingGang[] gangs) => new()
    {
        At = Noon,
        Can = Local | Capabilities.Train,
        Nodes = [.. nodes],
        Training = [.. gangs.OrderBy(gang => gang.Job)],
        Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))],
    };

    private static Plan Decide(FleetSpec spec, FleetSnapshot seen, Knowledge? knowledge = null) =>
        new Planner(new WeightAllocator()).Decide(spec, seen, (knowledge ?? Knowledge.Empty).Fold(spec, seen));

    private static FleetSpec Fleet(ModelSpec[] models, params TrainingSpec[] jobs) => Spec(models) with { Training = [.. jobs.OrderBy(job => job.Id)] };

    private static JobVerdict Of(Plan plan, string job) => plan.Jobs.Single(verdict => verdict.Job.Value == job);

    // One that waits, as far back as its requests have lost so many request-seconds.
    private static (FleetSnapshot Seen, Knowledge Knowledge) Waits(FleetSnapshot seen, ModelSpec model, double debt = 0, int held = 3) => (
        seen with { Traffic = [.. seen.Traffic.Select(row => row.Model == model.Id ? Traffic(model.Id, Noon, 0, held, debt) : row)] }, Knowledge.Empty);

    [Fact]
    public void A_gang_is_launched_where_all_of_it_finds_room_and_not_where_half_does()
    {
        var spec = Fleet([], Job("train", members: 3));
        var launch = Assert.IsType<Step.Launch>(Assert.Single(Decide(spec, Seen(spec, [Node("a", 2), Node("b", 1)])).Steps));
        Assert.Equal([On("a", 0), On("a", 1), On("b", 0)], launch.Members);
        var busy = Seen(spec, [Node("a", 2), Node("b", 1)]) with { Foreign = [new ForeignUse { Node = new NodeId("b"), Device = new DeviceId("gpu0"), Memory = Signal.Known(Bytes.MiB(10), Noon) }] };
        var plan = Decide(spec, busy);
        Assert.Empty(plan.Steps);
        Assert.Equal("needs 3 × 1 gpu of 0.98 GiB at once, and there is room for 2; nobody may go for the rest; it has waited 1 min", Of(plan, "train").Reason.ToString());
    }

    [Fact]
    public void Members_stay_together_on_the_node_that_takes_them_all()
    {
        var spec = Fleet([], Job("train", members: 2));
        var launch = Assert.IsType<Step.Launch>(Assert.Single(Decide(spec, Seen(spec, [Node("a", 1), Node("b", 1), Node("c", 3)])).Steps));
        Assert.All(launch.Members, member => Assert.Equal("c", member.Node.Value));
    }

    [Fact]
    public void What_no_fleet_of_these_nodes_could_run_is_refused_and_what_comes_later_waits()
    {
        var spec = Fleet([], Job("large", members: 4), Job("later", secondsAgo: -300));
        var plan = Decide(spec, Seen(spec, [Node("a", 2)]));
        Assert.Empty(plan.Steps);
        Assert.Equal("needs 4 × 1 gpu of 0.98 GiB, and all nodes empty would take 2", Of(plan, "large").Reason.ToString());
        Assert.Equal("it comes in 5 min", Of(plan, "later").Reason.ToString());
        var unable = Decide(spec, Seen(spec, [Node("a", 4)]) with { Can = Local });
        Assert.Empty(unable.Steps);
        Assert.Equal(Rule.JobUnmanaged, Of(unable, "large").Reason.Rule);
    }

    [Fact]
    public void A_model_of_higher_priority_has_a_gang_save_and_give_way_before_it_starts()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train", members: 2);
        var spec = Fleet([model], job);
        var (seen, knowledge) = Waits(Seen(spec, [Node("a", 1), Node("b", 1)], Runs(job, 600, On("a", 0), On("b", 0))), model);
        var plan = Decide(spec, seen, knowledge);
        var (checkpoint, start, suspend) = (plan.Steps.OfType<Step.Checkpoint>().Single(), plan.Steps.OfType<Step.Start>().Single(), plan.Steps.OfType<Step.Suspend>().Single());
        Assert.Equal(3, plan.Steps.Length);
        Assert.Empty(checkpoint.After);
        Assert.Equal([checkpoint.Id], suspend.After);
        Assert.Equal([suspend.Id], start.After);
        Assert.StartsWith("10 min of training would be lost; writing 100 MiB takes", checkpoint.Reason.ToString(), StringComparison.Ordinal);

        // A checkpoint that was just written is as good as another.
        var saved = seen with { Training = [seen.Training[0] with { LastCheckpoint = Noon.AddSeconds(-1) }] };
        plan = Decide(spec, saved, knowledge);
        Assert.Empty(plan.Steps.OfType<Step.Checkpoint>());
        Assert.Empty(plan.Steps.OfType<Step.Suspend>().Single().After);

        // One that saves as it ends is told to end.
        var saves = spec with { Training = [job with { SavesOnStop = true }] };
        Assert.Empty(Decide(saves, seen, knowledge).Steps.OfType<Step.Checkpoint>());

        // While it ends the model waits for that.
        var ending = seen with { Training = [seen.Training[0] with { State = GangState.Stopping, StateSince = Noon }] };
        plan = Decide(spec, ending, knowledge);
        Assert.Equal([Step.Suspend.IdOf(job.Id)], plan.Steps.OfType<Step.Start>().Single().After);
        Assert.Equal(Rule.SuspendUnderway, plan.Steps.OfType<Step.Suspend>().Single().Reason.Rule);
    }

    [Fact]
    public void An_equal_pays_by_waiting_as_long_as_giving_way_would_cost()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train", priority: 0);
        var spec = Fleet([model], job);
        var fleet = Seen(spec, [Node("a", 1)], Runs(job, 600, On("a", 0)));
        var (seen, knowledge) = Waits(fleet, model, debt: 2);
        var plan = Decide(spec, seen, knowledge);
        Assert.Empty(plan.Steps);
        Assert.Matches(@"^needs 550 MiB, which train holds to train; 3 requests wait, 2 request-seconds so far; it gives way from \d+(\.\d)? device-seconds on$", plan.Models[0].Reason.ToString());
        (seen, knowledge) = Waits(fleet, model, debt: 20);
        Assert.Single(Decide(spec, seen, knowledge).Steps.OfType<Step.Suspend>());

        // One that came first is never pushed out by who ranks below it, nor one that may not give way.
        foreach (var other in new[] { job with { Priority = 1 }, job with { Priority = -1, Preemptible = false } })
        {
            spec = Fleet([model], other);
            Assert.Empty(Decide(spec, seen, knowledge).Steps);
        }
    }

    [Fact]
    public void A_model_looks_ahead_by_the_checkpoint_too_while_a_job_that_may_give_way_is_not_done()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train", checkpointMiB: 4000);
        TimeSpan Horizon(TrainingSpec one, params TrainingGang[] gangs)
        {
            var spec = Fleet([model], one);
            var seen = Seen(spec, [Node("a", 1)], gangs);
            return Outlooks.Of(spec, seen, Knowledge.Empty.Fold(spec, seen)).Single().Horizon;
        }

        var gang = Runs(job, 600, On("a", 0));
        var alone = Horizon(job, gang with { State = GangState.Ended, Members = [] });
        Assert.Equal(alone + TrainingKnowledge.Nothing.Write(job, new PlannerSettings()).P90, Horizon(job, gang));
        Assert.Equal(alone, Horizon(job with { Preemptible = false }, gang));
        Assert.Equal(alone, Horizon(job with { Priority = 1 }, gang));
        Assert.Equal(alone, Horizon(job with { DeviceKind = "other" }, gang));
        Assert.Equal(alone, Horizon(job with { SubmittedAt = Noon.AddSeconds(1) }));

        // Or a model that had one go would look ahead by less the moment after.
        Assert.Equal(Horizon(job, gang), Horizon(job, gang with { State = GangState.Suspended, Members = [] }));
    }

    [Fact]
    public void Of_several_gangs_the_one_goes_that_loses_least_and_no_more_than_must()
    {
        var model = Model("chat", 500, devices: 1);
        var (light, heavy) = (Job("light", checkpointMiB: 50), Job("heavy", checkpointMiB: 5000));
        var spec = Fleet([model], light, heavy);
        var (seen, knowledge) = Waits(Seen(spec, [Node("a", 2)], Runs(light, 600, On("a", 0)), Runs(heavy, 600, On("a", 1))), model);
        Assert.Equal("light", Decide(spec, seen, knowledge).Steps.OfType<Step.Suspend>().Single().Job.Value);

        // Whoever has hardly begun loses nothing but its start.
        seen = seen with { Training = [.. seen.Training.Select(gang => gang.Job == heavy.Id ? gang with { State = GangState.Starting, StartedAt = Noon, StateSince = Noon } : gang)] };
        Assert.Equal("light", Decide(spec, seen, knowledge).Steps.OfType<Step.Suspend>().Single().Job.Value);
    }

    [Fact]
    public void What_a_model_has_to_spare_goes_for_a_job_and_what_it_needs_stays()
    {
        var model = Model("chat", 500, devices: 1, max: 3);
        var job = Job("train", members: 3);
        var spec = Fleet([model], job);
        var since = Noon.AddHours(-2);
        InferenceReplica Serves(int ordinal, string node, int device) => Replica(model, ordinal, ReplicaState.Ready, since, node: node) with { Placement = On(node, device) };
        var seen = Seen(spec, [Node("a", 2), Node("b", 2)]) with
        {
            Replicas = [Serves(1, "a", 0), Serves(2, "a", 1), Serves(3, "b", 0)],
            Traffic = [Traffic(model.Id, Noon, 5)],
        };
        var known = Knowledge.Empty.Fold(spec, seen);
        var wanted = known.Of(model.Id) with { LastWanted = [Noon, since, since] };
        known = known with { Models = known.Models.SetItem(model.Id, wanted) };
        var plan = new Planner(new WeightAllocator()).Decide(spec, seen, known);
        Assert.Equal(2, plan.Steps.OfType<Step.Drain>().Count());
        Assert.All(plan.Steps.OfType<Step.Drain>(), drain => Assert.Equal(Rule.DrainForJob, drain.Reason.Rule));
        Assert.Equal(plan.Steps.OfType<Step.Stop>().Select(stop => stop.Id), plan.Steps.OfType<Step.Launch>().Single().After);

        // Wanted a moment ago it is none to spare; nor is the last one that serves.
        foreach (var (lately, members) in new[] { (ImmutableArray.Create(Noon, Noon, since), 3), ([Noon, since, since], 4) })
        {
            var other = Fleet([model], Job("train", members));
            plan = new Planner(new WeightAllocator()).Decide(other, seen, known with { Models = known.Models.SetItem(model.Id, wanted with { LastWanted = lately }) });
            Assert.Empty(plan.Steps.OfType<Step.Drain>());
        }
    }

    [Fact]
    public void Of_equal_jobs_who_came_first_has_the_later_one_give_way_and_a_small_one_trains_in_the_room_left()
    {
        var (first, later) = (Job("first", members: 2, secondsAgo: 500), Job("later", secondsAgo: 400));
        var spec = Fleet([], first, later);
        var plan = Decide(spec, Seen(spec, [Node("a", 2)], Runs(later, 300, On("a", 0))));
        Assert.Equal("later", plan.Steps.OfType<Step.Suspend>().Single().Job.Value);
        Assert.Equal([Step.Suspend.IdOf(later.Id)], plan.Steps.OfType<Step.Launch>().Single().After);

        // What may not give way is waited for, and one that fits beside it does not wait.
        var stays = Job("stays", preemptible: false, secondsAgo: 300);
        spec = Fleet([], first, later, stays);
        plan = Decide(spec, Seen(spec, [Node("a", 2)], Runs(stays, 300, On("a", 0))));
        Assert.Equal("later", Assert.IsType<Step.Launch>(Assert.Single(plan.Steps)).Job.Value);
    }

    [Fact]
    public void Who_gave_way_goes_on_once_there_was_room_for_as_long_as_that_would_cost_again()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train");
        var spec = Fleet([model], job);
        var gang = Runs(job, 30) with { State = GangState.Suspended, LastCheckpoint = Noon.AddSeconds(-30), Members = [] };
        var gave = Knowledge.Empty with { Training = new TrainingKnowledge { Jobs = ImmutableSortedDictionary<JobId, JobKnowledge>.Empty.Add(job.Id, new JobKnowledge { GaveWay = true }) } };
        var seen = Seen(spec, [Node("a", 1)], gang);
        var plan = Decide(spec, seen, gave);
        Assert.Empty(plan.Steps);
        Assert.Equal(Rule.HoldJobRoom, Of(plan, "train").Reason.Rule);
        Assert.Equal(Noon, plan.Next.Training!.Of(job.Id).RoomSince);

        plan = Decide(spec, seen with { At = Noon.AddSeconds(3) }, plan.Next);
        Assert.Empty(plan.Steps);
        plan = Decide(spec, seen with { At = Noon.AddSeconds(20) }, plan.Next);
        Assert.Equal(On("a", 0), Assert.IsType<Step.Resume>(Assert.Single(plan.Steps)).Members.Single());

        // Whoever lost its place otherwise, or whom nobody can ask again, does not wait for that.
        Assert.IsType<Step.Resume>(Assert.Single(Decide(spec, seen).Steps));
        Assert.IsType<Step.Resume>(Assert.Single(Decide(Fleet([], job), seen, gave).Steps));
    }

    [Fact]
    public void A_gang_leaves_a_node_that_goes_and_a_job_that_is_no_longer_there_ends()
    {
        var job = Job("train", members: 2, preemptible: false);
        var spec = Fleet([], job);
        var seen = Seen(spec, [Node("a", 1), Node("b", 1) with { Condition = NodeCondition.Draining }], Runs(job, 600, On("a", 0), On("b", 0)));
        var plan = Decide(spec, seen);
        Assert.Single(plan.Steps.OfType<Step.Checkpoint>());
        Assert.Equal("b is told to go, and would take it along", plan.Steps.OfType<Step.Suspend>().Single().Reason.ToString());
        Assert.Equal(Rule.SuspendRemovedJob, Assert.IsType<Step.Suspend>(Assert.Single(Decide(Fleet([]), seen).Steps)).Reason.Rule);
    }

    [Fact]
    public void How_long_it_takes_to_give_way_is_learned_and_told_of_others_by_what_a_rank_moves()
    {
        var (job, other) = (Job("train", members: 4, checkpointMiB: 40_000), Job("other", members: 8, checkpointMiB: 80_000));
        var spec = Fleet([], job, other);
        var before = Knowledge.Empty.Fold(spec, Seen(spec, [])).Training!;
        Assert.Equal(before.Write(job, spec.Settings), before.Write(other, spec.Settings));
        var seen = Seen(spec, []) with
        {
            Outcomes = [.. Enumerable.Range(0, 5).Select(_ => new Outcome.CheckpointWritten { At = Noon, Job = job.Id, Size = job.CheckpointSize, Took = TimeSpan.FromSeconds(5) })],
        };
        var after = Knowledge.Empty.Fold(spec, seen).Training!;
        Assert.InRange(after.Write(job, spec.Settings).P90.TotalSeconds, 5, 6);
        Assert.InRange(after.Write(other, spec.Settings).Median.TotalSeconds, 4, 7);
        Assert.True(after.Write(other, spec.Settings).P90 < before.Write(other, spec.Settings).P90);
    }

    [Fact]
    public void What_fails_is_tried_again_after_a_while_and_several_members_that_die_are_one_failure()
    {
        var job = Job("train", members: 2);
        var spec = Fleet([], job);
        var died = new Outcome.GangFailed { At = Noon, Job = job.Id, Why = "a member died" };
        var seen = Seen(spec, [Node("a", 2)], Runs(job, 0) with { State = GangState.Suspended, Members = [] }) with { Outcomes = [died, died] };
        var plan = Decide(spec, seen);
        Assert.Empty(plan.Steps);
        Assert.Equal("failed 1 time, next try in 1 s: a member died", Of(plan, "train").Reason.ToString());
        Assert.IsType<Step.Resume>(Assert.Single(Decide(spec, seen with { At = Noon.AddSeconds(2), Outcomes = [] }, plan.Next).Steps));
    }

    [Fact]
    public void A_gang_and_a_replica_go_together_where_neither_alone_makes_room()
    {
        var (chat, low) = (Model("chat", 1800, priority: 5, devices: 2), Model("low", 500, devices: 1));
        var job = Job("train");
        var spec = Fleet([chat, low], job);
        var (seen, knowledge) = Waits(Seen(spec, [Node("a", 2)], Runs(job, 600, On("a", 0))), chat);
        seen = seen with { Replicas = [Replica(low, 1, ReplicaState.Ready, Noon.AddMinutes(-30), node: "a") with { Placement = On("a", 1) }] };
        var plan = Decide(spec, seen, knowledge);
        Assert.Equal([Step.Suspend.IdOf(job.Id), StepId.Of("stop/low-1")], plan.Steps.OfType<Step.Start>().Single(start => start.Model == chat.Id).After.OrderByDescending(id => id));
    }

    [Fact]
    public void A_job_above_a_model_takes_its_place_and_one_only_shown_moves_nobody()
    {
        var low = Model("low", 500, devices: 1);
        var job = Job("train", priority: 3);
        var spec = Fleet([low], job);
        var seen = Seen(spec, [Node("a", 1)]) with { Replicas = [Replica(low, 1, ReplicaState.Ready, Noon.AddSeconds(-1), outstanding: 2, node: "a") with { Placement = On("a", 0) }] };
        var plan = Decide(spec, seen);
        Assert.EndsWith("; its priority is lower", plan.Steps.OfType<Step.Drain>().Single().Reason.ToString(), StringComparison.Ordinal);
        Assert.Single(plan.Steps.OfType<Step.Launch>());
        Assert.Empty(Decide(Fleet([low], job with { Priority = -1 }), seen).Steps);

        var shown = low with { Acts = false };
        var (waits, knowledge) = Waits(Seen(Fleet([shown], job with { Priority = -1 }), [Node("a", 1)], Runs(job, 600, On("a", 0))), shown, debt: 1000);
        Assert.Empty(Decide(Fleet([shown], job with { Priority = -1 }), waits, knowledge).Steps.OfType<Step.Suspend>());
    }

    private static Knowledge Known(TrainingSpec job, JobKnowledge known) =>
        Knowledge.Empty with { Training = new TrainingKnowledge { Jobs = ImmutableSortedDictionary<JobId, JobKnowledge>.Empty.Add(job.Id, known) } };

    [Fact]
    public void A_checkpoint_since_it_was_told_is_enough_however_fast_it_is_written()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train", checkpointMiB: 1);
        var spec = Fleet([model], job);
        var fast = new LoadSample(Bytes.MiB(1), TimeSpan.FromMilliseconds(1));
        var (seen, _) = Waits(Seen(spec, [Node("a", 1)], Runs(job, 600, On("a", 0))), model);
        var first = Decide(spec, seen, Known(job, new JobKnowledge { Checkpoints = LoadStatistics.None.Add(fast) }));
        Assert.Single(first.Steps.OfType<Step.Checkpoint>());

        // Written within a millisecond, and looked at a second later.
        var later = seen with { At = Noon.AddSeconds(1), Training = [seen.Training[0] with { LastCheckpoint = Noon.AddMilliseconds(1) }] };
        var plan = Decide(spec, later, first.Next);
        Assert.Empty(plan.Steps.OfType<Step.Checkpoint>());
        Assert.Empty(plan.Steps.OfType<Step.Suspend>().Single().After);
    }

    [Fact]
    public void A_checkpoint_that_does_not_come_is_not_waited_for_for_ever()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train");
        var spec = Fleet([model], job);
        var (seen, _) = Waits(Seen(spec, [Node("a", 1)], Runs(job, 600, On("a", 0)) with { State = GangState.Checkpointing }), model);
        Assert.Single(Decide(spec, seen, Known(job, new JobKnowledge { GivesWaySince = Noon.AddSeconds(-15) })).Steps.OfType<Step.Checkpoint>());
        var plan = Decide(spec, seen, Known(job, new JobKnowledge { GivesWaySince = Noon.AddSeconds(-30) }));
        Assert.Empty(plan.Steps.OfType<Step.Checkpoint>());
        Assert.EndsWith("; rather than waiting on for its checkpoint (waited 30 s, lost 10 min)", plan.Steps.OfType<Step.Suspend>().Single().Reason.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void Nothing_is_spared_that_nobody_counted_or_has_watched_for_long()
    {
        var model = Model("chat", 500, devices: 1, min: 1, max: 3);
        var spec = Fleet([model], Job("train", members: 2));
        var seen = Seen(spec, [Node("a", 2)]) with
        {
            Replicas = [.. Enumerable.Range(0, 2).Select(i => Replica(model, i + 1, ReplicaState.Ready, Noon.AddHours(-2), node: "a") with { Placement = On("a", i) })],
        };
        Assert.Empty(Decide(spec, seen).Steps);
        Assert.Empty(Decide(spec, seen with { Traffic = [] }).Steps);
    }

    [Fact]
    public void One_that_gave_way_has_nobody_go_before_that_has_paid_and_takes_what_was_made_for_it_at_once()
    {
        var model = Model("chat", 500, devices: 1);
        var (job, later) = (Job("train", secondsAgo: 900), Job("later", secondsAgo: 100));
        var spec = Fleet([model], job, later);
        TrainingGang Gave(double ago) => Runs(job, ago) with { State = GangState.Suspended, Members = [] };
        var gave = Known(job, new JobKnowledge { GaveWay = true });
        Assert.Empty(Decide(spec, Seen(spec, [Node("a", 1)], Gave(2), Runs(later, 50, On("a", 0))), gave).Steps.OfType<Step.Suspend>());
        var plan = Decide(spec, Seen(spec, [Node("a", 1)], Gave(200), Runs(later, 50, On("a", 0))), gave);
        Assert.Equal("later", plan.Steps.OfType<Step.Suspend>().Single().Job.Value);
        Assert.True(plan.Next.Training!.Of(job.Id).RoomMade);
        Assert.EndsWith("and trains again in 3.3 s", plan.Steps.OfType<Step.Resume>().Single().Reason.ToString(), StringComparison.Ordinal);

        var free = Seen(spec, [Node("a", 1)], Gave(203), Runs(later, 3) with { State = GangState.Suspended, Members = [] });
        Assert.Equal("train", Assert.IsType<Step.Resume>(Assert.Single(Decide(spec, free, plan.Next).Steps)).Job.Value);
    }

    [Fact]
    public void Only_for_a_model_that_asked_is_there_a_wait_and_nobody_goes_for_one_that_fails()
    {
        var model = Model("chat", 500, devices: 1);
        var job = Job("train");
        var spec = Fleet([model], job);
        var leaving = Seen(spec, [Node("a", 1) with { Condition = NodeCondition.Draining }], Runs(job, 600, On("a", 0)));
        Assert.False(Decide(spec, leaving).Next.Training!.Of(job.Id).GaveWay);
        var (asked, knowledge) = Waits(Seen(spec, [Node("a", 1)], Runs(job, 600, On("a", 0))), model);
        var gave = Decide(spec, asked, knowledge).Next;
        Assert.True(gave.Training!.Of(job.Id).GaveWay);
        var stopping = Decide(spec, asked with { Training = [asked.Training[0] with { State = GangState.Stopping }] }, gave).Next;
        Assert.True(stopping.Training!.Of(job.Id).GaveWay);
        Assert.False(Decide(spec, Seen(spec, [Node("a", 1)], Runs(job, 1, On("a", 0))), stopping).Next.Training!.Of(job.Id).GaveWay);

        var (first, later) = (Job("first", secondsAgo: 900), Job("later"));
        spec = Fleet([], first, later);
        var seen = Seen(spec, [Node("a", 1)], Runs(first, 5) with { State = GangState.Suspended, Members = [] }, Runs(later, 50, On("a", 0)));
        Assert.Single(Decide(spec, seen).Steps.OfType<Step.Suspend>());
        Assert.Empty(Decide(spec, seen, Known(first, new JobKnowledge { Failures = new FailureRecord(2, Noon.AddSeconds(-1), "it died") })).Steps);
    }

    [Fact]
    public void Room_that_is_free_comes_before_room_that_others_have_yet_to_leave()
    {
        var gone = Model("gone", 900, devices: 1);
        var job = Job("train");
        var spec = Fleet([], job);
        var seen = Seen(spec, [Fleets.Node(500, id: "a", deviceMiB: [1000.0]), Node("b", 1)]) with
        {
            Replicas = [Replica(gone, 1, ReplicaState.Ready, Noon.AddMinutes(-30), outstanding: 1, node: "a") with { Placement = On("a", 0), Reserved = gone.Variants[0].Needs with { Host = new MemoryNeed(Bytes.MiB(100), Bytes.MiB(100)) } }],
        };
        var launch = Decide(spec, seen).Steps.OfType<Step.Launch>().Single();
        Assert.Equal("b", launch.Members.Single().Node.Value);
        Assert.Empty(launch.After);
    }
}
