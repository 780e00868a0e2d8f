using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
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

    // Demands about what two and three replicas carry, 13.3 requests a second each; three hours, of which the first is for learning.
    [Theory]
    [InlineData(26.7)]
    [InlineData(40)]
    public void At_a_steady_demand_a_light_model_changes_no_more_often_than_under_hpa_for_less_money(double perSecond)
    {
        const int Seconds = 3 * 3600;
        var trace = SyntheticTraffic.Of(RateCurve.Constant(perSecond, Seconds), Worlds.Short, 1.5, new Random(1));
        var light = Worlds.Small("a", trace, 1000, min: 1, max: 12) with
        {
            Slo = new Slo(TimeSpan.FromSeconds(1.5), 0.99),
            Variants = [new VariantRecipe { Engine = "plimsoll-model-server", Batch = new BatchTimes(0.2, 0.05), Cores = Cores.Of(0.5) }],
        };
        var world = Worlds.Of([light], [Worlds.Processors(4, 64)], Seconds);
        world = world with { Spec = world.Spec with { Settings = PlannerSettings.Latest, Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.01) } } };
        var (ours, hpa) = (SimulationRun.Plimsoll(world, 1).Models[0], SimulationRun.Rival(world, 1, "hpa").Models[0]);
        Assert.True(ours.Starts <= hpa.Starts, $"{ours.Starts} starts, {hpa.Starts} under hpa");
        Assert.True(ours.Dollars < hpa.Dollars, $"${ours.Dollars}, ${hpa.Dollars} under hpa");
        Assert.InRange(ours.Attainment, 0.99, 1);
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
