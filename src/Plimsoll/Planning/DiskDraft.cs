using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>The model caches of the nodes in a plan: what is there, what is fetched, what goes to make room.</summary>
internal sealed partial class DiskDraft
{
    // Loads must not compete with fetches nobody waits for: one at a time is fetched ahead.
    private const int AheadAtOnce = 1;

    private readonly FleetSpec _spec;
    private readonly FleetSnapshot _observed;
    private readonly Knowledge _knowledge;
    private readonly Dictionary<ModelId, ModelOutlook> _outlooks;
    private readonly Dictionary<(NodeId, ModelId, string), CachedArtifact> _cached;
    private readonly ILookup<NodeId, CachedArtifact> _artifacts;
    private readonly ILookup<NodeId, WorkInFlight> _fetching;

    // Made where a plan asks: of thousands of nodes most plans ask of few, and of fleets without caches of none.
    private readonly Lazy<Dictionary<NodeId, NodeState>> _nodes;
    private readonly Dictionary<NodeId, DiskLedger> _ledgers;
    private readonly Lazy<ILookup<(NodeId, ModelId, string), InferenceReplica>> _users;
    private readonly HashSet<(NodeId, ModelId, string)> _coming;
    private readonly HashSet<(NodeId, ModelId, string)> _evicted;
    private readonly HashSet<(NodeId, ModelId, string)> _wanted;
    private readonly Lazy<LoadLine> _fetchLine;
    private readonly HashSet<ModelId> _unplanned;
    private int _fetches;

    public DiskDraft(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, Dictionary<ModelId, ModelOutlook> outlooks)
    {
        (_spec, _observed, _knowledge, _outlooks) = (spec, observed, knowledge, outlooks);
        (_ledgers, _coming, _evicted, _wanted) = ([], [], [], []);
        _fetchLine = new Lazy<LoadLine>(() => LoadLine.Of(knowledge.FleetFetches.Samples, spec.Settings));
        _unplanned = spec.Unplanned.IsDefaultOrEmpty ? [] : [.. spec.Unplanned];
        _cached = observed.Cache.ToDictionary(Key);
        _artifacts = observed.Cache.ToLookup(artifact => artifact.Node);
        _fetching = observed.InFlight.Where(work => work is { Kind: WorkKind.Fetching, Node: not null }).ToLookup(work => work.Node!.Value);
        _nodes = new Lazy<Dictionary<NodeId, NodeState>>(() => observed.Nodes.ToDictionary(node => node.Id));
        var flying = observed.InFlight.Where(work => work.Kind == WorkKind.Fetching).Select(work => work.Step).ToHashSet();
        _fetches = flying.Count;
        foreach (var work in observed.InFlight.Where(work => work.Kind == WorkKind.Fetching))
        {
            if (work is { Node: { } node, Model: { } id } && spec.Find(id) is { } model && work.Step == Fetch(node, id, model.Version))
                _coming.Add((node, id, model.Version));
        }

        foreach (var artifact in observed.Cache.Where(artifact => flying.Contains(Fetch(artifact.Node, artifact.Model, artifact.Version))))
            _coming.Add(Key(artifact));
        _users = new Lazy<ILookup<(NodeId, ModelId, string), InferenceReplica>>(
            () => observed.Replicas.ToLookup(replica => (replica.Placement.Node, replica.Model, replica.Version)));
    }

    private DiskDraft(DiskDraft other)
    {
        (_spec, _observed, _knowledge, _outlooks) = (other._spec, other._observed, other._knowledge, other._outlooks);
        (_fetchLine, _unplanned, _cached, _artifacts, _fetching) = (other._fetchLine, other._unplanned, other._cached, other._artifacts, other._fetching);
        (_nodes, _users, _fetches) = (other._nodes, other._users, other._fetches);
        (_coming, _evicted, _wanted) = ([.. other._coming], [.. other._evicted], [.. other._wanted]);
        _ledgers = other._ledgers.ToDictionary(one => one.Key, one => one.Value.Copy());
    }

    /// <summary>The same to try things on.</summary>
    public DiskDraft Copy() => new(this);

    private DiskLedger LedgerOf(NodeId node) => _ledgers.TryGetValue(node, out var ledger)
        ? ledger : _ledgers[node] = new DiskLedger(_nodes.Value[node], _artifacts[node], _fetching[node]);

    /// <summary>What the weights of a model need before they are on a node's disk.</summary>
    /// <param name="MustGo">Replicas whose weights must go first, so they must end; empty where none must.</param>
    /// <param name="Evicts">What is removed to make room.</param>
    public sealed record Way(ImmutableArray<InferenceReplica> MustGo, ImmutableArray<CachedArtifact> Evicts)
    {
        public static readonly Way Clear = new([], []);
    }

    public bool Has(NodeId node, ModelSpec model) => !model.Cached
        || (_cached.TryGetValue((node, model.Id, model.Version), out var artifact) && artifact.Complete && !_evicted.Contains(Key(artifact)));

