using System.Text.Json;
using CsCheck;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

public sealed class FluidRunTests
{
    public static TheoryData<string> All => [.. SimulationRun.Rivals];

    [Theory]
    [MemberData(nameof(All))]
    public void Every_rival_runs_on_it_alike_each_time_and_nearly_as_in_detail(string rival)
    {
        var world = TextWorlds.Of(TextWorlds.Model(TextWorlds.Traffic(6, 0, 500, 600), min: 1), 600);
        var fluid = world with { IsFluid = true };
        var result = SimulationRun.Rival(fluid, 1, rival);
        Conserved(world, result);
        Assert.Equal(JsonSerializer.Serialize(result), JsonSerializer.Serialize(SimulationRun.Rival(fluid, 1, rival)));
        var detailed = SimulationRun.Rival(world, 1, rival);
        Assert.InRange(result.Attainment - detailed.Attainment, -0.02, 0.02);
        Assert.InRange(result.DeviceHours / detailed.DeviceHours, 0.94, 1.06);
    }

    [Fact]
    public void Seldom_asked_models_come_out_as_in_detail()
    {
        var world = Worlds.Of(
            [Worlds.Small("a", Worlds.Poisson(30, 300)), Worlds.Small("b", Worlds.Poisson(0.2, 300, 2), 2000), Worlds.Small("c", Worlds.Poisson(5, 300, 3), min: 1, max: 2)], [Worlds.Processors(2, 4)], 300, 2,
            new Fault(TimeSpan.FromSeconds(100), FaultKind.NodeLost, "cpu-0"), new Fault(TimeSpan.FromSeconds(150), FaultKind.NodeBack, "cpu-0"));
        var (detailed, fluid) = (SimulationRun.Plimsoll(world, 2), SimulationRun.Plimsoll(world with { IsFluid = true }, 2));
        Conserved(world, fluid);
        Assert.InRange(fluid.Attainment - detailed.Attainment, -0.01, 0.01);
        Assert.InRange(fluid.DeviceHours / detailed.DeviceHours, 0.97, 1.03);
    }

    [Fact]
    public void Many_requests_in_groups_come_out_nearly_as_one_by_one()
    {
        // Eight hundred a second: some five in each group.
        var trace = SyntheticTraffic.Of(RateCurve.Wave(100, 800, 600, 600), Worlds.Short, 1, new Random(5));
        var recipe = Worlds.Small("a", trace, max: 40) with { Variants = [new VariantRecipe { Engine = "plimsoll-model-server", Batch = new Simulation.Requests.BatchTimes(0.1, 0.01), Cores = Cores.Of(0.5), Concurrency = 8 }] };
        var world = Worlds.Of([recipe], [Worlds.Processors(4, 64)], 600);
        var (detailed, fluid) = (SimulationRun.Plimsoll(world, 1), SimulationRun.Plimsoll(world with { IsFluid = true }, 1));
        Conserved(world, fluid);
        Assert.InRange(fluid.Attainment - detailed.Attainment, -0.01, 0.01);
        Assert.InRange(fluid.DeviceHours / detailed.DeviceHours, 0.97, 1.03);
    }

