using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Traces;
using static Plimsoll.Simulation.Tests.Runs.TextWorlds;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Replicas of one model, of which not all have room for its longest requests.</summary>
public sealed class MixedRoomTests
{
    /// <summary>Of two ways to run it one has room for 160 tokens, and every third request is of 500.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_long_request_goes_where_it_fits(bool fluid)
    {
        double[] arrivals = [.. Enumerable.Range(0, 400).Select(i => 100 + (0.5 * i))];
        var model = Model(new RequestTrace(arrivals, [.. arrivals.Select((_, i) => i % 3 == 0 ? 400 : 50)], [.. arrivals.Select(_ => 100)], 400), min: 2, variants: 2);
        var first = model.Spec.Variants[0];
        var needs = first.Needs with { Devices = 1, PerDevice = new MemoryNeed(Bytes.GiB(10), Bytes.GiB(10)) };
        model = model with
        {
            Spec = model.Spec with { Variants = [first with { DeviceKind = "x", Needs = needs }, model.Spec.Variants[1]] },
            Truth = model.Truth.SetItem(first.Id, model.Truth[first.Id] with { Limits = new ReplicaLimits { Blocks = 10 } }),
        };
        var world = Of(model, 400) with { IsFluid = fluid, Nodes = [Worlds.Processors(1, 64) with { DeviceKind = "x", Devices = 1, DeviceMemory = Bytes.GiB(24) }] };
        var result = SimulationRun.Rival(world, 1, "hpa").Models[0];
        Assert.Equal((0, 400), (result.Failed, result.WithinSlo + result.Late));
    }
}
