using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;

namespace Plimsoll;

/// <summary>
/// A plan in the making: first what must go, then what is claimed, in order of priority, then what may be prefetched.
/// </summary>
internal sealed partial class PlanDraft
{
    private readonly FleetSpec _spec;
    private readonly FleetSnapshot _observed;
    private readonly Knowledge _knowledge;
    private readonly ImmutableArray<ModelOutlook> _outlooks;
    private readonly Dictionary<ModelId, Allocation> _allocations;
    private readonly Dictionary<ModelId, ModelOutlook> _outlookOf;
    private readonly ILookup<ModelId, InferenceReplica> _replicas;
    private readonly SortedDictionary<NodeId, NodeLedger> _ledgers = [];
    private readonly NodePrices _prices;
    private readonly NodeOrder _order;
    private readonly SortedDictionary<StepId, Step> _steps = [];
    private readonly HashSet<ReplicaId> _going = [];
    private readonly Dictionary<ModelId, Reason> _verdicts = [];
    private readonly Dictionary<ModelId, string> _overdue = [];
    private readonly DiskDraft _disks;
    private readonly LoadsInFlight _loads;
    private readonly ILookup<ModelId, WorkInFlight> _flying;
    private readonly ImmutableArray<NodeState> _shapes;

    // The highest priority whose waiting requests found no room: nobody lower may buy what it was refused.
    private int? _unmetPriority;
    private readonly List<ModelOutlook> _unmet = [];
    private readonly Lazy<Dictionary<NodeId, int>> _shapeOf;
    private readonly ReadyFloors _floors;
    private readonly Eviction _eviction;
    private readonly SchedulerChoice _scheduler;
    private readonly DeviceQuotas _quotas;
    private readonly NodeRequests _nodeRequests;
    private readonly Stack<ScheduledStart> _byScheduler = [];

    public PlanDraft(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ILookup<ModelId, InferenceReplica> replicas,
        ImmutableArray<ModelOutlook> outlooks, ImmutableArray<Allocation> allocations)
    {
        (_spec, _observed, _knowledge, _replicas, _outlooks) = (spec, observed, knowledge, replicas, outlooks);
        _apart = spec.Settings.CountsOnlyActing && spec.Models.Any(model => !model.Acts);
        _outlookOf = outlooks.ToDictionary(outlook => outlook.Model.Id);
        _allocations = allocations.ToDictionary(allocation => allocation.Model);
        var byNode = Parts.ByNode(observed.Replicas);
        var foreign = observed.Foreign.ToLookup(use => use.Node);
        var members = observed.Training.SelectMany(gang => gang.Members.Select(member => (member.Node, Holds: NodeLedger.Release.Of(gang, member))))
            .ToLookup(one => one.Node, one => one.Holds);
        var ledgers = new NodeLedger[observed.Nodes.Length];
        OfEach.Do(ledgers.Length, i =>
        {
            var node = observed.Nodes[i];
            ledgers[i] = new NodeLedger(node, knowledge, byNode.GetValueOrDefault(node.Id, []), foreign[node.Id], members[node.Id]);
        });
        foreach (var ledger in ledgers) _ledgers[ledger.Node.Id] = ledger;
        _prices = new NodePrices(spec);
        _order = new NodeOrder(_ledgers.Values, _prices);
        _nodeRequests = new NodeRequests(spec, observed, knowledge, _ledgers) { TimeOf = TimeOf };
        _scheduler = new SchedulerChoice(_ledgers, _nodeRequests.Coming, (model, variant) => Weighing.Needs(variant, knowledge.Of(model.Id)));
        _quotas = new DeviceQuotas(spec, observed);
        _loads = new LoadsInFlight(spec, observed, knowledge);
        _flying = observed.InFlight.Where(work => work.Model is not null).ToLookup(work => work.Model!.Value);
        _shapes = Admission.Shapes(_nodeRequests.Admissible);
        _disks = new DiskDraft(spec, observed, knowledge, _outlookOf);
        _shapeOf = new(() => Admission.ShapesOf(observed.Nodes).Of.Zip(observed.Nodes, (of, node) => (of, node.Id)).ToDictionary(one => one.Id, one => one.of));
        _floors = new ReadyFloors(observed);
        _eviction = new Eviction(observed, spec.Settings, knowledge, _outlookOf, _allocations, _floors, _ledgers.Values);
        _training = knowledge.Training ?? TrainingKnowledge.Nothing;
        _jobs = spec.Training.ToDictionary(job => job.Id);
        _waitingJobs = new Queue<TrainingSpec>(spec.Training.Where(job => !job.OnlyShown).Order(GangRoom.ByRank));
        _shownJobs = new Queue<TrainingSpec>(spec.Training.Where(job => job.OnlyShown).Order(GangRoom.ByRank));
        _gangs = observed.Training.ToDictionary(gang => gang.Job);
        _gangsOn = new(() => observed.Training.Where(gang => gang.Holds)
            .SelectMany(gang => gang.Members.Select(member => member.Node).Distinct().Select(node => (node, gang)))
            .GroupBy(one => one.node, one => one.gang).ToDictionary(on => on.Key, on => on.ToArray()));
    }

