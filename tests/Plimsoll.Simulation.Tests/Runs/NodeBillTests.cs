using Plimsoll.Simulation.Bounds;
using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>What is paid of a node, and by whom.</summary>
public sealed class NodeBillTests
{
    private const string Kind = "l4-24gb";

    // $8 an hour, two devices of 24 GiB, 64 GiB of memory.
    private static readonly NodeGroup Devices = Worlds.Processors(1, 64) with { DeviceKind = Kind, Devices = 2, DeviceMemory = Bytes.GiB(24), PricePerHour = UsdPerHour.Of(8) };

    private sealed record Holder(string Name, int[] On, double? Of = null, double HostGiB = 1, bool HasLeftDevices = false) : IHolder
    {
        public ReplicaId Id => ReplicaId.Of(ModelId.Of(Name), 1);

        public ModelSpec Model => Worlds.Small(Name, Worlds.Poisson(1, 1)).Resolve(new TruthSpread(), 1).Spec;

        public Placement Placement => new(NodeId.Of("cpu-0"), [.. On.Select(SimulatedNode.Device)]);

        public Bytes? HeldOfEach => Of is { } each ? Bytes.GiB(each) : null;

        public Bytes HeldOfHost => Bytes.GiB(HostGiB);
    }

    /// <summary>Dollars of each in an hour together, and hours of devices.</summary>
    private static Dictionary<string, (double Dollars, double Hours)> Hour(params Holder[] holders)
    {
        var bill = new NodeBill(Devices);
        foreach (var holder in holders) bill.Add(holder);
        bill.Divide();
        Dictionary<string, (double, double)> paid = [];
        bill.Charge(3600, (model, seconds, dollars) => paid[model.Value] = (dollars, seconds / 3600));
        return paid;
    }

    [Fact]
    public void A_device_is_paid_once_by_those_on_it_by_their_memory()
    {
        Assert.Equal((4, 1), Hour(new Holder("a", [0], 6))["a"]);
        var both = Hour(new Holder("a", [0], 6), new Holder("b", [0], 12));
        Assert.Equal(4.0 / 3, both["a"].Dollars, 9);
        Assert.Equal(8.0 / 3, both["b"].Dollars, 9);
        Assert.Equal(1, both["a"].Hours + both["b"].Hours, 9);
    }

    [Fact]
    public void What_sleeps_pays_what_it_keeps_and_who_is_awake_the_rest()
    {
        Assert.Equal(4.0 / 12, Hour(new Holder("s", [0], 2, HasLeftDevices: true))["s"].Dollars, 9);
        var both = Hour(new Holder("s", [0], 2, HasLeftDevices: true), new Holder("a", [0], 20));
        Assert.Equal(4.0 / 12, both["s"].Dollars, 9);
        Assert.Equal(4 * 11.0 / 12, both["a"].Dollars, 9);
    }

    [Fact]
    public void Who_runs_on_no_device_pays_its_part_of_the_memory_of_what_devices_leave_of_the_price()
    {
        Assert.Equal(1, Hour(new Holder("e", [], HostGiB: 8))["e"].Dollars, 9);
        Assert.Equal(1, Hour(new Holder("e", [], HostGiB: 8))["e"].Hours, 9);
        Assert.Equal(0.5, Hour(new Holder("e", [], HostGiB: 8), new Holder("a", [0]))["e"].Dollars, 9);
        var all = Hour(new Holder("e", [], HostGiB: 8), new Holder("a", [0, 1]));
        Assert.Equal((0, 8), (all["e"].Dollars, all["a"].Dollars));
    }

    [Fact]
    public void Models_that_share_a_device_pay_no_more_than_it_costs_and_no_less_than_the_bound()
    {
        ModelRecipe Model(string id, int seed) => Worlds.Small(id, Worlds.Poisson(5, 900, seed), 2000, max: 2) with
        {
            Variants = [Worlds.Small(id, Worlds.Poisson(1, 1)).Variants[0] with { Device = DeviceCatalogue.BuiltIn.Find(Kind), Devices = 1 }],
        };
        var world = Worlds.Of([Model("a", 1), Model("b", 2), Model("c", 3), Worlds.Small("e", Worlds.Poisson(5, 900, 4))], [Devices with { Devices = 1 }], 900);
        var run = SimulationRun.Plimsoll(world, 1);
        var onDevices = run.Models.Where(model => model.Model.Value != "e").ToList();
        Assert.All(run.Models, model => Assert.InRange(model.Attainment, 0.9, 1));
        Assert.InRange(onDevices.Sum(model => model.DeviceHours), 0.2, 900.0001 / 3600);
        Assert.InRange(run.Dollars, 1.5, run.NodeDollars);
        var bound = new ClairvoyantBound(world).Of([.. run.Models.Select(model => model.Requests - model.WithinSlo)]);
        Assert.True(bound.Dollars <= run.Dollars, $"${run.Dollars}, bound ${bound.Dollars}");
    }

    [Fact]
    public void A_pod_pays_from_when_it_is_bound_while_its_weights_are_on_their_way()
    {
        // 10 GB at 200 MiB/s are some 50 s, before a load of some 20 s.
        var world = Worlds.Of([Worlds.Small("a", RequestTrace.Silence(300), 10_000, min: 1, cached: true)], [Worlds.Processors(1, 64, cacheGiB: 100)], 300).WithoutScatter();
        var run = SimulationRun.Rival(world, 1, "hpa");
        Assert.Equal(300, run.Models[0].DeviceHours * 3600, 3);
        Assert.Equal(300, SimulationRun.Plimsoll(world.Scheduled(), 1).Models[0].DeviceHours * 3600, 3);
    }
}
