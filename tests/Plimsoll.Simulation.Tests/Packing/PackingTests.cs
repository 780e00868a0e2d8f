using System.Collections.Immutable;
using Plimsoll.Simulation.Packing;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Packing;

public sealed class PackingTests
{
    /// <summary>Three nodes, five pods, worked by hand; the last node has a shared pod of 600 milli to begin with.</summary>
    [Theory]
    [InlineData(PackingPolicy.DotProd, "n1 n1 n0 n0 -")]
    [InlineData(PackingPolicy.GpuClustering, "n1 n1 n0 n0 -")]
    [InlineData(PackingPolicy.GpuPacking, "n1 n2 n0 n1 n0")]
    [InlineData(PackingPolicy.BestFit, "n1 n1 n0 n0 -")]
    [InlineData(PackingPolicy.Fgd, "n0 n2 n0 n0 n1")]
    public void Five_pods_go_where_the_hand_calculation_puts_them(PackingPolicy policy, string expected)
    {
        var run = Run(policy, [Node("n0", 32_000, 2), Node("n1", 16_000, 1), Node("n2", 16_000, 1)],
            [(Shape(4000, 500), 0.5), (Shape(8000, 1000), 0.3), (Shape(8000, 0), 0.2)]);
        run.Nodes[2].Place(Pod(0, 600), 0);

        PackingPod[] pods = [Pod(4000, 500), Pod(4000, 400), Pod(8000, 1000), Pod(4000, 500), Pod(8000, 1000)];
        Assert.Equal(expected, string.Join(' ', pods.Select(pod => run.Place(pod)?.Node.Name ?? "-")));
    }

    [Theory]
    [InlineData(PackingPolicy.DotProd, "n1 n1 n0")]
    [InlineData(PackingPolicy.GpuClustering, "n0 n1 n0")]
    [InlineData(PackingPolicy.GpuPacking, "n0 n1 n0")]
    [InlineData(PackingPolicy.BestFit, "n1 n1 n0")]
    [InlineData(PackingPolicy.Fgd, "n0 n1 n0")]
    public void A_pod_without_devices_strands_devices_under_some(PackingPolicy policy, string expected)
    {
        var run = Run(policy, [Node("n0", 24_000, 2), Node("n1", 20_000, 1)],
            [(Shape(8000, 1000), 0.6), (Shape(4000, 250), 0.2), (Shape(16_000, 0), 0.2)]);
        run.Nodes[1].Place(Pod(0, 400), 0);

        PackingPod[] pods = [Pod(16_000, 0), Pod(4000, 600), Pod(8000, 1000)];
        Assert.Equal(expected, string.Join(' ', pods.Select(pod => run.Place(pod)?.Node.Name ?? "-")));
    }

    [Fact]
    public void Fragmentation_is_what_a_typical_pod_cannot_use()
    {
        var on = new TypicalPods([(Shape(4000, 500), 0.5), (Shape(8000, 1000), 0.3), (Shape(8000, 0), 0.2)]).On("X");
        Assert.Equal(400, on.Idle(32_000, [1000, 1000]), 9);
        Assert.Equal(200, on.Idle(16_000, [1000]), 9);
        Assert.Equal(400, on.Idle(16_000, [400]), 9);
    }

    [Fact]
    public void A_pod_goes_to_no_other_model_and_nothing_goes_above_capacity()
    {
        Assert.False(Shape(0, 500, models: "Y|Z").Takes("X"));
        var node = new PackedNode(Node("n0", 4000, 1));
        node.Place(Pod(3000, 700), 0);
        Assert.Throws<InvalidOperationException>(() => node.Place(Pod(0, 400), 0));
        Assert.Throws<InvalidOperationException>(() => node.Place(Pod(2000, 100), 0));
    }

    [Fact]
    public void A_wrong_cell_is_named_with_its_line_and_what_would_do()
    {
        var folder = Directory.CreateTempSubdirectory("packing-").FullName;
        try
        {
            var (nodes, pods) = (Path.Combine(folder, "n.csv"), Path.Combine(folder, "p.csv"));
            File.WriteAllText(nodes, "sn,cpu_milli,memory_mib,gpu,model\nn0,1000,1000,2,X\n");
            File.WriteAllText(pods, "name,cpu_milli,memory_mib,num_gpu,gpu_milli\np0,1000,1000,1,1500\n");
            var problem = Assert.Throws<TraceException>(() => OpenbFiles.Read(nodes, pods));
            Assert.Equal($"{pods}:2: gpu_milli is '1500'; a whole number from 0 to 1000 would do", problem.Message);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public void The_published_draws_and_the_published_reading_come_out()
    {
        var workload = Published();
        var typical = TypicalPods.Of(workload.Pods);
        Assert.Equal(35, typical.Count);
        var arrivals = Arrivals.Exact(workload, 42);
        Assert.Equal(10_866, arrivals.Pods.Length);
        Assert.Equal([255, 1685, 6784, 4463, 602], arrivals.Pods[..5]);
        Assert.Equal([3888, 5689, 2936], arrivals.Pods[8152..8155]);
        Assert.Equal([601, 815, 450, 13, 731], arrivals.Ranks[..5]);

        var fgd = PackingRun.Of(workload, typical, PackingPolicy.Fgd, arrivals, 42);
        Assert.Equal((95.14, 95.29), (fgd.AllocationPercent!.Value, fgd.EndAllocationPercent));
        var best = PackingRun.Of(workload, typical, PackingPolicy.BestFit, arrivals, 42);
        Assert.Equal((92.94, 93.13), (best.AllocationPercent!.Value, best.EndAllocationPercent));
        // Half of the way from FGD's mean to the bound, and not above the bound.
        Assert.InRange(PackingRun.Of(workload, typical, PackingPolicy.Plimsoll, arrivals, 42).AllocationPercent!.Value, 96.07, 96.9);
    }

    internal static PackingWorkload Published()
    {
        var data = Environment.GetEnvironmentVariable("PLIMSOLL_DATA") is { Length: > 0 } named ? named : "../shared/data";
        var (nodes, pods) = (Path.Combine(data, "openb", "openb_node_list_gpu_node.csv"), Path.Combine(data, "openb", "openb_pod_list_default.csv"));
        if (Environment.GetEnvironmentVariable("CI") == "true") Assert.True(File.Exists(pods), $"{pods} is not there; PLIMSOLL_DATA names the folder");
        Assert.SkipUnless(File.Exists(pods), $"{pods} is not there; PLIMSOLL_DATA names the folder");
        return OpenbFiles.Read(nodes, pods);
    }

    private static PackingRun Run(PackingPolicy policy, ImmutableArray<PackingNode> nodes, IEnumerable<(PodShape, double)> typical) =>
        new(new PackingWorkload(nodes, []), new TypicalPods(typical), policy, [.. Enumerable.Range(0, nodes.Length)], 42);

    private static PackingNode Node(string name, int cpuMilli, int devices) => new(name, cpuMilli, 1_000_000, devices, "X");

    private static PackingPod Pod(int cpuMilli, int milli) => new("p", 1000, Shape(cpuMilli, milli));

    private static PodShape Shape(int cpuMilli, int milli, string models = "") => new(cpuMilli, milli, milli == 0 ? 0 : 1, models);
}
