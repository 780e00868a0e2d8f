using System.Collections.Immutable;
using Plimsoll.Simulation.Packing;

namespace Plimsoll.Simulation.Tests.Packing;

public sealed class FillTests
{
    private const double Cost = FillTable.PerArrival;

    [Fact]
    public void A_device_waits_for_pods_that_come_often_and_gives_up_on_rare_ones()
    {
        var often = new FillTable([new Demand(1, 50, 2, 1.0)], 2, 8);
        Assert.Equal(Cost, often.Device(50, 2).Idle, 9);
        Assert.Equal(2 * Cost, often.Device(100, 4).Idle, 9);
        Assert.Equal(4 * Cost, often.Whole(2, 8), 9);
        Assert.Equal(4, often.Device(100, 4).Need, 9);

        // Too small for the pod, or too little room for it, or for the second: that part is lost.
        Assert.Equal(0.49, often.Device(49, 8).Idle, 9);
        Assert.Equal(0.5, often.Device(50, 1).Idle, 9);
        Assert.Equal(0.5 + Cost, often.Device(100, 3).Idle, 9);

        Assert.Equal(Cost / 0.1, new FillTable([new Demand(1, 50, 0, 0.1)], 1, 1).Device(50, 0).Idle, 9);
        Assert.Equal(0.5, new FillTable([new Demand(1, 50, 0, 0.003)], 1, 1).Device(50, 0).Idle, 9);
    }

    [Fact]
    public void Every_value_solves_the_equation_of_optimal_stopping()
    {
        var random = new Random(7);
        for (var round = 0; round < 20; round++)
        {
            Demand[] demands = [.. Enumerable.Range(0, 6).Select(_ => new Demand(1, random.Next(1, 101), random.Next(0, 5), random.NextDouble() / 6))];
            var table = new FillTable(demands, 1, 10);
            for (var steps = 1; steps <= FillTable.Steps; steps++)
            {
                for (var room = 0; room <= 10; room++)
                {
                    var value = table.Device(steps, room).Idle;
                    var gain = demands.Where(one => one.Steps <= steps && one.Need <= room)
                        .Sum(one => one.Rate * Math.Max(0, value - table.Device(steps - one.Steps, room - one.Need).Idle));
                    // Waiting is worth its cost exactly, or not worth it and all that is free stays idle.
                    if (value < steps / 100.0 - 1e-9) Assert.Equal(Cost, gain, 6);
                    else Assert.True(gain <= Cost + 1e-6, $"{steps} {room}: {gain}");
                }
            }
        }
    }

    /// <summary>
    /// A pod without devices asks for 24 cores. FGD sees no difference: with 8 cores left a typical pod still fits, and the
    /// first node goes. But two devices share those 8 cores, and the second is lost.
    /// </summary>
    [Theory]
    [InlineData(PackingPolicy.Fgd, "n0 n1 n1 -")]
    [InlineData(PackingPolicy.Plimsoll, "n0 n2 n1 n1")]
    public void Cores_are_left_to_the_devices_that_need_them(PackingPolicy policy, string expected)
    {
        var run = Run(policy, [Node("n0", 8000, 1), Node("n1", 32_000, 2), Node("n2", 32_000, 1)], [(Shape(8000, 1000), 0.6), (Shape(24_000, 0), 0.4)]);
        run.Nodes[2].Place(Pod(0, 1000), 0);
        PackingPod[] pods = [Pod(8000, 1000), Pod(24_000, 0), Pod(8000, 1000), Pod(8000, 1000)];
        Assert.Equal(expected, string.Join(' ', pods.Select(pod => run.Place(pod)?.Node.Name ?? "-")));
    }

    [Fact]
    public void A_model_is_left_to_those_who_name_it()
    {
        var run = Run(PackingPolicy.Plimsoll, [Node("x", 32_000, 2), Node("y", 32_000, 2) with { Model = "Y" }], []);
        PackingPod[] pods = [Pod(8000, 1000, "X"), Pod(8000, 1000), Pod(8000, 1000), Pod(8000, 1000)];
        Assert.Equal("x y y x", string.Join(' ', pods.Select(pod => run.Place(pod)!.Node.Name)));
    }

    /// <summary>The ledger here is kept apart from the run's.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Nothing_goes_above_capacity_and_nothing_that_fits_is_dropped(bool bytes)
    {
        for (var seed = 1; seed <= 6; seed++)
        {
            var workload = Drawn(seed);
            if (bytes) workload = DeviceBytes.Of(workload, DeviceCatalogue.BuiltIn);
            var arrivals = Arrivals.Own(workload, seed);
            var run = new PackingRun(workload, TypicalPods.Of(workload.Pods), PackingPolicy.Plimsoll, arrivals.Ranks, seed);
            var devices = run.Nodes.ToDictionary(node => node.Node.Name, node => node.Free.ToArray());
            var left = run.Nodes.ToDictionary(node => node.Node.Name, node => (Cpu: node.Node.CpuMilli, Memory: node.Node.MemoryMib));
            var (placed, dropped) = (0L, 0);
            foreach (var index in arrivals.Pods)
            {
                var pod = workload.Pods[index];
                var fits = run.Nodes.Where(node => left[node.Node.Name].Cpu >= pod.Shape.CpuMilli && left[node.Node.Name].Memory >= pod.MemoryMib
                    && (pod.Shape.Devices == 0 || (pod.Shape.Takes(node.Node.Model) && devices[node.Node.Name].Count(free => free >= pod.Shape.PerDevice) >= pod.Shape.Devices))).ToList();
                var node = run.Place(pod);
                if (node is null)
                {
                    Assert.Empty(fits);
                    dropped++;
                    continue;
                }

                Assert.Contains(node, fits);
                var name = node.Node.Name;
                left[name] = (left[name].Cpu - pod.Shape.CpuMilli, left[name].Memory - pod.MemoryMib);
                var taken = devices[name].Zip(node.Free.ToArray()).Select(one => one.First - one.Second).Where(one => one != 0).ToList();
                Assert.Equal(Enumerable.Repeat(pod.Shape.PerDevice, pod.Shape.Devices), taken);
                devices[name] = node.Free.ToArray();
                placed += pod.Shape.Total;
                Assert.Equal((left[name].Cpu, left[name].Memory, devices[name].Sum()), (node.FreeCpuMilli, node.FreeMemoryMib, node.FreeTotal));
                Assert.True(left[name].Cpu >= 0 && left[name].Memory >= 0 && devices[name].Min() >= 0, name);
            }

            Assert.True(dropped > 0 && placed > 0.5 * workload.Capacity, $"{dropped} dropped, {placed} of {workload.Capacity} placed");
            Assert.Equal(workload.Capacity - placed, run.Nodes.Sum(node => (long)node.FreeTotal));
        }
    }

