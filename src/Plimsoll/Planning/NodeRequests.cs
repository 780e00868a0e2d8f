using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Nodes ahead of need (design §6.8): where a wanted replica finds no room, or would find none within the time that a node
/// takes to come and the model to load, the cheapest pool that fits is asked for a node. Replicas are packed onto nodes that
/// were asked for before another is; each request remembers for whom it was made, so that the same need is never packed
/// anew. A request that nobody needs any more is taken back. A first rule: one pool at a time by price, no mix of
/// pools is searched.
/// </summary>
internal sealed class NodeRequests
{
    // One plan asks for no more at once; the next may ask for the rest.
    private const int RequestsPerPlanMax = 64;

    // A scheduler displaces within a second or two; a replica that waits longer is one that may not displace.
    private static readonly TimeSpan DisplacingTime = TimeSpan.FromSeconds(15);

    private readonly FleetSpec _spec;
    private readonly FleetSnapshot _observed;
    private readonly Knowledge _knowledge;
    private readonly SortedDictionary<NodeId, NodeLedger> _ledgers;
    private readonly ImmutableArray<NodePool> _pools;
    private readonly ImmutableArray<WorkInFlight> _asked;
    private readonly List<(ModelOutlook Outlook, int Replicas)> _lacking = [];
    private readonly SortedDictionary<ModelId, Reason> _verdicts = [];
    private NodePacking? _packing;

    /// <param name="spec">What is wanted.</param>
    /// <param name="observed">What is there.</param>
    /// <param name="knowledge">How long nodes take to come.</param>
    /// <param name="ledgers">The plan's ledgers of the nodes that are there.</param>
    public NodeRequests(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, SortedDictionary<NodeId, NodeLedger> ledgers)
    {
        (_spec, _observed, _knowledge, _ledgers) = (spec, observed, knowledge, ledgers);
        _pools = Active && !spec.NodePools.IsDefault ? spec.NodePools : [];
        _asked = Active ? [.. observed.InFlight.Where(work => work.Adding is not null)] : [];
        Admissible = _pools.IsEmpty ? observed.Nodes : [.. observed.Nodes, .. _pools.Select(pool => pool.Node)];
        // Of one kind one is enough: what is dangerous on one is on the others.
        Coming =
        [
            .. _asked.Select(work => work.Adding!.Pool).Distinct().Order(StringComparer.Ordinal)
                .Select(Pool).OfType<NodePool>().Select(Empty),
        ];
    }

    /// <summary>What a replica does with its devices' time; null where that does not count.</summary>
    public Func<ModelOutlook, DeviceUse?> TimeOf { get; init; } = _ => null;

    public bool Active => _observed.Can.HasFlag(Capabilities.AddNodes);

    /// <summary>The nodes that are there, and one of each kind that could be.</summary>
    public ImmutableArray<NodeState> Admissible { get; }

    /// <summary>One node, empty, of each pool that one was asked of.</summary>
    public IReadOnlyList<NodeLedger> Coming { get; }

    /// <summary>What <see cref="Decide"/> has to say of models.</summary>
    public IEnumerable<KeyValuePair<ModelId, Reason>> Verdicts => _verdicts;

    /// <summary>Tells that so many replicas of an acting model could not be started, if it is room that they lack.</summary>
    public void Lack(ModelOutlook outlook, int replicas, Reason? why, SchedulerChoice scheduler)
    {
        // Nodes for a group's pods would have to be asked for together; a first rule asks for single pods.
        if (!Active || !outlook.Model.Acts || replicas < 1 || outlook.Model.Variants[0].Workers is not null) return;
        // A scheduler that sees room would put the request there, and no node would come of it.
        var lacks = outlook.Model.Requests is { } requests
            ? !scheduler.IsOpen(requests)
            : why?.Rule is null or Rule.HoldScarce or Rule.HoldScarceDevice or Rule.HoldDeviceTime or Rule.HoldScarceEqual or Rule.HoldScarceHigher or Rule.HoldScarceForQueue or Rule.HoldScarceTraining or Rule.HoldDisk or Rule.HoldMissingData;
        if (lacks) _lacking.Add((outlook, replicas));
    }

