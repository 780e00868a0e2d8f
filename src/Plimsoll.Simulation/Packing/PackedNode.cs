namespace Plimsoll.Simulation.Packing;

/// <summary>A node during a run: what is free, and which kinds of pods it hosts.</summary>
public sealed class PackedNode(PackingNode node)
{
    private readonly int[] _free = [.. Enumerable.Repeat(PodShape.Milli, node.Devices)];
    private readonly Dictionary<int, int> _kinds = [];

    public PackingNode Node { get; } = node;

    public int FreeCpuMilli { get; private set; } = node.CpuMilli;

    public int FreeMemoryMib { get; private set; } = node.MemoryMib;

    /// <summary>Free milli of each device.</summary>
    public ReadOnlySpan<int> Free => _free;

    /// <summary>Free milli of all devices.</summary>
    public int FreeMilli { get; private set; } = node.Devices * PodShape.Milli;

    /// <summary>Counts the placements, so that a score computed before the last one is known to be old.</summary>
    public int Version { get; private set; }

    /// <summary>Kinds of GPU pods here: 0 for shared, else the devices of each.</summary>
    public IReadOnlyCollection<int> Kinds => _kinds.Keys;

    public static int KindOf(PodShape shape) => shape.IsShared ? 0 : shape.Devices;

    public bool Has(int kind) => _kinds.ContainsKey(kind);

    /// <summary>If cores and devices suffice; memory is the pod's own and is asked beside it.</summary>
    public bool Fits(PodShape shape) =>
        FreeCpuMilli >= shape.CpuMilli && (shape.Devices == 0 || (DevicesWith(shape.DeviceMilli) >= shape.Devices && shape.Takes(Node.Model)));

    public int DevicesWith(int milli)
    {
        var count = 0;
        foreach (var free in _free)
        {
            if (free >= milli) count++;
        }

        return count;
    }

    /// <summary>Places the pod: a shared one on <paramref name="device"/>, others on the first free devices.</summary>
    /// <exception cref="InvalidOperationException">It does not fit.</exception>
    public void Place(PackingPod pod, int device)
    {
        var shape = pod.Shape;
        if (!Fits(shape) || FreeMemoryMib < pod.MemoryMib || (shape.IsShared && _free[device] < shape.DeviceMilli))
            throw new InvalidOperationException($"{pod.Name} does not fit on {Node.Name}");
        if (shape.IsShared) _free[device] -= shape.DeviceMilli;
        else TakeWhole(shape);
        FreeCpuMilli -= shape.CpuMilli;
        FreeMemoryMib -= pod.MemoryMib;
        FreeMilli -= shape.TotalMilli;
        if (shape.Devices > 0) _kinds[KindOf(shape)] = _kinds.GetValueOrDefault(KindOf(shape)) + 1;
        Version++;
    }

    private void TakeWhole(PodShape shape)
    {
        var left = shape.Devices;
        for (var i = 0; left > 0; i++)
        {
            if (_free[i] < PodShape.Milli) continue;
            _free[i] = 0;
            left--;
        }
    }

    /// <summary>The fitting device with the least free, the first of equals.</summary>
    public int Tightest(int milli)
    {
        var best = -1;
        for (var i = 0; i < _free.Length; i++)
        {
            if (_free[i] >= milli && (best < 0 || _free[i] < _free[best])) best = i;
        }

        return best;
    }
}
