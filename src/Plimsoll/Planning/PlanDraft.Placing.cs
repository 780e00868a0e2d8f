using System.Collections.Immutable;

namespace Plimsoll;

// Where what is claimed goes: on a node that the plan chooses, or wherever another scheduler may put it.
internal sealed partial class PlanDraft
{
    // Who has yet to claim, in order; replicas that whoever claims now has yet to start; and who has paid for room in this plan already.
    private Queue<Claimant> _behind = [];
    private int _lacks;
    private readonly HashSet<ModelId> _paid = [];

    private bool Start(ModelOutlook outlook, ReplicaId replica, int have)
    {
        if (Above(outlook) is { } above)
        {
            _verdicts[outlook.Model.Id] = above;
            return false;
        }

        var firm = _allocations[outlook.Model.Id].Firm is not { Replicas: var replicas } || have < replicas;
        if (Start(outlook, replica, WhyStart(outlook), makesRoom: firm)) return true;
        if (!firm) _verdicts[outlook.Model.Id] = NobodyGoes(outlook, have);
        return false;
    }

    // What waits is late already: to have it done sooner is not worth what others would lose by going for it.
    private static Reason NobodyGoes(ModelOutlook outlook, int have) =>
        new(Rule.HoldScarceForQueue, [Fact.Of("waiting", (long)Math.Ceiling(outlook.Backlog)), Fact.Of("have", have)]);

    private bool Start(ModelOutlook outlook, ReplicaId replica, Reason why, bool makesRoom)
    {
        var kind = outlook.Variant.DeviceKind;
        if (!_observed.Can.HasFlag(Capabilities.ChooseNode)) return StartAnywhere(outlook, replica, why, makesRoom);
        var use = TimeOf(outlook);
        var inVain = use is not null && HadNoTime(outlook);
        foreach (var ledger in inVain ? [] : Preferred(outlook))
        {
            if (use is not null && !ledger.MayHaveTime(use)) continue;
            if (_disks.WayTo(ledger.Node, outlook, _going) is not { MustGo.IsEmpty: true } way || ledger.TryReserve(outlook.Needs, kind, use) is not { } room) continue;
            StartOn(ledger, outlook, replica, room, way, why);
            return true;
        }

        if (use is { } time && StartBeside(outlook, replica, time, why, makesRoom) is { } started) return started || (makesRoom && !inVain && StartInPlaceOfLower(outlook, replica, time, why));
        if (!makesRoom) return false;
        NodeLedger[] preferred = [.. Preferred(outlook)];
        var (nodes, inTheWay) = (new List<NodeLedger>(preferred.Length), new Dictionary<NodeId, ImmutableArray<InferenceReplica>>());
        foreach (var ledger in preferred)
        {
            if (_disks.WayTo(ledger.Node, outlook, _going) is not { } way) continue;
            nodes.Add(ledger);
            if (!way.MustGo.IsEmpty) inTheWay[ledger.Node.Id] = way.MustGo;
        }

        if (preferred.Length > 0 && nodes.Count == 0)
        {
            _verdicts[outlook.Model.Id] = NoDisk(outlook, preferred);
            return false;
        }

        ImmutableArray<InferenceReplica> MustGo(NodeId node) => inTheWay.Count == 0 ? [] : inTheWay.GetValueOrDefault(node, []);
        DiskDraft.Way WayTo(NodeId node) => _disks.WayTo(_ledgers[node].Node, outlook, _going)!;
        var mayPay = MayPay(outlook);
        if (WakeInstead(outlook, mayPay, out var waits)) return true;
        if (waits is not null && (!_spec.Settings.AsksWithinReach || _wakesSoon))
        {
            _verdicts[outlook.Model.Id] = waits;
            Refused(outlook);
            return false;
        }

        var choice = _eviction.Choose(outlook with { Load = outlook.LoadAnew }, nodes, MustGo, _going, mayPay, out var verdict, queue: Queued(outlook), full: true, use: _spec.Settings.MakesTime && !IsOwed(outlook) ? use : null);
        if (choice is not null && !HasTimeAfter(outlook, choice))
        {
            _verdicts[outlook.Model.Id] = NoTime(outlook, use!, _ledgers[choice.Node].ExcessWithout(use!, [.. choice.Victims.Select(one => one.Replica.Id)]));
            return false;
        }

        if (Yield(outlook, nodes.Where(ledger => MustGo(ledger.Node.Id).IsEmpty), mayPay, out var dear) is { } gangs && GoBefore(gangs, choice, outlook))
        {
            PlaceAfter(outlook, replica, new Eviction.Choice(gangs.Node, [], 0, []), WayTo(gangs.Node), why, gangs.Gangs);
            return true;
        }

        if (choice is not null)
        {
            _paid.UnionWith(choice.Sharing);
            PlaceAfter(outlook, replica, choice, WayTo(choice.Node), why);
            return true;
        }

        if (YieldBeside(outlook, nodes, MustGo, mayPay) is { } both)
        {
            PlaceAfter(outlook, replica, both.Choice, WayTo(both.Choice.Node), why, both.Gangs);
            return true;
        }

        var onlyDisk = verdict.Rule is Rule.HoldScarce or Rule.HoldScarceDevice
            && nodes.Count == inTheWay.Count;
        _verdicts[outlook.Model.Id] = onlyDisk ? NoDisk(outlook, nodes) : verdict.Rule != Rule.HoldScarceEqual && dear is { } training ? WhyNot(outlook, training) : verdict;
        Refused(outlook);
        return false;
    }

