using System.Runtime.InteropServices;

namespace Plimsoll;

// A node that fails takes all it has with it.
internal sealed partial class PlanDraft
{
    /// <summary>
    /// Has starts go to other nodes where more of their model's replicas would stand together than need be and it costs no more. After all
    /// that is wanted was placed, by filling nodes: to spread first would leave large replicas no room. Nodes that come and go are left
    /// filled, as one more of them is paid for whole.
    /// </summary>
    public void Spread()
    {
        if (!_observed.Can.HasFlag(Capabilities.ChooseNode) || _ledgers.Count < 2) return;
        NodeOrder? open = null;
        foreach (var starts in _steps.Values.OfType<Step.Start>().ToArray().GroupBy(start => start.Model))
        {
            if (!_outlookOf.TryGetValue(starts.Key, out var outlook) || outlook.Model.MaxReplicas < 2 || !IsTurnOf(outlook)) continue;
            var on = Together(starts.Key);
            foreach (var start in starts.Where(start => start.Placement is not null)) CollectionsMarshal.GetValueRefOrAddDefault(on, start.Placement!.Node, out _)++;
            if (on.Count == 0 || on.Values.Max() < 2) continue;
            open ??= new NodeOrder(Open(), _prices);
            Others? others = null;
            foreach (var start in starts.Where(start => start is { Placement: not null, Workers: null, After.IsEmpty: true }))
            {
                if (on[start.Placement!.Node] < 2 || !_ledgers.TryGetValue(start.Placement.Node, out var here) || here.Node.NodePool is not null) continue;
                var kind = here.Node.Devices.FirstOrDefault(device => start.Placement.Devices.Contains(device.Id))?.Kind;
                var way = outlook.IndexOf(start.Variant) is var index and >= 0 ? outlook.Ways[index] : outlook;
                if (others is not { } known || known.Needs != start.Needs || known.Kind != kind) others = known = new Others(open, start.Needs, kind);
                if (Elsewhere(known, here, way, on) is not { } elsewhere) continue;
                _steps[start.Id] = start with { Placement = elsewhere };
                here.UsesNoMore(start.Replica);
                Uses(_ledgers[elsewhere.Node], way, start.Replica, elsewhere.Devices);
                on[here.Node.Id]--;
                CollectionsMarshal.GetValueRefOrAddDefault(on, elsewhere.Node, out _)++;
            }
        }
    }

    // What the start held where it was stays held in this plan's ledgers, which only makes what comes after it more careful. So room only
    // shrinks meanwhile, and a node that had none for a replica has none for the next one like it.
    private Placement? Elsewhere(Others others, NodeLedger here, ModelOutlook way, Dictionary<NodeId, int> on)
    {
        var (model, use) = (way.Model, TimeOf(way));
        var paid = _prices.Held(here.Node, others.Needs);

        // First those with none of the model's, as they come; dearer ones may do for a start that stands on one as dear.
        for (; others.Next is { } there && _prices.Held(there.Node, others.Needs) <= paid; others.Pass())
        {
            if (!on.ContainsKey(there.Node.Id) && Taken(there) is { } placement) return placement;
        }

        var most = on[here.Node.Id] - 1;
        if (most < 2) return null;
        foreach (var there in on.Where(one => one.Value < most && _ledgers.ContainsKey(one.Key)).Select(one => (Ledger: _ledgers[one.Key], Count: one.Value))
            .Where(one => _prices.Held(one.Ledger.Node, others.Needs) <= paid)
            .OrderBy(one => one.Count).ThenBy(one => _prices.Held(one.Ledger.Node, others.Needs)).ThenBy(one => one.Ledger, Comparer<NodeLedger>.Create(NodeOrder.InOrder)).ToArray())
        {
            if (Taken(there.Ledger) is { } placement) return placement;
        }

        return null;

        // Only where nothing has to be fetched or waited for.
        Placement? Taken(NodeLedger there)
        {
            if (there.Node.NodePool is not null || there.HasStops || (model.Cached && !_disks.Has(there.Node.Id, model))) return null;
            if (there.TryReserve(others.Needs, others.Kind, use) is not { } room) return null;
            _order.Taken(there);
            others.Order.Taken(there);
            return new Placement(there.Node.Id, room.Devices);
        }
    }

    // Nodes with room for the least that any start takes: most are full by now, and need not be asked for each model.
    private NodeLedger[] Open()
    {
        var least = new Dictionary<(string? Kind, bool OnDevices), ReplicaNeeds>();
        foreach (var start in _steps.Values.OfType<Step.Start>())
        {
            if (start.Placement is null || !_ledgers.TryGetValue(start.Placement.Node, out var here)) continue;
            var kind = here.Node.Devices.FirstOrDefault(device => start.Placement.Devices.Contains(device.Id))?.Kind;
            var key = (kind, start.Needs.Devices > 0);
            least[key] = least.TryGetValue(key, out var known) ? Less(known, start.Needs) : start.Needs;
        }

        return [.. _ledgers.Values.Where(ledger => ledger.Node.NodePool is null && !ledger.HasStops && least.Any(one => ledger.FitsAfter(one.Value, one.Key.Kind, [])))];

        static ReplicaNeeds Less(ReplicaNeeds a, ReplicaNeeds b) => a with
        {
            Host = a.Host.Highest <= b.Host.Highest ? a.Host : b.Host,
            Cores = a.Cores <= b.Cores ? a.Cores : b.Cores,
            Devices = Math.Min(a.Devices, b.Devices),
            PerDevice = a.PerDevice is { } one && b.PerDevice is { } other ? one.Highest <= other.Highest ? one : other : null,
        };
    }

    /// <summary>Nodes for starts that are alike, each passed once.</summary>
    private sealed class Others
    {
        private readonly IEnumerator<NodeLedger> _nodes;

        public Others(NodeOrder order, ReplicaNeeds needs, string? kind)
        {
            (Order, Needs, Kind, _nodes) = (order, needs, kind, order.Fitting(needs, kind).GetEnumerator());
            Pass();
        }

        public NodeOrder Order { get; }

        public ReplicaNeeds Needs { get; }

        public string? Kind { get; }

        /// <summary>The one that is looked at; null where all were passed.</summary>
        public NodeLedger? Next { get; private set; }

        public void Pass() => Next = _nodes.MoveNext() ? _nodes.Current : null;
    }

    // On which nodes a model has how many replicas that stay.
    private Dictionary<NodeId, int> Together(ModelId model) =>
        _replicas[model].Where(replica => !_going.Contains(replica.Id)).CountBy(replica => replica.Placement.Node).ToDictionary();
}
