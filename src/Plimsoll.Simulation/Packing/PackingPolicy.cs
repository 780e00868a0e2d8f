namespace Plimsoll.Simulation.Packing;

/// <summary>How pods are placed. <see cref="Random"/> draws a node; the others score each that fits, from 0 to 100, and the highest wins.</summary>
public enum PackingPolicy
{
    /// <summary>Any node that fits.</summary>
    Random,

    /// <summary>The node whose free cores and devices, times the pod's, are least.</summary>
    DotProd,

    /// <summary>Pods of one kind together.</summary>
    GpuClustering,

    /// <summary>Devices in use first, then nodes in use, then free ones.</summary>
    GpuPacking,

    /// <summary>The node with least left.</summary>
    BestFit,

    /// <summary>The node whose fragmentation grows least.</summary>
    Fgd,

    /// <summary>Ours: the node whose idle devices lose least of what may still be put on them.</summary>
    Plimsoll,
}

/// <summary>The scores of the baselines: whole numbers, truncated, which makes many ties and so keeps filling the same nodes.</summary>
public static class PackingScores
{
    // The normalisers of the published experiment, whatever a node has.
    private const double CpuNorm = 128_000;
    private const double DevicesNorm = 8;

    /// <summary>The score of a node that fits, and for a shared pod the device it would go to.</summary>
    public static (int Score, int Device) Of(PackingPolicy policy, PackedNode node, PodShape pod, NodeFragmentation fragmentation, int largest)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(pod);
        ArgumentNullException.ThrowIfNull(fragmentation);
        if (policy == PackingPolicy.Fgd) return Fgd(node, pod, fragmentation, largest);
        var score = policy switch
        {
            PackingPolicy.DotProd => DotProd(node, pod, largest),
            PackingPolicy.GpuClustering => GpuClustering(node, pod, largest),
            PackingPolicy.GpuPacking => GpuPacking(node, pod, largest),
            PackingPolicy.BestFit => BestFit(node, pod, largest),
            _ => throw new ArgumentOutOfRangeException(nameof(policy), policy, "has no score"),
        };
        return (score, pod.Devices == 1 ? node.Tightest(pod.PerDevice) : -1);
    }

    private static int DotProd(PackedNode node, PodShape pod, int largest) => (int)(100 * (1 - 0.5
        * (node.FreeCpuMilli / CpuNorm * (pod.CpuMilli / CpuNorm) + node.FreeTotal / (DevicesNorm * largest) * (pod.Total / (DevicesNorm * largest)))));

    private static int BestFit(PackedNode node, PodShape pod, int largest) => (int)((1
        - (0.5 * ((node.FreeCpuMilli - pod.CpuMilli) / CpuNorm) + 0.5 * ((node.FreeTotal - pod.Total) / (DevicesNorm * largest)))) * 100);

    private static int GpuClustering(PackedNode node, PodShape pod, int largest)
    {
        if (pod.Devices == 0) return 0;
        var used = (int)(25 * (8L * largest - node.FreeTotal) / (8L * largest));
        if (node.Kinds.Count == 0) return used + 25;
        return !node.Has(PackedNode.KindOf(pod)) ? used : used + (node.Kinds.Count == 1 ? 75 : 50);
    }

    private static int GpuPacking(PackedNode node, PodShape pod, int largest)
    {
        if (pod.Devices == 0) return 0;
        var whole = node.DevicesWith(node.Node.PerDevice);
        if (whole == node.Free.Length) return Math.Max(33 - whole, whole);
        Span<int> fitting = stackalloc int[node.Free.Length];
        var count = 0;
        foreach (var free in node.Free)
        {
            if (free >= pod.PerDevice) fitting[count++] = free;
        }

        fitting[..count].Sort();
        var (fresh, left) = (0, 0);
        foreach (var free in fitting[..pod.Devices])
        {
            if (free == node.Node.PerDevice) fresh++;
            left += (int)(100L * free / largest);
        }

        return fresh > 0 ? Math.Max(50 - fresh, 33) : Math.Max(100 - left / 10, 50);
    }

    private static (int Score, int Device) Fgd(PackedNode node, PodShape pod, NodeFragmentation fragmentation, int largest)
    {
        Span<int> free = stackalloc int[node.Free.Length];
        node.Free.CopyTo(free);
        var before = fragmentation.Idle(node.FreeCpuMilli, free);
        var cpu = node.FreeCpuMilli - pod.CpuMilli;
        if (pod.Devices != 1)
        {
            PackedNode.Take(free, pod, -1);
            return (Squashed(before - fragmentation.Idle(cpu, free), largest), -1);
        }

        var (best, device) = (-1, -1);
        for (var i = 0; i < free.Length; i++)
        {
            // Devices with as much free score alike, and the first of them goes.
            if (free[i] < pod.PerDevice || node.Free[..i].Contains(free[i])) continue;
            free[i] -= pod.PerDevice;
            var score = Squashed(before - fragmentation.Idle(cpu, free), largest);
            free[i] += pod.PerDevice;
            if (score > best) (best, device) = (score, i);
        }

        return (best, device);
    }

    private static int Squashed(double less, int largest) => (int)(100 * (1 / (1 + Math.Exp(-less / largest))));
}
