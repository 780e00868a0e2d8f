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
        foreach (var starts in _steps.Values.OfType<Step.Start>().ToArray().GroupBy(start => start.Model))
        {
            if (!_outlookOf.TryGetValue(starts.Key, out var outlook) || outlook.Model.MaxReplicas < 2) continue;
            var on = Together(starts.Key);
            foreach (var start in starts.Where(start => start.Placement is not null)) CollectionsMarshal.GetValueRefOrAddDefault(on, start.Placement!.Node, out _)++;
            foreach (var start in starts.Where(start => start is { Placement: not null, Workers: null, After.IsEmpty: true }))
            {
                if (Elsewhere(start, outlook.Model, on) is not { } elsewhere) continue;
                _steps[start.Id] = start with { Placement = elsewhere };
                on[start.Placement!.Node]--;
                CollectionsMarshal.GetValueRefOrAddDefault(on, elsewhere.Node, out _)++;
            }
        }
    }

    // What the start held where it was stays held in this plan's ledgers, which only makes what comes after it more careful.
    private Placement? Elsewhere(Step.Start start, ModelSpec model, Dictionary<NodeId, int> on)
    {
        if (!_ledgers.TryGetValue(start.Placement!.Node, out var here) || here.Node.NodePool is not null) return null;
        var kind = here.Node.Devices.FirstOrDefault(device => start.Placement.Devices.Contains(device.Id))?.Kind;
        var paid = _prices.Held(here.Node, start.Needs);
        foreach (var there in _order.Fitting(start.Needs, kind).Where(ledger => on.GetValueOrDefault(ledger.Node.Id) + 1 < on[here.Node.Id])
            .OrderBy(ledger => on.GetValueOrDefault(ledger.Node.Id)).ToArray())
        {
            // Only where nothing has to be fetched or waited for, and as cheaply.
            if (there.Node.NodePool is not null || there.HasStops || _prices.Held(there.Node, start.Needs) > paid) continue;
            if (model.Cached && !_disks.Has(there.Node.Id, model) || there.TryReserve(start.Needs, kind) is not { } room) continue;
            _order.Taken(there);
            return new Placement(there.Node.Id, room.Devices);
        }

        return null;
    }

    // On which nodes a model has how many replicas that stay.
    private Dictionary<NodeId, int> Together(ModelId model) =>
        _replicas[model].Where(replica => !_going.Contains(replica.Id)).CountBy(replica => replica.Placement.Node).ToDictionary();
}