    // Those whose weights are in the way on the disk go first. The others serve on until the claimant's weights are
    // there: nobody is let go for a replica that has yet to be fetched.
    private void PlaceAfter(ModelOutlook outlook, ReplicaId replica, Eviction.Choice choice, DiskDraft.Way way, Reason why, params ImmutableArray<TrainingGang> gangs)
    {
        var node = _ledgers[choice.Node];
        var first = way.MustGo.Select(one => one.Id).ToHashSet();
        foreach (var (victim, reason) in choice.Victims.Where(pair => first.Contains(pair.Replica.Id))) LetGo(victim, reason);
        var fetches = _disks.Prepare(node.Node, outlook, way, _steps);
        foreach (var (victim, reason) in choice.Victims.Where(pair => !first.Contains(pair.Replica.Id))) LetGo(victim, reason, fetches);
        foreach (var gang in gangs) GiveWayTo(outlook, gang, fetches);
        var room = (TimeOf(outlook) is { } use ? node.TryReserve(outlook.Needs, outlook.Variant.DeviceKind, use) : null) ?? node.TryReserve(outlook.Needs, outlook.Variant.DeviceKind)
            ?? throw new InvalidOperationException($"evicting for {replica} on {choice.Node} did not make the room it promised");
        _order.Taken(node);
        Uses(node, outlook, replica, room.Devices);
        Emit(outlook, replica, new Placement(node.Node.Id, room.Devices), [.. room.After, .. fetches], why);
    }

    private Eviction.Queued Queued(ModelOutlook claimant) => new(Math.Max(1, _lacks), _behind.Where(claim => Shares(claim.Outlook, claimant)).Select(claim => (claim.Outlook, claim.Missing)), MayLand);

    // Equals whose requests wait and that start once there is room. What sleeps or is taken back needs none.
    private bool Shares(ModelOutlook other, ModelOutlook claimant) =>
        other.Held > 0 && other.Model.Acts && other.Model.Priority == claimant.Model.Priority && other.Variant.Workers is null
        && _allocations[other.Model.Id].MayClaim && !_paid.Contains(other.Model.Id) && Refusal(other) is null && Above(other) is null
        && _knowledge.Of(other.Model.Id).Failures.HoldsUntil(_observed.At, _spec.Settings) is null
        && _replicas[other.Model.Id].All(replica => replica.State is not (ReplicaState.Asleep or ReplicaState.Draining or ReplicaState.Drained));

    private bool MayLand(ModelOutlook one, NodeLedger ledger) => one.Model.Requests is { } requests
        ? ledger.Node.Scheduler is not null && (requests.Pools.IsEmpty || requests.Pools.Contains(ledger.Node.Pool))
        : _disks.WayTo(ledger.Node, one, _going) is { MustGo.IsEmpty: true };

    private Reason NoDisk(ModelOutlook outlook, IEnumerable<NodeLedger> nodes) => new(Rule.HoldDisk,
        [Fact.Of("needed", outlook.Model.Footprint.OnDisk), Fact.Of("free", nodes.Max(ledger => _disks.Free(ledger.Node.Id)))]);

    // Another scheduler chooses the node, so every node it could choose must have the room (design §1).
    private bool StartAnywhere(ModelOutlook outlook, ReplicaId replica, Reason why, bool makesRoom)
    {
        if (outlook.Model.Requests is not null) return StartByRequests(outlook, replica, why, makesRoom);
        var ready = _ledgers.Values.Where(ledger => ledger.Node.Condition == NodeCondition.Ready
            && Admission.Fits(ledger.Node, outlook.Needs, outlook.Variant.DeviceKind)).ToArray();
        var after = new SortedSet<StepId>();
        foreach (var ledger in ready)
        {
            if (ledger.TryReserve(outlook.Needs, outlook.Variant.DeviceKind) is not { } room)
            {
                _verdicts[outlook.Model.Id] = Eviction.Scarce(outlook, ledger);
                return false;
            }

            // Nor is anything fetched where it lands unless the disk takes it as it is.
            if (_disks.WayTo(ledger.Node, outlook, _going) is not { MustGo.IsEmpty: true, Evicts.IsEmpty: true })
            {
                _verdicts[outlook.Model.Id] = NoDisk(outlook, [ledger]);
                return false;
            }

            after.UnionWith(room.After);
        }

        if (ready.Length == 0) return false;
        Emit(outlook, replica, null, [.. after], why);
        return true;
    }

