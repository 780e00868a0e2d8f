namespace Plimsoll.Simulation.Packing;

/// <summary>One seed's run: pods arrive one at a time, stay for ever, and are dropped where they fit nowhere.</summary>
/// <param name="AllocationPercent">Devices in use, of all, averaged while the arrivals' requests round to 100 % of the capacity; null where none did.</param>
/// <param name="EndAllocationPercent">The same after the last arrival.</param>
/// <param name="FragmentationPercent">Idle devices that a typical pod could not use, of the capacity, at the first arrival that reaches 100 %.</param>
public sealed record PackingReading(double? AllocationPercent, double EndAllocationPercent, double FragmentationPercent, int Arrived, int Dropped)
{
    /// <summary>The published reading: the mean over all arrivals from 99.5 to 100.5 %, each rounded to two decimals, and so the mean.</summary>
    /// <returns>Null where there are none.</returns>
    public static double? Mean(IEnumerable<double> readings)
    {
        double[] all = [.. readings];
        return all.Length == 0 ? null : Math.Round(all.Average(), 2);
    }
}

/// <summary>The experiment of FGD's authors, one policy and one seed at a time.</summary>
public sealed class PackingRun
{
    // Of shapes and nodes; a list of pods that are all unlike one another is scored anew again and again.
    private const long MostScores = 20_000_000;

    private readonly PackingWorkload _workload;
    private readonly PackingPolicy _policy;
    private readonly PackedNode[] _byRank;
    private readonly NodeFragmentation[] _fragmentation;
    // Ours scores by the pod's memory too; for the others it is 0.
    private readonly Dictionary<(PodShape, int MemoryMib), Score[]> _scores = [];
    private readonly FillOutlook? _ours;
    private readonly double[] _prices = [];
    private readonly Random _random;

    public PackingRun(PackingWorkload workload, TypicalPods typical, PackingPolicy policy, IReadOnlyList<int> ranks, int seed)
    {
        ArgumentNullException.ThrowIfNull(workload);
        ArgumentNullException.ThrowIfNull(typical);
        (_workload, _policy, _random) = (workload, policy, Seeds.Of(seed, "packing-nodes"));
        _byRank = [.. workload.Nodes.Select((node, i) => (node, Rank: ranks[i])).OrderBy(one => one.Rank).Select(one => new PackedNode(one.node))];
        var models = workload.Nodes.Select(node => node.Model).Distinct().ToDictionary(model => model, typical.On);
        _fragmentation = [.. _byRank.Select(node => models[node.Node.Model])];
        if (policy != PackingPolicy.Plimsoll) return;
        _ours = new FillOutlook(_byRank);
        _prices = new double[_ours.Kinds];
    }

    /// <summary>Nodes, lowest rank first, as the pods so far have left them.</summary>
    public IReadOnlyList<PackedNode> Nodes => _byRank;

    /// <summary>Runs all arrivals of a seed.</summary>
    public static PackingReading Of(PackingWorkload workload, TypicalPods typical, PackingPolicy policy, Arrivals arrivals, int seed)
    {
        ArgumentNullException.ThrowIfNull(arrivals);
        return new PackingRun(workload, typical, policy, arrivals.Ranks, seed).Read(arrivals);
    }

    private PackingReading Read(Arrivals arrivals)
    {
        var readings = new List<double>();
        var (arrived, placed, dropped, fragmentation) = (0L, 0L, 0, -1.0);
        foreach (var index in arrivals.Pods)
        {
            var pod = _workload.Pods[index];
            arrived += pod.Shape.Total;
            if (Place(pod) is null) dropped++;
            else placed += pod.Shape.Total;
            if (Percent(arrived) is >= 99.5 and <= 100.5) readings.Add(Math.Round(Percent(placed), 2));
            if (fragmentation < 0 && Percent(arrived) >= 100) fragmentation = FragmentationPercent();
        }

        return new PackingReading(PackingReading.Mean(readings), Math.Round(Percent(placed), 2), fragmentation < 0 ? FragmentationPercent() : fragmentation,
            arrivals.Pods.Length, dropped);
    }

    /// <summary>Places a pod.</summary>
    /// <returns>The node, or null where it fits nowhere.</returns>
    public PackedNode? Place(PackingPod pod)
    {
        ArgumentNullException.ThrowIfNull(pod);
        if (_policy == PackingPolicy.Random) return PlaceAnywhere(pod);
        if (_ours?.Saw(pod) == true || (long)_scores.Count * _byRank.Length > MostScores) _scores.Clear();
        _ours?.Prices(pod.Shape, _prices);
        var key = (pod.Shape, _ours is null ? 0 : pod.MemoryMib);
        if (!_scores.TryGetValue(key, out var scores))
        {
            _scores.Add(key, scores = new Score[_byRank.Length]);
            Array.Fill(scores, new Score(-1, double.NegativeInfinity, -1));
        }

        // One placement changes one node: only scores of nodes changed since this shape's last arrival are computed.
        var (best, most) = (-1, double.NegativeInfinity);
        for (var i = 0; i < _byRank.Length; i++)
        {
            var node = _byRank[i];
            if (scores[i].Version != node.Version) scores[i] = Scored(i, pod);
            var value = scores[i].Value - (_ours is null ? 0 : _prices[_ours.KindOf(i)]);
            // Equal but for the last bits is equal, and the rank decides.
            if (value > most + 1e-7 && node.FreeMemoryMib >= pod.MemoryMib) (best, most) = (i, value);
        }

        if (best < 0) return null;
        _byRank[best].Place(pod, scores[best].Device);
        _ours?.Placed(best, pod.Shape);
        return _byRank[best];
    }

    private Score Scored(int i, PackingPod pod)
    {
        var node = _byRank[i];
        if (!node.Fits(pod.Shape) || (_ours is not null && node.FreeMemoryMib < pod.MemoryMib)) return new Score(node.Version, double.NegativeInfinity, -1);
        if (_ours is null)
        {
            var (score, on) = PackingScores.Of(_policy, node, pod.Shape, _fragmentation[i], _workload.Largest);
            return new Score(node.Version, score, on);
        }

        var (loss, device) = _ours.Loss(i, node, pod);
        return new Score(node.Version, -loss, device);
    }

    private PackedNode? PlaceAnywhere(PackingPod pod)
    {
        var fitting = _byRank.Where(node => node.FreeMemoryMib >= pod.MemoryMib && node.Fits(pod.Shape)).ToArray();
        if (fitting.Length == 0) return null;
        var node = fitting[_random.Next(fitting.Length)];
        var device = -1;
        if (pod.Shape.IsShared)
        {
            var drawn = _random.Next(node.DevicesWith(pod.Shape.PerDevice));
            while (drawn >= 0)
            {
                if (node.Free[++device] >= pod.Shape.PerDevice) drawn--;
            }
        }

        node.Place(pod, device);
        return node;
    }

    private double Percent(long amount) => 100.0 * amount / _workload.Capacity;

    private double FragmentationPercent()
    {
        double idle = 0;
        for (var i = 0; i < _byRank.Length; i++) idle += _fragmentation[i].Idle(_byRank[i].FreeCpuMilli, _byRank[i].Free);
        return 100 * idle / _workload.Capacity;
    }

    private readonly record struct Score(int Version, double Value, int Device);
}
