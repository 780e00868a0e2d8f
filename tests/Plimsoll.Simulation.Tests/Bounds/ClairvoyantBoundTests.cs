using CsCheck;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Tests.Runs;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Bounds;

public sealed class ClairvoyantBoundTests
{
    [Fact]
    public void Steady_traffic_needs_as_many_replicas_as_its_work_takes_and_one_load_of_each()
    {
        const double Length = 3600;
        var world = Worlds.Of([Worlds.Small("a", Regular(120, Length), max: 50)], [Worlds.Processors(4, 64)], Length);
        var truth = world.Models[0].Truth.Values.Single();
        var work = truth.Batch.Seconds(8) / 8;
        var load = truth.Load.Stages.Sum(stage => stage.Seconds());
        var bound = new ClairvoyantBound(world).Of([0]);
        // The last slot may use the slack behind it; that is a second of an hour.
        var expected = 120 * work * (Length + load) / 3600;
        Assert.InRange(bound.DeviceHours, expected * 0.96, expected * 1.0001);
        Assert.InRange(new ClairvoyantBound(world).Of([(long)(0.5 * world.Models[0].Trace.Count)]).DeviceHours, expected * 0.47, expected * 0.51);
        Assert.Equal(0, new ClairvoyantBound(world).Of([world.Models[0].Trace.Count]).DeviceHours, 6);
    }

    [Fact]
    public void Replicas_that_are_kept_whatever_comes_are_in_it()
    {
        var world = Worlds.Of([Worlds.Small("a", RequestTrace.Silence(3600), min: 2)], [Worlds.Processors(1, 64)], 3600);
        Assert.Equal(2, new ClairvoyantBound(world).Of([0]).DeviceHours, 6);
        Assert.Equal(2, SimulationRun.Plimsoll(world, 1).DeviceHours, 2);
    }

