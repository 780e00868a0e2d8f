using System.Collections.Immutable;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.NodeCache;

/// <summary>
/// The nodes' model caches as the planner sees them: how large, what is on them, what is on its way, and what pods use. A
/// cache whose agent is silent, or whose status cannot be believed, is unknown: nothing is brought there and nothing evicted.
/// </summary>
internal sealed class NodeCaches(ClusterWatch cluster, TimeProvider time, Action<string> log)
{
    private readonly NodeCacheLiveness _liveness = new(time);
    private readonly NodeCacheOutcomes _outcomes = new();
    private readonly Dictionary<string, string> _said = new(StringComparer.Ordinal);
    private readonly NodeCacheRequests _requests = new(cluster, time, log);
    private ImmutableArray<NodeCacheView> _silent = [];
    private CacheUses? _uses;
    private ImmutableSortedDictionary<string, NodeCacheView> _known = ImmutableSortedDictionary<string, NodeCacheView>.Empty;

    /// <summary>Adds what is known of caches to a snapshot, and what follows from it to what the body can do.</summary>
    public FleetSnapshot Onto(FleetSnapshot snapshot, IReadOnlyCollection<PodView> pods, ImmutableArray<ResolvedModel> models)
    {
        var views = cluster.NodeCaches?.Items ?? ImmutableSortedDictionary<ObjectName, NodeCacheView>.Empty;
        if (views.IsEmpty)
        {
            (_known, _silent) = (_known.Clear(), []);
            return snapshot;
        }

        var nodes = cluster.Nodes.Items;
        var known = ImmutableSortedDictionary.CreateBuilder<string, NodeCacheView>(StringComparer.Ordinal);
        var unknown = new Dictionary<NodeId, string>();
        var silent = ImmutableArray.CreateBuilder<NodeCacheView>();
        foreach (var view in views.Values.Where(view => nodes.ContainsKey(new ObjectName("", view.Node))))
        {
            if (_liveness.Unknown(view) is { } why)
            {
                silent.Add(view);
                Say(view.Node, unknown[new NodeId(view.Node)] = why);
            }
            else
            {
                if (_said.Remove(view.Node)) log($"the model cache of {view.Node} is known again");
                known[view.Node] = view;
            }
        }

        _liveness.Keep(views.Values.Select(view => view.Uid));
        (_known, _silent) = (known.ToImmutable(), silent.ToImmutable());
        if (_known.IsEmpty && unknown.Count == 0) return snapshot;
        var uses = _uses = new CacheUses(pods, models);
        var (rows, flying) = (new List<CachedArtifact>(), new List<WorkInFlight>());
        foreach (var view in _known.Values) Read(view, _requests.SpecOf(view), uses, snapshot.At, rows, flying);
        return snapshot with
        {
            Can = _known.IsEmpty ? snapshot.Can : snapshot.Can | Capabilities.PrefetchWeights | Capabilities.EvictWeights,
            Nodes = [.. snapshot.Nodes.Select(node => unknown.TryGetValue(node.Id, out var why)
                ? node with { CacheFileSystemFree = Signal.Missing<Bytes>(why) } : With(node, nodes[new ObjectName("", node.Id.Value)]))],
            Cache = [.. rows.OrderBy(row => row.Node).ThenBy(row => row.Model).ThenBy(row => row.Version, StringComparer.Ordinal)],
            InFlight = [.. snapshot.InFlight.Concat(flying).OrderBy(work => work.Step)],
            Outcomes = [.. snapshot.Outcomes, .. _outcomes.Advance(_known.Values, snapshot.At)],
        };
    }

    /// <summary>Asks the agents for what a plan wants of them; says which steps were begun.</summary>
    public async Task<IReadOnlyCollection<StepId>> ApplyAsync(
        Plan plan, ImmutableArray<ResolvedModel> models, FleetMode most, Func<bool> mayWrite, CancellationToken cancellationToken) =>
        _uses is null ? [] : await _requests.ApplyAsync(plan, _known, _silent, _uses, models, most, mayWrite, cancellationToken).ConfigureAwait(false);

