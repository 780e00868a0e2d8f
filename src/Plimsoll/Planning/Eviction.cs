using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Chooses what to let go for a claimant: the set on one node that makes room at the least expected loss, whole models.
/// A replica of lower priority may always go. One of equal priority, or an unneeded one of higher, keeps its place until the
/// claimant has lost as many requests for want of it as the other served in the same time and would lose by both loads
/// (<see cref="Worth"/>): what is served only ever grows by a swap, so that equals do not push each other out in turn.
/// </summary>
internal sealed class Eviction(
    FleetSnapshot observed, Knowledge knowledge, Worth worth, Dictionary<ModelId, ModelOutlook> outlooks,
    Dictionary<ModelId, Allocation> allocations, ReadyFloors floors)
{
    public sealed record Choice(NodeId Node, ImmutableArray<(InferenceReplica Replica, Reason Why)> Victims, double Loss);

    // Most plans let nobody go for another.
    private readonly Lazy<ILookup<NodeId, InferenceReplica>> _byNode = new(() => observed.Replicas.ToLookup(replica => replica.Placement.Node));

    private sealed record Candidate(InferenceReplica Replica, ModelOutlook Owner, int Priority, bool WithWeights, NodeLedger.Release Frees);

    // What a swap brings and what it costs, in requests served in time, over the stretch that speaks most for it.
    private readonly record struct Balance(double Gain, double Loss, TimeSpan Over);

    /// <summary>The best choice over the nodes, or null and why not.</summary>
    /// <param name="claimant">Who needs room.</param>
    /// <param name="have">Replicas it has, and others that the plan starts.</param>
    /// <param name="nodes">Where it could run, in order of preference.</param>
    /// <param name="mustGo">Whose weights must leave a node's disk for the claimant's, so that they must go themselves.</param>
    /// <param name="going">What is let go already.</param>
    /// <param name="mayPay">False when a model of higher priority was refused: then only lower ones may be taken from.</param>
    /// <param name="verdict">Why not, when null is returned.</param>
    public Choice? Choose(
        ModelOutlook claimant, int have, IReadOnlyList<NodeLedger> nodes, Func<NodeId, ImmutableArray<InferenceReplica>> mustGo,
        HashSet<ReplicaId> going, bool mayPay, out Reason verdict)
    {
        verdict = nodes.Count > 0
            ? Scarce(claimant, nodes[0])
            : new Reason(Rule.HoldMissingData, [Fact.Of("what", "a ready node"), Fact.Of("why", "none was reported")]);
        // What would go would go; what is only shown would not come.
        if (!observed.Can.HasFlag(Capabilities.ChooseVictim) || !allocations[claimant.Model.Id].MayClaim || !claimant.Model.Acts) return null;
        var urgent = IsUrgent(claimant, have);
        Choice? best = null;
        (Balance Balance, NodeLedger Node, ModelId Owner)? nearest = null;
        foreach (var ledger in nodes)
        {
            var inTheWay = mustGo(ledger.Node.Id);
            if (LeastLoss(claimant, urgent, ledger, inTheWay, going) is not { } set) continue;

            // Only what the claimant may not simply take must be paid for by what it has lost.
            var paid = set.Where(candidate => candidate.Priority >= claimant.Model.Priority).ToArray();
            var balance = Weigh(claimant, have, paid);
            if (paid.Length > 0 && (balance.Gain <= balance.Loss || !mayPay))
            {
                if (nearest is not { } near || balance.Gain - balance.Loss > near.Balance.Gain - near.Balance.Loss)
                    nearest = (balance, ledger, paid.MaxBy(one => Loss(claimant, [one], balance.Over))!.Owner.Model.Id);
                continue;
            }

            var loss = Loss(claimant, set, balance.Over);
            if (best is null || loss < best.Loss)
                best = new Choice(
                    ledger.Node.Id,
                    [.. set.Select(candidate => (candidate.Replica, Why(
                        claimant, ledger, forDisk: inTheWay.Contains(candidate.Replica), balance with { Loss = Loss(claimant, [candidate], balance.Over) })))], loss);
        }

        if (best is null && nearest is { } refused)
            verdict = new Reason(Rule.HoldScarceEqual,
            [
                .. Lacking(claimant, refused.Node), Fact.Of("held", claimant.Held),
                Fact.Quantity("debt", Math.Round(refused.Balance.Gain, 1)), Fact.Of("unit", $"late for want of it in {Durations.Show(refused.Balance.Over)}"),
                Fact.Quantity("price", Math.Round(refused.Balance.Loss, 1)), Fact.Of("holder", $", what {refused.Owner} would lose"),
            ]);
        else if (best is null && !urgent && nodes.Count > 0)
            verdict = new Reason(Rule.HoldPeak,
            [
                .. Lacking(claimant, nodes[0]), Fact.Of("have", have), Fact.Rate("demand", claimant.ActiveRate), Fact.Of("load", claimant.Load.P90),
                Fact.Of("since", Lacking(claimant)),
            ]);
        return best;
    }

    // What is needed for what arrives, or for the file's minimum, is taken at once. What is wanted for a peak that is only expected
    // must have been wanted for as long as it loads: a forecast that dips in between would let it go before it served.
    private bool IsUrgent(ModelOutlook claimant, int have) =>
        have == 0 || claimant.Held > 0 || have < claimant.Model.MinReplicas || Worth.Next(claimant, have) > 0 || Lacking(claimant) >= claimant.Load.P90;

    private TimeSpan Lacking(ModelOutlook claimant) =>
        knowledge.Of(claimant.Model.Id).LackingSince is { } since ? Outlooks.Positive(observed.At - since) : TimeSpan.Zero;

    // What the claimant lost for want of a place against what those who would go served, over the stretch at which most is
    // left. Under constant demand it comes out for the claimant only where it carries more than they do.
    private Balance Weigh(ModelOutlook claimant, int have, IReadOnlyList<Candidate> paid)
    {
        var both = paid.Select(one => Worth.Both(one.Owner, claimant, one.WithWeights)).DefaultIfEmpty(TimeSpan.Zero).Max();
        var longest = paid.Select(one => one.Owner.Horizon).Append(claimant.Horizon).Max();
        return worth.Stretches(claimant, longest)
            .Select(over => new Balance(worth.Gain(claimant, have, over, both) * over.TotalSeconds, Loss(claimant, paid, over), over))
            .MaxBy(balance => balance.Gain - balance.Loss);
    }

    // Several replicas of one model are lost together: the first may be spare where the second is not.
    private double Loss(ModelOutlook claimant, IEnumerable<Candidate> set, TimeSpan over) =>
        set.Where(one => one.Owner.Model.Id != claimant.Model.Id).GroupBy(one => one.Owner.Model.Id)
            .Sum(group => worth.Loss(group.First().Owner, group.Count(), over, claimant, group.Any(one => one.WithWeights)));

    public static Reason Scarce(ModelOutlook claimant, NodeLedger node)
    {
        var needs = claimant.Needs;
        if (DeviceShort(claimant, node) is (var each, var room))
            return new Reason(Rule.HoldScarceDevice, [Fact.Of("needed", each), Fact.Of("devices", needs.Devices), Fact.Of("free", room)]);

        return new Reason(Rule.HoldScarce,
            [Fact.Of("needed", needs.Host.Highest), Fact.Of("cores", needs.Cores.ToString()), Fact.Of("free", Free(node))]);
    }

    // What each device must hold and what is free on them, where devices are what is short.
    private static (Bytes Each, Bytes Room)? DeviceShort(ModelOutlook claimant, NodeLedger node) =>
        claimant.Needs.PerDevice is { } each && node.DeviceFree(claimant.Variant.DeviceKind, claimant.Needs.Devices) is { } room && room < each.Highest
            ? (each.Highest, Bytes.Max(Bytes.Zero, room)) : null;

    // The same as facts: of devices where they are short, else of the host's memory.
    private static Fact[] Lacking(ModelOutlook claimant, NodeLedger node) => DeviceShort(claimant, node) is (var each, var room)
        ? [Fact.Of("needed", each), Fact.Of("of", claimant.Needs.Devices == 1 ? " of a device" : $" of each of {claimant.Needs.Devices} devices"), Fact.Of("free", room)]
        : [Fact.Of("needed", claimant.Needs.Host.Highest), Fact.Of("of", ""), Fact.Of("free", Free(node))];

    // Cheapest first until it fits, then whatever proved unnecessary is kept after all, dearest first. An exact
    // knapsack comes with the Decide issue.
    private List<Candidate>? LeastLoss(
        ModelOutlook claimant, bool urgent, NodeLedger ledger, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going)
    {
        var chosen = mustGo.Select(replica => Consider(claimant, urgent, replica, withWeights: true)).OfType<Candidate>().ToList();
        if (chosen.Count < mustGo.Length || mustGo.Any(replica => floors.Holds(replica, mustGo.Where(other => other != replica)) is not null)) return null;
        var candidates = _byNode.Value[ledger.Node.Id]
            .Where(replica => !going.Contains(replica.Id) && !mustGo.Contains(replica))
            .Select(replica => Consider(claimant, urgent, replica, withWeights: false)).OfType<Candidate>().OrderBy(candidate => candidate.Replica.Id).ToList();
        var kind = claimant.Variant.DeviceKind;
        var fits = ledger.FitsAfter(claimant.Needs, kind, [.. chosen.Select(one => one.Frees)], claimant.Model.Requests);
        while (!fits && Cheapest(claimant, candidates, chosen) is { } next)
        {
            candidates.Remove(next);
            if (floors.Holds(next.Replica, chosen.Select(one => one.Replica)) is not null) continue;
            chosen.Add(next);
            fits = ledger.FitsAfter(claimant.Needs, kind, [.. chosen.Select(one => one.Frees)], claimant.Model.Requests);
        }

        if (!fits) return null;
        for (var i = chosen.Count - 2; i >= mustGo.Length; i--)
        {
            var without = chosen.Where((_, at) => at != i).Select(one => one.Frees).ToArray();
            if (ledger.FitsAfter(claimant.Needs, kind, without, claimant.Model.Requests)) chosen.RemoveAt(i);
        }

        return chosen;
    }

    // The one that costs least beside those that go already: of one model each costs more than the one before.
    private Candidate? Cheapest(ModelOutlook claimant, List<Candidate> candidates, List<Candidate> chosen) =>
        candidates.MinBy(candidate =>
        {
            var before = chosen.Where(one => one.Owner.Model.Id == candidate.Owner.Model.Id).ToArray();
            return (Math.Min(candidate.Priority, claimant.Model.Priority),
                Loss(claimant, [.. before, candidate], TimeSpan.Zero) - Loss(claimant, before, TimeSpan.Zero), candidate.Replica.Id);
        });

    private Candidate? Consider(ModelOutlook claimant, bool urgent, InferenceReplica replica, bool withWeights)
    {
        if (!outlooks.TryGetValue(replica.Model, out var owner) || !owner.Model.Acts) return null;
        if (replica.EndsInOrder is { } order && observed.Replicas.Any(other => other.Model == replica.Model && other.EndsInOrder > order)) return null;
        var lower = owner.Model.Priority < claimant.Model.Priority;
        var frees = NodeLedger.Release.Of(replica, knowledge.Of(replica.Model));

        // A version that is being replaced yields to its successor: there is no room for both.
        if (owner.Model.Id == claimant.Model.Id)
            return replica.Version == owner.Model.Version ? null : new Candidate(replica, owner, int.MinValue, withWeights, frees);
        if (!urgent) return null;
        if (replica.State == ReplicaState.Loading)
            return lower ? new Candidate(replica, owner, owner.Model.Priority, withWeights, frees) : null;
        if (replica.State is not (ReplicaState.Ready or ReplicaState.Asleep)) return null;
        if (!lower && owner.Serving <= owner.Model.MinReplicas) return null;

        // A load just paid for must serve as long as the longer of the two loads takes before an equal may undo it; else
        // two models that cannot both be there would spend their time loading.
        if (!lower && observed.At - replica.StateSince < Residence(owner, claimant)) return null;
        var needed = (owner.Serving <= allocations[owner.Model.Id].Wanted || WantedLately(owner, claimant)) && !IsIdle(owner);
        if (owner.Model.Priority > claimant.Model.Priority && needed) return null;
        return new Candidate(replica, owner, owner.Model.Priority, withWeights, frees);
    }

    // Demand that dips for a moment leaves a replica over; who takes it for that has it taken back, and both have loaded for nothing.
    private bool WantedLately(ModelOutlook owner, ModelOutlook claimant)
    {
        var wanted = knowledge.Of(owner.Model.Id).LastWanted;
        if (owner.Serving == 0 || owner.Serving > wanted.Length) return false;
        var held = DemandOutlook.Surplus(knowledge.Of(owner.Model.Id), owner.Load.P90, owner.Quantile, owner.Horizon, owner.Serving).Time;
        var stays = Residence(owner, claimant);
        return observed.At - wanted[owner.Serving - 1] < (held > stays ? held : stays);
    }

    private static TimeSpan Residence(ModelOutlook a, ModelOutlook b) => a.Load.P90 > b.Load.P90 ? a.Load.P90 : b.Load.P90;

    private static bool IsIdle(ModelOutlook owner) =>
        owner.Held == 0 && owner.Outstanding == 0 && (owner.Idle is not { } idle || idle > owner.Load.P90);

    private static Reason Why(ModelOutlook claimant, NodeLedger ledger, bool forDisk, Balance balance) => new(
        forDisk ? Rule.DrainForClaimantsDisk : Rule.DrainForClaimant,
        [
            Fact.Of("claimant", claimant.Model.Id.Value), .. forDisk ? [Fact.Of("needed", claimant.Model.Footprint.OnDisk)] : Lacking(claimant, ledger),
            Fact.Quantity("loss", Math.Round(balance.Loss, 1)), Fact.Of("unit", "late requests"), Fact.Quantity("gain", Math.Round(balance.Gain, 1)),
        ],
        new Rejected("letting it wait", [Fact.Of("requests held", claimant.Held)]));

    private static Bytes Free(NodeLedger ledger) => Bytes.Max(Bytes.Zero, ledger.HostFree);
}