    // One that waits and found no room: nobody lower may buy what it was refused.
    private void Refused(ModelOutlook outlook)
    {
        if (outlook.Held == 0) return;
        _unmetPriority ??= outlook.Model.Priority;
        if (_spec.Settings.PaysWhereOthersCannot) _unmet.AddRange(Ways(outlook));
    }

    // Nodes that none of those could run on are not what they were refused.
    private Func<NodeLedger, bool> MayPay(ModelOutlook claimant)
    {
        var priority = claimant.Model.Priority;
        if (!_spec.Settings.PaysWhereOthersCannot) return _unmetPriority is { } unmet && priority < unmet ? _ => false : _ => true;
        ModelOutlook[] before = [.. _unmet.Where(other => other.Model.Priority > priority)];
        if (before.Length == 0) return _ => true;

        // Of thousands of nodes few differ in what could run on them.
        var known = new Dictionary<(int, string), bool>();
        return ledger =>
        {
            var key = (_shapeOf.Value[ledger.Node.Id], ledger.Node.Pool);
            return known.TryGetValue(key, out var pays) ? pays : known[key] = !before.Any(way => CouldRun(way, ledger));
        };
    }

    private static bool CouldRun(ModelOutlook way, NodeLedger ledger) =>
        (way.Model.Requests is not { Pools.IsEmpty: false } requests || requests.Pools.Contains(ledger.Node.Pool)) && Admission.Fits(ledger.Node, way.Needs, way.Variant.DeviceKind);

    // The model as each of its targets would run it, in order of preference.
    private ModelOutlook[] Ways(ModelOutlook outlook)
    {
        var targets = Parts.Targets(outlook.Model);
        return targets.Length == 1 ? [outlook] :
        [
            .. targets.Select(target =>
            {
                var variant = Outlooks.Choose(target, _shapes);
                return outlook with { Model = target, Variant = variant, Needs = Weighing.Needs(variant, _knowledge.Of(target.Id)) };
            }),
        ];
    }

    // Why a quota lets it run as none of its targets.
    private Reason? Above(ModelOutlook outlook)
    {
        var refusals = Ways(outlook).Select(_quotas.Refuse).ToArray();
        return refusals.All(refusal => refusal is not null) ? refusals[0] : null;
    }

    // Why no node could ever hold it, whichever of its targets it runs as.
    private Reason? Refusal(ModelOutlook outlook)
    {
        Reason? first = null;
        foreach (var way in Ways(outlook))
        {
            if (Admission.Refuse(way, _shapes) is not { } refusal) return null;
            first ??= refusal;
        }

        return first;
    }

    private void Emit(
        ModelOutlook outlook, ReplicaId replica, Placement? placement, ImmutableArray<StepId> after, Reason why, WorkerPods? workers = null)
    {
        var start = new Step.Start(
            replica, outlook.Model.Id, outlook.Model.Version, outlook.Variant.Id, placement, outlook.Needs, outlook.LoadAnew.P90)
        {
            Reason = why,
            After = [.. after.Order()],
            Requests = placement is null ? outlook.Model.Requests : null,
            Workers = workers,
        };
        _steps[start.Id] = start;
        _starting[outlook.Model.Id] = _starting.GetValueOrDefault(outlook.Model.Id) + 1;
        _quotas.Take(outlook);
        _verdicts[outlook.Model.Id] = why;
    }

    // Nodes that have the weights first, then the cheapest, then the fullest, ties by id.
    private IEnumerable<NodeLedger> Preferred(ModelOutlook outlook)
    {
        var fitting = _order.Fitting(outlook.Needs, outlook.Variant.DeviceKind);
        return outlook.Model.Cached
            ? fitting.Where(ledger => _disks.Has(ledger.Node.Id, outlook.Model)).Concat(fitting.Where(ledger => !_disks.Has(ledger.Node.Id, outlook.Model))) : fitting;
    }

    // The same of nodes to try things on.
    private IOrderedEnumerable<NodeLedger> Preferred(ModelOutlook outlook, IEnumerable<NodeLedger> ledgers) =>
        ledgers.Where(ledger => Admission.Fits(ledger.Node, outlook.Needs, outlook.Variant.DeviceKind))
            .OrderBy(ledger => _disks.Has(ledger.Node.Id, outlook.Model) ? 0 : 1)
            .ThenBy(ledger => _prices.Held(ledger.Node, outlook.Needs)).ThenBy(ledger => ledger.HostFree).ThenBy(ledger => ledger.Node.Id);
}
