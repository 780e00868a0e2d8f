using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// The disks of nodes that another scheduler chooses from. Nobody can say where the next replica goes, so weights are brought
/// to where a replica already loads without them, for which others may be evicted, and ahead of need into free space on
/// nodes that could take one more: as many copies as replicas are wanted and so many again, at least two.
/// </summary>
internal sealed partial class DiskDraft
{
    // A source and the network are shared by all nodes: more at once would make each of them later.
    private const int ScheduledAtOnce = 8;

    private const int SparesMin = 2;
    private const int CopiesMax = 16;

    // What fails on two nodes fails because of its source.
    private const int FailuresMax = 2;

    /// <summary>Adds what is to be fetched and removed.</summary>
    /// <param name="allocations">How many replicas each model should have.</param>
    /// <param name="going">Replicas that this plan ends already.</param>
    /// <param name="steps">Where the steps go.</param>
    public void WhereScheduled(Dictionary<ModelId, Allocation> allocations, HashSet<ReplicaId> going, SortedDictionary<StepId, Step> steps)
    {
        if (_observed.Can.HasFlag(Capabilities.EvictWeights)) GiveBack(steps);
        if (_observed.Can.HasFlag(Capabilities.PrefetchWeights)) FetchForLoading(going, steps);
        if (_observed.Can.HasFlag(Capabilities.EvictWeights))
        {
            foreach (var step in Worthless()) steps.TryAdd(step.Id, step);
        }

        if (_observed.Can.HasFlag(Capabilities.PrefetchWeights)) FetchWhereItCouldStart(allocations, steps);
    }

    // Least worth first, those that are being removed already before all others, so that waiting removes no more of them.
    private void GiveBack(SortedDictionary<StepId, Step> steps)
    {
        foreach (var node in _observed.Nodes.Where(node => node.CacheShort > Bytes.Zero))
        {
            var evicting = _observed.InFlight.Where(work => work.Kind == WorkKind.Evicting && work.Node == node.Id).Select(work => work.Step).ToHashSet();
            var candidates = _observed.Cache
                .Where(artifact => artifact.Node == node.Id && !artifact.Pinned && artifact.Size > Bytes.Zero && MayGo(artifact)
                    && !_users.Value[Key(artifact)].Any() && !_coming.Contains(Key(artifact)))
                .Select(artifact => new Step.Evict(artifact.Model, artifact.Version, artifact.Node, artifact.Size)
                {
                    Reason = new Reason(Rule.EvictToGiveBack,
                        [Fact.Of("short", node.CacheShort), Fact.Of("node", node.Id.Value), Fact.Of("refetch", Refetch(artifact.Size))]),
                })
                .OrderByDescending(step => evicting.Contains(step.Id))
                .ThenBy(step => Worth(_cached[(step.Node, step.Model, step.Version)])).ThenByDescending(step => step.Size).ThenBy(step => step.Id);
            var left = node.CacheShort;
            foreach (var step in candidates)
            {
                if (left <= Bytes.Zero) break;
                steps[step.Id] = step;
                _evicted.Add((step.Node, step.Model, step.Version));
                left -= step.Size;
            }
        }
    }

    private void FetchForLoading(HashSet<ReplicaId> going, SortedDictionary<StepId, Step> steps)
    {
        var nodes = _observed.Nodes.ToDictionary(node => node.Id);
        var waiting = _observed.Replicas
            .Where(replica => replica.State == ReplicaState.Loading && replica.Placement != Placement.Pending && !going.Contains(replica.Id))
            .Where(replica => _outlooks.TryGetValue(replica.Model, out var owner) && owner.Model is { Cached: true, Acts: true } && owner.Model.Version == replica.Version)
            .OrderByDescending(replica => _outlooks[replica.Model].Model.Priority).ThenBy(replica => replica.StartedAt).ThenBy(replica => replica.Id);
        foreach (var replica in waiting)
        {
            if (!nodes.TryGetValue(replica.Placement.Node, out var node) || !TakesMore(node)) continue;
            var outlook = _outlooks[replica.Model];
            // Nothing that a replica uses goes for it: this one was put there by somebody who does not count disks.
            if (WayTo(node, outlook, going) is { MustGo.IsEmpty: true } way) Prepare(node, outlook, way, steps);
        }
    }

