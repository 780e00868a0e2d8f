using CsCheck;
using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Tests.Runs;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Bounds;

public sealed class ClairvoyantBoundTests
{
    [Fact]
    public void Steady_traffic_needs_as_many_replicas_as_its_work_takes_and_one_load_of_each()
    {
        const double Length = 3600;
        var world = Worlds.Of([Worlds.Small("a", Regular(40, Length), max: 50)], [Worlds.Processors(4, 64)], Length);
        var truth = world.Models[0].Truth.Values.Single();
        var work = truth.Batch.Seconds(8) / 8;
        var load = truth.Load.Stages.Sum(stage => stage.Seconds());
        var bound = ClairvoyantBound.Of(world, [0]);
        // The last slot may use the slack behind it; that is a second of an hour.
        var expected = 40 * work * (Length + load) / 3600;
        Assert.InRange(bound.DeviceHours, expected * 0.96, expected * 1.0001);
        Assert.InRange(ClairvoyantBound.Of(world, [(long)(0.5 * world.Models[0].Trace.Count)]).DeviceHours, expected * 0.47, expected * 0.51);
        Assert.Equal(0, ClairvoyantBound.Of(world, [world.Models[0].Trace.Count]).DeviceHours, 6);
    }

    [Fact]
    public void Replicas_that_are_kept_whatever_comes_are_in_it()
    {
        var world = Worlds.Of([Worlds.Small("a", RequestTrace.Silence(3600), min: 2)], [Worlds.Processors(1, 64)], 3600);
        var load = world.Models[0].Truth.Values.Single().Load.Stages.Sum(stage => stage.Seconds());
        Assert.Equal(2 * (3600 + load) / 3600, ClairvoyantBound.Of(world, [0]).DeviceHours, 6);
    }

    [Fact]
    public void More_than_the_most_replicas_can_serve_has_no_bound_and_says_so()
    {
        var world = Worlds.Of([Worlds.Small("a", Regular(400, 600), max: 1)], [Worlds.Processors(1, 64)], 600);
        var model = Assert.Single(ClairvoyantBound.Of(world, [0]).Models);
        Assert.Contains("more is asked than the most replicas can serve", model.Problem, StringComparison.Ordinal);
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
            foreach (var run in SimulationRun.Rivals.Select(rival => SimulationRun.Rival(world, one.seed, rival)).Append(SimulationRun.Plimsoll(world, one.seed)))
            {
                var missed = run.Models[0].Requests - run.Models[0].WithinSlo;
                var bound = ClairvoyantBound.Of(world, [missed]);
                // Replicas that are still loading as the run ends have not cost a whole load.
                Assert.True(bound.DeviceHours <= run.DeviceHours * 1.02 + 0.002, $"{run.Controller}: {run.DeviceHours} h, bound {bound.DeviceHours} h with {missed} missed of {run.Requests}");
            }
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
            foreach (var run in SimulationRun.Rivals.Select(rival => SimulationRun.Rival(world, one.seed, rival)).Append(SimulationRun.Plimsoll(world, one.seed)))
            {
                var missed = run.Models[0].Requests - run.Models[0].WithinSlo;
                var bound = ClairvoyantBound.Of(world, [missed]);
                Assert.True(bound.DeviceHours <= run.DeviceHours * 1.02 + 0.002, $"{run.Controller}: {run.DeviceHours} h, bound {bound.DeviceHours} h with {missed} missed of {run.Requests}");
            }
        }, iter: 25);
    }

    private static RequestTrace Regular(double perSecond, double length)
    {
        double[] arrivals = [.. Enumerable.Range(0, (int)(perSecond * length)).Select(i => i / perSecond)];
        int[] ones = [.. arrivals.Select(_ => 1)];
        return new RequestTrace(arrivals, ones, ones, length);
    }
}
