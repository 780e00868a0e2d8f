namespace Plimsoll;

// Nodes on which some are told to go for a claimant: what waits may come there too.
internal sealed partial class SchedulerChoice
{
    private readonly Stack<(Awaited One, SchedulerNode Node)> _reopened = [];
    private readonly Stack<(Together Group, SchedulerNode Node, (Bytes Covered, Bytes Others) Was)> _heavier = [];

    /// <summary>
    /// Counts what has yet to be placed on nodes where more stops now, as it may still be waiting when that is done. Whether it is
    /// safe there, and all that is promised is kept.
    /// </summary>
    public bool Reopen(IReadOnlySet<NodeId> nodes)
    {
        _reopened.Clear();
        _heavier.Clear();
        foreach (var node in nodes.Where(_indexOf.Value.ContainsKey).Select(id => _indexOf.Value[id]).Order().Select(at => _nodes[at]))
        {
            foreach (var one in _awaited)
            {
                for (var more = one.MayComeTo(node) - one.CountedOn(node); more > 0; more--)
                {
                    if (Danger(node, one.Ways, afterStops: true) is not null || DangerMeanwhile(node, one.Ways) is not null) return false;
                    if (one.With is null) node.Charge(one.Ways.At(node)!.Takes, one.Ways.Requests);
                    node.Ask(one.Ways.Requests, 1);
                    one.Nodes[node] = one.CountedOn(node) + 1;
                    _reopened.Push((one, node));
                }
            }

            // Where each kind of a group's pods had room by itself, more of them find it together now.
            foreach (var group in _awaited.Select(one => one.With).OfType<Together>().Distinct())
            {
                if (group.ChargeAnew(node) is not { } was) continue;
                _heavier.Push((group, node, was));
                if (IsOverfilledAfter(node)) return false;
            }

            if (IsOverfilledByForgone(node)) return false;
        }

        return IsKept(null, null);
    }

    /// <summary>Takes back what was counted by the last <see cref="Reopen"/>, as what it looked at stays.</summary>
    public void Close()
    {
        while (_reopened.TryPop(out var last))
        {
            var (one, node) = last;
            if (one.With is null) node.Charge(one.Ways.At(node)!.Takes, one.Ways.Requests, -1);
            node.Ask(one.Ways.Requests, -1);
            one.Nodes[node]--;
        }

        while (_heavier.TryPop(out var last)) last.Group.Charge(last.Node, last.Was);
        LookAgain();
    }
}
