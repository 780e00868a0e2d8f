using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Starts whose node another scheduler chooses. It counts requests and nothing else, so a start is allowed only if every
/// node it could choose is safe (design §1), and sensible only if one of them has the room whatever it did with the others:
/// so each start is reserved on every node that it could land on.
/// </summary>
/// <param name="ledgers">The nodes, by id.</param>
/// <param name="coming">Nodes that were asked for and may be there by the time a start is placed: no places, but dangers.</param>
/// <param name="needs">What a replica takes as one of its variants.</param>
internal sealed partial class SchedulerChoice(
    IReadOnlyDictionary<NodeId, NodeLedger> ledgers, IReadOnlyList<NodeLedger> coming, Func<ModelSpec, VariantSpec, ReplicaNeeds> needs)
{
    private readonly SchedulerNode[] _nodes = [.. ledgers.Values.Select(ledger => new SchedulerNode(ledger))];

    // Only where somebody is let go for another.
    private readonly Lazy<(ImmutableArray<NodeState> Shapes, int[] Of)> _shapes = new(() => Admission.ShapesOf([.. ledgers.Values.Select(ledger => ledger.Node)]));
    private readonly Lazy<Dictionary<NodeId, int>> _indexOf = new(() => ledgers.Keys.Select((id, at) => (id, at)).ToDictionary(one => one.id, one => one.at));

    private readonly SchedulerNode[] _arriving = [.. coming.Select(ledger => new SchedulerNode(ledger))];

    // Nodes that could be chosen now, by what is asked for: few shapes of requests, however many starts.
    private readonly Dictionary<SchedulerRequests, SchedulerNode[]> _open = new(SameRequests.Comparer);

    // What each start, or what waits already, is promised: by what is asked for, as those with the same requests are one promise.
    private readonly Dictionary<SchedulerRequests, SinglePods> _promises = new(SameRequests.Comparer);

    // Nodes chosen for after their stops, with the room that those leave.
    private readonly List<(SchedulerNode Node, SchedulerRoom Room)> _chosen = [];

    // Pods that the scheduler has yet to place, those of this plan's starts among them.
    private readonly List<Awaited> _awaited = [];

    /// <param name="Ways">What each would run as and take.</param>
    /// <param name="Count">How many.</param>
    /// <param name="Nodes">How many were counted on nodes; of a single pod only those that have room once stops are done.</param>
    private sealed record Awaited(ReplicaWays Ways, int Count, Dictionary<SchedulerNode, int> Nodes)
    {
        public int CountedOn(SchedulerNode node) =>
            Nodes.TryGetValue(node, out var counted) ? counted : node.State.Scheduler!.Takes(Ways.Requests) ? Count : 0;

        /// <summary>Those of a group are charged with the others of it, null of a single pod.</summary>
        public Together? With { get; init; }

        public int MayComeTo(SchedulerNode node) => node.MayRun(Ways.Requests) ? Math.Min(Count, node.Ledger.SchedulerAfter!.Slots(Ways.Requests)) : 0;
    }

    /// <summary>
    /// Single pods that ask the same. All of them find a place while one node takes all that may come there, or while there are
    /// more places on all nodes together than everything that may come could take.
    /// </summary>
    private sealed class SinglePods(SchedulerRequests requests, SchedulerNode[] nodes)
    {
        private readonly long _places = nodes.Sum(node => (long)node.State.Scheduler!.Slots(requests));

        // Those before it are overfull.
        private int _at;
        private long _taken;

        public bool IsKept(out int at)
        {
            at = _at;
            while (at < nodes.Length && nodes[at].IsOverfull) at++;
            return at < nodes.Length || _taken <= _places;
        }

        public void Keep(int at) => _at = at;

        /// <summary>A pod of another kind costs one of these at most as many places as it is times as large, wherever it lands.</summary>
        public void Comes(SchedulerRequests one, int count)
        {
            if (SameRequests.Comparer.Equals(one, requests)) _taken += count;
            else if (Meet(one, requests)) _taken += (long)count * Costs(one, requests);
        }
    }

    /// <param name="After">The stops to wait for; null when it must not start.</param>
    /// <param name="Needs">The most it takes on any node it could land on.</param>
    /// <param name="Why">Why it must not start; null when it may.</param>
    public sealed record Answer(ImmutableArray<StepId>? After, ReplicaNeeds Needs, Reason? Why)
    {
        /// <summary>Of a group, the pods beside the leader and the most that each takes anywhere.</summary>
        public WorkerPods? Workers { get; init; }

        /// <summary>Of a group that must not start, pods that surely find a place.</summary>
        public int Places { get; init; }
    }

    /// <summary>Reserves what the scheduler has yet to place, so that nothing else is promised the same room.</summary>
    public void Await(ModelSpec model)
    {
        if (model.Requests is not { } requests) return;
        var ways = ReplicaWays.Of(model, needs);
        var open = Open(requests);
        var later = Later(requests);

        if (!Promise(open, later, requests, null))
        {
            // It is there, and may land on any of them, whether all find a place or not.
            Ask(open, later, requests, 1);
            Forget();
        }

        Hold(open, later, ways);
    }

    /// <summary>Whether a replica may start now, or after which stops.</summary>
    public Answer Place(ModelOutlook outlook) => outlook.Model.Variants[0].Workers is { } workers
        ? PlaceGroup(Pods(outlook.Model, leaders: 1, workers.Count), outlook.Needs)
        : Place(ReplicaWays.Of(outlook.Model, needs), outlook.Needs, ledger => Eviction.Scarce(outlook, ledger));

    private Answer Place(ReplicaWays ways, ReplicaNeeds least, Func<NodeLedger, Reason>? scarce)
    {
        var requests = ways.Requests;
        var open = Open(requests);
        foreach (var node in open)
        {
            if (Danger(node, ways, afterStops: false) is { } danger) return new Answer(null, least, danger);
        }

        var arriving = _arriving.Where(node => node.MayRun(requests) && node.State.Scheduler!.Takes(requests)).ToArray();
        foreach (var node in arriving)
        {
            if (Danger(node, ways, afterStops: false) is { } danger) return new Answer(null, least, danger);
        }

        // It may still be waiting when a stop makes room elsewhere.
        var stopping = _nodes.Where(node => node.Ledger.HasStops && node.MayRun(requests) && node.Ledger.SchedulerAfter!.Takes(requests)).ToArray();
        foreach (var node in stopping)
        {
            if (Danger(node, ways, afterStops: true) is { } danger) return new Answer(null, least, danger);
        }

        // Who waits for all stops of a node may land on another while only some of the stops there have ended.
        var meanwhile = stopping.Select(node => (node, Why: DangerMeanwhile(node, ways))).Where(one => one.Why is not null).ToArray();
        if (meanwhile.Length > 1) return new Answer(null, least, meanwhile[0].Why);
        var later = Later(requests);
        if (meanwhile.Length == 0 && ways.IsKnown(open) && Promise(open, later, requests, null))
        {
            var most = Hold(open, later, ways)!;
            foreach (var node in arriving) node.Charge(most, requests);
            return new Answer([], most, null);
        }

        foreach (var node in stopping)
        {
            if (ways.At(node) is not { } way || meanwhile is [var (danger, _)] && danger != node) continue;
            if (!Promise(open, later, requests, node)) continue;
            if (node.Ledger.TryReserve(way.Takes, way.DeviceKind) is null)
            {
                Ask(open, later, requests, -1);
                _chosen.RemoveAt(_chosen.Count - 1);
                LookAgain();
                continue;
            }

            foreach (var one in open.Concat(later).Concat(arriving)) one.Charge(way.Takes, requests);
            Waits(ways, later);
            return new Answer(node.Ledger.Stops, way.Takes, null);
        }

        return new Answer(null, least, open.Length > 0 && scarce is not null ? scarce(open[0].Ledger) : Unplaced(requests));
    }

    /// <summary>Whether some node has, by its requests alone, room for a replica now.</summary>
    public bool IsOpen(SchedulerRequests requests) => Open(requests).Length > 0;

    /// <summary>
    /// Whether a node that is not there yet would be a danger to what has yet to be placed, which the scheduler could then put
    /// on it; null when it would not.
    /// </summary>
    public Reason? Endangered(NodeLedger newcomer) =>
        LandOn(new SchedulerNode(newcomer), _awaited.Select(one => (one.Ways, one.Count)));

    // Puts as many of the pods on an empty node as the scheduler could, until one is in danger.
    private static Reason? LandOn(SchedulerNode node, IEnumerable<(ReplicaWays Ways, int Count)> pods)
    {
        foreach (var (ways, count) in pods)
        {
            var many = node.MayRun(ways.Requests) ? Math.Min(count, node.State.Scheduler!.Slots(ways.Requests)) : 0;
            for (var i = 0; i < many; i++)
            {
                if (Danger(node, ways, afterStops: false) is { } danger) return danger;
                node.Charge(ways.At(node)!.Takes, ways.Requests);
            }
        }

        return null;
    }

    /// <summary>Nodes on which it would be safe and which only lack room: where others may be let go for it.</summary>
    public NodeLedger[] Eligible(ModelOutlook outlook)
    {
        var (requests, ways, eligible) = (outlook.Model.Requests!, ReplicaWays.Of(outlook.Model, needs), new List<NodeLedger>());
        var fits = new bool?[_shapes.Value.Shapes.Length];
        for (var i = 0; i < _nodes.Length; i++)
        {
            if (!_nodes[i].MayRun(requests)) continue;
            if (ways.At(_nodes[i]) is { } way && way.Variant == outlook.Variant.Id
                && (fits[_shapes.Value.Of[i]] ??= Admission.Fits(_nodes[i].State, outlook.Needs, way.DeviceKind))) eligible.Add(_nodes[i].Ledger);
        }

        return [.. eligible];
    }

    private SchedulerNode[] Open(SchedulerRequests requests)
    {
        if (!_open.TryGetValue(requests, out var open))
            _open[requests] = open = [.. _nodes.Where(node => node.MayRun(requests) && node.State.Scheduler!.Takes(requests))];
        return open;
    }

    // Those that have room for it once the stops so far are done.
    private SchedulerNode[] Later(SchedulerRequests requests) =>
        [.. _nodes.Where(node => node.Ledger.HasStops && node.MayRun(requests) && !node.State.Scheduler!.Takes(requests) && node.Ledger.SchedulerAfter!.Takes(requests))];

    // Charges it where it may land, and answers the most that it takes anywhere; null where nobody knows.
    private ReplicaNeeds? Hold(SchedulerNode[] open, SchedulerNode[] later, ReplicaWays ways)
    {
        Waits(ways, later);
        foreach (var node in open)
        {
            if (ways.At(node) is { } way) node.Ledger.ReserveNow(way.Takes, way.DeviceKind);
        }

        ReplicaNeeds? most = null;
        foreach (var node in open.Concat(later))
        {
            if (ways.At(node) is { } way && (most is null || way.Takes.Host.Highest > most.Host.Highest)) most = way.Takes;
        }

        if (most is null) return null;
        foreach (var node in open.Concat(later)) node.Charge(most, ways.Requests);
        return most;
    }

    private void Waits(ReplicaWays ways, SchedulerNode[] later) => _awaited.Add(new Awaited(ways, 1, later.ToDictionary(node => node, _ => 1)));

    // All that finds a place now must find one with this one too, in whatever order they come. A node chosen for after its stops
    // has until then to be left alone.
    private bool Promise(SchedulerNode[] open, SchedulerNode[] later, SchedulerRequests requests, SchedulerNode? after)
    {
        Ask(open, later, requests, 1);
        if (IsKept(after is null ? requests : null, after)) return true;
        Ask(open, later, requests, -1);
        return false;
    }

    // What waits and cannot all be placed is promised nothing, nor may it keep everything else from starting.
    private void Forget()
    {
        foreach (var broken in _promises.Where(one => !one.Value.IsKept(out _)).Select(one => one.Key).ToArray()) _promises.Remove(broken);
        _chosen.RemoveAll(one => one.Node.Overfills(one.Room));
        _groups.RemoveAll(group => !IsKept(group));
    }

    // Nodes that were overfull may not be once something is taken back.
    private void LookAgain()
    {
        foreach (var promise in _promises.Values) promise.Keep(0);
    }

    private void Ask(SchedulerNode[] open, SchedulerNode[] later, SchedulerRequests requests, int sign)
    {
        foreach (var node in open) node.Ask(requests, sign);
        foreach (var node in later) node.Ask(requests, sign);
        Comes(requests, sign);
    }

    // Whether all promises are kept, and a new one of a single start with them; if so, that is one of them from now on.
    private bool IsKept(SchedulerRequests? requests, SchedulerNode? after)
    {
        var added = requests is not null && !_promises.ContainsKey(requests);
        if (added)
        {
            var promise = _promises[requests!] = new SinglePods(requests!, Open(requests!));
            foreach (var (one, count) in _coming) promise.Comes(one, count);
        }

        var places = new List<(SinglePods Pods, int At)>(_promises.Count);
        foreach (var promise in _promises.Values)
        {
            if (!promise.IsKept(out var at)) break;
            places.Add((promise, at));
        }

        if (places.Count == _promises.Count && _chosen.All(one => !one.Node.Overfills(one.Room))
            && (after is null || !after.Overfills(after.Ledger.SchedulerAfter!)) && _groups.All(IsKept))
        {
            foreach (var (promise, at) in places) promise.Keep(at);
            if (after is not null) _chosen.Add((after, after.Ledger.SchedulerAfter!));
            return true;
        }

        if (added) _promises.Remove(requests!);
        return false;
    }

    /// <summary>What a replica would run as on a node; null where nobody knows.</summary>
    public static VariantSpec? VariantAt(NodeState node, ModelSpec model, SchedulerRequests requests)
    {
        var kind = requests.Resource is null ? null
            : node.Devices.FirstOrDefault(device => device.Resource == requests.Resource)?.Kind;
        return model.Variants.FirstOrDefault(variant => requests.Resource is null ? variant.Needs.Devices == 0 : variant.DeviceKind == kind);
    }

    // What the scheduler could do on a node, now or once the stops of this plan are done there, if it is let.
    private static Reason? Danger(SchedulerNode chosen, ReplicaWays ways, bool afterStops) =>
        Danger(chosen, ways, (afterStops ? chosen.Ledger.SchedulerAfter : chosen.State.Scheduler)!, afterStops ? chosen.Ledger.HostFreeAfter : chosen.Ledger.HostFreeBefore);

    // The same in any state in which some of the stops are done and there is room by what it counts.
    private static Reason? DangerMeanwhile(SchedulerNode chosen, ReplicaWays ways)
    {
        foreach (var (room, free) in chosen.Ledger.AsStopsEnd)
        {
            if (room.Takes(ways.Requests) && Danger(chosen, ways, room, free) is { } danger) return danger;
        }

        return null;
    }

    private static Reason? Danger(SchedulerNode chosen, ReplicaWays ways, SchedulerRoom room, Bytes free)
    {
        var (node, ledger, requests) = (chosen.State, chosen.Ledger, ways.Requests);
        if (ledger.HostUsable is null) return Unsafe(node, "what others use of its memory is not known", "a node whose pods all state their memory");
        var devices = chosen.DevicesOf(requests.Resource);
        if (ways.At(chosen) is not { } way)
        {
            var kind = devices.Kind;
            return Unsafe(node, kind is null ? "its devices are not known" : $"nothing says that it fits {kind}", "a node selector for a kind that it fits");
        }

        var takes = way.Takes;
        if (takes.PerDevice is { } each)
        {
            if (each.Highest > devices.Smallest)
                return Unsafe(node, $"{each.Highest} against {devices.Smallest} of {way.DeviceKind}", "a node selector for a kind that it fits");
            if (devices.Shared && ledger.LeastDeviceFree(requests.Resource) is { } least && each.Highest > least)
                return Unsafe(node, $"{each.Highest} of a shared device that has {Bytes.Max(Bytes.Zero, least)} left", "devices that are not shared");
        }

        var (covered, others) = (chosen.Covered, chosen.Others);
        if (way.Covered) covered += takes.Host.Highest;
        else others += takes.Host.Highest;
        var worst = others + Bytes.Min(covered, room.Memory);
        return worst <= free ? null
            : Unsafe(node, $"{worst} of memory against {Bytes.Max(Bytes.Zero, free)}", $"a memory request of {takes.Host.Highest}");
    }

    private static Reason Unsafe(NodeState node, string why, string would) => new(
        Rule.HoldUnsafeNode, [Fact.Of("node", node.Id.Value), Fact.Of("why", why), Fact.Of("would", would)]);

    private static Reason Unplaced(SchedulerRequests requests) => new(Rule.HoldUnplaced, [Fact.Of("asked", Asked(requests))]);

    private static string Asked(SchedulerRequests requests) =>
        $"{requests.Memory} and {requests.Cores} cores" + (requests.Devices > 0 ? $" and {requests.Devices} {requests.Resource}" : "");
}
