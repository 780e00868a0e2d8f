using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.TrainingScene;

namespace Plimsoll.Tests.Planning;

/// <summary>Gangs beside models: whole or not at all, by rank, and giving way at the price of their checkpoints.</summary>
public class TrainingPlanTests
{
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

    [Fact]
    public void One_that_could_not_be_told_to_go_is_let_be_for_a_while_and_another_goes_in_its_place()
    {
        var model = Model("chat", 500, devices: 1);
        var (cheap, dear) = (Job("cheap", checkpointMiB: 10), Job("dear", checkpointMiB: 5000));
        var spec = Fleet([model], cheap, dear) with { Settings = new PlannerSettings { HeedsStuckGangs = true } };
        var (seen, known) = Waits(Seen(spec, [Node("a", 1), Node("b", 1)], Runs(cheap, 600, On("a", 0)), Runs(dear, 600, On("b", 0))), model);
        Assert.Equal("cheap", Decide(spec, seen, known).Steps.OfType<Step.Suspend>().Single().Job.Value);

        var refused = new Outcome.StepFailed { At = Noon, Step = StepId.Of("suspend/cheap"), Why = "nobody may patch it" };
        var plan = Decide(spec, seen with { Outcomes = [refused] }, known);
        Assert.Equal("dear", plan.Steps.OfType<Step.Suspend>().Single().Job.Value);
        Assert.EndsWith("it could not be told to go: nobody may patch it", Of(plan, "cheap").Reason.ToString(), StringComparison.Ordinal);
        Assert.Equal("cheap", Decide(spec with { Settings = new PlannerSettings() }, seen with { Outcomes = [refused] }, known).Steps.OfType<Step.Suspend>().Single().Job.Value);

        // Each time it is let be for twice as long.
        plan = Decide(spec, seen with { At = Noon.AddSeconds(1) }, plan.Next);
        Assert.Equal("cheap", plan.Steps.OfType<Step.Suspend>().Single().Job.Value);
        plan = Decide(spec, seen with { At = Noon.AddSeconds(1), Outcomes = [refused with { At = Noon.AddSeconds(1) }] }, plan.Next);
        Assert.Equal("dear", Decide(spec, seen with { At = Noon.AddSeconds(2) }, plan.Next).Steps.OfType<Step.Suspend>().Single().Job.Value);

        // Once it has gone all the same, it is as any other.
        var gone = seen with { Training = [Runs(cheap, 1) with { State = GangState.Suspended, Members = [] }, seen.Training[1]] };
        Assert.Null(plan.Next.Fold(spec, gone).Training!.Of(cheap.Id).Refused);
    }

    [Fact]
    public void One_that_left_the_fleet_and_could_not_be_told_to_go_holds_up_nobody_else()
    {
        var job = Job("train");
        var spec = Fleet([]) with { Settings = new PlannerSettings { HeedsStuckGangs = true } };
        var seen = Seen(spec, [Node("a", 1)], Runs(job, 600, On("a", 0)));
        Assert.Single(Decide(spec, seen).Steps.OfType<Step.Suspend>());
        var refused = new Outcome.StepFailed { At = Noon, Step = StepId.Of("suspend/train"), Why = "nobody may patch it" };
        Assert.Empty(Decide(spec, seen with { Outcomes = [refused] }).Steps);
    }
}
