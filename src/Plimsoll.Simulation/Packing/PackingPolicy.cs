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
}

/// <summary>The scores of the baselines: whole numbers, truncated, which makes many ties and so keeps filling the same nodes.</summary>
public static class PackingScores
{
    // The normalisers of the published experiment, whatever a node has.
    private const double CpuNorm = 128_000;
    private const double DeviceNorm = 8_000;

    /// <summary>The score of a node that fits, and for a shared pod the device it would go to.</summary>
    public static (int Score, int Device) Of(PackingPolicy policy, PackedNode node, PodShape pod, NodeFragmentation fragmentation)
    {
        ArgumentNullException.ThrowIfNull(node);
        ArgumentNullException.ThrowIfNull(pod);
        ArgumentNullException.ThrowIfNull(fragmentation);
        if (policy == PackingPolicy.Fgd) return Fgd(node, pod, fragmentation);
        var score = policy switch
        {
            PackingPolicy.DotProd => DotProd(node, pod),
            PackingPolicy.GpuClustering => GpuClustering(node, pod),
            PackingPolicy.GpuPacking => GpuPacking(node, pod),
            PackingPolicy.BestFit => BestFit(node, pod),
            _ => throw new ArgumentOutOfRangeException(nameof(policy), policy, "has no score"),
        };
        return (score, pod.IsShared ? node.Tightest(pod.DeviceMilli) : -1);
    }

    private static int DotProd(PackedNode node, PodShape pod) => (int)(100 * (1 - 0.5
        * (node.FreeCpuMilli / CpuNorm * (pod.CpuMilli / CpuNorm) + node.FreeMilli / DeviceNorm * (pod.TotalMilli / DeviceNorm))));

    private static int BestFit(PackedNode node, PodShape pod) => (int)((1
        - (0.5 * ((node.FreeCpuMilli - pod.CpuMilli) / CpuNorm) + 0.5 * ((node.FreeMilli - pod.TotalMilli) / DeviceNorm))) * 100);

    private static int GpuClustering(PackedNode node, PodShape pod)
    {
        if (pod.Devices == 0) return 0;
        var used = 25 * (8000 - node.FreeMilli) / 8000;
        if (node.Kinds.Count == 0) return used + 25;
        return !node.Has(PackedNode.KindOf(pod)) ? used : used + (node.Kinds.Count == 1 ? 75 : 50);
    }

    private static int GpuPacking(PackedNode node, PodShape pod)
    {
        if (pod.Devices == 0) return 0;
        var whole = node.DevicesWith(PodShape.Milli);
        if (whole == node.Free.Length) return Math.Max(33 - whole, whole);
        Span<int> fitting = stackalloc int[node.Free.Length];
        var count = 0;
        foreach (var free in node.Free)
        {
            if (free >= pod.DeviceMilli) fitting[count++] = free;
        }

        fitting[..count].Sort();
        var (fresh, left) = (0, 0);
        foreach (var free in fitting[..pod.Devices])
        {
            if (free == PodShape.Milli) fresh++;
            left += free / 10;
        }

        return fresh > 0 ? Math.Max(50 - fresh, 33) : Math.Max(100 - left / 10, 50);
    }

    private static (int Score, int Device) Fgd(PackedNode node, PodShape pod, NodeFragmentation fragmentation)
    {
        Span<int> free = stackalloc int[node.Free.Length];
        node.Free.CopyTo(free);
        var before = fragmentation.Milli(node.FreeCpuMilli, free);
        var cpu = node.FreeCpuMilli - pod.CpuMilli;
        if (!pod.IsShared)
        {
            var left = pod.Devices;
            for (var i = 0; left > 0; i++)
            {
                if (free[i] < PodShape.Milli) continue;
                free[i] = 0;
                left--;
            }

            return (Squashed(before - fragmentation.Milli(cpu, free)), -1);
        }

        var (best, device) = (-1, -1);
        for (var i = 0; i < free.Length; i++)
        {
            // Devices with as much free score alike, and the first of them goes.
            if (free[i] < pod.DeviceMilli || node.Free[..i].Contains(free[i])) continue;
            free[i] -= pod.DeviceMilli;
            var score = Squashed(before - fragmentation.Milli(cpu, free));
            free[i] += pod.DeviceMilli;
            if (score > best) (best, device) = (score, i);
        }

        return (best, device);
    }

    private static int Squashed(double milli) => (int)(100 * (1 / (1 + Math.Exp(-milli / 1000))));
}
