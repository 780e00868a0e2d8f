using System.Collections.Immutable;

namespace Plimsoll.Tests.Planning.Reference;

/// <summary>SchedulerChoice as it was first written: every start over every node, promise and request.</summary>
internal sealed class PlainChoice(
    IReadOnlyDictionary<NodeId, PlainLedger> ledgers, Func<ModelSpec, VariantSpec, ReplicaNeeds> needs)
{
    // Host memory that starts of this plan may take on a node: of those whose requests cover them, and of the others.
    private readonly Dictionary<NodeId, (Bytes Covered, Bytes Others)> _started = [];

    // What starts of this plan ask for on the nodes they may land on.
    private readonly Dictionary<NodeId, List<SchedulerRequests>> _asked = [];

    private readonly List<(PlainLedger[] Nodes, SchedulerRequests Requests, (PlainLedger Node, SchedulerRoom Room)? After)> _promises = [];

    // All that may come.
    private readonly List<SchedulerRequests> _coming = [];

    /// <summary>Reserves what the scheduler has yet to place, so that nothing else is promised the same room.</summary>
    public void Await(ModelSpec model)
    {
        if (model.Requests is not { } requests) return;
        var open = Open(requests).ToArray();
        var later = Later(requests);
        if (!Promise(open, later, requests, null))
        {
            Ask(later, requests);
            _promises.RemoveAll(promise => !Kept(promise));
        }

        Hold(open, later, model, requests);
    }

    /// <summary>Whether a replica may start now, or after which stops.</summary>
    public SchedulerChoice.Answer Place(ModelOutlook outlook)
    {
        var (model, requests) = (outlook.Model, outlook.Model.Requests!);
        var open = Open(requests).ToArray();
        foreach (var ledger in open)
        {
            if (Danger(ledger, model, requests, afterStops: false) is { } danger) return new SchedulerChoice.Answer(null, outlook.Needs, danger);
        }

        // It may still be waiting when a stop makes room elsewhere.
        var later = Later(requests);
        foreach (var ledger in later.Where(ledger => !ledger.Stops.IsEmpty))
        {
            if (Danger(ledger, model, requests, afterStops: true) is { } danger) return new SchedulerChoice.Answer(null, outlook.Needs, danger);
        }

        // Who waits for all stops of a node may land on another while only some of the stops there have ended.
        var meanwhile = later.Where(ledger => !ledger.Stops.IsEmpty).Select(ledger => (Ledger: ledger, Why: ledger.AsStopsEnd
            .Where(state => state.Room.Takes(requests)).Select(state => Danger(ledger, model, requests, state.Room, state.HostFree)).FirstOrDefault(danger => danger is not null)))
            .Where(one => one.Why is not null).ToArray();
        if (meanwhile.Length > 1) return new SchedulerChoice.Answer(null, outlook.Needs, meanwhile[0].Why);
        if (meanwhile.Length == 0 && open.Any(ledger => VariantAt(ledger.Node, model, requests) is not null) && Promise(open, later, requests, null))
            return new SchedulerChoice.Answer([], Hold(open, later, model, requests)!, null);

        foreach (var ledger in later.Where(ledger => !ledger.Stops.IsEmpty))
        {
            if (VariantAt(ledger.Node, model, requests) is not { } variant || meanwhile.Any(one => one.Ledger != ledger)) continue;
            if (!Promise(open, later, requests, ledger)) continue;
            var takes = needs(model, variant);
            if (ledger.TryReserve(takes, variant.DeviceKind) is null)
            {
                TakeBack(later, requests);
                _promises.RemoveAt(_promises.Count - 1);
                continue;
            }

            foreach (var one in later) Charge(one, takes, requests);
            return new SchedulerChoice.Answer(ledger.Stops, takes, null);
        }

        return new SchedulerChoice.Answer(null, outlook.Needs, open.Length > 0 ? Scarce(outlook, open[0]) : Unplaced(requests));
    }

    /// <summary>Nodes on which it would be safe and which only lack room: where others may be let go for it.</summary>
    public PlainLedger[] Eligible(ModelOutlook outlook) =>
    [
        .. ledgers.Values.Where(ledger => MayRun(ledger, outlook.Model.Requests!)
            && VariantAt(ledger.Node, outlook.Model, outlook.Model.Requests!) is { } variant
            && variant.Id == outlook.Variant.Id && Admission.Fits(ledger.Node, outlook.Needs, variant.DeviceKind)),
    ];

    private IEnumerable<PlainLedger> Open(SchedulerRequests requests) =>
        ledgers.Values.Where(ledger => MayRun(ledger, requests) && ledger.Node.Scheduler!.Takes(requests));

    private static bool MayRun(PlainLedger ledger, SchedulerRequests requests) =>
        ledger.Node is { Condition: NodeCondition.Ready, Scheduler: not null }
        && (requests.Pools.IsEmpty || requests.Pools.Contains(ledger.Node.Pool));

    // Those that have room for it now or once the stops so far are done.
    private PlainLedger[] Later(SchedulerRequests requests) =>
        [.. ledgers.Values.Where(ledger => MayRun(ledger, requests) && ledger.SchedulerAfter!.Takes(requests))];

    private ReplicaNeeds? Hold(PlainLedger[] open, PlainLedger[] later, ModelSpec model, SchedulerRequests requests)
    {
        ReplicaNeeds? most = null;
        foreach (var ledger in open.Concat(later.Except(open)))
        {
            if (VariantAt(ledger.Node, model, requests) is not { } variant) continue;
            var takes = needs(model, variant);
            if (open.Contains(ledger)) ledger.TryReserve(takes, variant.DeviceKind, now: true);
            if (most is null || takes.Host.Highest > most.Host.Highest) most = takes;
        }

        foreach (var ledger in later)
        {
            if (most is not null) Charge(ledger, most, requests);
        }

        return most;
    }

    // All that finds a place now must find one with this one too, in whatever order they come. A node chosen for after its stops
    // has until then to be left alone.
    private bool Promise(PlainLedger[] open, PlainLedger[] later, SchedulerRequests requests, PlainLedger? after)
    {
        Ask(later, requests);
        var promise = (open, requests, after is null ? ((PlainLedger, SchedulerRoom)?)null : (after, after.SchedulerAfter!));
        if (Kept(promise) && _promises.All(Kept))
        {
            _promises.Add(promise);
            return true;
        }

        TakeBack(later, requests);
        return false;
    }

    private bool Kept((PlainLedger[] Nodes, SchedulerRequests Requests, (PlainLedger Node, SchedulerRoom Room)? After) promise)
    {
        if (promise.After is { } chosen) return !Left(chosen.Node, chosen.Room).IsOverfull;
        if (promise.Nodes.Any(ledger => !Left(ledger, ledger.Node.Scheduler!).IsOverfull)) return true;
        var places = promise.Nodes.Sum(ledger => (long)ledger.Node.Scheduler!.Slots(promise.Requests));
        var others = _coming.Where(one => one.Pools.IsEmpty || promise.Requests.Pools.IsEmpty || one.Pools.Intersect(promise.Requests.Pools).Any());
        return others.Sum(one => Costs(one, promise.Requests)) <= places;
    }

    // Places of the one that the other takes: itself, or as many as cover it.
    private static long Costs(SchedulerRequests other, SchedulerRequests each)
    {
        if (SameRequests.Comparer.Equals(other, each)) return 1;
        bool Covers(long times) => (each.Memory.Value == 0 || each.Memory.Value * times >= other.Memory.Value)
            && (each.Cores.Milli == 0 || each.Cores.Milli * times >= other.Cores.Milli)
            && (each.EphemeralStorage.Value == 0 || each.EphemeralStorage.Value * times >= other.EphemeralStorage.Value)
            && (each.Resource is null || each.Devices == 0 || each.Resource != other.Resource || each.Devices * times >= other.Devices);
        var count = 1L;
        while (!Covers(count)) count++;
        return count;
    }

    private void Charge(PlainLedger ledger, ReplicaNeeds takes, SchedulerRequests requests)
    {
        var (covered, others) = _started.GetValueOrDefault(ledger.Node.Id);
        _started[ledger.Node.Id] = requests.Cover(takes)
            ? (covered + takes.Host.Highest, others) : (covered, others + takes.Host.Highest);
    }

    private void Ask(PlainLedger[] nodes, SchedulerRequests requests)
    {
        _coming.Add(requests);
        foreach (var ledger in nodes)
        {
            if (!_asked.TryGetValue(ledger.Node.Id, out var asked)) _asked[ledger.Node.Id] = asked = [];
            asked.Add(requests);
        }
    }

    private void TakeBack(PlainLedger[] nodes, SchedulerRequests requests)
    {
        _coming.Remove(requests);
        foreach (var ledger in nodes) _asked[ledger.Node.Id].Remove(requests);
    }

    private SchedulerRoom Left(PlainLedger ledger, SchedulerRoom room) =>
        _asked.GetValueOrDefault(ledger.Node.Id, []).Aggregate(room, (left, asked) => left.With(asked));

    // What it would run as there; null where nobody knows.
    private static VariantSpec? VariantAt(NodeState node, ModelSpec model, SchedulerRequests requests)
    {
        var kind = requests.Resource is null ? null
            : node.Devices.FirstOrDefault(device => device.Resource == requests.Resource)?.Kind;
        return model.Variants.FirstOrDefault(variant => requests.Resource is null ? variant.Needs.Devices == 0 : variant.DeviceKind == kind);
    }

    // What the scheduler could do on a node, now or once the stops of this plan are done there, if it is let.
    private Reason? Danger(PlainLedger ledger, ModelSpec model, SchedulerRequests requests, bool afterStops) => Danger(
        ledger, model, requests, (afterStops ? ledger.SchedulerAfter : ledger.Node.Scheduler)!, afterStops ? ledger.HostFreeAfter : ledger.HostFreeBefore);

    private Reason? Danger(PlainLedger ledger, ModelSpec model, SchedulerRequests requests, SchedulerRoom room, Bytes free)
    {
        var node = ledger.Node;
        if (ledger.HostUsable is null) return Unsafe(node, "what others use of its memory is not known", "a node whose pods all state their memory");
        if (VariantAt(node, model, requests) is not { } variant)
        {
            var kind = node.Devices.FirstOrDefault(device => device.Resource == requests.Resource)?.Kind;
            return Unsafe(node, kind is null ? "its devices are not known" : $"nothing says that it fits {kind}", "a node selector for a kind that it fits");
        }

        var takes = needs(model, variant);
        if (takes.PerDevice is { } each)
        {
            var devices = node.Devices.Where(device => device.Resource == requests.Resource).ToArray();
            var smallest = devices.Select(device => device.MemoryBudget).DefaultIfEmpty(Bytes.Zero).Min();
            if (each.Highest > smallest)
                return Unsafe(node, $"{each.Highest} against {smallest} of {variant.DeviceKind}", "a node selector for a kind that it fits");
            if (devices.Any(device => device.Shared) && ledger.LeastDeviceFree(requests.Resource) is { } least && each.Highest > least)
                return Unsafe(node, $"{each.Highest} of a shared device that has {Bytes.Max(Bytes.Zero, least)} left", "devices that are not shared");
        }

        var (covered, others) = _started.GetValueOrDefault(node.Id);
        if (requests.Cover(takes)) covered += takes.Host.Highest;
        else others += takes.Host.Highest;
        var worst = others + Bytes.Min(covered, room.Memory);
        return worst <= free ? null
            : Unsafe(node, $"{worst} of memory against {Bytes.Max(Bytes.Zero, free)}", $"a memory request of {takes.Host.Highest}");
    }

    private static Reason Scarce(ModelOutlook claimant, PlainLedger node)
    {
        var needs = claimant.Needs;
        if (needs.PerDevice is { } each && node.DeviceFree(claimant.Variant.DeviceKind, needs.Devices) is { } room && room < each.Highest)
            return new Reason(Rule.HoldScarceDevice, [Fact.Of("needed", each.Highest), Fact.Of("devices", needs.Devices), Fact.Of("free", Bytes.Max(Bytes.Zero, room))]);
        return new Reason(Rule.HoldScarce,
            [Fact.Of("needed", needs.Host.Highest), Fact.Of("cores", needs.Cores.ToString()), Fact.Of("free", Bytes.Max(Bytes.Zero, node.HostFree))]);
    }

    private static Reason Unsafe(NodeState node, string why, string would) => new(
        Rule.HoldUnsafeNode, [Fact.Of("node", node.Id.Value), Fact.Of("why", why), Fact.Of("would", would)]);

    private static Reason Unplaced(SchedulerRequests requests) => new(Rule.HoldUnplaced,
        [Fact.Of("asked", $"{requests.Memory} and {requests.Cores} cores" + (requests.Devices > 0 ? $" and {requests.Devices} {requests.Resource}" : ""))]);
}