    private void FetchWhereItCouldStart(Dictionary<ModelId, Allocation> allocations, SortedDictionary<StepId, Step> steps)
    {
        var open = _observed.Nodes.Where(node => TakesMore(node) && node.Scheduler is not null
            && LedgerOf(node.Id).FreeNow > Bytes.Zero).ToDictionary(node => node.Id);
        var copies = Copies();
        var runs = _observed.Replicas.Where(replica => replica.Placement != Placement.Pending).ToLookup(replica => replica.Model, replica => replica.Placement.Node);
        var failed = _observed.Cache.Where(artifact => artifact.NotBefore > _observed.At).ToLookup(artifact => artifact.Model);
        foreach (var key in _coming) open.Remove(key.Item1);

        // Most room first, so that of thousands of full disks none but the first is looked at for each of thousands of models.
        var byRoom = open.Values.OrderByDescending(node => LedgerOf(node.Id).FreeNow).ThenBy(node => node.Id).ToList();
        var roomiest = open.Values.GroupBy(node => node.Pool, StringComparer.Ordinal).ToDictionary(nodes => nodes.Key, Roomiest, StringComparer.Ordinal);
        var begun = _observed.Cache.Where(artifact => !artifact.Complete).ToLookup(artifact => (artifact.Model, artifact.Version), artifact => artifact.Node);
        var claims = _outlooks.Values.Where(outlook => outlook.Model is { Cached: true, Acts: true, Requests: not null })
            .Select(outlook => (Outlook: outlook, Have: copies.GetValueOrDefault(outlook.Model.Id), Wanted: Target(allocations[outlook.Model.Id].Wanted)))
            .Where(claim => claim.Have < claim.Wanted && failed[claim.Outlook.Model.Id].Count() < FailuresMax)
            .OrderBy(claim => claim.Have > 0).ThenByDescending(claim => claim.Outlook.Model.Priority)
            .ThenBy(claim => claim.Have).ThenBy(claim => claim.Outlook.Model.Id).ToArray();
        foreach (var (outlook, have, wanted) in claims)
        {
            if (_fetches >= ScheduledAtOnce || open.Count == 0) return;
            var model = outlook.Model;
            var here = runs[model.Id].ToHashSet();
            var refusing = failed[model.Id].Select(artifact => artifact.Node).ToHashSet();
            var best = Most(here);
            if (best is null && SomeTakes(model.Requests!))
                best = Most([.. begun[(model.Id, model.Version)], .. byRoom.TakeWhile(node => model.Footprint.OnDisk <= LedgerOf(node.Id).FreeNow).Where(Takes).Take(1).Select(node => node.Id)]);
            if (best is null) continue;
            var fetch = new Step.Prefetch(model.Id, model.Version, best.Id, model.Footprint.OnDisk)
            {
                Reason = new Reason(Rule.PrefetchWhereItCouldStart,
                [
                    Fact.Of("node", best.Id.Value), Fact.Of("copies", have), Fact.Of("wanted", wanted),
                    Fact.Of("size", model.Footprint.OnDisk), Fact.Of("free", LedgerOf(best.Id).FreeNow),
                ]),
                After = LedgerOf(best.Id).TryReserve(Missing(best.Id, model)) ?? [],
            };
            steps[fetch.Id] = fetch;
            _coming.Add((best.Id, model.Id, model.Version));
            open.Remove(best.Id);
            byRoom.Remove(best);
            _fetches++;

            NodeState? Most(IEnumerable<NodeId> nodes) => nodes.Select(open.GetValueOrDefault).OfType<NodeState>().Where(Takes)
                .OrderByDescending(node => LedgerOf(node.Id).FreeNow).ThenBy(node => node.Id).FirstOrDefault();

            bool Takes(NodeState node) => !Has(node.Id, model) && !refusing.Contains(node.Id) && !_evicted.Contains((node.Id, model.Id, model.Version))
                && Missing(node.Id, model) <= LedgerOf(node.Id).FreeNow
                && (model.Requests!.Pools.IsEmpty || model.Requests.Pools.Contains(node.Pool))
                && (here.Contains(node.Id) || node.Scheduler!.Takes(model.Requests));
        }

        // Where all devices are held, none of thousands of nodes is looked at for each of thousands of models.
        bool SomeTakes(SchedulerRequests requests) => requests.Pools.IsEmpty ? roomiest.Values.Any(room => room.Takes(requests))
            : requests.Pools.Any(pool => roomiest.TryGetValue(pool, out var room) && room.Takes(requests));
    }

    // The most of each that any of them has: what this does not take, none of them does.
    private static SchedulerRoom Roomiest(IEnumerable<NodeState> nodes) => nodes.Select(node => node.Scheduler!).Aggregate((most, room) => new SchedulerRoom
    {
        Memory = Bytes.Max(most.Memory, room.Memory),
        Cores = new Cores(Math.Max(most.Cores.Milli, room.Cores.Milli)),
        EphemeralStorage = Bytes.Max(most.EphemeralStorage, room.EphemeralStorage),
        Pods = Math.Max(most.Pods, room.Pods),
        Resources = most.Resources.SequenceEqual(room.Resources) ? most.Resources
            : [.. most.Resources.Concat(room.Resources).GroupBy(one => one.Resource, StringComparer.Ordinal).Select(counts => new ResourceCount(counts.Key, counts.Max(one => one.Count)))],
    });

    // Nothing is brought to a disk that nobody knows, whatever could go there for it.
    private static bool TakesMore(NodeState node) =>
        node is { Condition: NodeCondition.Ready, CacheBudget: not null, CacheFileSystemFree.State: SignalState.Known };

    private static int Target(int replicas) => Math.Min(CopiesMax, replicas + Math.Max(SparesMin, replicas));

    // Of the current versions, those on their way counted, on nodes that can be used.
    private Dictionary<ModelId, int> Copies()
    {
        var usable = _observed.Nodes.Where(node => node.Condition == NodeCondition.Ready).Select(node => node.Id).ToHashSet();
        return _observed.Cache.Where(artifact => artifact.Complete && !_evicted.Contains(Key(artifact))).Select(Key).Union(_coming)
            .Where(key => usable.Contains(key.Item1) && _outlooks.TryGetValue(key.Item2, out var owner) && owner.Model.Version == key.Item3)
            .CountBy(key => key.Item2).ToDictionary();
    }
}
