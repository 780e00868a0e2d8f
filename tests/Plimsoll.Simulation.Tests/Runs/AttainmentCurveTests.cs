using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Curves;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class AttainmentCurveTests
{
    private static readonly AttainmentCurve Curve = new("x",
        [new("a", 0.90, 10), new("dominated", 0.89, 15), new("b", 0.98, 20), new("c", 1.0, 40), new("dearer", 1.0, 50)]);

    [Theory]
    [InlineData(0.90, 10.0)]
    [InlineData(0.94, 15.0)]
    [InlineData(0.99, 30.0)]
    [InlineData(1.0, 40.0)]
    [InlineData(0.89, null)]
    public void Cost_is_read_between_points_that_nothing_beats_and_nowhere_else(double attainment, double? cost)
    {
        if (cost is { } known) Assert.Equal(known, Curve.CostAt(attainment)!.Value, 6);
        else Assert.Null(Curve.CostAt(attainment));
    }

    [Theory]
    [InlineData(15.0, 0.94)]
    [InlineData(45.0, null)]
    [InlineData(9.0, null)]
    public void Attainment_likewise(double cost, double? attainment)
    {
        if (attainment is { } known) Assert.Equal(known, Curve.AttainmentAt(cost)!.Value, 6);
        else Assert.Null(Curve.AttainmentAt(cost));
    }

    [Theory]
    [InlineData(0.98, "b")]
    [InlineData(0.981, "c")]
    [InlineData(1.01, null)]
    public void Of_points_that_were_run_the_cheapest_that_is_good_enough_is_taken(double attainment, string? dial) => Assert.Equal(dial, Curve.CheapestFor(attainment)?.Dial);

    [Theory]
    [InlineData(20.0, "b")]
    [InlineData(39.9, "b")]
    [InlineData(60.0, "c")]
    [InlineData(9.0, null)]
    public void Of_points_that_were_run_the_best_that_is_cheap_enough_is_taken(double cost, string? dial) => Assert.Equal(dial, Curve.BestFor(cost)?.Dial);

    [Fact]
    public void A_rivals_cloud_begins_with_its_defaults_then_one_thing_at_a_time_then_pairs_and_has_nothing_twice()
    {
        var cloud = RivalCloud.Of("hpa", 36);
        Assert.Equal(36, cloud.Distinct().Count());
        Assert.Equal("defaults", cloud[0].Light.ToString());
        Assert.Equal("target 0.1", cloud[1].Heavy.ToString());
        // 9 targets, 5 minima, 4 and 1 windows, 2 tolerances.
        Assert.Equal("tolerance 0.2", cloud[21].Light.ToString());
        Assert.Matches("^target [0-9.]+, (min|up|down|tolerance)", cloud[22].Light.ToString());
        Assert.Equal(cloud, RivalCloud.Of("hpa", 36));
        Assert.Equal(13 + 35, RivalCloud.Of("dynamo-kalman", 1000).Length);
    }

    [Fact]
    public void A_dial_that_is_turned_up_costs_more()
    {
        var world = TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(15, 0, 500, 600), min: 1), 600);
        var curve = CurveRuns.Rival([(1, world)], "hpa", null, "hpa", [SimulationRun.Rival(world, 1, "hpa")]);
        Assert.Equal(CurveRuns.PointsOf("hpa") + 1, curve.Points.Length);
        double Cost(string dial) => curve.Points.Single(point => point.Dial == dial).Cost;
        Assert.True(Cost("target 0.1") > Cost("target 1"), $"{Cost("target 0.1")} and {Cost("target 1")}");
        Assert.Equal(CurveRuns.PlimsollPoints, CurveRuns.Plimsoll([(1, world)]).Points.Length);
    }
}