    /// <summary>Free on the node's cache once what is planned has arrived.</summary>
    public Bytes Free(NodeId node) => LedgerOf(node).Free;

    /// <summary>How the weights can come onto the node; null when they can not.</summary>
    /// <param name="node">The node.</param>
    /// <param name="outlook">The model.</param>
    /// <param name="going">Replicas that this plan ends already.</param>
    public Way? WayTo(NodeState node, ModelOutlook outlook, HashSet<ReplicaId> going)
    {
        var model = outlook.Model;
        if (Has(node.Id, model)) return Way.Clear;
        if (!_observed.Can.HasFlag(Capabilities.PrefetchWeights)) return null;
        if (_coming.Contains((node.Id, model.Id, model.Version))) return Way.Clear;

        // What this plan removes is not brought back by it: the next one does, once it is gone.
        if (_evicted.Contains((node.Id, model.Id, model.Version))) return null;
        var missing = Missing(node.Id, model) - LedgerOf(node.Id).Balance;
        if (missing <= Bytes.Zero) return Way.Clear;

        // For what is only shown nothing is removed.
        if (_spec.Settings.CountsOnlyActing && !model.Acts) return null;
        return _observed.Can.HasFlag(Capabilities.EvictWeights) ? Room(node.Id, model, missing, going) : null;
    }

    /// <summary>Emits what brings the weights onto the node, and what must be evicted for it; empty when they are there.</summary>
    /// <exception cref="InvalidOperationException">The way does not lead there: a mistake of the planner.</exception>
    public ImmutableArray<StepId> Prepare(NodeState node, ModelOutlook outlook, Way way, SortedDictionary<StepId, Step> steps)
    {
        var model = outlook.Model;
        if (!model.Cached) return [];
        _wanted.Add((node.Id, model.Id, model.Version));
        if (Has(node.Id, model)) return [];
        var size = model.Footprint.OnDisk;
        var fetch = new Step.Prefetch(model.Id, model.Version, node.Id, size)
        {
            Reason = new Reason(Rule.PrefetchForStart, [Fact.Of("node", node.Id.Value), Fact.Of("size", size)]),
        };
        if (_coming.Contains((node.Id, model.Id, model.Version)))
        {
            steps.TryAdd(fetch.Id, fetch);
            return [fetch.Id];
        }

        foreach (var artifact in way.Evicts)
        {
            var users = _users.Value[Key(artifact)].Select(replica => StepId.Of($"stop/{replica.Id}")).Order();
            var evict = new Step.Evict(artifact.Model, artifact.Version, node.Id, artifact.Size)
            {
                After = [.. users],
                Reason = new Reason(Rule.EvictForRoom,
                [
                    Fact.Of("claimant", model.Id.Value), Fact.Of("needed", size), Fact.Of("refetch", Refetch(artifact.Size)),
                ]),
            };
            steps[evict.Id] = evict;
            _evicted.Add(Key(artifact));
            LedgerOf(node.Id).WillEvict(evict.Id, artifact.Size);
        }

        var after = LedgerOf(node.Id).TryReserve(Missing(node.Id, model))
            ?? throw new InvalidOperationException($"evicting for {model.Id} on {node.Id} did not make the room it promised");
        steps[fetch.Id] = fetch with { After = after };
        _coming.Add((node.Id, model.Id, model.Version));
        _fetches++;
        return [fetch.Id];
    }

    /// <summary>What is worth nothing goes; weights that fit what is left come, highest priority first, one at a time.</summary>
    public IEnumerable<Step> Ahead()
    {
        if (_observed.Can.HasFlag(Capabilities.EvictWeights))
        {
            foreach (var step in Worthless()) yield return step;
        }

        if (!_observed.Can.HasFlag(Capabilities.PrefetchWeights)) yield break;
        var fetching = _fetches;
        foreach (var outlook in _outlooks.Values.OrderByDescending(outlook => outlook.Model.Priority).ThenBy(outlook => outlook.Model.Id))
        {
            var model = outlook.Model;
            if (!model.Cached || _spec.Settings.CountsOnlyActing && !model.Acts || _observed.Nodes.Any(node => Has(node.Id, model) && IsOfUse(node, model))) continue;
            if (_knowledge.Of(model.Id).Failures.HoldsUntil(_observed.At, _spec.Settings) is not null) continue;
            foreach (var node in _observed.Nodes.Where(node => node.Condition == NodeCondition.Ready && IsOfUse(node, model)))
            {
                if (fetching >= AheadAtOnce) yield break;
                var left = LedgerOf(node.Id).FreeNow;
                if (_evicted.Contains((node.Id, model.Id, model.Version)) || Missing(node.Id, model) > left) continue;
                fetching++;
                LedgerOf(node.Id).TryReserve(Missing(node.Id, model));
                _coming.Add((node.Id, model.Id, model.Version));
                yield return new Step.Prefetch(model.Id, model.Version, node.Id, model.Footprint.OnDisk)
                {
                    Reason = new Reason(Rule.PrefetchAhead,
                        [Fact.Of("size", model.Footprint.OnDisk), Fact.Of("free", left), Fact.Of("node", node.Id.Value)]),
                };
                break;
            }
        }
    }

