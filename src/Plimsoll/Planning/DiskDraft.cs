using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>The model caches of the nodes in a plan: what is there, what is fetched, what goes to make room.</summary>
internal sealed class DiskDraft
{
    // Loads must not compete with fetches nobody waits for: one at a time is fetched ahead.
    private const int AheadAtOnce = 1;

    private readonly FleetSpec _spec;
    private readonly FleetSnapshot _observed;
    private readonly Knowledge _knowledge;
    private readonly Dictionary<ModelId, ModelOutlook> _outlooks;
    private readonly Dictionary<(NodeId, ModelId, string), CachedArtifact> _cached;
    private readonly Dictionary<NodeId, Bytes> _free = [];
    private readonly HashSet<StepId> _planned = [];
    private readonly HashSet<StepId> _evicted = [];

    public DiskDraft(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, Dictionary<ModelId, ModelOutlook> outlooks)
    {
        (_spec, _observed, _knowledge, _outlooks) = (spec, observed, knowledge, outlooks);
        _cached = observed.Cache.ToDictionary(artifact => (artifact.Node, artifact.Model, artifact.Version));
        foreach (var node in observed.Nodes)
        {
            var used = observed.Cache.Where(artifact => artifact.Node == node.Id)
                .Aggregate(Bytes.Zero, (sum, artifact) => sum + artifact.Size);
            var left = (node.CacheBudget ?? Bytes.Zero) - used;

            // A file system of unknown free space takes nothing more.
            _free[node.Id] = node.CacheFileSystemFree.TryGetLast(out var free) ? Bytes.Min(left, free) : Bytes.Zero;
            foreach (var work in observed.InFlight.Where(work => work.Node == node.Id && work.Kind == WorkKind.Fetching))
                _free[node.Id] -= Bytes.Max(Bytes.Zero, (work.Total ?? Bytes.Zero) - (work.Done ?? Bytes.Zero));
        }
    }

    public bool Has(NodeId node, ModelSpec model) =>
        !model.Cached || _cached.TryGetValue((node, model.Id, model.Version), out var artifact) && artifact.Complete;

    /// <summary>Free on the node's cache once what is planned has arrived.</summary>
    public Bytes Free(NodeId node) => Bytes.Max(Bytes.Zero, _free[node]);

    /// <summary>Whether the weights are on the node, on their way, or have or can be given room.</summary>
    public bool CanPrepare(NodeState node, ModelOutlook outlook) =>
        Has(node.Id, outlook.Model)
        || (_observed.Can.HasFlag(Capabilities.PrefetchWeights)
            && (UnderWay(node, outlook.Model) || Room(node, outlook) is not null));

    /// <summary>Emits what brings the weights onto the node, and what must be evicted for it; empty when they are there.</summary>
    /// <exception cref="InvalidOperationException"><see cref="CanPrepare"/> said no.</exception>
    public ImmutableArray<StepId> Prepare(NodeState node, ModelOutlook outlook, SortedDictionary<StepId, Step> steps)
    {
        var model = outlook.Model;
        if (Has(node.Id, model)) return [];
        var size = model.Footprint.OnDisk;
        var fetch = new Step.Prefetch(model.Id, model.Version, node.Id, size)
        {
            Reason = new Reason(Rule.PrefetchForStart, [Fact.Of("node", node.Id.Value), Fact.Of("size", size)]),
        };
        if (UnderWay(node, model))
        {
            steps.TryAdd(fetch.Id, fetch);
            return [fetch.Id];
        }

        var evictions = Room(node, outlook) ?? throw new InvalidOperationException($"no room for {model.Id} on the disk of {node.Id}");
        foreach (var step in evictions)
        {
            steps[step.Id] = step;
            _free[node.Id] += step.Size;
            _evicted.Add(step.Id);
        }

        steps[fetch.Id] = fetch with { After = [.. evictions.Select(step => step.Id).Order()] };
        _planned.Add(fetch.Id);
        _free[node.Id] -= size - Partial(node.Id, model);
        return [fetch.Id];
    }

