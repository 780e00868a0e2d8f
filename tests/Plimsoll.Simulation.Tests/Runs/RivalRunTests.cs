using System.Text.Json;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Runs.Tuning;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class RivalRunTests
{
    public static TheoryData<string> All => [.. SimulationRun.Rivals];

    [Theory]
    [MemberData(nameof(All))]
    public void Every_rival_runs_a_text_model_alike_each_time_and_loses_no_request(string rival)
    {
        var world = TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(6, 0, 500, 600), min: 1), 600);
        var result = SimulationRun.Rival(world, 1, rival);
        var model = Assert.Single(result.Models);
        Assert.Equal(world.Models[0].Trace.Count, model.WithinSlo + model.Late + model.Rejected + model.Failed + model.Unfinished);
        Assert.InRange(model.Attainment, 0.5, 1);
        Assert.Equal(JsonSerializer.Serialize(result), JsonSerializer.Serialize(SimulationRun.Rival(world, 1, rival)));
    }

    [Theory]
    [InlineData("wva")]
    [InlineData("wva-v1")]
    [InlineData("dynamo")]
    [InlineData("dynamo-constant")]
    [InlineData("dynamo-kalman")]
    [InlineData("dynamo-throughput")]
    [InlineData("aibrix-optimizer")]
    [InlineData("inferno")]
    public void A_crowd_is_followed_up_and_after_it_down(string rival)
    {
        // More than one replica serves, for ten minutes, and then next to nothing for half an hour.
        var crowd = TextWorlds.Traffic(40, 100, 700, 2700);
        var world = TextWorlds.Of(TextWorlds.Model(crowd, min: 1), 2700);
        var ready = SimulationRun.Rival(world, 1, rival).Timeline!.Models[0].Ready;
        Assert.True(ready.Max() >= 2, $"at the most {ready.Max()} ready");
        Assert.True(ready[^1] < ready.Max(), $"{ready[^1]} ready at the end, {ready.Max()} at the most");
    }

    [Fact]
    public void A_pod_that_goes_finishes_answers_of_a_minute()
    {
        // Six answers at once, which is two replicas of four, and then three, one of them at the least in the replica that goes.
        double[] arrivals = [.. Enumerable.Range(0, 40).Select(i => 10.0 * i), .. Enumerable.Range(0, 30).Select(i => 400 + (20.0 * i))];
        var model = TextWorlds.Model(new RequestTrace(arrivals, [.. arrivals.Select(_ => 100)], [.. arrivals.Select(_ => 4500)], 1100), min: 1);
        model = model with { Spec = model.Spec with { Slo = new Slo(TimeSpan.FromMinutes(2), 0.99) } };
        var result = SimulationRun.Rival(TextWorlds.Of(model, 1100), 1, "hpa", RivalTuning.Same(new RivalKnobs { Target = 0.125 }));
        Assert.Contains(result.Decisions, decision => decision.What == "2 to 1 replicas");
        Assert.InRange(result.Models[0].Seconds!.P50, 50, 80);
        Assert.Equal(0, result.Models[0].Failed);
    }

    [Fact]
    public void What_is_found_for_a_rival_is_the_same_each_time_and_no_worse_than_its_defaults()
    {
        (int, World) Part(int seed) => (seed, TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(15, 0, 500, 600, seed), min: 1), 600));
        TunedRival Tune(double goal, int candidates) => RivalSearch.Tune("hpa", [Part(1001), Part(1002)], goal, candidates);
        var found = Tune(0.9, 12);
        Assert.Equal(found with { Seeds = default }, Tune(0.9, 12) with { Seeds = default });
        Assert.Equal([1001, 1002], found.Seeds);
        Assert.Equal(12, found.Candidates);
        var usual = Tune(0.9, 1);
        Assert.Equal(RivalTuning.Defaults, usual.Tuning);
        Assert.True(found.ReachedGoal ? !usual.ReachedGoal || found.Cost <= usual.Cost : found.Attainment >= usual.Attainment);

        // What nobody reaches ends at what comes nearest.
        var most = Tune(1, 12);
        Assert.False(most.ReachedGoal);
        Assert.True(most.Attainment >= usual.Attainment);
    }

    [Fact]
    public void Classes_of_weight_are_told_apart_only_where_they_differ()
    {
        var tuning = RivalTuning.Same(new RivalKnobs { Target = 0.5 });
        Assert.Equal("target 0.5", tuning.Show([WeightClass.Light, WeightClass.Heavy]));
        Assert.Equal("light: target 0.5; heavy: defaults", tuning.With(WeightClass.Heavy, RivalKnobs.Defaults).Show([WeightClass.Light, WeightClass.Heavy]));
        Assert.Equal(WeightClass.Heavy, RivalTuning.ClassOf(Bytes.GiB(130)));
    }
}