    /// <summary>Whether a node could come for replicas of this way.</summary>
    public bool MayCome(ModelOutlook way, SchedulerChoice scheduler) => Active && way.Model.Acts && Packing(scheduler).MayCome(way);

    private NodePacking Packing(SchedulerChoice scheduler) => _packing ??= new NodePacking(_spec, _observed, _knowledge, _pools, _asked, scheduler, RequestsPerPlanMax, TimeOf);

    /// <summary>Nodes to ask for and requests to take back, ordered by id.</summary>
    public IEnumerable<Step> Decide(
        ImmutableArray<ModelOutlook> outlooks, IReadOnlyDictionary<ModelId, Allocation> allocations, SchedulerChoice scheduler, Step.Start[] starts, Step[] launches, DeviceQuotas quotas)
    {
        var packing = Packing(scheduler);
        var now = _lacking.Select(lack => lack.Replicas - packing.PutAsAsked(lack.Outlook, lack.Replicas)).ToArray();
        for (var i = 0; i < now.Length; i++)
        {
            // Of several ways the one that is cheapest speaks for its model.
            var outlook = _lacking[i].Outlook;
            var why = packing.Put(outlook, now[i], null);
            if (!_verdicts.ContainsKey(outlook.Model.Id)) _verdicts[outlook.Model.Id] = Verdict(outlook, packing, why);
        }

        var room = new FreeRoom(_ledgers, starts, launches, _observed, _spec, TimeOf);
        var ahead = Ahead(outlooks, allocations, starts, packing, room, quotas).ToList();
        var left = ahead.Select(one => one.Replicas - packing.PutAsAsked(one.Outlook, one.Replicas)).ToArray();
        for (var i = 0; i < ahead.Count; i++) packing.Put(ahead[i].Outlook, left[i], ahead[i]);

        // What is only shown needs no node.
        var unserved = outlooks.Where(outlook => (outlook.Model.Acts || !_spec.Settings.CountsOnlyActing) && outlook.Serving < allocations[outlook.Model.Id].Wanted).Select(outlook => outlook.Model.Id).ToHashSet();
        return packing.NewRequests().Concat<Step>(Withdrawals(packing, room, unserved)).OrderBy(step => step.Id);
    }

    // What a model will want once a node has come and its weights are loaded, beyond what it has, starts now, or lacks now, and
    // beyond the room there is.
    private IEnumerable<AheadNeed> Ahead(
        ImmutableArray<ModelOutlook> outlooks, IReadOnlyDictionary<ModelId, Allocation> allocations, Step.Start[] starts, NodePacking packing, FreeRoom room, DeviceQuotas quotas)
    {
        if (_pools.IsEmpty) yield break;
        var furthest = _pools.Max(_knowledge.BootTime);
        var starting = starts.CountBy(start => start.Model).ToDictionary();
        var lacking = _lacking.GroupBy(lack => lack.Outlook.Model.Id).ToDictionary(lacks => lacks.Key, lacks => lacks.Sum(lack => lack.Replicas));
        foreach (var outlook in outlooks.OrderByDescending(one => one.Model.Priority).ThenBy(one => one.Load.P90).ThenBy(one => one.Model.Id))
        {
            var (model, allocation) = (outlook.Model, allocations[outlook.Model.Id]);
            var counted = outlook.Supply + starting.GetValueOrDefault(model.Id) + lacking.GetValueOrDefault(model.Id);
            if (!model.Acts || model.Variants[0].Workers is not null || counted + outlook.Lost >= model.MaxReplicas) continue;
            // What is held back now for another reason than room is so later too, and one that is being let go is not coming
            // back sooner for being looked at from further away.
            if (counted < allocation.Wanted || allocation.Wanted < WeightAllocator.Wanted(outlook) || allocation.Why.Rule is Rule.StartBySizeBlindRule or Rule.DrainBySizeBlindRule) continue;
            // What was never that much is not forecast to be, unless somebody knows; of what nobody has seen at work one is asked for then.
            if (_spec.Settings.NodesByWay && outlook.Mix is not null)
            {
                foreach (var need in AheadByWay(outlook, starts, packing, room, quotas)) yield return need;
                continue;
            }

            var seen = outlook.Capacity is > 0 and var capacity && Most(_knowledge.Of(model.Id), furthest + outlook.Horizon) / capacity > counted;
            if (!seen && model.Events.IsDefaultOrEmpty) continue;
            if (packing.CheapestFor(outlook) is not { } pool) continue;

            var boot = _knowledge.BootTime(pool);
            var horizon = boot + outlook.Horizon;
            var ahead = DemandOutlook.Of(_knowledge.Of(model.Id), model, horizon, _observed.At, outlook.Demand, _spec.Settings);
            if (!seen && ahead.Event is null) continue;
            var (forecast, quantile, basis) = ahead;
            var wanted = WeightAllocator.Wanted(outlook with { Forecast = forecast });
            var missing = Math.Min(wanted - counted, quotas.Room(outlook));
            missing -= missing > 0 ? room.Take(outlook, missing) : 0;
            if (missing > 0 && quotas.ToAsk(outlook, missing) is > 0 and var asked) yield return new AheadNeed(outlook with { Quantile = quantile, Basis = basis, Event = ahead.Event }, asked, horizon, boot, forecast);
        }
    }

