using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Which replicas an autoscaler must leave where they are. One that pulls or loads, always: what it has read so far would be
/// lost. Those that are ready, by break-even (design §6.3): moving a node's replicas costs their loads and the requests that
/// are late meanwhile, keeping them costs the node; they stay until the node has been paid for as long, since the last of
/// them came, as coming back would cost. So moves never cost more than the nodes they save, and a light replica may
/// go within seconds where a heavy one stays for an hour. One of them stands for all: an autoscaler that must leave one
/// where it is leaves the node. A group goes whole with any of its nodes, so each of them is looked at.
/// </summary>
internal static class NodeProtection
{
    /// <summary>Ordered by id; default where the body cannot protect.</summary>
    public static ImmutableArray<Protection> Of(FleetSpec spec, FleetSnapshot observed, ImmutableArray<ModelOutlook> outlooks)
    {
        if (!observed.Can.HasFlag(Capabilities.ProtectReplicas)) return default;
        var outlookOf = outlooks.Where(outlook => outlook.Model.Acts).ToDictionary(outlook => outlook.Model.Id);
        var nodes = observed.Nodes.ToDictionary(node => node.Id);
        var prices = new NodePrices(spec);
        var ends = observed.InFlight.Where(work => work is { Kind: WorkKind.Loading, Replica: not null, ExpectedEnd: not null })
            .ToDictionary(work => work.Replica!.Value, work => work.ExpectedEnd!.Value);
        var kept = new List<(Protection Stays, NodeId On)>();
        foreach (var (id, here) in Parts.ByNode([.. observed.Replicas.Where(replica => outlookOf.ContainsKey(replica.Model))], nodes.ContainsKey))
        {
            var node = nodes[id];
            var loading = here.Where(replica => replica.State == ReplicaState.Loading).DistinctBy(replica => replica.Id).ToArray();
            kept.AddRange(loading.Select(replica => (Loading(replica, outlookOf[replica.Model], observed, ends), id)));
            if (loading.Length > 0) continue;
            var ready = here.Where(replica => replica.State is ReplicaState.Ready or ReplicaState.Asleep)
                .Select(replica => (Replica: replica, Cost: NodePrices.Share(replica.Reserved, node) * Reload(outlookOf[replica.Model])))
                .OrderByDescending(one => one.Cost).ThenBy(one => one.Replica.Id).ToArray();
            if (ready.Length > 0 && Settled(ready, node, prices.Of(node), observed, outlookOf) is { } stays) kept.Add((stays, id));
        }

        var groups = observed.Replicas.Where(replica => !replica.Members.IsDefaultOrEmpty).Select(replica => replica.Id).ToHashSet();
        return
        [
            .. kept.GroupBy(one => one.Stays.Replica).OrderBy(on => on.Key).Select(on => on.OrderBy(one => one.On).ToArray())
                .Select(on => groups.Contains(on[0].Stays.Replica) ? on[0].Stays with { Nodes = [.. on.Select(one => one.On)] } : on[0].Stays),
        ];
    }

    // The costliest stays for all of them; null once the node has been paid for as long as they cost together.
    private static Protection? Settled(
        (InferenceReplica Replica, TimeSpan Cost)[] ready, NodeState node, UsdPerHour? price, FleetSnapshot observed,
        Dictionary<ModelId, ModelOutlook> outlookOf)
    {
        var since = observed.At - ready.Max(one => one.Replica.StateSince);
        var whole = ready.Aggregate(TimeSpan.Zero, (sum, one) => sum + one.Cost);
        if (whole <= since) return null;
        var replica = ready[0].Replica;
        var outlook = outlookOf[replica.Model];
        return new Protection(replica.Id, replica.Model, new Reason(Rule.ProtectReload,
        [
            Fact.Of("reload", whole), Fact.Of("load", outlook.Load.P90), Fact.Quantity("misses", Math.Round(outlook.MissesOnReturn, 1)),
            price is { } known ? new Fact("price", FactUnit.Usd, known.Dollars) : Fact.Of("price", "an unknown price"),
            price is { } paid ? new Fact("cost", FactUnit.Usd, Math.Round(paid.Dollars * whole.TotalHours, 4)) : Fact.Of("cost", "as long a time"),
            Fact.Of("since", since < TimeSpan.Zero ? TimeSpan.Zero : since),
        ]));
    }

    private static Protection Loading(InferenceReplica replica, ModelOutlook outlook, FleetSnapshot observed, Dictionary<ReplicaId, DateTimeOffset> ends)
    {
        var left = ends.TryGetValue(replica.Id, out var end) ? end - observed.At : outlook.Load.P90 - (observed.At - replica.StartedAt);
        return new Protection(replica.Id, replica.Model, new Reason(Rule.ProtectLoading,
            [Fact.Of("size", outlook.Model.Footprint.Weights), Fact.Of("left", left < TimeSpan.Zero ? TimeSpan.Zero : left)]));
    }

    private static TimeSpan Reload(ModelOutlook outlook) => Outlooks.Reload(outlook.Model, outlook.Load, outlook.Capacity, outlook.MissesOnReturn);
}
