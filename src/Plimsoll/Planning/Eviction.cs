using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Chooses what to let go for a claimant: the set on one node that makes room at the least expected loss, whole models.
/// A replica of lower priority may always go. One of equal priority, or an unneeded one of higher, goes when the claimant
/// has already lost as much by waiting as the other is expected to lose by going: the break-even of design §6.3 between
/// two models, which makes a heavy model hard to push out and a light one easy.
/// </summary>
internal sealed class Eviction(
    FleetSnapshot observed, PlannerSettings settings, Knowledge knowledge, Dictionary<ModelId, ModelOutlook> outlooks,
    Dictionary<ModelId, Allocation> allocations, ReadyFloors floors)
{
    public sealed record Choice(NodeId Node, ImmutableArray<(InferenceReplica Replica, Reason Why)> Victims, double Loss);

    // The gateways' own bound unless it is set otherwise; requests that scheduler and client hold are not held for longer either.
    private static readonly TimeSpan HeldMost = TimeSpan.FromMinutes(2);

    // Most plans let nobody go for another.
    private readonly Lazy<ILookup<NodeId, InferenceReplica>> _byNode = new(() => observed.Replicas.ToLookup(replica => replica.Placement.Node));

    private sealed record Candidate(InferenceReplica Replica, int Priority, double Loss, NodeLedger.Release Frees);

    /// <summary>The best choice over the nodes, or null and why not.</summary>
    /// <param name="claimant">Who needs room.</param>
    /// <param name="nodes">Where it could run, in order of preference.</param>
    /// <param name="mustGo">Whose weights must leave a node's disk for the claimant's, so that they must go themselves.</param>
    /// <param name="going">What is let go already.</param>
    /// <param name="mayPay">False when a model of higher priority was refused: then only lower ones may be taken from.</param>
    /// <param name="verdict">Why not, when null is returned.</param>
    public Choice? Choose(
        ModelOutlook claimant, IReadOnlyList<NodeLedger> nodes, Func<NodeId, ImmutableArray<InferenceReplica>> mustGo,
        HashSet<ReplicaId> going, bool mayPay, out Reason verdict)
    {
        verdict = nodes.Count > 0
            ? Scarce(claimant, nodes[0])
            : new Reason(Rule.HoldMissingData, [Fact.Of("what", "a ready node"), Fact.Of("why", "none was reported")]);
        // What would go would go; what is only shown would not come.
        if (!observed.Can.HasFlag(Capabilities.ChooseVictim) || !allocations[claimant.Model.Id].MayClaim || !claimant.Model.Acts) return null;
        var debt = knowledge.Of(claimant.Model.Id).HeldDebt;
        Choice? best = null;
        (double Price, double Lost, NodeLedger Node)? cheapestRefused = null;
        foreach (var ledger in nodes)
        {
            var inTheWay = mustGo(ledger.Node.Id);
            if (LeastLoss(claimant, ledger, inTheWay, going) is not { } set) continue;

            // Only what the claimant may not simply take must be paid for by what it has lost.
            var paid = set.Where(candidate => candidate.Priority >= claimant.Model.Priority).ToArray();
            var price = paid.Sum(candidate => candidate.Loss);
            var loss = set.Sum(candidate => candidate.Loss);
            var lost = LostSince(claimant, debt, paid);
            if (price > lost || paid.Length > 0 && !mayPay)
            {
                if (cheapestRefused is null || price < cheapestRefused.Value.Price) cheapestRefused = (price, lost, ledger);
                continue;
            }

            if (best is null || loss < best.Loss)
                best = new Choice(
                    ledger.Node.Id,
                    [.. set.Select(candidate => (candidate.Replica, inTheWay.Contains(candidate.Replica)
                        ? WhyForDisk(claimant, candidate, lost) : Why(claimant, ledger, candidate, lost)))], loss);
        }

        if (best is null && cheapestRefused is { } refused)
            verdict = new Reason(Rule.HoldScarceEqual,
            [
                .. Lacking(claimant, refused.Node), Fact.Of("held", claimant.Held),
                Fact.Quantity("debt", Math.Round(refused.Lost, 1)), Fact.Quantity("price", Math.Round(refused.Price, 1)),
            ]);
        return best;
    }

    // Of several who wait each has lost enough by the time that one of them had its turn; so that a turn is none the shorter for
    // them, no more counts than it would have lost since those who would go have had their places.
    private double LostSince(ModelOutlook claimant, double debt, Candidate[] paid)
    {
        if (settings.LoadsPerTurn == 0 || paid.Length == 0) return debt;
        var since = paid.Min(one => Math.Max(0, (observed.At - one.Replica.StateSince).TotalSeconds));
        return Math.Min(debt, Waiting(claimant.ActiveRate, since, HeldMost.TotalSeconds));
    }

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
        ModelOutlook claimant, NodeLedger ledger, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going)
    {
        var chosen = mustGo.Select(replica => Consider(claimant, replica, withWeights: true)).OfType<Candidate>().ToList();
        if (chosen.Count < mustGo.Length || mustGo.Any(replica => floors.Holds(replica, mustGo.Where(other => other != replica)) is not null)) return null;
        var candidates = _byNode.Value[ledger.Node.Id]
            .Where(replica => !going.Contains(replica.Id) && !mustGo.Contains(replica))
            .Select(replica => Consider(claimant, replica, withWeights: false)).OfType<Candidate>()
            .OrderBy(candidate => Math.Min(candidate.Priority, claimant.Model.Priority))
            .ThenBy(candidate => candidate.Loss).ThenBy(candidate => candidate.Replica.Id);
        var kind = claimant.Variant.DeviceKind;
        var fits = ledger.FitsAfter(claimant.Needs, kind, [.. chosen.Select(one => one.Frees)], claimant.Model.Requests);
        foreach (var candidate in candidates)
        {
            if (fits) break;
            if (floors.Holds(candidate.Replica, chosen.Select(one => one.Replica)) is not null) continue;
            chosen.Add(candidate);
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

    private Candidate? Consider(ModelOutlook claimant, InferenceReplica replica, bool withWeights)
    {
        if (!outlooks.TryGetValue(replica.Model, out var owner) || !owner.Model.Acts) return null;
        if (replica.EndsInOrder is { } order && observed.Replicas.Any(other => other.Model == replica.Model && other.EndsInOrder > order)) return null;
        var lower = owner.Model.Priority < claimant.Model.Priority;
        var frees = NodeLedger.Release.Of(replica, knowledge.Of(replica.Model));

        // A version that is being replaced yields to its successor: there is no room for both.
        if (owner.Model.Id == claimant.Model.Id)
            return replica.Version == owner.Model.Version ? null : new Candidate(replica, int.MinValue, 0, frees);
        if (replica.State == ReplicaState.Loading)
            return lower ? new Candidate(replica, owner.Model.Priority, owner.Load.P90.TotalSeconds, frees) : null;
        if (replica.State is not (ReplicaState.Ready or ReplicaState.Asleep)) return null;
        if (!lower && owner.Serving <= owner.Model.MinReplicas) return null;

        // A load just paid for must serve as long as the longer of the two loads takes before an equal may undo it; else
        // two models that cannot both be there would spend their time loading.
        if (!lower && observed.At - replica.StateSince < Residence(owner, claimant)) return null;
        var needed = (owner.Serving <= allocations[owner.Model.Id].Wanted || WantedLately(owner, claimant)) && !IsIdle(owner);
        if (owner.Model.Priority > claimant.Model.Priority && needed) return null;
        return new Candidate(replica, owner.Model.Priority, ExpectedLoss(owner, claimant, withWeights), frees);
    }

    // Demand that dips for a moment leaves a replica over; who takes it for that has it taken back, and both have loaded for nothing.
    private bool WantedLately(ModelOutlook owner, ModelOutlook claimant)
    {
        var known = knowledge.Of(owner.Model.Id);
        var wanted = known.LastWanted;
        if (owner.Serving == 0 || owner.Serving > wanted.Length) return false;
        var stays = Residence(owner, claimant);
        if (known.Surplus is not null && DemandOutlook.Surplus(known, owner.Load.P90, owner.Quantile, owner.Horizon, owner.Serving).Time is var held && held > stays)
            stays = held;
        return observed.At - wanted[owner.Serving - 1] < stays;
    }

    private static TimeSpan Residence(ModelOutlook a, ModelOutlook b) => a.Load.P90 > b.Load.P90 ? a.Load.P90 : b.Load.P90;

    private static bool IsIdle(ModelOutlook owner) =>
        owner.Held == 0 && owner.Outstanding == 0 && (owner.Idle is not { } idle || idle > owner.Load.P90);

    /// <summary>
    /// Request-seconds lost by letting one replica go: P(needed before it could be back) × what then waits. Requests at
    /// rate λ that wait for a time A wait A + λA²/2 together. One that is in use is away until the claimant has loaded, has
    /// served as long as an equal may not undo it, and it has loaded again; one that rests is back, when its requests
    /// return, after its own load. Replicas that stay take over what they have capacity for.
    /// </summary>
    /// <remarks>
    /// With turns (<see cref="PlannerSettings.LoadsPerTurn"/>) the claimant is taken to serve that many loads long, so that equals who
    /// ask alike change places as seldom, and a request to wait no longer than gateways hold one, as the claimant's do.
    /// </remarks>
    /// <param name="owner">Whose replica would go.</param>
    /// <param name="claimant">For whom.</param>
    /// <param name="withWeights">Whether its weights leave the disk too, so that it must be fetched, as the claimant must first.</param>
    private double ExpectedLoss(ModelOutlook owner, ModelOutlook claimant, bool withWeights)
    {
        var reload = (owner.LoadFromDisk.P90 + (withWeights ? owner.Fetch.P90 : TimeSpan.Zero)).TotalSeconds;
        var away = reload + (claimant.LoadFromDisk.P90 + (withWeights ? claimant.Fetch.P90 : TimeSpan.Zero)).TotalSeconds;
        owner.Demand.TryGetLast(out var lately);
        var active = owner.ActiveRate;

        // Idle for long makes a return soon unlikely: one return per idle time so far is the estimate with nothing else known.
        var idle = owner.Idle is { } gap ? Math.Max(gap.TotalSeconds, 1e-3) : double.PositiveInfinity;
        var inUse = lately > 0 || owner.Outstanding > 0;
        var returns = inUse ? 1 : 1 - Math.Exp(-away / idle);
        var absent = inUse ? away + (Residence(owner, claimant).TotalSeconds * Math.Max(1, settings.LoadsPerTurn)) : reload;
        var waiting = Waiting(active, absent, settings.LoadsPerTurn > 0 ? HeldMost.TotalSeconds : double.PositiveInfinity);
        var left = owner.Serving - 1;
        if (left <= 0 || owner.Capacity is not { } capacity) return returns * waiting / Math.Max(1, left + 1);
        owner.Forecast.TryGetLast(out var forecast);
        var unserved = forecast <= 0 ? 0 : Math.Max(0, forecast - (capacity * left)) / forecast;
        return returns * waiting * unserved;
    }

    // Request-seconds of the first request, and of those behind it at a constant rate, of which none waits longer than the most.
    private static double Waiting(double perSecond, double absent, double most) => absent <= most
        ? absent + (perSecond * absent * absent / 2)
        : most + (perSecond * ((most * absent) - (most * most / 2)));

    private static Reason Why(ModelOutlook claimant, NodeLedger ledger, Candidate candidate, double debt) => new(
        Rule.DrainForClaimant,
        [
            Fact.Of("claimant", claimant.Model.Id.Value), .. Lacking(claimant, ledger), Fact.Quantity("loss", Math.Round(candidate.Loss, 1)),
            Fact.Quantity("gain", Math.Round(debt, 1)),
        ],
        new Rejected("letting it wait", [Fact.Of("requests held", claimant.Held)]));

    private static Reason WhyForDisk(ModelOutlook claimant, Candidate candidate, double debt) => new(
        Rule.DrainForClaimantsDisk,
        [
            Fact.Of("claimant", claimant.Model.Id.Value), Fact.Of("needed", claimant.Model.Footprint.OnDisk),
            Fact.Quantity("loss", Math.Round(candidate.Loss, 1)), Fact.Quantity("gain", Math.Round(debt, 1)),
        ],
        new Rejected("letting it wait", [Fact.Of("requests held", claimant.Held)]));

    private static Bytes Free(NodeLedger ledger) => Bytes.Max(Bytes.Zero, ledger.HostFree);
}
