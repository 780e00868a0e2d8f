using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

/// <summary>
/// Chooses what to let go for a claimant: the set on one node that makes room at the least expected loss, whole models.
/// A replica of lower priority may always go. One of equal priority, or an unneeded one of higher, goes when the claimant
/// has already lost as much by waiting as the other is expected to lose by going: the break-even of design §6.3 between
/// two models, which makes a heavy model hard to push out and a light one easy.
/// </summary>
internal sealed partial class Eviction(
    FleetSnapshot observed, PlannerSettings settings, Knowledge knowledge, Dictionary<ModelId, ModelOutlook> outlooks,
    Dictionary<ModelId, Allocation> allocations, ReadyFloors floors, IReadOnlyCollection<NodeLedger> ledgers)
{
    /// <param name="Node">Where room is made.</param>
    /// <param name="Victims">Who goes, and why.</param>
    /// <param name="Loss">Request-seconds that they are expected to lose.</param>
    /// <param name="Sharing">Others that paid for it too, and find room there.</param>
    public sealed record Choice(NodeId Node, ImmutableArray<(InferenceReplica Replica, Reason Why)> Victims, double Loss, ImmutableArray<ModelId> Sharing);

    // The gateways' own bound unless it is set otherwise; requests that scheduler and client hold are not held for longer either.
    private static readonly TimeSpan HeldMost = TimeSpan.FromMinutes(2);

    // Most plans let nobody go for another. Those that nobody may let go are left out.
    private readonly Lazy<Dictionary<NodeState, Here>> _byNode = new(() => Holders(observed, knowledge, outlooks, allocations, settings));

    // Kept from node to node: a claimant looks at thousands.
    private readonly List<Candidate> _candidates = [];
    private readonly List<Candidate> _chosen = [];
    private readonly NodeLedger.Trial _after = new();

    // Counted once for a claimant, and only where it is a version's successor.
    private bool _mayTakeUsed;

    private readonly record struct Candidate(InferenceReplica Replica, NodeLedger.Release Release, int Priority, double Loss)
    {
        /// <summary>Its place among those of its node.</summary>
        public required int At { get; init; }

        /// <summary>What it would lose if the claimant stayed for one load and not for a turn of them.</summary>
        public double LossOfOneLoad { get; init; } = Loss;

        /// <summary>Requests a second that nobody else of its model would serve.</summary>
        public double PerSecond { get; init; }

        /// <summary>It serves, in a version that the claimant is to replace.</summary>
        public bool IsPredecessor { get; init; }
    }

    /// <summary>Of the last choice that was refused because equals would lose more than the claimant has: by how many request-seconds.</summary>
    public double Refused { get; private set; }

    /// <summary>The best choice over the nodes, or null and why not.</summary>
    /// <param name="claimant">Who needs room.</param>
    /// <param name="nodes">Where it could run, in order of preference.</param>
    /// <param name="mustGo">Whose weights must leave a node's disk for the claimant's, so that they must go themselves.</param>
    /// <param name="going">What is let go already.</param>
    /// <param name="mayPay">Of a node, false where a model of higher priority was refused it: there only lower ones may be taken from.</param>
    /// <param name="verdict">Why not, when null is returned.</param>
    /// <param name="on">The devices that it must have; any where none are given.</param>
    /// <param name="queue">Who else claims room; null where none may share what is made.</param>
    /// <param name="full">It is known to find no room on any of the nodes where nobody must go, so that who lets nobody go needs no look.</param>
    /// <param name="use">What it does with the devices' time, which it must find too; null where that does not count.</param>
    /// <param name="lowerOnly">Only those of lower priority may go.</param>
    public Choice? Choose(
        ModelOutlook claimant, IReadOnlyList<NodeLedger> nodes, Func<NodeId, ImmutableArray<InferenceReplica>> mustGo, HashSet<ReplicaId> going, Func<NodeLedger, bool> mayPay, out Reason verdict,
        ImmutableArray<DeviceId> on = default, Queued? queue = null, bool full = false, DeviceUse? use = null, bool lowerOnly = false)
    {
        _time = (use, lowerOnly);
        verdict = nodes.Count > 0
            ? Scarce(claimant, nodes[0])
            : new Reason(Rule.HoldMissingData, [Fact.Of("what", "a ready node"), Fact.Of("why", "none was reported")]);
        // What would go would go; what is only shown would not come.
        if (!observed.Can.HasFlag(Capabilities.ChooseVictim) || !allocations[claimant.Model.Id].MayClaim || !claimant.Model.Acts) return null;
        (_mayYield, _mayTakeUsed, Refused) = (null, IsLasting(claimant), 0);
        _begun = queue is null ? 0 : allocations[claimant.Model.Id].Missing(claimant) - queue.Lacks;
        var debt = knowledge.Of(claimant.Model.Id).HeldDebt;
        var (others, nobody) = (new Others(settings.ClaimantsShare ? queue : null, knowledge, ledgers), new Others(null, knowledge, ledgers));
        (NodeLedger Node, Candidate[] Set, int Rank, double Loss, Shared Shared)? best = null;
        (Shared Shared, NodeLedger Node)? cheapestRefused = null;
        foreach (var ledger in nodes)
        {
            var found = new Found(best is { } least ? (least.Rank, least.Loss) : null, cheapestRefused?.Shared.Price, debt, others, settings.LossesTogether);
            if (!LeastLoss(claimant, ledger, mustGo(ledger.Node.Id), going, found, on, full)) continue;

            var (rank, loss) = (RankOf(Chosen, claimant), LossOf(Chosen));
            var pays = mayPay(ledger);
            if (best is not null && !found.IsBeatenBy(rank, loss) && IsPaid(claimant, debt, pays)) continue;
            Candidate[] set = [.. _chosen];

            // Only what the claimant may not simply take must be paid for by what it has lost.
            var paid = set.Where(candidate => candidate.Priority >= claimant.Model.Priority).ToArray();
            var with = pays ? others : nobody;
            var shared = Share(claimant, debt, ledger, set, paid, with);
            if (shared.Price > shared.Lost && ShareLarger(claimant, debt, ledger, mustGo(ledger.Node.Id), with, on) is { } larger)
                (set, paid, rank, loss, shared) = (larger.Set, larger.Set, RankOf(larger.Set, claimant), larger.Set[0].Loss, larger.Shared);
            if (shared.Price > shared.Lost || paid.Length > 0 && !pays)
            {
                if (cheapestRefused is null || shared.Price < cheapestRefused.Value.Shared.Price) cheapestRefused = (shared, ledger);
                continue;
            }

            if (found.IsBeatenBy(rank, loss)) best = (ledger, set, rank, loss, shared);
        }

        if (best is { } chosen)
        {
            var inTheWay = mustGo(chosen.Node.Node.Id);
            var whole = chosen.Set.Where(candidate => candidate.Priority >= claimant.Model.Priority).Sum(candidate => candidate.Loss);
            Candidate Shown(Candidate candidate) => chosen.Shared.Others.IsEmpty || candidate.Priority < claimant.Model.Priority ? candidate
                : candidate with { Loss = candidate.Loss * chosen.Shared.Price / whole };
            return new Choice(
                chosen.Node.Node.Id,
                [.. chosen.Set.Select(Shown).Select(candidate => (candidate.Replica, inTheWay.Contains(candidate.Replica)
                    ? WhyForDisk(claimant, candidate, chosen.Shared) : Why(claimant, chosen.Node, candidate, chosen.Shared)))],
                chosen.Loss, chosen.Shared.Others);
        }

        if (cheapestRefused is { } refused && settings.PaysWhereOthersCannot && refused.Shared.Price <= refused.Shared.Lost)
            verdict = new Reason(Rule.HoldScarceHigher, [.. Lacking(claimant, refused.Node)]);
        else if (cheapestRefused is { } dear)
            (verdict, Refused) = (new Reason(Rule.HoldScarceEqual,
            [
                .. Lacking(claimant, dear.Node), Fact.Of("held", claimant.Held),
                Fact.Quantity("debt", Math.Round(dear.Shared.Lost, 1)), .. With(dear.Shared), Fact.Quantity("price", Math.Round(dear.Shared.Price, 1)),
            ]), dear.Shared.Price - dear.Shared.Lost);
        return null;
    }

    private ReadOnlySpan<Candidate> Chosen => CollectionsMarshal.AsSpan(_chosen);

    private static int RankOf(ReadOnlySpan<Candidate> set, ModelOutlook claimant)
    {
        var rank = int.MinValue;
        foreach (ref readonly var candidate in set) rank = Math.Max(rank, Math.Min(candidate.Priority, claimant.Model.Priority));
        return rank;
    }

    private static double LossOf(ReadOnlySpan<Candidate> set)
    {
        var loss = 0.0;
        foreach (ref readonly var candidate in set) loss += candidate.Loss;
        return loss;
    }

    // Whether what the claimant has lost pays for those chosen, with nobody else's.
    private bool IsPaid(ModelOutlook claimant, double debt, bool pays)
    {
        var (price, seconds) = (0.0, double.PositiveInfinity);
        foreach (ref readonly var candidate in Chosen)
        {
            if (candidate.Priority < claimant.Model.Priority) continue;
            if (!pays) return false;
            (price, seconds) = (price + candidate.Loss, Math.Min(seconds, SecondsThere(candidate)));
        }

        return price <= (double.IsPositiveInfinity(seconds) ? debt : LostSince(claimant, debt, seconds));
    }

    // Of several who wait each has lost enough by the time that one of them had its turn; so that a turn is none the shorter for
    // them, no more counts than it would have lost since those who would go have had their places.
    private double LostSince(ModelOutlook claimant, double debt, Candidate[] paid) =>
        paid.Length == 0 ? debt : LostSince(claimant, debt, paid.Min(SecondsThere));

    private double LostSince(ModelOutlook claimant, double debt, double seconds) =>
        settings.LoadsPerTurn == 0 ? debt : Math.Min(debt, Waiting(claimant.ActiveRate, seconds, HeldMost.TotalSeconds));

    private double SecondsThere(Candidate one) => Math.Max(0, (observed.At - one.Replica.StateSince).TotalSeconds);

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
    // knapsack comes with the Decide issue. Nothing where whatever it would be loses no less than another node already does.
    // They are those chosen then.
    private bool LeastLoss(
        ModelOutlook claimant, NodeLedger ledger, ImmutableArray<InferenceReplica> mustGo, HashSet<ReplicaId> going, Found found, ImmutableArray<DeviceId> on, bool full)
    {
        var here = _byNode.Value.GetValueOrDefault(ledger.Node, Here.Nobody);
        if (full && mustGo.IsEmpty && here.For(claimant, observed.At).IsEmpty) return false;
        _chosen.Clear();
        _after.Begin(ledger, claimant.Needs, claimant.Variant.DeviceKind, claimant.Model.Requests, on);
        foreach (var replica in mustGo)
        {
            var at = Array.FindIndex(here.All, one => ReferenceEquals(one.Replica, replica));
            if (at < 0 || Consider(claimant, ledger, here.All[at], withWeights: true, Gone(here.All[at], going)) is not { } candidate
                || floors.Holds(replica, mustGo.Where(other => other != replica)) is not null) return false;
            Take(candidate);
        }

        // Most are counted once: only those that lose more by others of their model must be weighed again.
        var again = !mustGo.IsEmpty;
        if (!Fits(claimant, ledger))
        {
            if (here.IsNoBetter(claimant, found)) return false;
            _candidates.Clear();
            foreach (ref readonly var holder in here.For(claimant, observed.At))
            {
                if (_time.LowerOnly && holder.Priority >= claimant.Model.Priority) continue;
                if (Consider(claimant, ledger, in holder, withWeights: false, Gone(in holder, going)) is { } candidate && !(going.Count > 0 && going.Contains(candidate.Replica.Id)) && !mustGo.Contains(candidate.Replica))
                    _candidates.Add(candidate);
            }

            if (_candidates.Count == 0 || found.Best is { } best && IsNoBetter(claimant, best.Rank, best.Loss)) return false;
            var cheapestFirst = Comparer<Candidate>.Create((a, b) => Math.Min(a.Priority, claimant.Model.Priority).CompareTo(Math.Min(b.Priority, claimant.Model.Priority)) is var rank and not 0 ? rank
                : a.Loss.CompareTo(b.Loss) is var loss and not 0 ? loss : a.Replica.Id.CompareTo(b.Replica.Id));
            _candidates.Sort(cheapestFirst);
            var (fits, yielded) = (false, 0);
            for (var next = 0; next < _candidates.Count; next++)
            {
                var candidate = _candidates[next];
                if (candidate.IsPredecessor && yielded >= (_mayYield ??= MayYield(claimant, going))) continue;
                if (floors.Holds(candidate.Replica, _chosen.Select(one => one.Replica)) is not null) continue;
                Take(candidate);
                if (candidate.IsPredecessor) yielded++;
                if (fits = Fits(claimant, ledger)) break;
                if (!settings.LossesTogether || !WeighAnew(claimant, ledger, here, mustGo, going, candidate, next + 1)) continue;
                _candidates.Sort(next + 1, _candidates.Count - next - 1, cheapestFirst);
                again = true;
            }

            if (!fits) return false;
        }

        for (var i = _chosen.Count - 2; i >= mustGo.Length; i--)
        {
            if (!FitsWithout(claimant, ledger, i)) continue;
            _after.TakeBack(i);
            _chosen.RemoveAt(i);
        }

        if (again && settings.LossesTogether && _chosen.Count > 1) WeighTogether(claimant, ledger, here, mustGo, going);
        return true;
    }

    private void Take(Candidate candidate)
    {
        _chosen.Add(candidate);
        _after.Give(candidate.Release);
    }

    private Candidate? Consider(ModelOutlook claimant, NodeLedger ledger, in Holder holder, bool withWeights, int gone)
    {
        var lower = holder.Priority < claimant.Model.Priority;

        // A version that is being replaced yields to its successor: there is no room for both.
        if (holder.Owner.Model.Id == claimant.Model.Id)
            return holder.Replica.Version == holder.Owner.Model.Version ? null : Predecessor(claimant, in holder, withWeights);
        if (lower && (holder.InUse || holder.State == ReplicaState.Loading) && !_mayTakeUsed) return null;
        if (holder.State == ReplicaState.Loading || holder.Replica.Turning)
            return lower ? new Candidate(holder.Replica, holder.Release, holder.Priority, holder.Load.TotalSeconds) { At = holder.At } : null;
        if (holder.State is not (ReplicaState.Ready or ReplicaState.Asleep)) return null;
        if (!lower && (holder.IsLeast(gone) || settings.IdleIsSeen && !holder.Owner.TrafficSeen)) return null;

        // A load just paid for must serve as long as the longer of the two loads takes before an equal may undo it; else
        // two models that cannot both be there would spend their time loading.
        var sleeps = !withWeights && MaySleep(claimant, ledger, in holder);
        if (!lower && observed.At - holder.Since < Residence(holder, claimant, sleeps)) return null;
        if (holder.Priority > claimant.Model.Priority && (holder.IsNeeded(gone) || WantedLately(holder, claimant, sleeps, gone)) && !IsIdle(holder.Owner, claimant)) return null;
        var loss = ExpectedLoss(holder, claimant, withWeights, sleeps, Math.Max(1, settings.LoadsPerTurn), gone);
        return new Candidate(holder.Replica, holder.Release, holder.Priority, loss)
        {
            At = holder.At,
            LossOfOneLoad = settings.ClaimantsShare && IsLarger(holder.Replica, claimant) ? ExpectedLoss(holder, claimant, withWeights, sleeps, 1, gone) : loss,
            PerSecond = holder.InUse ? holder.ActiveRate * holder.Unserved(gone) : 0,
        };
    }

    // Who serves already and lacks a further one may have enough again in a moment: what is wanted wanders with every second's count. Others
    // that are in use go for it once it was short of one for a tenth of its load, of which they lose more than one whole. Who has nothing is not asked.
    public bool IsLasting(ModelOutlook claimant) => !settings.ShortagesLast || claimant.Serving == 0
        || knowledge.Of(claimant.Model.Id).ShortSince is { } since && (observed.At - since) * PlannerSettings.LoadsPerTurnUsual >= claimant.Load.P90;

    // One that serves goes as one of the next lower priority, by what is lost until its successor serves; it asks for no debt.
    private Candidate Predecessor(ModelOutlook claimant, in Holder holder, bool withWeights) =>
        settings.SuccessorsWait && holder.State == ReplicaState.Ready
            ? new Candidate(holder.Replica, holder.Release, Math.Max(claimant.Model.Priority, int.MinValue + 1) - 1, ExpectedLoss(holder, claimant, withWeights, sleeps: false, 1, gone: 0)) { At = holder.At, IsPredecessor = true }
            : new Candidate(holder.Replica, holder.Release, int.MinValue, 0) { At = holder.At };

    // Where its node's memory takes its weights beside the claimant; more than one such may find that it does not take them all.
    private bool MaySleep(ModelOutlook claimant, NodeLedger ledger, in Holder holder)
    {
        if (holder.Replica.Reserved.Asleep is null) return false;
        var known = knowledge.Of(holder.Replica.Model);
        return Sleeping.May(holder.Replica, holder.Owner, known, observed.Can) && Weighing.ToSleep(holder.Replica, known) + claimant.Needs.Host.Highest <= ledger.HostFree;
    }

    // Demand that dips for a moment leaves a replica over; who takes it for that has it taken back, and both have loaded for nothing.
    private bool WantedLately(in Holder holder, ModelOutlook claimant, bool sleeps, int gone)
    {
        var (owner, known) = (holder.Owner, knowledge.Of(holder.Replica.Model));
        var (wanted, rank) = (known.LastWanted, owner.Serving - gone);
        if (rank <= 0 || rank > wanted.Length) return false;
        var stays = Residence(holder, claimant, sleeps);
        if (known.Surplus is not null && DemandOutlook.Surplus(known, owner.Load.P90, owner.Quantile, owner.Horizon, rank).Time is var held && held > stays)
            stays = held;
        return observed.At - wanted[rank - 1] < stays;
    }

    private static TimeSpan Residence(in Holder holder, ModelOutlook claimant, bool sleeps)
    {
        var back = sleeps && holder.Wake is { } wake ? wake : holder.Load;
        return back > claimant.Load.P90 ? back : claimant.Load.P90;
    }

    // One that is asked now and then and matters more would have its place back with its next request, and both would load over and over:
    // it is idle once nobody asked for as long as equals keep a place.
    private bool IsIdle(ModelOutlook owner, ModelOutlook claimant) =>
        owner.Held == 0 && owner.Outstanding == 0 && (owner.Idle is not { } idle || (settings.IdleIsSeen
            ? idle > Math.Max(1, settings.LoadsPerTurn) * (owner.Load.P90 > claimant.Load.P90 ? owner.Load.P90 : claimant.Load.P90)
            : idle > owner.Load.P90));

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
    /// <param name="holder">Which replica would go.</param>
    /// <param name="claimant">For whom.</param>
    /// <param name="withWeights">Whether its weights leave the disk too, so that it must be fetched, as the claimant must first.</param>
    /// <param name="sleeps">Whether it would sleep, so that it is back once it has woken.</param>
    /// <param name="loads">How many loads long the claimant is taken to stay.</param>
    /// <param name="gone">How many others of its model that serve go too.</param>
    private double ExpectedLoss(in Holder holder, ModelOutlook claimant, bool withWeights, bool sleeps, int loads, int gone)
    {
        var loaded = (holder.LoadFromDisk + (withWeights ? holder.Fetch : TimeSpan.Zero)).TotalSeconds;
        var woken = holder.Wake is { } wake ? wake.TotalSeconds : loaded;
        var loss = ExpectedLoss(holder, claimant, withWeights, sleeps ? woken : loaded, sleeps, loads, gone);

        // Of one that sleeps there is lost by how much sooner it would wake than load.
        return holder.IsAsleep ? Math.Max(0, loss - ExpectedLoss(holder, claimant, withWeights, woken, sleeps: true, loads, gone)) : loss;
    }

    private double ExpectedLoss(in Holder holder, ModelOutlook claimant, bool withWeights, double reload, bool sleeps, int loads, int gone)
    {
        var away = reload + (claimant.LoadFromDisk.P90 + (withWeights ? claimant.Fetch.P90 : TimeSpan.Zero)).TotalSeconds;

        // Idle for long makes a return soon unlikely: one return per idle time so far is the estimate with nothing else known.
        var returns = holder.InUse ? 1 : 1 - Math.Exp(-away / holder.IdleSeconds);
        var absent = holder.InUse ? away + (Residence(holder, claimant, sleeps).TotalSeconds * loads) : reload;
        var waiting = Waiting(holder.ActiveRate, absent, settings.LoadsPerTurn > 0 ? HeldMost.TotalSeconds : double.PositiveInfinity);
        return returns * waiting * holder.Unserved(gone);
    }

    // Request-seconds of the first request, and of those behind it at a constant rate, of which none waits longer than the most.
    private static double Waiting(double perSecond, double absent, double most) => absent <= most
        ? absent + (perSecond * absent * absent / 2)
        : most + (perSecond * ((most * absent) - (most * most / 2)));

    private Reason Why(ModelOutlook claimant, NodeLedger ledger, Candidate candidate, Shared shared) => _time.LowerOnly ? WhyForTime(claimant, candidate) : new(
        Rule.DrainForClaimant,
        [
            Fact.Of("claimant", claimant.Model.Id.Value), .. Lacking(claimant, ledger), Fact.Quantity("loss", Math.Round(candidate.Loss, 1)),
            Fact.Quantity("gain", Math.Round(shared.Lost, 1)), .. With(shared),
        ],
        new Rejected("letting it wait", [Fact.Of("requests held", claimant.Held)]));

    private static Reason WhyForDisk(ModelOutlook claimant, Candidate candidate, Shared shared) => new(
        Rule.DrainForClaimantsDisk,
        [
            Fact.Of("claimant", claimant.Model.Id.Value), Fact.Of("needed", claimant.Model.Footprint.OnDisk),
            Fact.Quantity("loss", Math.Round(candidate.Loss, 1)), Fact.Quantity("gain", Math.Round(shared.Lost, 1)), .. With(shared),
        ],
        new Rejected("letting it wait", [Fact.Of("requests held", claimant.Held)]));

    private static Fact[] With(Shared shared) => shared.Others.IsEmpty ? []
        : [Fact.Of("sharing", shared.Others.Length == 1 ? " and one more that finds room beside it" : $" and {shared.Others.Length} more that find room beside it")];

    private static Bytes Free(NodeLedger ledger) => Bytes.Max(Bytes.Zero, ledger.HostFree);
}
