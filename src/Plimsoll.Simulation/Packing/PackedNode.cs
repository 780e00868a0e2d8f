namespace Plimsoll.Simulation.Packing;

/// <summary>A node during a run: what is free, and which kinds of pods it hosts.</summary>
public sealed class PackedNode(PackingNode node)
{
    private readonly int[] _free = [.. Enumerable.Repeat(node.PerDevice, node.Devices)];
    private readonly Dictionary<int, int> _kinds = [];

    public PackingNode Node { get; } = node;

    public int FreeCpuMilli { get; private set; } = node.CpuMilli;

    public int FreeMemoryMib { get; private set; } = node.MemoryMib;

    /// <summary>Free of each device, in the node's unit.</summary>
    public ReadOnlySpan<int> Free => _free;

    /// <summary>Free of all devices.</summary>
    public int FreeTotal { get; private set; } = node.Total;

    /// <summary>Counts the placements, so that a score computed before the last one is known to be old.</summary>
    public int Version { get; private set; }

    /// <summary>Kinds of GPU pods here: 0 for shared, else the devices of each.</summary>
    public IReadOnlyCollection<int> Kinds => _kinds.Keys;

    public static int KindOf(PodShape shape) => shape.IsShared ? 0 : shape.Devices;

    public bool Has(int kind) => _kinds.ContainsKey(kind);

    /// <summary>If cores and devices suffice; memory is the pod's own and is asked beside it.</summary>
    public bool Fits(PodShape shape) =>
        FreeCpuMilli >= shape.CpuMilli && (shape.Devices == 0 || (DevicesWith(shape.PerDevice) >= shape.Devices && shape.Takes(Node.Model)));

    public int DevicesWith(int amount)
    {
        var count = 0;
        foreach (var free in _free)
        {
            if (free >= amount) count++;
        }

        return count;
    }

    /// <summary>Places the pod: one that asks for one device on <paramref name="device"/>, or on the tightest where that is
    /// below 0; one that asks for more on the tightest.</summary>
    /// <exception cref="InvalidOperationException">It does not fit.</exception>
    public void Place(PackingPod pod, int device)
    {
        var shape = pod.Shape;
        if (!Fits(shape) || FreeMemoryMib < pod.MemoryMib || (shape.Devices == 1 && device >= 0 && _free[device] < shape.PerDevice))
            throw new InvalidOperationException($"{pod.Name} does not fit on {Node.Name}");
        Take(_free, shape, device);
        FreeCpuMilli -= shape.CpuMilli;
        FreeMemoryMib -= pod.MemoryMib;
        FreeTotal -= shape.Total;
        if (shape.Devices > 0) _kinds[KindOf(shape)] = _kinds.GetValueOrDefault(KindOf(shape)) + 1;
        Version++;
    }

    /// <summary>Takes a pod that fits out of what is free, as <see cref="Place"/> does.</summary>
    public static void Take(Span<int> free, PodShape shape, int device)
    {
        if (shape.Devices == 1)
        {
            free[device >= 0 ? device : Tightest(free, shape.PerDevice, 0)] -= shape.PerDevice;
            return;
        }

        var taken = 0UL;
        for (var left = shape.Devices; left > 0; left--)
        {
            var at = Tightest(free, shape.PerDevice, taken);
            free[at] -= shape.PerDevice;
            taken |= 1UL << at;
        }
    }

    /// <summary>The fitting device with the least free, the first of equals.</summary>
    public int Tightest(int amount) => Tightest(_free, amount, 0);

    // A bit for each device: there are at most 64.
    private static int Tightest(ReadOnlySpan<int> free, int amount, ulong without)
    {
        var best = -1;
        for (var i = 0; i < free.Length; i++)
        {
            if ((without >> i & 1) == 0 && free[i] >= amount && (best < 0 || free[i] < free[best])) best = i;
        }

        return best;
    }
}
