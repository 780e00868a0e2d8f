namespace Plimsoll;

/// <summary>
/// The nodes of a plan in the order in which starts try them, kept up as starts take room: the cheapest for what they hold first,
/// then the fullest, ties by id. What something costs on them, and whether it fits them when they are empty, is asked of one node of each
/// shape and price.
/// </summary>
internal sealed class NodeOrder
{
    private readonly IReadOnlyCollection<NodeLedger> _byId;
    private readonly (NodeLedger Ledger, int Alike)[] _fullest;
    private readonly List<NodeState> _alike = [];
    private readonly Dictionary<string, NodeLedger[]> _ofKind = new(StringComparer.Ordinal);

    private readonly NodePrices _prices;

    // What was asked last, as several replicas of one way start one after the other: by what they are alike in, how many cost less; negative where it does not fit.
    private (ReplicaNeeds Needs, string? Kind, int[] Rank, int Ranks)? _asked;

    /// <param name="byId">The nodes, by id.</param>
    /// <param name="prices">What they cost.</param>
    public NodeOrder(IReadOnlyCollection<NodeLedger> byId, NodePrices prices)
    {
        (_byId, _prices) = (byId, prices);
        var (_, shapeOf) = Admission.ShapesOf([.. byId.Select(ledger => ledger.Node)]);
        var alike = new Dictionary<(int Shape, UsdPerHour? Price), int>();
        _fullest = [.. byId.Zip(shapeOf, (ledger, shape) =>
        {
            if (!alike.TryGetValue((shape, prices.Of(ledger.Node)), out var at))
            {
                alike[(shape, prices.Of(ledger.Node))] = at = _alike.Count;
                _alike.Add(ledger.Node);
            }

            return (ledger, at);
        })];
        Array.Sort(_fullest, (a, b) => InOrder(a.Ledger, b.Ledger));
    }

    /// <summary>
    /// Those that it fits when they are empty. Once one of them took room the next are those that come after it: who is behind the one
    /// that is looked at keeps its place, and who takes room moves ahead of it.
    /// </summary>
    public IEnumerable<NodeLedger> Fitting(ReplicaNeeds needs, string? kind)
    {
        if (_asked is not { } asked || asked.Needs != needs || asked.Kind != kind) _asked = asked = Ranked(needs, kind);
        for (var rank = 0; rank < asked.Ranks; rank++)
        {
            for (var at = 0; at < _fullest.Length; at++)
            {
                if (asked.Rank[_fullest[at].Alike] == rank) yield return _fullest[at].Ledger;
            }
        }
    }

    private (ReplicaNeeds Needs, string? Kind, int[] Rank, int Ranks) Ranked(ReplicaNeeds needs, string? kind)
    {
        var held = _alike.Select(node => Admission.Fits(node, needs, kind) ? _prices.Held(node, needs) : -1).ToArray();
        long[] prices = [.. held.Where(price => price >= 0).Distinct().Order()];
        return (needs, kind, [.. held.Select(price => price < 0 ? -1 : Array.BinarySearch(prices, price))], prices.Length);
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

    /// <summary>The fuller one first, ties by id.</summary>
    public static int InOrder(NodeLedger a, NodeLedger b) =>
        a.HostFree.CompareTo(b.HostFree) is var free and not 0 ? free : a.Node.Id.CompareTo(b.Node.Id);
}