    [Fact]
    public void More_than_the_most_replicas_can_serve_has_no_bound_and_says_so()
    {
        var world = Worlds.Of([Worlds.Small("a", Regular(400, 600), max: 1)], [Worlds.Processors(1, 64)], 600);
        var model = Assert.Single(new ClairvoyantBound(world).Of([0]).Models);
        Assert.Contains("more is asked than the most replicas can serve", model.Problem, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(20, 1)]
    [InlineData(60, 1)]
    [InlineData(200, 2)]
    public void Between_two_requests_one_replica_is_kept_or_another_starts(double apart, int starts)
    {
        var world = Worlds.Of([Worlds.Small("a", new RequestTrace([10, 10 + apart], [1, 1], [1, 1], 300), weightMiB: 120_000)], [Worlds.Processors(1, 256)], 300).WithoutScatter();
        var truth = world.Models[0].Truth.Values.Single();
        var (load, end) = (truth.Load.Stages.Sum(stage => stage.Seconds()), truth.Unload.Seconds());
        Assert.InRange(load + end, 61, 190);
        // A request takes a tenth of a second and may be answered within one.
        var early = 1 - (2 * truth.Batch.Seconds(1));
        var expected = starts == 1 ? load + apart - early : load + load + end - (2 * early);
        Assert.Equal(expected, new ClairvoyantBound(world).Of([0]).DeviceHours * 3600, 3);

        // One of them may be missed: the price of a request is a compromise, never more than one replica's load.
        Assert.InRange(new ClairvoyantBound(world).Of([1]).DeviceHours * 3600, (load - early) / 2, load + 1e-6);
    }

    [Fact]
    public void What_the_first_replica_cannot_do_takes_others_besides()
    {
        const double Length = 3600;
        var world = Worlds.Of([Worlds.Small("a", Regular(80, Length), max: 50)], [Worlds.Processors(4, 64)], Length).WithoutScatter();
        var truth = world.Models[0].Truth.Values.Single();
        var load = truth.Load.Stages.Sum(stage => stage.Seconds());
        var expected = 80 * truth.Batch.Seconds(8) / 8 * (Length + load);
        Assert.InRange(expected, (Length + load) * 1.2, (Length + load) * 1.95);
        Assert.InRange(new ClairvoyantBound(world).Of([0]).DeviceHours * 3600, expected - 10, expected + 0.01);
    }

    [Fact]
    public void A_mix_of_variants_is_bounded_too_that_is_cheaper_than_any_one_of_them()
    {
        var gen = from seed in Gen.Int[1, 1_000_000] from rate in Gen.Double[0.02, 40] from cores in Gen.Double[0.5, 12] from fixedPart in Gen.Double[0.01, 0.2] from weight in Gen.Double[10, 4000] select (seed, rate, cores, fixedPart, weight);
        gen.Sample(one =>
        {
            const double Length = 400;
            var trace = SyntheticTraffic.Of(RateCurve.Wave(0, one.rate, 200, Length), Worlds.Short, 1, new Random(one.seed));
            var recipe = Worlds.Small("a", trace, one.weight, max: 12);
            var other = recipe.Variants[0] with { Engine = "triton", Batch = new BatchTimes(one.fixedPart, 0.004), Cores = Cores.Of(one.cores) };
            var world = Worlds.Of([recipe with { Variants = [recipe.Variants[0], other] }], [Worlds.Processors(4, 32)], Length, one.seed).WithoutScatter();
            AssertNobodyIsCheaper(world, one.seed);
        }, iter: 25);
    }

    [Fact]
    public void Nor_where_requests_are_few_and_may_wait()
    {
        var gen = from seed in Gen.Int[1, 1_000_000] from rate in Gen.Double[0.002, 0.5] from latency in Gen.Double[0.5, 60] from weight in Gen.Double[10, 8000] from min in Gen.Int[0, 2] select (seed, rate, latency, weight, min);
        gen.Sample(one =>
        {
            const double Length = 1500;
            var trace = SyntheticTraffic.Of(RateCurve.Constant(one.rate, Length), Worlds.Short, 1, new Random(one.seed));
            var recipe = Worlds.Small("a", trace, one.weight, one.min, max: 12) with { Slo = new Slo(TimeSpan.FromSeconds(one.latency), 0.9) };
            AssertNobodyIsCheaper(Worlds.Of([recipe], [Worlds.Processors(4, 32)], Length, one.seed).WithoutScatter(), one.seed);
        }, iter: 25);
    }

    [Fact]
    public void Nobody_who_answers_as_many_in_time_is_cheaper()
    {
        var gen = from seed in Gen.Int[1, 1_000_000] from rate in Gen.Double[0.5, 60] from variation in Gen.Double[0.5, 3] from weight in Gen.Double[10, 4000] select (seed, rate, variation, weight);
        gen.Sample(one =>
        {
            const double Length = 400;
            var trace = SyntheticTraffic.Of(RateCurve.Wave(0, one.rate, 200, Length), Worlds.Short, one.variation, new Random(one.seed));
            var world = Worlds.Of([Worlds.Small("a", trace, one.weight, max: 12)], [Worlds.Processors(4, 32)], Length, one.seed).WithoutScatter();
            AssertNobodyIsCheaper(world, one.seed);
        }, iter: 25);
    }

    [Fact]
    public void Nor_of_models_that_generate_text()
    {
        var gen = from seed in Gen.Int[1, 1_000_000] from rate in Gen.Double[1, 60] from prompt in Gen.Double[20, 3000] from answer in Gen.Double[2, 200] select (seed, rate, prompt, answer);
        gen.Sample(one =>
        {
            const double Length = 300;
            var lengths = new TokenLengths.LogNormal(one.prompt, 0.8, one.answer, 0.8);
            var trace = SyntheticTraffic.Of(RateCurve.Wave(0, one.rate, 150, Length), lengths, 1, new Random(one.seed));
            var world = Worlds.Of([Worlds.Small("a", trace, max: 12)], [Worlds.Processors(4, 32)], Length, one.seed).WithoutScatter();
            // A roofline: prompts are computed while weights and contexts are read.
            static double Seconds(StepBatch batch) =>
                0.002 + Math.Max((batch.Tokens * 5e-6) + (batch.Pairs(null) * 1e-10), 0.008 + (batch.Sequences * batch.Context * 2e-8));
            world = world with
            {
                Models =
                [
                    .. world.Models.Select(model => model with
                    {
                        Spec = model.Spec with { Slo = new Slo(TimeSpan.FromSeconds(20), 0.9), Variants = [model.Spec.Variants[0] with { Concurrency = 64 }] },
                        Truth = model.Truth.SetItem(model.Spec.Variants[0].Id, model.Truth.Values.Single() with
                        {
                            Limits = new ReplicaLimits { Blocks = 20_000, Sequences = 64 },
                            StepSeconds = Seconds,
                        }),
                    }),
                ],
            };
            world = world with { Spec = world.Spec with { Models = [.. world.Models.Select(model => model.Spec)] } };
            AssertNobodyIsCheaper(world, one.seed);
        }, iter: 25);
    }

    private static void AssertNobodyIsCheaper(World world, int seed)
    {
        var least = new ClairvoyantBound(world);
        foreach (var run in SimulationRun.Rivals.Select(rival => SimulationRun.Rival(world, seed, rival)).Append(SimulationRun.Plimsoll(world, seed)))
        {
            var missed = run.Models[0].Requests - run.Models[0].WithinSlo;
            var bound = least.Of([missed]);
            // Replicas that are still loading as the run ends have not cost a whole load.
            Assert.True(bound.DeviceHours <= run.DeviceHours * 1.02 + 0.002, $"{run.Controller}: {run.DeviceHours} h, bound {bound.DeviceHours} h with {missed} missed of {run.Requests}");
            Assert.True(bound.Dollars <= run.Dollars * 1.02 + 0.002, $"{run.Controller}: ${run.Dollars}, bound ${bound.Dollars} with {missed} missed of {run.Requests}");
        }
    }

    private static RequestTrace Regular(double perSecond, double length)
    {
        double[] arrivals = [.. Enumerable.Range(0, (int)(perSecond * length)).Select(i => i / perSecond)];
        int[] ones = [.. arrivals.Select(_ => 1)];
        return new RequestTrace(arrivals, ones, ones, length);
    }
}
