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

    private readonly SchedulerNode[] _arriving = [.. coming.Select(ledger => new SchedulerNode(ledger))];

    // Nodes that could be chosen now, by what is asked for: few shapes of requests, however many starts.
    private readonly Dictionary<SchedulerRequests, SchedulerNode[]> _open = new(SameRequests.Comparer);

    // A start finds a place while one of its nodes takes all that may come there. Starts with the same nodes are one promise; it
    // is kept by the node at its place, as those before that one are overfull for good.
    private readonly Dictionary<SchedulerNode[], int> _promises = new(ReferenceEqualityComparer.Instance);

    // Nodes chosen for after their stops.
    private readonly List<SchedulerNode> _chosen = [];

    // Pods that the scheduler has yet to place, those of this plan's starts among them.
    private readonly List<(ReplicaWays Ways, int Count)> _awaited = [];

    /// <param name="After">The stops to wait for; null when it must not start.</param>
    /// <param name="Needs">The most it takes on any node it could land on.</param>
    /// <param name="Why">Why it must not start; null when it may.</param>
    public sealed record Answer(ImmutableArray<StepId>? After, ReplicaNeeds Needs, Reason? Why)
    {
        /// <summary>Of a group, the pods beside the leader and the most that each takes anywhere.</summary>
        public WorkerPods? Workers { get; init; }
    }

    /// <summary>Reserves what the scheduler has yet to place, so that nothing else is promised the same room.</summary>
    public void Await(ModelSpec model)
    {
        if (model.Requests is not { } requests) return;
        var ways = new ReplicaWays(model, needs);
        _awaited.Add((ways, 1));
        var open = Open(requests);
        if (Reserve(open, ways) is not null) return;

        // It is there, whether all of them find a place or not.
        foreach (var node in open) node.Ask(requests, 1);
        Comes(requests, 1);
    }

    /// <summary>Whether a replica may start now, or after which stops.</summary>
    public Answer Place(ModelOutlook outlook)
    {
        if (outlook.Model.Variants[0].Workers is not null) return PlaceGroup(outlook);
        var requests = outlook.Model.Requests!;
        var ways = new ReplicaWays(outlook.Model, needs);
        var open = Open(requests);
        foreach (var node in open)
        {
            if (Danger(node, ways, afterStops: false) is { } danger) return new Answer(null, outlook.Needs, danger);
        }

        var arriving = _arriving.Where(node => node.MayRun(requests) && node.State.Scheduler!.Takes(requests)).ToArray();
        foreach (var node in arriving)
        {
            if (Danger(node, ways, afterStops: false) is { } danger) return new Answer(null, outlook.Needs, danger);
        }

        // It may still be waiting when a stop makes room elsewhere.
        var stopping = _nodes.Where(node => node.Ledger.HasStops && node.MayRun(requests) && node.Ledger.SchedulerAfter!.Takes(requests)).ToArray();
        foreach (var node in stopping)
        {
            if (Danger(node, ways, afterStops: true) is { } danger) return new Answer(null, outlook.Needs, danger);
        }

        var later = stopping.Where(node => !node.State.Scheduler!.Takes(requests)).ToArray();
        if (Reserve(open, ways) is { } most)
        {
            foreach (var node in later.Concat(arriving)) node.Charge(most, requests);
            _awaited.Add((ways, 1));
            return new Answer([], most, null);
        }

        foreach (var node in stopping)
        {
            if (ways.At(node) is not { } way) continue;
            if (!Promise(open, later, requests, node)) continue;
            if (node.Ledger.TryReserve(way.Takes, way.Variant.DeviceKind) is null) continue;
            foreach (var one in open) one.Charge(way.Takes, requests);
            foreach (var one in later.Concat(arriving)) one.Charge(way.Takes, requests);
            _awaited.Add((ways, 1));
            return new Answer(node.Ledger.Stops, way.Takes, null);
        }

        return new Answer(null, outlook.Needs, open.Length > 0 ? Eviction.Scarce(outlook, open[0].Ledger) : Unplaced(requests));
    }

    /// <summary>Whether some node has, by its requests alone, room for a replica now.</summary>
    public bool IsOpen(SchedulerRequests requests) => Open(requests).Length > 0;

    /// <summary>
    /// Whether a node that is not there yet would be a danger to what has yet to be placed, which the scheduler could then put
    /// on it; null when it would not.
    /// </summary>
    public Reason? Endangered(NodeLedger newcomer)
    {
        return LandOn(new SchedulerNode(newcomer), _awaited);
    }

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
        var ways = new ReplicaWays(outlook.Model, needs);
        return
        [
            .. _nodes.Where(node => node.MayRun(outlook.Model.Requests!) && ways.At(node) is { Variant: var variant }
                && variant.Id == outlook.Variant.Id && Admission.Fits(node.State, outlook.Needs, variant.DeviceKind)).Select(node => node.Ledger),
        ];
    }

    private SchedulerNode[] Open(SchedulerRequests requests)
    {
        if (!_open.TryGetValue(requests, out var open))
            _open[requests] = open = [.. _nodes.Where(node => node.MayRun(requests) && node.State.Scheduler!.Takes(requests))];
        return open;
    }

    private ReplicaNeeds? Reserve(SchedulerNode[] open, ReplicaWays ways)
    {
        var requests = ways.Requests;
        if (!Promise(open, [], requests, null)) return null;
        ReplicaNeeds? most = null;
        foreach (var node in open)
        {
            if (ways.At(node) is not { } way) continue;
            node.Ledger.ReserveNow(way.Takes, way.Variant.DeviceKind);
            if (most is null || way.Takes.Host.Highest > most.Host.Highest) most = way.Takes;
        }

        if (most is null) return null;
        foreach (var node in open) node.Charge(most, requests);
        return most;
    }

    // A start finds a place if one of its nodes takes all that may come there, in whatever order it comes: it must be so for
    // this start, and stay so for those before it. A node chosen for after its stops has until then to be left alone.
    private bool Promise(SchedulerNode[] open, SchedulerNode[] later, SchedulerRequests requests, SchedulerNode? after)
    {
        foreach (var node in open) node.Ask(requests, 1);
        foreach (var node in later) node.Ask(requests, 1);
        Comes(requests, 1);
        if (IsKept(open, after)) return true;
        foreach (var node in open) node.Ask(requests, -1);
        foreach (var node in later) node.Ask(requests, -1);
        Comes(requests, -1);
        return false;
    }

    // Whether all promises are kept, and a new one of a single start with them; if so, that is one of them from now on.
    private bool IsKept(SchedulerNode[]? open, SchedulerNode? after)
    {
        var places = new List<(SchedulerNode[] Nodes, int At)>();
        if (open is not null && after is null && !_promises.ContainsKey(open)) places.Add((open, Kept(open, 0)));
        foreach (var (nodes, at) in _promises)
        {
            if (nodes[at].IsOverfull) places.Add((nodes, Kept(nodes, at)));
        }

        if (places.All(place => place.At < place.Nodes.Length) && _chosen.All(IsLeftAlone) && (after is null || IsLeftAlone(after)) && _groups.All(IsKept))
        {
            foreach (var (nodes, at) in places) _promises[nodes] = at;
            if (after is not null) _chosen.Add(after);
            return true;
        }

        return false;
    }

    // The first node from there on that takes all that may come; none is past the end.
    private static int Kept(SchedulerNode[] nodes, int from)
    {
        while (from < nodes.Length && nodes[from].IsOverfull) from++;
        return from;
    }

    private static bool IsLeftAlone(SchedulerNode chosen) => !chosen.Overfills(chosen.Ledger.SchedulerAfter!);

    /// <summary>What a replica would run as on a node; null where nobody knows.</summary>
    public static VariantSpec? VariantAt(NodeState node, ModelSpec model, SchedulerRequests requests)
    {
        var kind = requests.Resource is null ? null
            : node.Devices.FirstOrDefault(device => device.Resource == requests.Resource)?.Kind;
        return model.Variants.FirstOrDefault(variant => requests.Resource is null ? variant.Needs.Devices == 0 : variant.DeviceKind == kind);
    }

    // What the scheduler could do on a node, now or once the stops of this plan are done there, if it is let.
    private static Reason? Danger(SchedulerNode chosen, ReplicaWays ways, bool afterStops)
    {
        var (node, ledger, requests) = (chosen.State, chosen.Ledger, ways.Requests);
        if (ledger.HostUsable is null) return Unsafe(node, "what others use of its memory is not known", "a node whose pods all state their memory");
        var devices = chosen.DevicesOf(requests.Resource);
        if (ways.At(chosen) is not { } way)
        {
            var kind = devices.Kind;
            return Unsafe(node, kind is null ? "its devices are not known" : $"nothing says that it fits {kind}", "a node selector for a kind that it fits");
        }

        var (variant, takes) = (way.Variant, way.Takes);
        if (takes.PerDevice is { } each)
        {
            if (each.Highest > devices.Smallest)
                return Unsafe(node, $"{each.Highest} against {devices.Smallest} of {variant.DeviceKind}", "a node selector for a kind that it fits");
            if (devices.Shared && ledger.LeastDeviceFree(requests.Resource) is { } least && each.Highest > least)
                return Unsafe(node, $"{each.Highest} of a shared device that has {Bytes.Max(Bytes.Zero, least)} left", "devices that are not shared");
        }

        var (covered, others) = (chosen.Covered, chosen.Others);
        if (way.Covered) covered += takes.Host.Highest;
        else others += takes.Host.Highest;
        var free = afterStops ? ledger.HostFreeAfter : ledger.HostFreeBefore;
        var worst = others + Bytes.Min(covered, (afterStops ? ledger.SchedulerAfter : node.Scheduler)!.Memory);
        return worst <= free ? null
            : Unsafe(node, $"{worst} of memory against {Bytes.Max(Bytes.Zero, free)}", $"a memory request of {takes.Host.Highest}");
    }

    private static Reason Unsafe(NodeState node, string why, string would) => new(
        Rule.HoldUnsafeNode, [Fact.Of("node", node.Id.Value), Fact.Of("why", why), Fact.Of("would", would)]);

    private static Reason Unplaced(SchedulerRequests requests) => new(Rule.HoldUnplaced, [Fact.Of("asked", Asked(requests))]);

    private static string Asked(SchedulerRequests requests) =>
        $"{requests.Memory} and {requests.Cores} cores" + (requests.Devices > 0 ? $" and {requests.Devices} {requests.Resource}" : "");
}