    // The same of a model that may run in several ways: the cheapest mix of those that have room or can come, beside what there is of each.
    private IEnumerable<AheadNeed> AheadByWay(ModelOutlook outlook, Step.Start[] starts, NodePacking packing, FreeRoom room, DeviceQuotas quotas)
    {
        var (model, mix, known) = (outlook.Model, outlook.Mix!, _knowledge.Of(outlook.Model.Id));
        int[] there = [.. outlook.There];
        foreach (var start in starts.Where(start => start.Model == model.Id))
            if (outlook.IndexOf(start.Variant) is var at and >= 0) there[at]++;
        foreach (var (lack, replicas) in _lacking.Where(lack => lack.Outlook.Model.Id == model.Id))
            if (outlook.IndexOf(lack.Variant.Id) is var at and >= 0) there[at] += replicas;
        var pools = outlook.Ways.Select(packing.CheapestFor).ToArray();
        if (pools.OfType<NodePool>().Select(_knowledge.BootTime).DefaultIfEmpty().Max() is var boot && boot == TimeSpan.Zero && pools.All(pool => pool is null)) yield break;
        var horizon = boot + outlook.Horizon;
        var seen = Most(known, horizon) > mix.CapacityOf(there);
        if (!seen && model.Events.IsDefaultOrEmpty) yield break;
        var ahead = DemandOutlook.Of(known, model, horizon, _observed.At, outlook.Demand, _spec.Settings);
        if (!seen && ahead.Event is null) yield break;
        if (!ahead.Forecast.TryGetLast(out var perSecond) || perSecond <= 0) yield break;

        // What finds room by itself needs no node; of the rest what can come.
        var most = model.MaxReplicas - outlook.Lost;
        var more = mix.More(there, VariantMix.Unlimited(there.Length), perSecond, most);
        for (var i = 0; i < more.Length; i++) there[i] += more[i] > 0 ? room.Take(outlook.Ways[i], more[i]) : 0;
        more = mix.More(there, [.. pools.Select(pool => pool is null ? 0 : int.MaxValue)], perSecond, most);
        for (var i = 0; i < more.Length; i++)
        {
            if (Math.Min(more[i], quotas.Room(outlook.Ways[i])) is not (> 0 and var missing)) continue;
            missing -= room.Take(outlook.Ways[i], missing);
            if (missing > 0 && quotas.ToAsk(outlook.Ways[i], missing) is > 0 and var asked)
                yield return new AheadNeed(outlook.Ways[i] with { Quantile = ahead.Quantile, Basis = ahead.Basis, Event = ahead.Event }, asked, horizon, _knowledge.BootTime(pools[i]!), ahead.Forecast);
        }
    }