    /// <summary>Ordered by id; closed.</summary>
    public ImmutableArray<Step> Steps => [.. _steps.Values];

    /// <summary>Ends what is drained, overdue, surplus, outdated or no longer in the fleet file.</summary>
    public void Retire()
    {
        foreach (var replica in Parts.ById(_observed.Replicas))
        {
            if (Stays(replica)) continue;
            if (replica.State is ReplicaState.Drained or ReplicaState.Stopping)
                Stop(replica, new Reason(Rule.StopDrained, []), []);
            else if (replica.State == ReplicaState.Draining)
                RetireDraining(replica);
            else if (!_outlookOf.ContainsKey(replica.Model))
                LetGo(replica, new Reason(Rule.DrainRemovedModel, []));
            else if (_loads.Overdue(replica))
                RetireOverdue(replica);
            else if (replica.State == ReplicaState.Asleep)
                RetireAsleep(replica);
        }

        foreach (var outlook in _outlooks) RetireSurplus(outlook, _allocations[outlook.Model.Id]);
        OrderStops();
    }

    /// <summary>
    /// Starts what is wanted: what is only shown after all that is done, as it takes no room; then higher priority first, then
    /// those whose requests wait, then those that have most to lose by another's choosing first: the ones with no other devices to run on,
    /// of these the ones that take most of them, as room for a large one is easily taken by small ones; then the quick to load.
    /// </summary>
    public void Claim()
    {
        if (!_showing)
        {
            AwaitPending();
            CountTime();
        }

        var claims = new List<Claimant>();
        foreach (var outlook in _outlooks)
        {
            if (IsTurnOf(outlook) && _allocations[outlook.Model.Id].Missing(outlook) is > 0 and var lacks) claims.Add(new Claimant(outlook, lacks, _knowledge.Of(outlook.Model.Id).HeldDebt));
        }

        claims.Sort(Claimant.InRank);
        _behind = new Queue<Claimant>(Ordered(claims));
        while (_behind.TryDequeue(out var claim))
        {
            var (outlook, missing, _) = claim;
            Train(above: outlook.Model.Priority);
            var known = _knowledge.Of(outlook.Model.Id);
            if (Refusal(outlook) is { } refusal)
            {
                _verdicts[outlook.Model.Id] = refusal;
                continue;
            }

            if (known.Failures.HoldsUntil(_observed.At, _spec.Settings) is { } notBefore)
            {
                _verdicts[outlook.Model.Id] = new Reason(Rule.HoldBackoff,
                [
                    Fact.Of("failures", known.Failures.Count), Fact.Of("wait", notBefore - _observed.At),
                    Fact.Of("why", known.Failures.Why),
                ]);
                continue;
            }

            // What sleeps already wakes faster than anything loads.
            var back = new List<InferenceReplica>();
            Wake(outlook, missing, back);
            TakeBack(outlook, missing - back.Count, back);
            _lacks = missing - back.Count;
            if (outlook.Mix is not null)
            {
                ClaimMix(outlook, back, known.NextOrdinal);
                continue;
            }

            for (; _lacks > 0; _lacks--)
            {
                var ordinal = known.NextOrdinal + missing - back.Count - _lacks;
                if (Start(outlook, ReplicaId.Of(outlook.Model.Id, ordinal), outlook.Supply + missing - _lacks)) continue;
                _nodeRequests.Lack(outlook, _quotas.ToAsk(outlook, _lacks), _verdicts.GetValueOrDefault(outlook.Model.Id), _scheduler);
                break;
            }
        }
    }

    /// <summary>Asks for nodes where replicas find no room, or soon would, and takes back what is no longer needed.</summary>
    public void RequestNodes()
    {
        if (!_nodeRequests.Active) return;
        foreach (var step in _nodeRequests.Decide(_outlooks, _allocations, _scheduler, [.. _steps.Values.OfType<Step.Start>()], [.. _steps.Values.Where(step => Step.GangOf(step) is not null)], _quotas)) _steps[step.Id] = step;
        foreach (var (model, reason) in _nodeRequests.Verdicts) _verdicts[model] = reason;
    }