    [Fact]
    public void Replicas_that_batch_are_planned_by_their_profile_and_answer_each_request_once()
    {
        var profile = BatchProfile.Of([new(1, 0.02), new(8, 0.05), new(32, 0.15)]).Profile!;
        var trace = SyntheticTraffic.Of(RateCurve.Wave(100, 900, 600, 600), Worlds.Short, 1, new Random(5));
        var recipe = Worlds.Small("a", trace, max: 40, min: 1) with { Slo = new Slo(TimeSpan.FromMilliseconds(250), 0.95), Variants = [new VariantRecipe { Engine = "triton", Profile = profile, Cores = Cores.Of(0.5), Concurrency = 64 }] };
        var world = Worlds.Of([recipe], [Worlds.Processors(4, 64)], 600);
        var known = Assert.Single(world.Models).Spec.Variants[0];
        Assert.True(known.Service is { Profiled: true });
        var (detailed, fluid) = (SimulationRun.Plimsoll(world, 1), SimulationRun.Plimsoll(world with { IsFluid = true }, 1));
        Conserved(world, detailed);
        Conserved(world, fluid);
        Assert.True(detailed.Attainment > 0.9, $"{detailed.Attainment}");
        Assert.InRange(fluid.Attainment - detailed.Attainment, -0.05, 0.05);

        // Without the profile the same replicas are sized by the times of their requests: at least as many for no better.
        var unknown = world.WithSpecs(spec => spec with { Variants = [known with { Service = null }] });
        var blind = SimulationRun.Plimsoll(unknown, 1);
        Assert.True(blind.DeviceHours > 1.3 * detailed.DeviceHours || blind.Attainment < detailed.Attainment - 0.01, $"{blind.DeviceHours} and {detailed.DeviceHours}, {blind.Attainment} and {detailed.Attainment}");
    }

    [Fact]
    public void More_requests_than_could_be_kept_are_each_counted_once()
    {
        var drawn = new DrawnTraffic(RateCurve.Wave(0, 40_000, 1800, 3600), _ => Worlds.Short, 2, 1, "traffic");
        var recipe = Worlds.Small("a", RequestTrace.Silence(3600), max: 4, min: 1);
        var world = Worlds.Of([recipe], [Worlds.Processors(1, 64)], 3600, 1, new Fault(TimeSpan.FromSeconds(1000), FaultKind.ReplicaDies, "a")) with { IsFluid = true };
        world = world with { Models = [world.Models[0] with { Drawn = [drawn] }] };
        var model = SimulationRun.Plimsoll(world, 1).Models[0];
        Assert.InRange(model.Requests, 71_000_000, 73_000_000);
        Assert.Equal(model.Requests, model.WithinSlo + model.Late + model.Rejected + model.Failed + model.Unfinished);

        // Four replicas of eight at once in 0.18 s, nine times the truth's factor or its ninth at the very most.
        Assert.InRange(model.WithinSlo + model.Late, 3600 * 20, 3600 * 1600);
        Assert.InRange(model.Unfinished, 0, 10_000);
    }

    [Fact]
    public void Whatever_happens_to_text_models_every_request_ends_once()
    {
        var gen = from seed in Gen.Int[1, 1_000_000]
                  from faults in Gen.Int[0, 8]
                  from rate in Gen.Double[0.1, 80]
                  select (seed, faults, rate);
        gen.Sample(one =>
        {
            var random = new Random(one.seed);
            var trace = SyntheticTraffic.Of(RateCurve.Wave(0, one.rate, 50, 150), new TokenLengths.LogNormal(600, 1.5, 100, 1.5), 2, random);
            var world = TextWorlds.Of(TextWorlds.Model(trace, random.Next(2), 4, 1 + random.Next(2)), 150) with
            {
                IsFluid = true,
                Faults = [.. Enumerable.Range(0, one.faults).Select(_ => new Fault(
                    TimeSpan.FromSeconds(random.NextDouble() * 150), (FaultKind)random.Next(Enum.GetValues<FaultKind>().Length), "")).Select(fault => fault with
                    {
                        Node = Fault.StrikesNode(fault.What) ? $"cpu-{random.Next(4)}" : "text",
                    }).OrderBy(fault => fault.At)],
            };
            Conserved(world, SimulationRun.Plimsoll(world, one.seed));
            Conserved(world, SimulationRun.Rival(world, one.seed, "hpa"));
        }, iter: 60);
    }

    private static void Conserved(World world, RunResult result)
    {
        foreach (var (of, model) in world.Models.Zip(result.Models))
            Assert.Equal(of.Trace.Count, model.WithinSlo + model.Late + model.Rejected + model.Failed + model.Unfinished);
        Assert.All(result.Models, model => Assert.True(model is { WithinSlo: >= 0, Late: >= 0, Rejected: >= 0, Failed: >= 0, Unfinished: >= 0 }));
    }
}