    // The most that was seen of late, or at this time on the days before; arrivals a second.
    private double Most(ModelKnowledge known, TimeSpan horizon) =>
        Math.Max(known.Demand.Most / _spec.Settings.DemandBucket.TotalSeconds, known.Seasons?.Usual(_observed.At, horizon) ?? 0);

    private Reason Verdict(ModelOutlook outlook, NodePacking packing, string? why)
    {
        var asked = Fact.Of("asked", outlook.Model.Requests is { } requests
            ? $"{requests.Memory} and {requests.Cores} cores" + (requests.Devices > 0 ? $" and {requests.Devices} {requests.Resource}" : "")
            : $"{outlook.Needs.Host.Highest} and {outlook.Needs.Cores} cores" + (outlook.Needs.Devices > 0 ? $" and {outlook.Needs.Devices} {outlook.Variant.DeviceKind ?? "devices"}" : ""));
        if (why is null && packing.FirstFor(outlook.Model.Id) is { } bin)
        {
            var left = bin.At + _knowledge.BootTime(bin.Pool) - _observed.At;
            return new Reason(Rule.HoldForNode,
            [
                asked, Fact.Of("ordinal", bin.Ordinal), Fact.Of("pool", bin.Pool.Name), Fact.Of("since", _observed.At - bin.At),
                Fact.Of("left", left < TimeSpan.Zero ? TimeSpan.Zero : left),
            ]);
        }

        if (packing.OverdueFor(outlook.Model.Id) is { } late)
        {
            return new Reason(Rule.HoldNodeOverdue,
            [
                asked, Fact.Of("ordinal", late.Adding!.Ordinal), Fact.Of("pool", late.Adding.Pool), Fact.Of("since", _observed.At - late.StartedAt),
                Fact.Of("why", why ?? "it is waited for"),
            ]);
        }

        return new Reason(Rule.HoldNoPool, [asked, Fact.Of("why", why ?? "this plan asks for enough nodes")]);
    }

    // Who starts in another's place, or in room that is free for a moment, lacks nothing in that plan and everything in the next but one: the
    // node stays asked for until a model that it was asked for serves all it wants, or it would begin to boot anew each time.
    private IEnumerable<Step> Withdrawals(NodePacking packing, FreeRoom room, HashSet<ModelId> unserved)
    {
        foreach (var work in _asked)
        {
            var request = work.Adding!;
            if (Pool(request.Pool) is null) yield return Withdraw(request, new Reason(Rule.WithdrawNodePool, [Fact.Of("pool", request.Pool)]));
            else if (!packing.IsNeeded(request) && !request.For.Any(one => unserved.Contains(one.Model))) yield return Withdraw(request, Unneeded(request));
        }

        foreach (var node in _observed.Nodes)
        {
            // One that is not ready for a moment still holds its room.
            if (node.Held.IsDefaultOrEmpty || node.Condition != NodeCondition.Ready) continue;
            var waiting = room.WaitingFor(node.Id);
            foreach (var request in node.Held)
            {
                if (!room.IsTaken(node.Id)) yield return Withdraw(request, Unneeded(request));
                else if (waiting is { } replica && _observed.At - replica.StartedAt > DisplacingTime)
                {
                    yield return Withdraw(request, new Reason(Rule.WithdrawNodeForReplica,
                        [Fact.Of("replica", replica.Id.Value), Fact.Of("waited", _observed.At - replica.StartedAt)]));
                }
            }
        }
    }

    private static Reason Unneeded(NodeRequest request) =>
        new(Rule.WithdrawNodeUnneeded, [Fact.Of("ordinal", request.Ordinal), Fact.Of("pool", request.Pool)]);

    private static Step.WithdrawNode Withdraw(NodeRequest request, Reason why) => new(request.Pool, request.Ordinal) { Reason = why };

    private NodePool? Pool(string name) => _pools.FirstOrDefault(pool => pool.Name == name);

    private NodeLedger Empty(NodePool pool) => new(pool.Node, _observed, _knowledge, [], []);
}

/// <summary>Replicas that will find no room by the time a node could be there.</summary>
internal sealed record AheadNeed(ModelOutlook Outlook, int Replicas, TimeSpan Horizon, TimeSpan Boot, Signal<double> Forecast);
