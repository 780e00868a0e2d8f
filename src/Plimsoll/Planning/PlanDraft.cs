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
    private readonly ImmutableArray<InferenceReplica> _byId;
    private readonly (NodeLedger Ledger, List<InferenceReplica> There)[] _onNodes;
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
        _byId = Parts.ById(observed.Replicas);
        var byNode = Parts.ByNode(_byId);
        var foreign = observed.Foreign.ToLookup(use => use.Node);
        var members = observed.Training.SelectMany(gang => gang.Members.Select(member => (member.Node, Holds: NodeLedger.Release.Of(gang, member))))
            .ToLookup(one => one.Node, one => one.Holds);
        _onNodes = new (NodeLedger, List<InferenceReplica>)[observed.Nodes.Length];
        OfEach.Do(_onNodes.Length, i =>
        {
            var node = observed.Nodes[i];
            var there = byNode.GetValueOrDefault(node.Id, []);
            _onNodes[i] = (new NodeLedger(node, knowledge, there, foreign[node.Id], members[node.Id]), there);
        });
        foreach (var (ledger, _) in _onNodes) _ledgers[ledger.Node.Id] = ledger;
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
        _lowestThere = new(() => outlooks.Where(outlook => replicas[outlook.Model.Id].Any(replica => !replica.Placement.Devices.IsDefaultOrEmpty)).Select(outlook => outlook.Model.Priority).DefaultIfEmpty(int.MaxValue).Min());
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

        var lacks = new int[_outlooks.Length];
        OfEach.Do(lacks.Length, i => lacks[i] = IsTurnOf(_outlooks[i]) ? _allocations[_outlooks[i].Model.Id].Missing(_outlooks[i]) : 0);
        var claims = new List<Claimant>();
        for (var i = 0; i < lacks.Length; i++)
        {
            if (lacks[i] > 0) claims.Add(new Claimant(_outlooks[i], lacks[i], _knowledge.Of(_outlooks[i].Model.Id).HeldDebt));
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
