using System.Globalization;

namespace Plimsoll.Simulation.Packing;

/// <summary>
/// The policy <see cref="PackingPolicy.Plimsoll"/>: from the pods that have arrived so far, and from nothing else, what the
/// idle devices of a node are expected to lose for good, and how scarce each device model is. docs/pack.md says it in words.
/// </summary>
internal sealed class FillOutlook
{
    /// <summary>Cores and host memory are counted in this many units of the largest node's.</summary>
    private const int Rooms = 256;

    /// <summary>The commonest demands are looked at, after rounding; rarer ones hardly change what is expected.</summary>
    private const int MostDemands = 256;

    // The tables are made anew at the first arrival, the tenth, and whenever half as many again have been seen.
    private const int FirstRenewal = 10;

    private readonly Kind[] _kinds;
    private readonly int[] _kindOf;
    private readonly int _coreUnit;
    private readonly int _memoryUnit;
    private readonly int _mostDevices;
    private readonly Dictionary<(PodShape Shape, int MemoryMib), int> _counts = [];
    private int _seen;
    private int _renewal = 1;

    // What the pods that run on some kinds only ask for, of all that is asked for, by the kinds.
    private (bool[] On, double Share)[] _choosy = [];

    /// <param name="nodes">The nodes, empty.</param>
    public FillOutlook(IReadOnlyList<PackedNode> nodes)
    {
        ArgumentNullException.ThrowIfNull(nodes);
        var kinds = nodes.Select(node => KindOf(node.Node)).Distinct().ToList();
        _kinds = [.. kinds.Select(one => new Kind(one.Model, one.PerDevice, one.HasDevices))];
        _kindOf = [.. nodes.Select(node => kinds.IndexOf(KindOf(node.Node)))];
        _coreUnit = Math.Max(1, (nodes.Max(node => node.Node.CpuMilli) + Rooms - 1) / Rooms);
        _memoryUnit = Math.Max(1, (nodes.Max(node => node.Node.MemoryMib) + Rooms - 1) / Rooms);
        _mostDevices = nodes.Max(node => node.Node.Devices);
        for (var i = 0; i < nodes.Count; i++) _kinds[_kindOf[i]].Free += nodes[i].Node.Total;
    }

    /// <summary>Counts a pod that arrives.</summary>
    /// <returns>If what is expected has changed, and all scores with it.</returns>
    public bool Saw(PackingPod pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        _counts[(pod.Shape, pod.MemoryMib)] = _counts.GetValueOrDefault((pod.Shape, pod.MemoryMib)) + 1;
        if (++_seen < _renewal) return false;
        _renewal = Math.Max(FirstRenewal, _seen + Math.Max(1, _seen / 2));
        Renew();
        return true;
    }

    /// <summary>Notes that a pod went to a node.</summary>
    public void Placed(int node, PodShape shape) => _kinds[_kindOf[node]].Free -= shape.Total;

    /// <summary>What the node's idle devices lose by the pod, in the devices' unit, the less the better; and the device it would go to.</summary>
    public (double Loss, int Device) Loss(int index, PackedNode node, PackingPod pod)
    {
        var kind = _kinds[_kindOf[index]];
        var (cpu, memory) = (node.FreeCpuMilli - pod.Shape.CpuMilli, node.FreeMemoryMib - pod.MemoryMib);
        Span<int> free = stackalloc int[node.Free.Length];
        node.Free.CopyTo(free);
        var before = Lost(kind, node.FreeCpuMilli, node.FreeMemoryMib, free);
        if (pod.Shape.Devices != 1)
        {
            PackedNode.Take(free, pod.Shape, -1);
            return (Lost(kind, cpu, memory, free) - before, -1);
        }

        var (least, device) = (double.PositiveInfinity, -1);
        for (var i = 0; i < free.Length; i++)
        {
            // Devices with as much free lose alike, and the first of them goes.
            if (free[i] < pod.Shape.PerDevice || node.Free[..i].Contains(free[i])) continue;
            free[i] -= pod.Shape.PerDevice;
            var lost = Lost(kind, cpu, memory, free) - before;
            free[i] += pod.Shape.PerDevice;
            if (lost < least) (least, device) = (lost, i);
        }

        return (least, device);
    }

    /// <summary>
    /// What it costs others that a pod takes a node of a kind, in the devices' unit: what it takes, times the share of the
    /// kind's free devices that pods which cannot go wherever this one can will ask for by the time all free ones are asked for.
    /// </summary>
    public void Prices(PodShape shape, Span<double> prices)
    {
        prices.Clear();
        if (_choosy.Length == 0 || shape.Devices == 0) return;
        double all = 0;
        Span<bool> its = stackalloc bool[_kinds.Length];
        for (var i = 0; i < _kinds.Length; i++)
        {
            all += _kinds[i].Free;
            its[i] = _kinds[i].Takes(shape);
        }

        foreach (var (on, share) in _choosy)
        {
            // Who has all the choice that this pod has, and perhaps more, can go where it could.
            if (Covers(on, its)) continue;
            double theirs = 0;
            for (var i = 0; i < _kinds.Length; i++) theirs += on[i] ? _kinds[i].Free : 0;
            // Their demand is spread over their kinds by what is free, so it is the same part of each.
            if (theirs <= 0) continue;
            for (var i = 0; i < _kinds.Length; i++) prices[i] += on[i] ? share * all / theirs : 0;
        }

        for (var i = 0; i < _kinds.Length; i++) prices[i] = shape.Total * Math.Min(1, prices[i]);
    }