    // Said once, and again when it is another reason.
    private void Say(string node, string why)
    {
        if (_said.TryGetValue(node, out var before) && before == why) return;
        _said[node] = why;
        log($"the model cache of {node} is unknown, so nothing is brought there or evicted: {why}");
    }

    private NodeState With(NodeState node, NodeView seen)
    {
        if (!_known.TryGetValue(node.Id.Value, out var view) || view.Status is not { } status) return node;
        return node with
        {
            CacheBudget = new Bytes(status.BudgetBytes ?? 0),
            CacheFileSystemFree = seen.DiskPressure ? Signal.Missing<Bytes>("its kubelet says that the disk is nearly full (DiskPressure)")
                : status.FreeBytes is { } free ? Signal.Known(new Bytes(free), view.Heartbeat!.Value) : Signal.Missing<Bytes>("its agent does not tell"),
            CacheShort = new Bytes(status.ShortBytes ?? 0),
        };
    }

    private static void Read(
        NodeCacheView view, NodeCacheRequest asked, CacheUses uses, DateTimeOffset at, List<CachedArtifact> rows, List<WorkInFlight> flying)
    {
        var status = view.Status!;
        var node = new NodeId(view.Node);
        var fetches = (status.Fetches ?? []).DistinctBy(fetch => (fetch.Model, fetch.Version)).ToDictionary(fetch => (fetch.Model!, fetch.Version!));
        var retries = (status.Failures ?? []).DistinctBy(failure => (failure.Model, failure.Version))
            .ToDictionary(failure => (failure.Model!, failure.Version!), failure => NodeCacheView.TimeOf(failure.RetryAt));
        var there = new Dictionary<(string, string), NodeCacheCopy>();
        foreach (var copy in status.Artifacts ?? [])
        {
            var key = (copy.Model!, copy.Version!);
            there[key] = copy;
            rows.Add(new CachedArtifact
            {
                Node = node,
                Model = ModelId.Of(copy.Model!),
                Version = copy.Version!,
                Size = new Bytes(copy.SizeBytes!.Value),
                Complete = copy.Complete == "True",
                Pinned = copy.Pinned == "True" || uses.InUse(view.Node, ModelId.Of(copy.Model!), copy.Version!, asked.Wanted.GetValueOrDefault(key)?.Source ?? copy.Source),
                LastUsed = NodeCacheView.TimeOf(copy.LastUsed),
                NotBefore = retries.GetValueOrDefault(key),
            });
            if (asked.Evict.Contains(key)) flying.Add(Work(WorkKind.Evicting, $"evict/{copy.Model}@{copy.Version}/{node}", node, copy.Model!, at, at) with { Total = new Bytes(copy.SizeBytes.Value) });
        }

        foreach (var (key, wanted) in asked.Wanted)
        {
            var copy = there.GetValueOrDefault(key);
            if (copy?.Complete == "True") continue;
            if (retries.TryGetValue(key, out var retry) && retry > at && !fetches.ContainsKey(key))
            {
                // It is tried again by itself; until then it is not on its way.
                if (copy is null)
                    rows.Add(new CachedArtifact { Node = node, Model = ModelId.Of(key.Item1), Version = key.Item2, Size = Bytes.Zero, Complete = false, NotBefore = retry });
                continue;
            }

            var fetch = fetches.GetValueOrDefault(key);
            flying.Add(Work(WorkKind.Fetching, $"prefetch/{key.Item1}@{key.Item2}/{node}", node, key.Item1, NodeCacheView.TimeOf(fetch?.StartedAt) ?? at, null) with
            {
                Done = new Bytes(copy?.SizeBytes ?? 0),
                Total = new Bytes(Math.Max(fetch?.TotalBytes ?? wanted.SizeBytes ?? 0, copy?.SizeBytes ?? 0)),
            });
        }
    }

    private static WorkInFlight Work(WorkKind kind, string step, NodeId node, string model, DateTimeOffset started, DateTimeOffset? end) => new()
    {
        Step = StepId.Of(step),
        Kind = kind,
        Node = node,
        Model = ModelId.Of(model),
        StartedAt = started,
        ExpectedEnd = end,
    };
}
