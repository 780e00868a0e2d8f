using static Plimsoll.Tests.Planning.Fleets;
using static Plimsoll.Tests.Planning.TrainingScene;

namespace Plimsoll.Tests.Planning;

/// <summary>Gangs give way to models: whom, when, and at what price.</summary>
public class GivingWayTests
{
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
}