    [Fact]
    public void Bytes_are_those_of_the_model_a_pod_was_sized_for()
    {
        var workload = DeviceBytes.Of(new PackingWorkload(
            [Node("a", 8000, 1) with { Model = "T4" }, Node("b", 8000, 1) with { Model = "V100M32" }, Node("c", 8000, 1) with { Model = "G2" }],
            [Pod(1000, 500, "T4"), Pod(1000, 1000, "V100M32|T4"), Pod(1000, 0), Pod(1000, 100, "G2"), new PackingPod("any", 1000, Shape(1000, 1000))]), DeviceCatalogue.BuiltIn);
        var t4 = (int)(DeviceCatalogue.BuiltIn.Find("t4-16gb")!.Memory.Value >> 20);
        Assert.Equal([t4, (int)(DeviceCatalogue.BuiltIn.Find("v100-32gb")!.Memory.Value >> 20), 20_000], workload.Nodes.Select(node => node.PerDevice));
        Assert.Equal([(t4 + 1) / 2, t4, 0, 2000], workload.Pods[..4].Select(pod => pod.Shape.PerDevice));
        Assert.Contains(workload.Pods[4].Shape.PerDevice, workload.Nodes.Select(node => node.PerDevice));

        var unknown = Assert.Throws<InvalidDataException>(() => DeviceBytes.Of(new PackingWorkload([Node("a", 8000, 1)], [Pod(1000, 500)]), DeviceCatalogue.BuiltIn));
        Assert.StartsWith("model 'X' is not in the catalogue", unknown.Message, StringComparison.Ordinal);
    }

    /// <summary>A sixteenth of the default list's nodes and pods, four of the published draws.</summary>
    [Fact]
    public void On_a_part_of_the_default_list_more_is_in_use_than_under_fgd()
    {
        var all = PackingTests.Published();
        var workload = new PackingWorkload([.. all.Nodes.Where((_, i) => i % 16 == 0)], [.. all.Pods.Where((_, i) => i % 16 == 0)]);
        var typical = TypicalPods.Of(workload.Pods);
        double Mean(PackingPolicy policy) => Enumerable.Range(42, 4).Average(seed =>
            PackingRun.Of(workload, typical, policy, Arrivals.Exact(workload, seed), seed).EndAllocationPercent);
        var (fgd, ours) = (Mean(PackingPolicy.Fgd), Mean(PackingPolicy.Plimsoll));
        Assert.True(ours > fgd + 0.5, $"{ours} is not above {fgd}");
    }

    private static PackingWorkload Drawn(int seed)
    {
        var random = new Random(seed);
        string[] models = ["T4", "V100M16", "V100M32", "G2"];
        int[] milli = [160, 230, 320, 470, 650, 810, 1000, 1000, 1000];
        return new PackingWorkload(
            [.. Enumerable.Range(0, 12).Select(i => new PackingNode($"n{i:00}", random.Next(16, 97) * 1000, random.Next(64, 385) * 1024, random.Next(1, 9), models[random.Next(4)]))],
            [
                .. Enumerable.Range(0, 80).Select(i =>
                {
                    var devices = random.Next(10) switch { 0 => 0, 1 => 2, 2 => 4, _ => 1 };
                    var asks = devices == 0 ? 0 : devices > 1 ? 1000 : milli[random.Next(milli.Length)];
                    var named = devices > 0 && random.Next(4) == 0 ? models[random.Next(4)] : "";
                    return new PackingPod($"p{i:000}", random.Next(1, 49) * 1024, new PodShape(random.Next(1, 17) * 1000, asks, devices, named));
                }),
            ]);
    }

    private static PackingRun Run(PackingPolicy policy, ImmutableArray<PackingNode> nodes, IEnumerable<(PodShape, double)> typical) =>
        new(new PackingWorkload(nodes, []), new TypicalPods(typical), policy, [.. Enumerable.Range(0, nodes.Length)], 42);

    private static PackingNode Node(string name, int cpuMilli, int devices) => new(name, cpuMilli, 1_000_000, devices, "X");

    private static PackingPod Pod(int cpuMilli, int milli, string models = "") => new("p", 1000, Shape(cpuMilli, milli, models));

    private static PodShape Shape(int cpuMilli, int milli, string models = "") => new(cpuMilli, milli, milli == 0 ? 0 : 1, models);
}