    /// <summary>Weights that fit what is left, highest priority first, while nothing else is being fetched.</summary>
    public IEnumerable<Step> Ahead()
    {
        var fetching = _observed.InFlight.Count(work => work.Kind == WorkKind.Fetching) + _planned.Count;
        foreach (var artifact in _observed.Cache.Where(artifact => !_outlooks.ContainsKey(artifact.Model) && !artifact.Pinned))
            yield return new Step.Evict(artifact.Model, artifact.Version, artifact.Node, artifact.Size)
            {
                Reason = new Reason(Rule.EvictRemovedModel, []),
            };
        foreach (var outlook in _outlooks.Values.OrderByDescending(outlook => outlook.Model.Priority).ThenBy(outlook => outlook.Model.Id))
        {
            var model = outlook.Model;
            if (!model.Cached || _observed.Nodes.Any(node => Has(node.Id, model))) continue;
            if (_knowledge.Of(model.Id).Failures.NotBefore is { } notBefore && notBefore > _observed.At) continue;
            foreach (var node in _observed.Nodes.Where(node => node.Condition == NodeCondition.Ready))
            {
                if (fetching >= AheadAtOnce) yield break;
                var left = _free[node.Id];
                if (model.Footprint.OnDisk - Partial(node.Id, model) > left) continue;
                fetching++;
                yield return new Step.Prefetch(model.Id, model.Version, node.Id, model.Footprint.OnDisk)
                {
                    Reason = new Reason(Rule.PrefetchAhead,
                        [Fact.Of("size", model.Footprint.OnDisk), Fact.Of("free", left), Fact.Of("node", node.Id.Value)]),
                };
                break;
            }
        }
    }

    // Least worth first: what is seldom used and quick to fetch again.
    private ImmutableArray<Step.Evict>? Room(NodeState node, ModelOutlook claimant)
    {
        var needed = claimant.Model.Footprint.OnDisk - Partial(node.Id, claimant.Model);
        var missing = needed - _free[node.Id];
        if (missing <= Bytes.Zero) return [];
        if (!_observed.Can.HasFlag(Capabilities.EvictWeights)) return null;
        var victims = _observed.Cache
            .Where(artifact => artifact.Node == node.Id && !artifact.Pinned && artifact.Size.Value > 0
                && !_evicted.Contains(StepId.Of($"evict/{artifact.Model}@{artifact.Version}/{node.Id}"))
                && !_planned.Contains(StepId.Of($"prefetch/{artifact.Model}@{artifact.Version}/{node.Id}"))
                && (artifact.Model != claimant.Model.Id || artifact.Version != claimant.Model.Version))
            .Select(artifact => (artifact, Refetch: Refetch(artifact.Size)))
            .OrderBy(pair => _outlooks.TryGetValue(pair.artifact.Model, out var owner) ? owner.ActiveRate * pair.Refetch.TotalSeconds : -1)
            .ThenBy(pair => pair.Refetch).ThenBy(pair => pair.artifact.Model);
        var steps = ImmutableArray.CreateBuilder<Step.Evict>();
        foreach (var (artifact, refetch) in victims)
        {
            steps.Add(new Step.Evict(artifact.Model, artifact.Version, node.Id, artifact.Size)
            {
                Reason = new Reason(Rule.EvictForRoom,
                [
                    Fact.Of("claimant", claimant.Model.Id.Value), Fact.Of("needed", needed), Fact.Of("refetch", refetch),
                ]),
            });
            missing -= artifact.Size;
            if (missing <= Bytes.Zero) return steps.ToImmutable();
        }

        return null;
    }

    private TimeSpan Refetch(Bytes size) => _knowledge.FleetFetches.Prior(size, null, _spec.Settings).P90;

    private Bytes Partial(NodeId node, ModelSpec model) =>
        _cached.TryGetValue((node, model.Id, model.Version), out var artifact) ? artifact.Size : Bytes.Zero;

    private bool UnderWay(NodeState node, ModelSpec model)
    {
        var fetch = StepId.Of($"prefetch/{model.Id}@{model.Version}/{node.Id}");
        return _planned.Contains(fetch) || _observed.InFlight.Any(work => work.Step == fetch);
    }
}
