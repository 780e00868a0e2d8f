using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Replicas on one device have its time in turns.</summary>
public sealed class SharedDeviceTests
{
    private const string Kind = "l4-24gb";

    // Requests of 100 ms and 10 ms for each beside, eight at once: 44 a second by itself.
    private static ModelRecipe Model(string id, double perSecond, int seed) => Worlds.Small(id, Worlds.Poisson(perSecond, 300, seed), 2000, min: 1, max: 1) with
    {
        Slo = new Slo(TimeSpan.FromSeconds(30), 0.95),
        Variants = [Worlds.Small(id, Worlds.Poisson(1, 1)).Variants[0] with { Device = DeviceCatalogue.BuiltIn.Find(Kind), Devices = 1 }],
    };

    private static World World(double one, double other, bool fluid)
    {
        var node = Worlds.Processors(1, 64) with { DeviceKind = Kind, Devices = 2, DeviceMemory = Bytes.GiB(24) };
        return (Worlds.Of([Model("one", one, 1), Model("other", other, 2)], [node], 300) with { IsFluid = fluid }).WithoutScatter();
    }

    private static SimulatedCluster Run(World world, params int[] devices)
    {
        var cluster = new SimulatedCluster(world, 1);
        foreach (var (model, device) in world.Models.Zip(devices))
        {
            var variant = model.Spec.Variants[0];
            Assert.Null(cluster.Start(ReplicaId.Of(model.Spec.Id, 1), model.Spec.Id, model.Spec.Version, variant.Id,
                new Placement(cluster.Nodes.Single().Id, [SimulatedNode.Device(device)]), variant.Needs, TimeSpan.FromSeconds(1)));
        }

        cluster.AdvanceTo(300, untilChanged: false);
        return cluster;
    }

    private static long Answered(SimulatedCluster cluster, string model) => cluster.Requests[ModelId.Of(model)].Totals() is var totals ? totals.Within + totals.Late : 0;

    private static double Seconds(SimulatedCluster cluster, string model) => cluster.Requests[ModelId.Of(model)].Totals().Seconds!.P50;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Beside_one_that_always_has_work_everything_takes_twice_as_long(bool fluid)
    {
        // What the other is asked is far more than it gets through.
        var alone = Seconds(Run(World(1, 200, fluid), 0, 1), "one");
        var beside = Seconds(Run(World(1, 200, fluid), 0, 0), "one");
        Assert.InRange(beside / alone, 1.95, 2.05);

        // And that one loses next to nothing by one that hardly ever has any.
        var (other, shared) = (Run(World(1, 200, fluid), 0, 1), Run(World(1, 200, fluid), 0, 0));
        Assert.InRange((double)Answered(shared, "other") / Answered(other, "other"), 0.88, 1);
    }

    [Fact]
    public void Who_goes_leaves_the_device_to_the_others()
    {
        var world = World(1, 200, fluid: false);
        var cluster = new SimulatedCluster(world, 1);
        foreach (var model in world.Models)
            cluster.Start(ReplicaId.Of(model.Spec.Id, 1), model.Spec.Id, model.Spec.Version, model.Spec.Variants[0].Id, new Placement(cluster.Nodes.Single().Id, [SimulatedNode.Device(0)]), model.Spec.Variants[0].Needs, TimeSpan.FromSeconds(1));
        cluster.AdvanceTo(100, untilChanged: false);
        var one = cluster.Find(ReplicaId.Of(ModelId.Of("one"), 1))!;
        Assert.InRange(one.Engine.Slowdown, 1.9, 2);
        cluster.Stop(ReplicaId.Of(ModelId.Of("other"), 1));
        cluster.AdvanceTo(110, untilChanged: false);
        Assert.Equal(1, one.Engine.Slowdown);
    }

    [Fact]
    public void A_planner_that_weighs_a_devices_time_has_two_that_are_busy_on_two()
    {
        // Memory alone would have both on one; each needs most of a device's time.
        var world = World(30, 30, fluid: false);
        var (with, without) = (SimulationRun.Plimsoll(world, 1), SimulationRun.Plimsoll(world with { Spec = world.Spec with { Settings = PlannerSettings.Latest with { SharesTime = false } } }, 1));
        Assert.True(with.Models.Min(model => model.Seconds!.P95) * 2 < without.Models.Max(model => model.Seconds!.P95),
            $"{with.Models.Min(model => model.Seconds!.P95)} against {without.Models.Max(model => model.Seconds!.P95)}");
    }

    [Fact]
    public void Replicas_of_a_fixed_number_that_began_on_one_device_end_on_two()
    {
        // At first nothing is known of what comes, so that both are placed by memory.
        var world = World(30, 30, fluid: false);
        var (moves, stays) = (Run(true), Run(false));
        Assert.True(moves.Models.Max(model => model.Seconds!.P50) * 2 < stays.Models.Min(model => model.Seconds!.P50),
            $"{moves.Models.Max(model => model.Seconds!.P50)} against {stays.Models.Min(model => model.Seconds!.P50)}");

        RunResult Run(bool moves) => SimulationRun.Plimsoll(world with { Spec = world.Spec with { Settings = PlannerSettings.Latest with { MovesForTime = moves } } }, 1);
    }
}