    public void PrefetchAhead()
    {
        if (!_observed.Can.HasFlag(Capabilities.ChooseNode)) _disks.WhereScheduled(_allocations, _going, _steps);
        else foreach (var step in _disks.Ahead()) _steps.TryAdd(step.Id, step);
    }

    /// <summary>What must be remembered beyond what Fold learns.</summary>
    public Knowledge Next()
    {
        var next = new ModelKnowledge[_outlooks.Length];
        OfEach.Do(next.Length, i =>
        {
            var outlook = _outlooks[i];
            var allocation = _allocations[outlook.Model.Id];
            var known = _knowledge.Of(outlook.Model.Id);
            if (_overdue.TryGetValue(outlook.Model.Id, out var why) && known.Failures.Why != why)
                known = Knowledge.Failed(known, _observed.At, why, _spec.Settings);
            next[i] = known with
            {
                Surplus = Surplus(known, allocation.Wanted, outlook),
                LastWanted = Ranks(known.LastWanted, allocation.Wanted, outlook),
                Recommendations = allocation.Remember,
                Overpaid = _overpaid.GetValueOrDefault(outlook.Model.Id),
                ShortSince = _spec.Settings.ShortagesLast && allocation.Missing(outlook) > 0 ? known.ShortSince is { } since ? Past(since) : _observed.At : null,
                Shortage = _moved.Contains(outlook.Model.Id) ? null : known.Shortage,
            };
        });
        var models = Knowledge.Editing(_knowledge.Models);
        for (var i = 0; i < next.Length; i++) models[_outlooks[i].Model.Id] = next[i];
        return _knowledge with { Models = models.ToImmutable(), Training = NextTraining() };
    }

    private SurplusTimes? Surplus(ModelKnowledge known, int wanted, ModelOutlook outlook) =>
        !_spec.Settings.ForecastDemand || !outlook.TrafficSeen || outlook.Model.MaxReplicas < 2 ? known.Surplus
        : SurplusTimes.Learn(
            known.Surplus, _observed.At, wanted, known.LastWanted, outlook.Horizon, Knowledge.IdleReviews * _spec.Settings.Review, outlook.ExpectedShare);

    // Ranks no replica can have again are dropped, so that the array is bounded by the largest fleet of the model.
    private ImmutableArray<DateTimeOffset> Ranks(ImmutableArray<DateTimeOffset> before, int wanted, ModelOutlook outlook)
    {
        // A replica that was never wanted is surplus from the moment it is seen: one that was there before us must be able to go.
        var length = Math.Max(Math.Max(wanted, outlook.Supply), Math.Min(before.Length, outlook.Model.MaxReplicas));
        var ranks = new DateTimeOffset[length];
        for (var rank = 0; rank < length; rank++) ranks[rank] = rank < wanted || rank >= before.Length ? _observed.At : Past(before[rank]);
        return ImmutableCollectionsMarshal.AsImmutableArray(ranks);
    }

    // After a clock that was set back what was seen before lies ahead, and would count for nothing until the clock has caught up.
    private DateTimeOffset Past(DateTimeOffset kept) => _spec.Settings.IdleIsSeen && kept > _observed.At ? _observed.At : kept;

    private void RetireDraining(InferenceReplica replica)
    {
        var waited = _observed.At - replica.StateSince;
        var deadline = DrainDeadline(replica.Model);
        if (waited > deadline)
            Stop(replica, new Reason(Rule.StopDrainOverdue,
            [
                Fact.Of("waited", waited), Fact.Of("deadline", deadline),
                Fact.Of("outstanding", replica.Outstanding),
            ]), []);
        else
            LetGo(replica, new Reason(
                Rule.DrainUnderway, [Fact.Of("since", waited), Fact.Of("outstanding", replica.Outstanding)]));
    }

    private TimeSpan DrainDeadline(ModelId model)
    {
        var stated = _spec.Settings.DrainDeadline;
        if (!_spec.Settings.DrainAsLongAsSeen) return stated;
        var seen = TimeSpan.FromSeconds(Math.Ceiling(1.25 * _knowledge.Of(model).Service.LongestSeconds));
        return seen > stated ? seen : stated;
    }

