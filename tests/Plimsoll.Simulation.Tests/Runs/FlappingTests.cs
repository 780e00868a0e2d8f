using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Under a demand that is constant but for its noise the number of replicas is nearly so too.</summary>
public sealed class FlappingTests
{
    [Fact]
    public void Where_starts_must_pay_there_are_half_as_many_and_as_much_is_in_time()
    {
        var (free, paid) = (Run(startsMustPay: false), Run(startsMustPay: true));
        Assert.True(2 * paid.Starts <= free.Starts, $"{paid.Starts} starts where they must pay, {free.Starts} where they need not");
        Assert.InRange(paid.Attainment, free.Attainment - 0.002, 1);
        Assert.InRange(paid.Dollars / free.Dollars, 0.9, 1.1);
    }

    // An hour of forty requests a second, half again as bursty as chance, which is about what one replica carries.
    private static ModelResult Run(bool startsMustPay)
    {
        var trace = SyntheticTraffic.Of(new RateCurve([0], [40], 3600), Worlds.Short, 1.5, new Random(1));
        var world = Worlds.Of([Worlds.Small("a", trace, 1000)], [Worlds.Processors(4, 64)], 3600);
        return SimulationRun.Plimsoll(world with
        {
            Spec = world.Spec with
            {
                Settings = new PlannerSettings { ForecastDemand = true, CorrectBothWays = true, StartsMustPay = startsMustPay },
                Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.01) },
            },
        }, 1).Models[0];
    }
}
