using Plimsoll.Control;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Training that is planned, over time: it takes what models leave, gives it back in time, and loses no more than it must.</summary>
public sealed class TrainingRunTests
{
    private static readonly RequestTrace Silence = RequestTrace.Silence(1);

    // Requests from 200 s to 300 s.
    private static RequestTrace Burst => new([.. Enumerable.Range(0, 200).Select(i => 200 + (i * 0.5))], [.. Enumerable.Repeat(1, 200)], [.. Enumerable.Repeat(1, 200)], 600);

    private static World With(World world, params OtherJob[] jobs)
    {
        world = world with { Others = [.. jobs.OrderBy(job => job.At)] };
        return world with { Spec = world.Spec with { Training = world.Others.Planned(world.Nodes, world.Start) } };
    }

    private static OtherJob Job(double at, double seconds, int members, double memoryGiB, double checkpointMiB, int priority = -1) => Worlds.Job("train", at, seconds, members, memoryGiB) with
    {
        Training = new TrainingTerms(priority, true, Bytes.MiB(checkpointMiB)) { Start = TimeSpan.FromSeconds(5) },
    };

    private static (RunResult Result, List<Tick> Ticks) Run(World world)
    {
        var ticks = new List<Tick>();
        return (SimulationRun.Plimsoll(world, 1, seen: ticks.Add), ticks);
    }

    // A job of two members on two nodes; the model finds no room beside one.
    private static World Contended(RequestTrace trace, double checkpointMiB, int priority = -1) => With(
        Worlds.Of([Worlds.Small("a", trace, 1000, max: 1) with { IdleLimit = TimeSpan.FromSeconds(20) }], [Worlds.Processors(2, 4)], 900),
        Job(at: 10, seconds: 400, members: 2, memoryGiB: 3, checkpointMiB, priority));

    [Fact]
    public void A_job_gives_way_to_requests_and_goes_on_from_its_checkpoint()
    {
        var (result, ticks) = Run(Contended(Burst, 400));
        var job = Assert.Single(result.Others);
        Assert.Equal(1, job.GaveWay);

        // Between the last moment that its checkpoint has and its end lies hardly more than a turn.
        Assert.InRange(job.LostSeconds, 0, 2);
        Assert.True(result.Attainment > 0.9, $"{result.Attainment}");
        var states = ticks.SelectMany(tick => tick.Snapshot.Training).Select(gang => gang.State).ToList();
        foreach (var state in Enum.GetValues<GangState>()) Assert.Contains(state, states);

        // It stood still for the requests, for as long as room had to be there, and for its two starts: not for longer.
        Assert.NotNull(job.EndedAt);
        var wrote = Assert.Single(ticks.SelectMany(tick => tick.Snapshot.Outcomes).OfType<Outcome.CheckpointWritten>());
        Assert.Equal(1, wrote.Took.TotalSeconds, 1);
        Assert.InRange(job.EndedAt.Value, 10 + 400 + 100 + 20, 10 + 400 + 100 + 20 + 60);
    }

    [Fact]
    public void Without_a_checkpoint_all_is_done_again()
    {
        var (result, _) = Run(Contended(Burst, 0));
        var job = Assert.Single(result.Others);
        Assert.InRange(job.LostSeconds, 150, 200);
        Assert.InRange(job.EndedAt!.Value, 300 + 400, 900);
    }

    [Fact]
    public void Above_the_model_it_trains_to_its_end_and_the_model_waits()
    {
        var (result, _) = Run(Contended(Burst, 400, priority: 1));
        Assert.Equal(0, Assert.Single(result.Others).GaveWay);
        Assert.InRange(result.Others[0].EndedAt!.Value, 410, 425);
        Assert.Equal(0, result.Attainment);
    }

    [Fact]
    public void A_node_that_is_lost_takes_what_was_not_saved_and_one_that_is_told_to_go_takes_nothing()
    {
        var world = With(Worlds.Of([Worlds.Small("a", Silence)], [Worlds.Processors(3, 4)], 1200, 1, new Fault(TimeSpan.FromSeconds(200), FaultKind.NodeLost, "cpu-0")),
            Job(at: 0, seconds: 400, members: 2, memoryGiB: 3, checkpointMiB: 400));
        var (lost, ticks) = Run(world);
        Assert.InRange(lost.Others[0].LostSeconds, 180, 200);
        Assert.InRange(lost.Others[0].EndedAt!.Value, 600, 640);
        Assert.Contains(ticks.SelectMany(tick => tick.Snapshot.Outcomes), one => one is Outcome.GangFailed);

        var (told, _) = Run(world with { Faults = [new Fault(TimeSpan.FromSeconds(200), FaultKind.NodeReclaimed, "cpu-0")] });
        Assert.InRange(told.Others[0].LostSeconds, 0, 2);
        Assert.InRange(told.Others[0].EndedAt!.Value, 405, 440);
    }

    [Fact]
    public void Under_others_it_comes_in_by_itself_and_where_a_scheduler_places_it_does_too()
    {
        var world = Contended(Burst, 400);
        Assert.Null(SimulationRun.Rival(world, 1, "hpa").Others[0].GaveWay);
        var scheduled = SimulationRun.Plimsoll(world.Scheduled(), 1);
        Assert.Null(scheduled.Others[0].GaveWay);
        Assert.NotNull(scheduled.Others[0].EndedAt);
    }

    [Fact]
    public void The_same_seed_gives_the_same_run()
    {
        var world = Contended(Burst, 400);
        Assert.Equal(Run(world).Ticks.Select(tick => tick.Plan.Inputs.Snapshot), Run(world).Ticks.Select(tick => tick.Plan.Inputs.Snapshot));
    }
}