    private bool IsOfUse(NodeState node, ModelSpec model) => !_spec.Settings.CopiesWhereItRuns || Admission.CouldRun(node, model);

    // Of a model that left the fleet file, or of a version that its successor has replaced on the same disk.
    private IEnumerable<Step> Worthless()
    {
        foreach (var artifact in _observed.Cache.Where(artifact => !artifact.Pinned && !_evicted.Contains(Key(artifact)) && !_unplanned.Contains(artifact.Model)))
        {
            var rule = !_outlooks.TryGetValue(artifact.Model, out var owner) ? Rule.EvictRemovedModel
                : owner.Model.Version != artifact.Version && Has(artifact.Node, owner.Model) ? Rule.EvictOldVersion
                : (Rule?)null;
            if (rule is { } why)
                yield return new Step.Evict(artifact.Model, artifact.Version, artifact.Node, artifact.Size) { Reason = new Reason(why, []) };
        }
    }

    // Least worth first, then whatever proved unnecessary stays after all, dearest first. What replicas use goes only with
    // them: those that end anyway cost nothing more, the others are for the caller to judge.
    private Way? Room(NodeId node, ModelSpec claimant, Bytes missing, HashSet<ReplicaId> going)
    {
        var candidates = _artifacts[node]
            .Where(artifact => artifact.Size.Value > 0 && !_evicted.Contains(Key(artifact))
                && !_wanted.Contains(Key(artifact)) && !_coming.Contains(Key(artifact))
                && (artifact.Model != claimant.Id || artifact.Version != claimant.Version)
                && (!artifact.Pinned || _users.Value[Key(artifact)].Any()) && MayGo(artifact))
            .Select(artifact => (Artifact: artifact, MustGo: _users.Value[Key(artifact)].Where(user => !going.Contains(user.Id)).ToArray()))
            .OrderBy(candidate => candidate.MustGo.Length > 0)
            .ThenBy(candidate => candidate.MustGo.Length > 0 ? Priority(candidate.Artifact) : 0)
            .ThenBy(candidate => Worth(candidate.Artifact))
            .ThenBy(candidate => candidate.Artifact.Size).ThenBy(candidate => candidate.Artifact.Model)
            .ThenBy(candidate => candidate.Artifact.Version, StringComparer.Ordinal).ToArray();
        var chosen = new List<(CachedArtifact Artifact, InferenceReplica[] MustGo)>();
        foreach (var candidate in candidates)
        {
            if (missing <= Bytes.Zero) break;
            chosen.Add(candidate);
            missing -= candidate.Artifact.Size;
        }

        if (missing > Bytes.Zero) return null;
        for (var i = chosen.Count - 2; i >= 0; i--)
        {
            if (missing + chosen[i].Artifact.Size > Bytes.Zero) continue;
            missing += chosen[i].Artifact.Size;
            chosen.RemoveAt(i);
        }

        return new Way(
            [.. chosen.SelectMany(one => one.MustGo).OrderBy(replica => replica.Id)], [.. chosen.Select(one => one.Artifact)]);
    }

    /// <summary>Seconds of waiting that a removed copy is expected to cost per second; nothing for what nobody will ask for.</summary>
    private double Worth(CachedArtifact artifact) =>
        _outlooks.TryGetValue(artifact.Model, out var owner) && owner.Model.Version == artifact.Version
            ? RateOf(owner) * Refetch(artifact.Size).TotalSeconds : -1;

    // What was asked for weeks ago is not asked for as often as it was then: one return per idle time so far is the estimate with nothing else known.
    private double RateOf(ModelOutlook owner) => _spec.Settings.AsksWithinReach && owner.Idle is { } idle && idle > TimeSpan.Zero
        ? Math.Min(owner.ActiveRate, 1 / idle.TotalSeconds) : owner.ActiveRate;

    private int Priority(CachedArtifact artifact) =>
        _outlooks.TryGetValue(artifact.Model, out var owner) ? owner.Model.Priority : int.MinValue;

    // The copy of a model whose plan is only shown is not ours to remove for another, nor is that of one that is named and cannot be planned for now.
    private bool MayGo(CachedArtifact artifact) => _outlooks.TryGetValue(artifact.Model, out var owner) ? owner.Model.Acts : !_unplanned.Contains(artifact.Model);

    private TimeSpan Refetch(Bytes size) => _fetchLine.Value.Estimate(size).P90;

    private Bytes Missing(NodeId node, ModelSpec model) => model.Footprint.OnDisk
        - (_cached.TryGetValue((node, model.Id, model.Version), out var artifact) ? artifact.Size : Bytes.Zero);

    private static (NodeId, ModelId, string) Key(CachedArtifact artifact) => (artifact.Node, artifact.Model, artifact.Version);

    internal static StepId Fetch(NodeId node, ModelId model, string version) => StepId.Of($"prefetch/{model}@{version}/{node}");
}