    private static bool Covers(ReadOnlySpan<bool> on, ReadOnlySpan<bool> its)
    {
        for (var i = 0; i < its.Length; i++)
        {
            if (its[i] && !on[i]) return false;
        }

        return true;
    }

    public int Kinds => _kinds.Length;

    public int KindOf(int node) => _kindOf[node];

    private static (string Model, int PerDevice, bool HasDevices) KindOf(PackingNode node) => (node.Model, node.PerDevice, node.Devices > 0);

    /// <summary>What of a node's idle devices is expected to stay idle for good: for want of cores, and again for want of host memory.</summary>
    private double Lost(Kind kind, int cpuMilli, int memoryMib, ReadOnlySpan<int> free)
    {
        // Steps of the devices partly in use, the emptiest first.
        Span<int> partly = stackalloc int[free.Length];
        var (whole, count) = (0, 0);
        foreach (var one in free)
        {
            if (one == kind.PerDevice) whole++;
            else if (one > 0) partly[count++] = (int)((long)one * FillTable.Steps / kind.PerDevice);
        }

        if (whole + count == 0) return 0;
        partly = partly[..count];
        partly.Sort((a, b) => b.CompareTo(a));
        return kind.PerDevice * (Lost(kind.ByCores!, (double)cpuMilli / _coreUnit, whole, partly) + Lost(kind.ByMemory!, (double)memoryMib / _memoryUnit, whole, partly));
    }

    private static double Lost(FillTable table, double room, int whole, ReadOnlySpan<int> partly)
    {
        double lost = 0;
        foreach (var steps in partly)
        {
            var (idle, need) = table.Device(steps, room);
            lost += idle;
            room = Math.Max(0, room - need);
        }

        return whole == 0 ? lost : lost + table.Whole(whole, room);
    }

    private void Renew()
    {
        var seen = _counts.Where(one => one.Key.Shape.Devices > 0).ToList();
        var takes = seen.Select(one => _kinds.Select(kind => kind.Takes(one.Key.Shape)).ToArray()).ToList();
        double asked = seen.Sum(one => (double)one.Value * one.Key.Shape.Total);
        _choosy = [.. seen.Zip(takes).Where(one => !one.Second.All(on => on))
            .GroupBy(one => Named(one.Second), one => (On: one.Second, Share: one.First.Value * (double)one.First.Key.Shape.Total / asked), StringComparer.Ordinal)
            .Select(group => (group.First().On, group.Sum(one => one.Share)))];

        // Kinds that the same pods take, by devices of one size, share their tables.
        var tables = new Dictionary<string, (FillTable, FillTable)>(StringComparer.Ordinal);
        for (var i = 0; i < _kinds.Length; i++)
        {
            var kind = _kinds[i];
            var name = string.Create(CultureInfo.InvariantCulture, $"{kind.PerDevice} {Named(takes.Select(on => on[i]))}");
            if (!tables.TryGetValue(name, out var both))
            {
                var taken = seen.Where((_, j) => takes[j][i]).ToList();
                tables.Add(name, both = (
                    Table(taken.Select(one => (one.Key.Shape, one.Key.Shape.CpuMilli, one.Value)), kind.PerDevice, _coreUnit),
                    Table(taken.Select(one => (one.Key.Shape, one.Key.MemoryMib, one.Value)), kind.PerDevice, _memoryUnit)));
            }

            (kind.ByCores, kind.ByMemory) = both;
        }
    }

    private FillTable Table(IEnumerable<(PodShape Shape, int Need, int Count)> taken, int perDevice, int unit) => new(
        [.. taken.GroupBy(one => (
                one.Shape.Devices,
                Steps: (int)(((long)one.Shape.PerDevice * FillTable.Steps + perDevice - 1) / perDevice),
                Need: (one.Need + unit - 1) / unit))
            .Select(group => new Demand(group.Key.Devices, group.Key.Steps, group.Key.Need, (double)group.Sum(one => one.Count) / _seen))
            .OrderByDescending(one => one.Rate).ThenBy(one => one.Devices).ThenBy(one => one.Steps).ThenBy(one => one.Need).Take(MostDemands)],
        _mostDevices, Rooms);

    private static string Named(IEnumerable<bool> on) => string.Concat(on.Select(one => one ? '1' : '0'));

    /// <summary>Nodes with devices of one model and size, what is free of them, and what they are expected to lose.</summary>
    private sealed class Kind(string model, int perDevice, bool hasDevices)
    {
        public string Model { get; } = model;

        public int PerDevice { get; } = perDevice;

        public long Free { get; set; }

        /// <summary>If its devices are large enough and of a model that will do; a kind without devices takes none.</summary>
        public bool Takes(PodShape shape) => hasDevices && shape.PerDevice <= PerDevice && shape.Takes(Model);

        public FillTable? ByCores { get; set; }

        public FillTable? ByMemory { get; set; }
    }
}
