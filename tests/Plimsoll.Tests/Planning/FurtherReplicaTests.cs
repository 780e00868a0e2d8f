using System.Collections.Immutable;
using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>A further replica beside others, for what waits and at the cost of others.</summary>
public sealed class FurtherReplicaTests
{
    // Each carries 5 requests a second and loads in 120 s, nine times in ten.
    private static readonly ModelSpec Important = Model("important", 1000, priority: 5, max: 4);

    private static readonly ModelSpec Lower = Model("lower", 1000);

    private static Knowledge Known(double perSecond, TimeSpan? shortFor = null)
    {
        ModelKnowledge Of(double rate) => new()
        {
            Version = "v1",
            Demand = new DemandHistory(Noon, [.. Enumerable.Repeat(rate, 60)]),
            ActiveRate = rate,
            LastArrival = Noon,
            NextOrdinal = 9,
            Service = new ServiceFit(100, 100, 20, 100, 20, 1),
            Loads = new LoadStatistics([.. Enumerable.Repeat(new LoadSample(Important.Footprint.Weights, TimeSpan.FromSeconds(100)), 5)]),
        };
        return Knowledge.Empty with
        {
            FoldedAt = Noon,
            Models = Knowledge.Empty.Models.SetItem(Important.Id, Of(perSecond) with { ShortSince = shortFor is { } time ? Noon - time : null }).SetItem(Lower.Id, Of(1)),
        };
    }

    private static Plan Plan(Knowledge known, int waiting, PlannerSettings settings, double memoryMiB, params InferenceReplica[] there)
    {
        var spec = Spec(Important, Lower) with { Settings = settings };
        var observed = Snapshot(spec, Node(memoryMiB), Noon, there).With(Traffic(Important.Id, Noon, 0, held: waiting));
        return new Planner(new WeightAllocator()).Decide(spec, observed with { Traffic = [.. observed.Traffic.Select(row => row with { From = row.To })] }, known);
    }

    private static readonly InferenceReplica Loading = Replica(Important, 1, ReplicaState.Loading, Noon.AddSeconds(-90));
    private static readonly InferenceReplica Serving = Replica(Important, 1, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1);
    private static readonly InferenceReplica Other = Replica(Lower, 1, ReplicaState.Ready, Noon.AddHours(-1), outstanding: 1);

    private static readonly PlannerSettings Before = PlannerSettings.Latest with { LoadsWorkOff = false, ShortagesLast = false };

    [Fact]
    public void What_loads_works_off_what_waits_and_no_further_one_is_started_for_that()
    {
        // 2 come a second and 500 wait. One that loads will soon work off most of it before another could serve.
        Assert.Equal(["start/important-9"], Plan(Known(2), 500, Before, 9000, Loading, Other).StepIds());
        Assert.Empty(Plan(Known(2), 500, PlannerSettings.Latest, 9000, Loading, Other).Steps);
        // Two thousand are too many for it.
        Assert.NotEmpty(Plan(Known(2), 2000, PlannerSettings.Latest, 9000, Loading, Other).Steps);
    }

    [Fact]
    public void Nobody_goes_for_what_waits_alone()
    {
        // Room for two, and both are there. 2 come a second, which one carries.
        Assert.Contains("drain/lower-1", Plan(Known(2), 2000, Before, 2000, Serving, Other).StepIds());
        var plan = Plan(Known(2), 2000, PlannerSettings.Latest, 2000, Serving, Other);
        Assert.Empty(plan.Steps);
        Assert.Equal(
            "2000 requests wait, which one more would work off sooner; no room is free for it, and nobody goes for that: 1 carries what comes",
            plan.Models.Single(model => model.Model == Important.Id).Reason.ToString());
        // Where room is free one starts.
        Assert.NotEmpty(Plan(Known(2), 2000, PlannerSettings.Latest, 3000, Serving, Other).Steps);
    }

    [Theory]
    [InlineData(null, false)]
    [InlineData(5.0, false)]
    [InlineData(20.0, true)]
    public void Who_serves_pushes_out_others_in_use_once_it_is_short_for_a_tenth_of_a_load(double? seconds, bool goes)
    {
        // 8 come a second: two are wanted.
        var plan = Plan(Known(8, seconds is { } time ? TimeSpan.FromSeconds(time) : null), 0, PlannerSettings.Latest, 2000, Serving, Other);

        Assert.Equal(goes, plan.StepIds().Contains("drain/lower-1"));
        var since = plan.Next.Of(Important.Id).ShortSince;
        Assert.Equal(Noon.AddSeconds(-seconds ?? 0), since);
        // Who has nothing waits for nothing.
        Assert.Contains("drain/lower-1", Plan(Known(8), 1, PlannerSettings.Latest, 1000, Other).StepIds());
    }

    [Fact]
    public void Enough_for_a_moment_ends_the_shortage() =>
        Assert.Null(Plan(Known(2, TimeSpan.FromMinutes(1)), 0, PlannerSettings.Latest, 2000, Serving, Other).Next.Of(Important.Id).ShortSince);
}
