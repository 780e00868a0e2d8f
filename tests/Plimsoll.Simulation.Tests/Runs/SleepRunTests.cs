using Plimsoll.Control;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Models that take turns on too few devices, their weights in the node's memory meanwhile.</summary>
public sealed class SleepRunTests
{
    private const string Kind = "l4-24gb";

    // Each asked for in turn, a minute at a time, on a machine with one device that holds one of them.
    private static World Turns(bool sleeps, double hostGiB = 200, int models = 3) => Worlds.Of(
        [.. Enumerable.Range(0, models).Select(i => Model($"m{i}", ByTurns(i, models), sleeps))],
        [Worlds.Processors(1, hostGiB) with { DeviceKind = Kind, Devices = 1, DeviceMemory = Bytes.GiB(24) }], 3600);

    private static ModelRecipe Model(string id, RequestTrace trace, bool sleeps) => Worlds.Small(id, trace, 14_000, max: 1) with
    {
        Slo = new Slo(TimeSpan.FromSeconds(10), 0.95),
        Sleeps = sleeps,
        Variants = [Worlds.Small(id, trace).Variants[0] with { Device = DeviceCatalogue.BuiltIn.Find(Kind), Devices = 1 }],
    };

    private static RequestTrace ByTurns(int turn, int models)
    {
        var arrivals = Enumerable.Range(0, 60).Where(minute => minute % models == turn).SelectMany(minute => Enumerable.Range(0, 30).Select(i => (minute * 60.0) + (i * 2))).ToArray();
        return new RequestTrace(arrivals, [.. arrivals.Select(_ => 1)], [.. arrivals.Select(_ => 1)], 3600);
    }

    private static (RunResult Result, List<Tick> Ticks) Run(World world)
    {
        var ticks = new List<Tick>();
        return (SimulationRun.Plimsoll(world, 1, seen: ticks.Add), ticks);
    }

    [Fact]
    public void Who_can_sleep_changes_places_by_that_loads_once_and_answers_more_in_time()
    {
        var (slept, ticks) = Run(Turns(sleeps: true));
        var (loaded, _) = Run(Turns(sleeps: false));

        var steps = ticks.SelectMany(tick => tick.Plan.Steps).ToList();
        Assert.Equal(3, steps.OfType<Step.Start>().Select(start => start.Replica).Distinct().Count());
        Assert.NotEmpty(steps.OfType<Step.Sleep>());
        Assert.NotEmpty(steps.OfType<Step.Wake>());
        Assert.True(slept.Attainment > loaded.Attainment, $"{slept.Attainment} against {loaded.Attainment}");
        Assert.Equal((0, 0), (slept.OutOfMemory, loaded.OutOfMemory));
    }

    [Fact]
    public void What_is_learned_of_waking_is_what_it_took()
    {
        var (_, ticks) = Run(Turns(sleeps: true));

        var woken = ticks.SelectMany(tick => tick.Snapshot.Outcomes).OfType<Outcome.Woken>().ToList();
        var known = ticks[^1].Plan.Next.Models[ModelId.Of("m0")].Wakes!.Estimate()!;

        Assert.NotEmpty(woken);
        Assert.InRange(known.Median, woken.Where(one => one.Model.Value == "m0").Min(one => one.Took), woken.Where(one => one.Model.Value == "m0").Max(one => one.Took));
    }

    [Fact]
    public void Where_the_host_holds_no_weights_beside_what_is_awake_nobody_sleeps_and_nothing_dies()
    {
        var (result, ticks) = Run(Turns(sleeps: true, hostGiB: 18, models: 2));

        Assert.DoesNotContain(ticks.SelectMany(tick => tick.Plan.Steps), step => step is Step.Sleep);
        Assert.Equal(0, result.OutOfMemory);
    }

    /// <summary>Asked for every other minute, for which it fills a device: whoever wakes it each time, in some two seconds, has its device for half of the hour.</summary>
    [Fact]
    public void The_bound_is_below_what_waking_for_each_burst_costs()
    {
        double[] arrivals = [.. Enumerable.Range(0, 30).SelectMany(burst => Enumerable.Range(0, 100).Select(i => (burst * 120) + (i * 0.6)))];
        int[] ones = [.. arrivals.Select(_ => 1)];
        var recipe = Model("m", new RequestTrace(arrivals, ones, ones, 3600), sleeps: true) with { Footprint = Footprint.Declared(Bytes.MiB(19_000), "m") };
        recipe = recipe with { Variants = [recipe.Variants[0] with { Batch = new BatchTimes(0.8, 0.4) }] };
        var world = Worlds.Of([recipe], [Worlds.Processors(1, 200) with { DeviceKind = Kind, Devices = 1, DeviceMemory = Bytes.GiB(24) }], 3600);
        var bound = new ClairvoyantBound(world).Of([0]).DeviceHours;
        Assert.InRange(bound, 0.2, 30 * 62 / 3600.0);
        var awake = world.WithSpecs(model => model with { Variants = [model.Variants[0] with { Needs = model.Variants[0].Needs with { Asleep = null } }] });
        Assert.True(new ClairvoyantBound(awake).Of([0]).DeviceHours > 1.2 * bound);
    }

    [Fact]
    public void The_same_seed_sleeps_and_wakes_the_same() =>
        Assert.Equal(Run(Turns(sleeps: true)).Ticks.SelectMany(tick => tick.Plan.Steps.Select(step => step.Id)), Run(Turns(sleeps: true)).Ticks.SelectMany(tick => tick.Plan.Steps.Select(step => step.Id)));
}
