using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class PlannedAheadTests
{
    // Ten minutes of silence, then five requests a second for ten minutes.
    private static readonly RequestTrace Launch = SyntheticTraffic.Of(new RateCurve([0, 600, 1200], [0, 5, 0], 1300), Worlds.Short, 1, new Random(1));

    private static RunResult Run(double weightMiB, params DemandEvent[] events)
    {
        var world = Worlds.Of([Worlds.Small("a", Launch, weightMiB)], [Worlds.Processors(2, 64)], 1300);
        var models = world.Models.Select(model => model with { Spec = model.Spec with { Events = events.Length == 0 ? default : [.. events] } }).ToArray();
        return SimulationRun.Plimsoll(world with
        {
            Models = [.. models],
            Spec = world.Spec with
            {
                Models = [.. models.Select(model => model.Spec)],
                Settings = new PlannerSettings { ForecastDemand = true },
                Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.01) },
            },
        }, 1);
    }

    [Fact]
    public void Of_a_launch_that_was_told_the_first_requests_are_in_time_whatever_the_model_weighs()
    {
        var told = new DemandEvent(World.Beginning.AddSeconds(600), World.Beginning.AddSeconds(1200), AddedPerSecond: 5);
        foreach (var weight in (double[])[100, 10_000])
        {
            var (with, without) = (Run(weight, told).Models[0], Run(weight).Models[0]);
            Assert.InRange(with.Attainment, 0.999, 1);
            Assert.True(without.Attainment < with.Attainment, $"{weight} MiB: {without.Attainment} without being told");
            Assert.InRange(with.Seconds!.P99, 0, 1);
        }
    }

    [Fact]
    public void Of_one_that_does_not_come_the_replica_goes_when_it_would_have_been_over()
    {
        var never = new DemandEvent(World.Beginning.AddSeconds(100), World.Beginning.AddSeconds(400), AddedPerSecond: 5);
        var model = Run(100, never).Models[0];
        // Once for nothing, and once for the launch.
        Assert.True(model.Starts >= 2);
        Assert.True(model.Attainment < 1);
    }
}
