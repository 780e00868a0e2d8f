using System.Collections.Immutable;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;
using static Plimsoll.Simulation.Tests.Runs.TextWorlds;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>What rivals make of the metrics that they get, and of a time without any.</summary>
public sealed class RivalMetricsTests
{
    private static IScalingRule Rule(string name, SimulatedModel? model = null) => RivalRules.Of(name, model ?? Model(), new Prices(), RivalKnobs.Defaults)!;

    /// <summary>The mean is 40 of a target of 22.4 whoever loads beside, and APA multiplies it by both: the cascade of aibrix#2670.</summary>
    [Fact]
    public void AIBrix_takes_the_mean_of_pods_that_answer_and_multiplies_it_by_all()
    {
        var rule = Rule("aibrix");
        Assert.Equal(2, rule.Desired(Seen(0, 1, 1, running: 30, waiting: 10)).Total);
        Assert.Equal(4, rule.Desired(Seen(10, 2, 1, running: 30, waiting: 10)).Total);
    }

    [Fact]
    public void AIBrix_changes_nothing_while_no_pod_answers()
    {
        var rule = Rule("aibrix");
        Assert.Equal(2, rule.Desired(Seen(0, 2, 0, held: 500)).Total);
        Assert.Equal(2, rule.Desired(Seen(10, 2, 0)).Total);
    }

    [Fact]
    public void Dynamo_learns_from_each_iteration_once()
    {
        var rule = (DynamoRule)Rule("dynamo");
        for (var step = 0; step < 10; step++)
        {
            var seen = Seen(5 * step, 1, 1, running: 4);
            rule.Desired(seen with { Pods = [.. seen.Pods.Select(pod => pod with { LastPrompt = (400, 0.03), LastDecode = (4, 450 + step, 0.02) })] });
        }

        Assert.Equal((1, 10), (rule.State.Prefill.Samples.Length, rule.State.Decode.Samples.Length));
    }

    [Fact]
    public void Dynamo_reads_a_time_without_metrics_at_its_mean_rate()
    {
        ModelView With(ModelView seen, int step) => seen with
        {
            Pods = [.. seen.Pods.Select(pod => pod with
            {
                LastPrompt = (400 + step, Seconds(StepBatch.Prefill(1, 400 + step))),
                LastDecode = (4 + step, 450L * (4 + step), Seconds(StepBatch.Decode(4 + step, 450))),
            })],
        };
        var (rule, replicas) = (Rule("dynamo-constant"), 1);
        void Look(int at) => replicas = rule.Desired(With(Seen(at, replicas, replicas, running: 4, use: 0.01, arrived: 4L * at, served: 4L * at), at / 5 % 12)).Total;
        for (var at = 0; at <= 400; at += 5) Look(at);
        Assert.Equal(1, replicas);
        for (var at = 4000; at <= 4100; at += 5)
        {
            Look(at);
            Assert.Equal(1, replicas);
        }
    }

    [Fact]
    public void AIBrixs_optimiser_reads_a_time_without_metrics_at_its_mean_rate()
    {
        var (rule, last, wish) = (Rule("aibrix-optimizer"), 0, (ScalingWish)1);
        void Look(int at)
        {
            var seen = Seen(at, wish.Total, wish.Total, arrived: 4L * at, served: 4L * at);
            var answered = Enumerable.Range(4 * last, 4 * (at - last)).Select(i => (seen.Now - TimeSpan.FromSeconds(at - (i / 4.0)), 400, 100)).ToImmutableArray();
            (wish, last) = (rule.Desired(seen with { Answered = answered, SpecByVariant = wish.ByVariant }), at);
        }

        for (var at = 0; at <= 600; at += 10) Look(at);
        Assert.Equal(1, wish.Total);
        for (var at = 2000; at <= 2400; at += 10)
        {
            Look(at);
            Assert.Equal(1, wish.Total);
        }
    }

    [Fact]
    public void SageServe_spreads_a_time_without_metrics_over_its_minutes()
    {
        var rule = (SageServeRule)Rule("sageserve");
        foreach (var at in (int[])[0, 60, 120, 720]) rule.Desired(Seen(at, 2, 2, served: at));
        Assert.Equal(Enumerable.Repeat(60.0 * 500, 12), rule.Minutes);
    }

    [Fact]
    public void Inferno_has_targets_where_a_latency_alone_is_stated()
    {
        int After(double perSecond, double latency)
        {
            var model = Model();
            var rule = Rule("inferno", model with { Spec = model.Spec with { Slo = new Slo(TimeSpan.FromSeconds(latency), 0.99) } });
            ScalingWish wish = rule.Desired(Seen(0, 0, 0));
            for (var at = 15; at <= 120; at += 15)
                wish = rule.Desired(Seen(at, wish.Total, wish.Total, arrived: (long)(perSecond * at), served: (long)(perSecond * at)) with { SpecByVariant = wish.ByVariant });
            return wish.Total;
        }

        Assert.Equal(1, After(1, 30));
        Assert.InRange(After(20, 1.5), After(20, 30) + 1, 8);
    }
}