    private void RetireOverdue(InferenceReplica replica)
    {
        var expected = _loads.Expected(replica);
        var waited = _observed.At - replica.StartedAt;
        if (IsNext(replica)) Stop(replica, new Reason(Rule.StopLoadOverdue,
        [
            Fact.Of("waited", waited), Fact.Quantity("factor", Math.Round(waited / expected, 1)), Fact.Of("expected", expected),
        ]), []);
        _overdue[replica.Model] = $"{replica.Id} was still loading after {Durations.Show(_loads.Allowed(replica))}";
    }

    private void RetireSurplus(ModelOutlook outlook, Allocation allocation)
    {
        var surplus = outlook.Supply - allocation.Keep;
        if (surplus <= 0 && _replicas[outlook.Model.Id].All(replica => replica.Version == outlook.Model.Version)) return;
        var mine = _replicas[outlook.Model.Id].Where(replica => !_going.Contains(replica.Id)).ToArray();
        var old = mine.Where(replica => replica.Version != outlook.Model.Version).ToArray();
        if (old.Length > 0 && (_spec.Settings.ReplacedByQuarters || outlook.Serving >= Math.Max(1, Math.Min(allocation.Wanted, old.Length)) || allocation.Wanted == 0))
        {
            foreach (var replica in Replaced(outlook, allocation, old).Where(replica => !Held(replica)))
                LetGo(replica, new Reason(Rule.DrainOldVersion, [Fact.Of("version", outlook.Model.Version)]));
        }

        if (surplus <= 0) return;

        // Where money decides, those that are not kept; else what does not serve yet goes first, then the least preferred, then who is slowed most by
        // others on its devices, then what costs most where it is, then one of those that stand together, then what has least to finish, then the newest.
        // Of a successor that came beside as many as may be never itself, whatever slows it for the moment: first who is slowed most.
        var together = Together(outlook.Model.Id);
        var newest = allocation.Why.Rule == Rule.DrainAboveMost ? mine.Max(replica => (int?)replica.Id.Ordinal) : null;
        var victims = mine
            .Where(replica => replica.Version == outlook.Model.Version
                && replica.State is ReplicaState.Ready or ReplicaState.Loading)
            .OrderBy(replica => replica.Id.Ordinal == newest ? 1 : 0).ThenBy(replica => newest is null ? 1 : outlook.LeftOf?.GetValueOrDefault(replica.Id, 1) ?? 1)
            .ThenBy(replica => newest is not null && outlook.LeftOf?.ContainsKey(replica.Id) == true ? 0 : 1)
            .ThenBy(replica => replica is { State: ReplicaState.Loading, EndsInOrder: null } ? 0 : 1)
            .ThenByDescending(replica => outlook.RankOf(replica.Variant))
            .ThenByDescending(replica => replica.EndsInOrder ?? 0).ThenBy(IsLeaving).ThenBy(replica => replica.State == ReplicaState.Loading ? 0 : 1)
            .ThenBy(replica => outlook.LeftOf?.GetValueOrDefault(replica.Id, 1) ?? 1)
            .ThenByDescending(PaidFor).ThenByDescending(replica => together.GetValueOrDefault(replica.Placement.Node))
            .ThenBy(replica => replica.Outstanding).ThenByDescending(replica => replica.Id.Ordinal).ThenBy(replica => replica.Id);
        _verdicts[outlook.Model.Id] = allocation.Why;
        foreach (var replica in NotKept(outlook, allocation, victims))
        {
            if (surplus == 0) break;
            if (!Held(replica)) LetGo(replica, allocation.Why);
            // Those before it in their controller's order cannot go while it stays.
            else if (replica.EndsInOrder is not null) break;
            // Another goes in its place.
            else if (_spec.Settings.ReplacedByQuarters) continue;
            surplus--;
        }
    }

    // So many of the version before as leave those that are wanted, its successors among them; one that does not serve once one of these does.
    private InferenceReplica[] Replaced(ModelOutlook outlook, Allocation allocation, InferenceReplica[] old)
    {
        if (!_spec.Settings.ReplacedByQuarters || allocation.Wanted == 0) return old;
        if (outlook.Serving == 0) return [];
        var serve = old.Where(replica => replica.State == ReplicaState.Ready).ToArray();
        return [.. old.Except(serve), .. serve.Take(outlook.Serving + serve.Length - allocation.Wanted)];
    }

    // Its node is told to go and takes it along anyway: 0, before the others.
    private int IsLeaving(InferenceReplica replica) =>
        _spec.Settings.LeavingNodesFirst && _ledgers.TryGetValue(replica.Placement.Node, out var ledger) && ledger.Node.Condition != NodeCondition.Ready ? 0 : 1;

