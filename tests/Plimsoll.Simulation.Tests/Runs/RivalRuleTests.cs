using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Melange;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;
using static Plimsoll.Simulation.Tests.Runs.TextWorlds;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class RivalRuleTests
{
    private static IScalingRule Rule(string name, SimulatedModel? model = null, RivalKnobs? knobs = null) =>
        RivalRules.Of(name, model ?? Model(), new Prices(), knobs ?? RivalKnobs.Defaults)!;

    [Fact]
    public void An_HPA_that_follows_a_gauge_swallows_one_replica_more_from_ten_on()
    {
        var model = Model(max: 20);
        ScalingWish Follow(int spec, int gauge) => new GaugeAutoscalers(model.Spec, RivalKnobs.Defaults, 1).Follow(Seen(0, spec, spec), [gauge]);
        Assert.Equal(10, Follow(10, 11).Total);
        Assert.Equal(10, Follow(9, 10).Total);
        Assert.Equal(12, Follow(10, 12).Total);
    }

    [Fact]
    public void WVA_adds_for_tokens_above_its_threshold_and_takes_after_the_HPAs_window()
    {
        var rule = Rule("wva");
        // 60,000 tokens over 0.85 are 70,588; a replica carries 0.8 of 64,000, so two do.
        Assert.Equal(2, rule.Desired(Seen(0, 1, 1, use: 60_000 / 64_000.0)).Total);
        for (var at = 15; at < 300; at += 15) Assert.Equal(2, rule.Desired(Seen(at, 2, 2, use: 0.01)).Total);
        var later = 2;
        for (var at = 300; at <= 360; at += 15) later = rule.Desired(Seen(at, later, later, use: 0.01)).Total;
        Assert.Equal(1, later);
    }

    [Fact]
    public void WVA_wakes_every_variant_of_a_model_that_has_none_while_requests_wait()
    {
        var rule = Rule("wva", Model(variants: 2), new RivalKnobs { ZeroAfter = TimeSpan.FromSeconds(120) });
        ScalingWish wish = 0;
        for (var at = 0; at <= 600; at += 15) wish = rule.Desired(Seen(at, wish.Total, wish.Total) with { SpecByVariant = wish.ByVariant });
        Assert.Equal(0, wish.Total);
        Assert.Equal(TimeSpan.FromSeconds(1), rule.Period);
        Assert.Equal([0, 0], rule.Desired(Seen(601, 0, 0) with { SpecByVariant = [0, 0] }).ByVariant);
        Assert.Equal([1, 1], rule.Desired(Seen(602, 0, 0, held: 1) with { SpecByVariant = [0, 0] }).ByVariant);
    }

    [Fact]
    public void Inferno_is_fitted_to_what_is_predicted()
    {
        var fit = InfernoFit.Of(new ReplicaProfile(Limits, Seconds));
        Assert.Equal(Alpha, fit.Alpha, 3);
        Assert.Equal(Beta, fit.Beta, 4);
        Assert.Equal(Gamma, fit.Gamma, 5);
    }

    [Fact]
    public void Inferno_grows_with_arrivals_and_knows_nothing_before_an_answer()
    {
        int After(double perSecond)
        {
            var rule = Rule("inferno");
            ScalingWish wish = rule.Desired(Seen(0, 0, 0));
            for (var at = 15; at <= 120; at += 15)
                wish = rule.Desired(Seen(at, wish.Total, wish.Total, arrived: (long)(perSecond * at), served: (long)(perSecond * at)) with { SpecByVariant = wish.ByVariant });
            return wish.Total;
        }

        Assert.Equal(1, After(0));
        Assert.Equal(1, After(2));
        Assert.InRange(After(60), 3, 8);
        Assert.InRange(After(60), After(30), 8);
    }

    [Fact]
    public void Dynamo_adds_one_at_a_time_and_holds_while_one_is_on_its_way()
    {
        var rule = Rule("dynamo-throughput");
        Assert.Equal(1, rule.Desired(Seen(0, 1, 1, running: 10, use: 0.7, served: 10)).Total);
        // More prompts wait than its cache has room for.
        Assert.Equal(2, rule.Desired(Seen(5, 1, 1, running: 30, use: 0.9, waiting: 60, served: 10)).Total);
        Assert.Equal(2, rule.Desired(Seen(10, 2, 1, running: 30, use: 0.9, waiting: 60, served: 10)).Total);
        Assert.Equal(3, rule.Desired(Seen(15, 2, 2, running: 30, use: 0.9, waiting: 60, served: 10)).Total);
        Assert.Equal(2, rule.Desired(Seen(20, 3, 3, running: 1, use: 0.1, served: 10)).Total);
    }

    [Fact]
    public void Dynamos_slow_loop_is_a_floor_under_the_fast_one()
    {
        ModelView With(ModelView seen, int step) => seen with
        {
            Pods = [.. seen.Pods.Select(pod => pod with
            {
                LastPrompt = (400 + step, Seconds(StepBatch.Prefill(1, 400 + step))),
                LastDecode = (4 + step, 450L * (4 + step), Seconds(StepBatch.Decode(4 + step, 450))),
            })],
        };
        int After(double perSecond)
        {
            var (rule, replicas) = (Rule("dynamo-constant"), 1);
            for (var at = 0; at <= 400; at += 5)
                replicas = rule.Desired(With(Seen(at, replicas, replicas, running: 4, use: 0.01, arrived: (long)(perSecond * at), served: (long)(perSecond * at)), at / 5 % 12)).Total;
            return replicas;
        }

        Assert.Equal(1, After(1));
        Assert.InRange(After(50), 2, 8);
    }

    [Fact]
    public void AIBrixs_optimiser_grows_by_doubling_after_requests_were_answered()
    {
        var rule = Rule("aibrix-optimizer");
        Assert.True(rule.ReadsRequests);
        List<int> counts = [1];
        for (var at = 0; at <= 300; at += 10)
        {
            var seen = Seen(at, counts[^1], counts[^1], arrived: 600L * at / 10, served: 600L * at / 10);
            counts.Add(rule.Desired(seen with { Answered = [.. Enumerable.Repeat((seen.Now, 400, 100), at == 0 ? 0 : 600)] }).Total);
        }

        Assert.InRange(counts[^1], 2, 8);
        for (var i = 1; i < counts.Count; i++) Assert.True(counts[i] <= 2 * counts[i - 1], string.Join(' ', counts));
    }

    [Fact]
    public void One_kind_of_GPU_needs_no_solver_and_gets_what_the_solver_says()
    {
        var random = new Random(5);
        for (var i = 0; i < 20; i++)
        {
            ImmutableArray<double> shares = [0.2, 0.5, 0.3];
            var gpu = new MelangeGpu("a", 2, [1 + random.NextDouble(), 3, 0.5 + random.NextDouble()]);
            var useless = new MelangeGpu("b", 1000, [0.001, 0.001, 0.001]);
            var rate = 20 * random.NextDouble();
            Assert.Equal(MelangeOptimizer.Solve([gpu, useless], shares, rate, 4)!.Counts["a"], MelangeOptimizer.Solve([gpu], shares, rate, 4)!.Counts["a"]);
        }
    }

    [Fact]
    public void SageServe_keeps_two_goes_up_one_by_one_when_memory_is_nearly_full_and_not_down_by_itself()
    {
        var rule = Rule("sageserve");
        Assert.Equal(2, rule.Desired(Seen(0, 0, 0)).Total);
        Assert.Equal(2, rule.Desired(Seen(1, 2, 2, use: 0.8)).Total);
        Assert.Equal(3, rule.Desired(Seen(2, 2, 2, use: 0.95)).Total);
        Assert.Equal(3, rule.Desired(Seen(3, 3, 2, use: 0.95)).Total);
        // It went up without a plan, so the gate lets one go again once memory is empty, and no more.
        Assert.Equal(2, rule.Desired(Seen(4, 3, 3, use: 0.1)).Total);
        Assert.Equal(2, rule.Desired(Seen(5, 2, 2, use: 0.1)).Total);
    }

    // Forty requests that stop at 100 s: gone from the stable window a minute later, inactive then, and no pod half a minute after that.
    [Fact]
    public void Knative_keeps_the_last_pod_while_its_activator_takes_over()
    {
        var rule = Rule("kpa");
        ScalingWish wish = 1;
        double? one = null, none = null;
        for (var at = 0; at <= 300; at++)
        {
            wish = rule.Desired(Seen(at, wish.Total, wish.Total, running: at < 100 ? 4 : 0));
            if (at >= 100 && wish.Total == 1) one ??= at;
            if (wish.Total == 0) none ??= at;
        }

        // Its capacity for bursts keeps the activator in the path of a model so small all the time: the grace is over as soon as it is inactive.
        Assert.Equal((100, 162), (one, none));
        Assert.Equal(1, rule.Desired(Seen(301, 0, 0, held: 1)).Total);
    }

    [Fact]
    public void Knative_that_has_only_just_come_up_keeps_one_for_a_stable_window()
    {
        var rule = Rule("kpa", knobs: new RivalKnobs { UpWindow = TimeSpan.FromSeconds(20) });
        Assert.Equal(0, rule.Desired(Seen(0, 0, 0)).Total);
        var wish = rule.Desired(Seen(1, 0, 0, held: 1));
        Assert.Equal(1, wish.Total);
        // It loads for five minutes, and nobody waits any longer.
        for (var at = 2; at < 300; at++) Assert.Equal(1, (wish = rule.Desired(Seen(at, 1, 0))).Total);
        double? none = null;
        for (var at = 300; at < 400 && none is null; at++) none = rule.Desired(Seen(at, 1, 1)).Total == 0 ? at : null;
        Assert.InRange(none ?? 0, 320, 326);
    }

    [Theory]
    [InlineData("ray-serve", 1)]
    [InlineData("hpa", 1)]
    [InlineData("aibrix", 1)]
    [InlineData("keda", 0)]
    [InlineData("kpa", 0)]
    public void By_its_defaults_a_rule_keeps_as_many_as_its_own(string name, int least)
    {
        var rule = Rule(name);
        ScalingWish wish = 1;
        for (var at = 0; at < 3600; at++) wish = rule.Desired(Seen(at, wish.Total, wish.Total));
        Assert.Equal(least, wish.Total);
    }

    [Fact]
    public void A_model_that_generates_no_text_is_left_to_an_HPA()
    {
        var world = Worlds.Of([Worlds.Small("a", Worlds.Poisson(20, 60))], [Worlds.Processors(1, 8)], 60);
        foreach (var name in (string[])["wva", "wva-v1", "dynamo", "aibrix-optimizer", "inferno", "sageserve"])
        {
            Assert.Equal([ModelId.Of("a")], SimulationRun.NotManagedBy(world, name));
            var (own, hpa) = (SimulationRun.Rival(world, 1, name), SimulationRun.Rival(world, 1, "hpa"));
            Assert.Equal(hpa.Dollars, own.Dollars);
            Assert.Equal(hpa.Attainment, own.Attainment);
        }

        Assert.Empty(SimulationRun.NotManagedBy(world, "kpa"));
    }

    [Theory]
    [InlineData(new[] { 5, 5 }, 0, 8, new[] { 5, 3 })]
    [InlineData(new[] { 0, 0 }, 2, 8, new[] { 2, 0 })]
    [InlineData(new[] { 9, 1 }, 0, 8, new[] { 8, 0 })]
    [InlineData(new[] { 1, 2 }, 0, 8, new[] { 1, 2 })]
    public void Variants_together_keep_to_the_models_bounds(int[] counts, int least, int most, int[] expected) =>
        Assert.Equal(expected, ScalingWish.Of([.. counts]).Within(least, most).ByVariant);
}
