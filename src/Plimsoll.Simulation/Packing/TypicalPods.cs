namespace Plimsoll.Simulation.Packing;

/// <summary>
/// The shapes that make up 95 % of a list, and the fragmentation they see: the idle devices that a pod drawn from
/// them could not use, on average (Weng et al., Beware of Fragmentation, USENIX ATC 2023, sections 3 and 4).
/// </summary>
public sealed class TypicalPods
{
    /// <summary>Rarer shapes beyond this share of the pods are left out.</summary>
    public const double Covered = 0.95;

    private readonly (PodShape Shape, double Weight)[] _typical;

    /// <param name="weighted">Shapes with their weights, which sum to 1; the order decides the last bit of the sums.</param>
    public TypicalPods(IEnumerable<(PodShape Shape, double Weight)> weighted) => _typical = [.. weighted];

    public int Count => _typical.Length;

    /// <summary>The typical shapes of a list of pods.</summary>
    public static TypicalPods Of(IReadOnlyCollection<PackingPod> pods)
    {
        ArgumentNullException.ThrowIfNull(pods);
        var groups = pods.GroupBy(pod => pod.Shape).Select(group => (Shape: group.Key, Count: group.Count()))
            .OrderByDescending(one => one.Count).ThenByDescending(one => one.Shape.CpuMilli).ThenByDescending(one => one.Shape.PerDevice)
            .ThenByDescending(one => one.Shape.Devices).ThenByDescending(one => one.Shape.Models, StringComparer.Ordinal);
        var (taken, sum) = (new List<(PodShape Shape, int Count)>(), 0);
        foreach (var one in groups)
        {
            if (sum >= Covered * pods.Count) break;
            taken.Add(one);
            sum += one.Count;
        }

        double all = pods.Count;
        return new TypicalPods(taken.Select(one => (one.Shape, one.Count / all / (sum / all))));
    }

    /// <summary>These shapes as a node of one model sees them, with the types it has not told apart once.</summary>
    public NodeFragmentation On(string model) => new([.. _typical.Select(one => (one.Shape, one.Weight, one.Shape.Takes(model)))]);
}

/// <summary>Fragmentation on nodes of one device model.</summary>
public sealed class NodeFragmentation((PodShape Shape, double Weight, bool Takes)[] typical)
{
    /// <summary>What of the idle devices a typical pod could not use, on average, in the devices' unit.</summary>
    /// <param name="cpuMilli">Free cores.</param>
    /// <param name="free">Free of each device.</param>
    public double Idle(int cpuMilli, ReadOnlySpan<int> free)
    {
        var idle = 0;
        foreach (var one in free) idle += one;
        if (idle == 0) return 0;
        // Seven sums in a fixed order: a change of exactly nothing must come out as exactly nothing.
        double both = 0, gpu = 0, cpu = 0, cpuOnly = 0, cpuOnlyLacks = 0, noAccess = 0;
        foreach (var (shape, weight, takes) in typical)
        {
            var lacksCpu = cpuMilli < shape.CpuMilli;
            if (shape.Devices == 0)
            {
                if (lacksCpu) cpuOnlyLacks += weight * idle;
                else cpuOnly += weight * idle;
                continue;
            }

            if (!takes)
            {
                noAccess += weight * idle;
                continue;
            }

            var (fitting, small) = (0, 0);
            foreach (var one in free)
            {
                if (one >= shape.PerDevice) fitting++;
                else small += one;
            }

            if (fitting >= shape.Devices)
            {
                if (lacksCpu) cpu += weight * idle;
                else gpu += weight * small;
            }
            else if (lacksCpu) both += weight * idle;
            else gpu += weight * idle;
        }

        return both + gpu + cpu + cpuOnly + cpuOnlyLacks + noAccess;
    }
}