    private long PaidFor(InferenceReplica replica)
    {
        var sum = 0L;
        foreach (var pod in Parts.Pods(replica))
        {
            if (_ledgers.TryGetValue(pod.Placement.Node, out var ledger)) sum += _prices.Held(ledger.Node, pod.Reserved);
        }

        return sum;
    }

    // What was to go and must stay after all, as a floor of ready replicas would be broken.
    private bool Stays(InferenceReplica replica) =>
        (replica.State is ReplicaState.Draining or ReplicaState.Drained || !_outlookOf.ContainsKey(replica.Model)) && Held(replica);

    private bool Held(InferenceReplica replica)
    {
        if (_floors.Holds(replica) is not { } why) return false;
        _verdicts[replica.Model] = why;
        return true;
    }

    private void LetGo(InferenceReplica replica, Reason reason) => LetGo(replica, reason, []);

    // Drain, then stop; what never served has nothing to drain.
    private void LetGo(InferenceReplica replica, Reason reason, ImmutableArray<StepId> after)
    {
        if (replica.State is ReplicaState.Loading or ReplicaState.Asleep)
        {
            Stop(replica, reason, after);
            return;
        }

        var drain = new Step.Drain(replica.Id, replica.Model, DrainDeadline(replica.Model)) { Reason = reason, After = after };
        _steps[drain.Id] = drain;
        Stop(replica, new Reason(Rule.StopDrained, []), [drain.Id]);
    }

    private void Stop(InferenceReplica replica, Reason reason, ImmutableArray<StepId> after)
    {
        var stop = new Step.Stop(replica.Id, replica.Model) { Reason = reason, After = after };
        _steps[stop.Id] = stop;
        _going.Add(replica.Id);
        if (!IsOnlyShown(replica.Model)) UsesNoMore(replica);
        _floors.LetGo(replica);
        if (IsOnlyShown(replica.Model)) _shownStops.Add((stop.Id, replica));
        else Counted(stop.Id, replica);
    }

    private Reason WhyStart(ModelOutlook outlook) =>
        WhyStart(outlook, _allocations[outlook.Model.Id].Wanted, outlook.CapacityOfEach(_allocations[outlook.Model.Id].Wanted));

    // Of a model that may run in several ways so many are wanted as things are, each of which carries so much on the mean.
    private Reason WhyStart(ModelOutlook outlook, int wanted, double? each)
    {
        var allocation = _allocations[outlook.Model.Id];
        var have = outlook.Supply;
        if (allocation.Why.Rule is Rule.StartBySizeBlindRule) return allocation.Why;
        if (_replicas[outlook.Model.Id].Any(replica => replica.Version != outlook.Model.Version))
            return new Reason(Rule.StartNewVersion, [Fact.Of("version", outlook.Model.Version)]);
        if (outlook.Held > 0 && have == 0)
            return new Reason(Rule.StartForHeldRequests, [Fact.Of("held", outlook.Held), Fact.Of("load", outlook.LoadAnew.P90)]);
        outlook.Forecast.TryGetLast(out var forecast);
        if (forecast <= 0 || allocation.Wanted <= outlook.Model.MinReplicas && have < outlook.Model.MinReplicas)
            return new Reason(Rule.StartForMinimum, [Fact.Of("minimum", outlook.Model.MinReplicas), Fact.Of("have", have)]);
        return new Reason(Rule.StartForDemand,
        [
            Fact.Rate("demand", forecast), Fact.Fraction("quantile", outlook.Quantile), Fact.Of("horizon", outlook.Horizon),
            Fact.Of("load", outlook.LoadAnew.P90), Fact.Of("wanted", wanted),
            each is { } capacity && double.IsFinite(capacity) ? Fact.Rate("capacity", capacity) : Fact.Of("capacity", "unknown capacity"),
            Fact.Of("have", have), .. outlook.Grounds is { } grounds ? [Fact.Of("basis", "; " + grounds)] : Array.Empty<Fact>(),
            .. Waiting(outlook.Model.Id),
        ]);
    }

    // What waits is carried beside what comes; journals of settings before starts had to pay replay without a word of it.
    private Fact[] Waiting(ModelId model) => _spec.Settings.StartsMustPay && Math.Ceiling(_outlookOf[model].Backlog) is > 0 and var waiting
        ? [Fact.Of("waiting", waiting == 1 ? ", and 1 request waits" : string.Create(CultureInfo.InvariantCulture, $", and {waiting:0} requests wait"))] : [];
}
