using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// The nodes of a plan in the order in which starts try them, kept up as starts take room: the cheapest for what they hold first,
/// then the fullest, ties by id. Whether something fits them when they are empty is asked of one node of each shape.
/// </summary>
internal sealed class NodeOrder
{
    private readonly IReadOnlyCollection<NodeLedger> _byId;
    private readonly (NodeLedger Ledger, int Shape)[] _fullest;
    private readonly ImmutableArray<NodeState> _shapes;
    private readonly Dictionary<string, NodeLedger[]> _ofKind = new(StringComparer.Ordinal);

    // What was asked last, as several replicas of one way start one after the other.
    private (ReplicaNeeds Needs, string? Kind, bool[] Fits)? _asked;

    private readonly NodePrices _prices;
    private readonly bool _pricesDiffer;

    /// <param name="byId">The nodes, by id.</param>
    /// <param name="prices">What they cost.</param>
    public NodeOrder(IReadOnlyCollection<NodeLedger> byId, NodePrices prices)
    {
        (_byId, _prices) = (byId, prices);
        (_shapes, var shapeOf) = Admission.ShapesOf([.. byId.Select(ledger => ledger.Node)]);
        _pricesDiffer = byId.Select(ledger => prices.Of(ledger.Node)).Distinct().Skip(1).Any();
        _fullest = [.. byId.Zip(shapeOf)];
        Array.Sort(_fullest, (a, b) => InOrder(a.Ledger, b.Ledger));
    }

    /// <summary>Those that it fits when they are empty; looked at no further once one of them took room.</summary>
    public IEnumerable<NodeLedger> Fitting(ReplicaNeeds needs, string? kind)
    {
        if (_asked is not { } asked || asked.Needs != needs || asked.Kind != kind)
            _asked = asked = (needs, kind, [.. _shapes.Select(shape => Admission.Fits(shape, needs, kind))]);
        var fitting = _fullest.Where(one => asked.Fits[one.Shape]).Select(one => one.Ledger);
        return _pricesDiffer ? fitting.OrderBy(ledger => _prices.Held(ledger.Node, needs)) : fitting;
    }

    /// <summary>Those that may have room for what runs on a kind of device, by id; all where it runs on none, or on any.</summary>
    public IReadOnlyCollection<NodeLedger> OfKind(ReplicaNeeds needs, string? kind)
    {
        if (kind is null || needs.Devices == 0) return _byId;
        if (!_ofKind.TryGetValue(kind, out var those))
            _ofKind[kind] = those = [.. _byId.Where(ledger => ledger.Node.Devices.Any(device => device.Kind == kind))];
        return those;
    }

    /// <summary>A start took room of the node.</summary>
    public void Taken(NodeLedger ledger)
    {
        var at = Array.FindIndex(_fullest, one => ReferenceEquals(one.Ledger, ledger));
        var moved = _fullest[at];
        for (; at > 0 && InOrder(ledger, _fullest[at - 1].Ledger) < 0; at--) _fullest[at] = _fullest[at - 1];
        _fullest[at] = moved;
    }

    private static int InOrder(NodeLedger a, NodeLedger b) =>
        a.HostFree.CompareTo(b.HostFree) is var free and not 0 ? free : a.Node.Id.CompareTo(b.Node.Id);
}
