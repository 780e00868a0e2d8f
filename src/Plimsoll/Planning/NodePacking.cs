using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Packs replicas that find no room onto nodes that were asked for, and opens further ones in the cheapest pool that fits.
/// A replica counts with what its scheduler counts and with what it takes, as on nodes that are there.
/// </summary>
internal sealed class NodePacking
{
    private readonly FleetSpec _spec;
    private readonly FleetSnapshot _observed;
    private readonly Knowledge _knowledge;
    private readonly ImmutableArray<NodePool> _pools;
    private readonly SchedulerChoice _scheduler;
    private readonly int _newMax;
    private readonly Func<ModelOutlook, DeviceUse?> _timeOf;
    private readonly List<AskedNode> _bins = [];
    private readonly ImmutableArray<WorkInFlight> _overdue;
    private readonly HashSet<ModelId> _wanting = [];
    private readonly Dictionary<string, string?> _dangers = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Pool, ModelId Model, VariantId? Way), string?> _misfits = [];
    private readonly Dictionary<string, int> _nodes;
    private readonly HashSet<string> _coming;

    /// <param name="spec">Time scales.</param>
    /// <param name="observed">Nodes by pool.</param>
    /// <param name="knowledge">What replicas take, and how long nodes take to come.</param>
    /// <param name="pools">What can be asked for.</param>
    /// <param name="asked">What was asked for and has not come.</param>
    /// <param name="scheduler">What a newcomer could be a danger to.</param>
    /// <param name="newMax">Most further nodes to open.</param>
    /// <param name="timeOf">What a replica does with its devices' time.</param>
    public NodePacking(
        FleetSpec spec, FleetSnapshot observed, Knowledge knowledge, ImmutableArray<NodePool> pools, ImmutableArray<WorkInFlight> asked,
        SchedulerChoice scheduler, int newMax, Func<ModelOutlook, DeviceUse?> timeOf)
    {
        (_spec, _observed, _knowledge, _pools, _scheduler, _newMax, _timeOf) = (spec, observed, knowledge, pools, scheduler, newMax, timeOf);
        _nodes = observed.Nodes.Select(node => node.NodePool).Concat(asked.Select(work => work.Adding!.Pool)).OfType<string>()
            .CountBy(pool => pool, StringComparer.Ordinal).ToDictionary(StringComparer.Ordinal);
        _coming = asked.Select(work => work.Adding!.Pool).ToHashSet(StringComparer.Ordinal);
        var known = asked.Where(work => pools.Any(pool => pool.Name == work.Adding!.Pool)).ToLookup(IsOverdue);
        _overdue = [.. known[true]];
        foreach (var work in known[false].OrderBy(work => work.Adding!.Pool, StringComparer.Ordinal).ThenBy(work => work.Adding!.Ordinal))
            _bins.Add(new AskedNode(PoolOf(work.Adding!.Pool), work.Adding.Ordinal, work.StartedAt, work.Adding, Empty(PoolOf(work.Adding.Pool))));
    }

    /// <summary>Puts replicas where room was asked for on their behalf; how many found it.</summary>
    public int PutAsAsked(ModelOutlook outlook, int replicas)
    {
        if (replicas > 0) _wanting.Add(outlook.Model.Id);
        var put = 0;
        foreach (var bin in _bins.Where(bin => bin.Request is not null))
        {
            var mine = bin.Request!.For.FirstOrDefault(one => one.Model == outlook.Model.Id)?.Replicas ?? 0;
            for (; mine > 0 && put < replicas && TryPut(bin, outlook); mine--) put++;
        }

        return put;
    }

    /// <summary>Puts replicas wherever they fit, on further nodes where they must; why not all, or null.</summary>
    public string? Put(ModelOutlook outlook, int replicas, AheadNeed? ahead)
    {
        foreach (var bin in _bins)
        {
            while (replicas > 0 && TryPut(bin, outlook, ahead)) replicas--;
        }

        while (replicas > 0)
        {
            if (Open(outlook, replicas, out var why) is not { } opened) return why;
            var before = replicas;
            while (replicas > 0 && TryPut(opened, outlook, ahead)) replicas--;
            if (replicas < before) continue;

            // A node that takes nothing is no use to anybody.
            _bins.Remove(opened);
            _nodes[opened.Pool.Name]--;
            return $"{opened.Pool.Name}: an empty node does not take it";
        }

        return null;
    }

    /// <summary>The first node that was asked for, or is by this plan, for a model.</summary>
    public AskedNode? FirstFor(ModelId model) => _bins.Where(bin => bin.For.ContainsKey(model)).MinBy(bin => (bin.At, bin.Pool.Name, bin.Ordinal));

    /// <summary>A request for the model that should have been met by now.</summary>
    public WorkInFlight? OverdueFor(ModelId model) => _overdue.FirstOrDefault(work => work.Adding!.For.Any(one => one.Model == model));

    /// <summary>Whether something counts on a request, or still would if it came late.</summary>
    public bool IsNeeded(NodeRequest request) =>
        _bins.FirstOrDefault(bin => bin.Request == request) is { } bin ? bin.For.Count > 0 : request.For.Any(one => _wanting.Contains(one.Model));

    /// <summary>The pool with the cheapest node on which a replica fits; null where none does.</summary>
    public NodePool? CheapestFor(ModelOutlook outlook) =>
        _pools.Where(pool => Misfit(pool, outlook) is null).MinBy(pool => (pool.PricePerHour?.Micro ?? long.MaxValue, pool.Name));

    /// <summary>Whether a node that it fits could be asked for, or was on its behalf; whether that would be safe for others is not looked at.</summary>
    public bool MayCome(ModelOutlook outlook) => _pools.Any(pool => Misfit(pool, outlook) is null
        && (Unavailable(pool) is null || _bins.Any(bin => bin.Pool.Name == pool.Name && bin.Request?.For.Any(one => one.Model == outlook.Model.Id) == true)));

    /// <summary>A step for each node that was opened.</summary>
    public IEnumerable<Step.AddNode> NewRequests() => _bins.Where(bin => bin.Request is null).Select(bin => bin.Step(_knowledge));

    private bool TryPut(AskedNode bin, ModelOutlook outlook, AheadNeed? ahead = null)
    {
        var requests = outlook.Model.Requests;
        if (requests is not null && bin.Room?.Takes(requests) != true) return false;
        if (Misfit(bin.Pool, outlook) is not null || VariantOn(bin.Pool.Node, outlook) is not { } variant) return false;
        var use = _timeOf(outlook);
        if (bin.Ledger.TryReserve(NeedsAs(variant, outlook), variant.DeviceKind, use) is not { } room) return false;
        if (use is not null) bin.Ledger.Uses(ReplicaId.Of(outlook.Model.Id, 0), room.Devices, use);
        bin.Take(outlook.Model, ahead);
        return true;
    }

    // The cheapest for all that is left of the model, then the fewest nodes, then the name.
    private AskedNode? Open(ModelOutlook outlook, int replicas, out string? why)
    {
        var candidates = new List<(Int128 Cost, int Nodes, NodePool Pool)>();
        var obstacles = new List<string>();
        foreach (var pool in _pools)
        {
            if ((Misfit(pool, outlook) ?? Obstacle(pool)) is { } obstacle)
            {
                obstacles.Add($"{pool.Name}: {obstacle}");
                continue;
            }

            var nodes = (replicas + PerNode(pool, outlook, replicas) - 1) / PerNode(pool, outlook, replicas);
            candidates.Add((pool.PricePerHour is { } price ? (Int128)price.Micro * nodes : Int128.MaxValue, nodes, pool));
        }

        why = obstacles.Count == 0 ? "there is no node pool"
            : string.Join("; ", obstacles.Take(3)) + (obstacles.Count > 3 ? $"; and {obstacles.Count - 3} more pools" : "");
        if (candidates.Count == 0) return null;
        if (_bins.Count(bin => bin.Request is null) >= _newMax)
        {
            why = $"{_newMax} nodes are asked for at once, and the others after them";
            return null;
        }

        var ordered = candidates.OrderBy(one => one.Cost).ThenBy(one => one.Nodes).ThenBy(one => one.Pool.Name, StringComparer.Ordinal).ToArray();
        var chosen = ordered[0].Pool;
        var opened = new AskedNode(chosen, NextOrdinal(chosen), _observed.At, null, Empty(chosen))
        {
            Fitting = candidates.Count,
            Instead = ordered.Length > 1 ? ordered[1].Pool : null,
        };
        _nodes[chosen.Name] = _nodes.GetValueOrDefault(chosen.Name) + 1;
        _bins.Add(opened);
        return opened;
    }

    private string? Obstacle(NodePool pool)
    {
        if (Unavailable(pool) is { } unavailable) return unavailable;
        if (_coming.Contains(pool.Name)) return null;
        if (!_dangers.TryGetValue(pool.Name, out var danger)) _dangers[pool.Name] = danger = _scheduler.Endangered(Empty(pool))?.ToString();
        return danger;
    }

    private string? Unavailable(NodePool pool)
    {
        var nodes = _nodes.GetValueOrDefault(pool.Name);
        if (pool.Limit is { } limit && nodes >= limit.Nodes) return $"{nodes} {(nodes == 1 ? "node is" : "nodes are")} there or asked for, of at most {limit.Nodes} ({limit.Why})";
        // A pool that does not deliver is not asked again while it is waited for.
        return _overdue.FirstOrDefault(work => work.Adding!.Pool == pool.Name) is { } late
            ? $"node {late.Adding!.Ordinal}, asked for {Durations.Show(_observed.At - late.StartedAt)} ago, has not come" : null;
    }

    // Why none fits even on an empty node; asked of each model and pool over and over.
    private string? Misfit(NodePool pool, ModelOutlook outlook)
    {
        var key = (pool.Name, outlook.Model.Id, _spec.Settings.NodesByWay ? outlook.Variant.Id : (VariantId?)null);
        if (!_misfits.TryGetValue(key, out var known)) _misfits[key] = known = MisfitOf(pool, outlook);
        return known;
    }

    private string? MisfitOf(NodePool pool, ModelOutlook outlook)
    {
        var (node, model) = (pool.Node, outlook.Model);
        if (model.Requests is { } requests)
        {
            if (!requests.Pools.IsEmpty && !requests.Pools.Contains(node.Pool)) return "its pods may not go there";
            if (node.Scheduler?.Takes(requests) != true)
                return $"one node has {node.Scheduler?.Memory ?? Bytes.Zero}, {node.Scheduler?.Cores ?? Cores.Zero} cores and {node.Devices.Length} devices";
        }

        if (VariantOn(node, outlook) is not { } variant) return $"nothing says that it fits {node.Devices.FirstOrDefault()?.Kind ?? "a node without devices"}";
        var needs = NeedsAs(variant, outlook);
        if (Admission.Fits(node, needs, variant.DeviceKind) && Admission.FitsDisk(node, needs)) return null;
        return needs.PerDevice is { } each && node.Devices.Any(device => device.MemoryBudget < each.Highest)
            ? $"{each.Highest} per device against {node.Devices.Min(device => device.MemoryBudget)} of {node.Devices[0].Kind}"
            : $"it takes {needs.Host.Highest} of {node.HostMemory} and {needs.Devices} of {node.Devices.Length} devices";
    }

    private static VariantSpec? VariantOn(NodeState node, ModelOutlook outlook) =>
        outlook.Model.Requests is { } requests ? SchedulerChoice.VariantAt(node, outlook.Model, requests) : outlook.Variant;

    private ReplicaNeeds NeedsAs(VariantSpec variant, ModelOutlook outlook) =>
        variant.Id == outlook.Variant.Id ? outlook.Needs : Weighing.Needs(variant, _knowledge.Of(outlook.Model.Id));

    // So many of them go onto one node, looked at no further than is of interest.
    private int PerNode(NodePool pool, ModelOutlook outlook, int atMost)
    {
        var empty = new AskedNode(pool, 0, _observed.At, null, Empty(pool));
        var fit = 0;
        while (fit < Math.Min(atMost, 256) && TryPut(empty, outlook)) fit++;
        return Math.Max(1, fit);
    }

    private int NextOrdinal(NodePool pool)
    {
        var used = _bins.Where(bin => bin.Pool.Name == pool.Name).Select(bin => bin.Ordinal)
            .Concat(_overdue.Select(work => work.Adding!).Concat(_observed.Nodes.Where(node => !node.Held.IsDefaultOrEmpty).SelectMany(node => node.Held))
                .Where(request => request.Pool == pool.Name).Select(request => request.Ordinal)).ToHashSet();
        var ordinal = 1;
        while (used.Contains(ordinal)) ordinal++;
        return ordinal;
    }

    private bool IsOverdue(WorkInFlight work) =>
        _observed.At - work.StartedAt > Outlooks.OverdueAfter(_knowledge.BootTime(PoolOf(work.Adding!.Pool)), _spec.Settings);

    private NodePool PoolOf(string name) => _pools.First(pool => pool.Name == name);

    private NodeLedger Empty(NodePool pool) => new(pool.Node, _observed, _knowledge, [], []);
}
