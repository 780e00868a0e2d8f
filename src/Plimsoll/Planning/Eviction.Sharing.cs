using System.Collections.Immutable;

namespace Plimsoll;

// Several that wait may find room in the place of one: who would go is then paid for by what they lose together.
internal sealed partial class Eviction
{
    // More would share a place only where tiny models wait for one that is thousands of times as large.
    private const int SharingMost = 32;

    // Of thousands of nodes few are worth a closer look, which copies one.
    private const int LooksMost = 64;

    /// <summary>Who else claims room.</summary>
    /// <param name="Lacks">Replicas that the claimant itself has yet to start, the one that room is made for among them: all come before anybody behind it.</param>
    /// <param name="Behind">Equals that wait for room too and have yet to claim it, in their order, with the replicas that each lacks; no model twice.</param>
    /// <param name="MayLand">Whether one of them may come to a node, room aside: its disk takes it, or its scheduler may put it there.</param>
    public sealed record Queued(int Lacks, IEnumerable<(ModelOutlook Outlook, int Lacks)> Behind, Func<ModelOutlook, NodeLedger, bool> MayLand);

    /// <summary>What others than the claimant lose by waiting for the room that is made for it.</summary>
    /// <param name="Others">Those of them that find room there too and pay with it.</param>
    /// <param name="Lost">Request-seconds that these and the claimant have lost.</param>
    /// <param name="Price">Request-seconds that who must be paid for is expected to lose, beyond what is served in its place.</param>
    private readonly record struct Shared(ImmutableArray<ModelId> Others, double Lost, double Price);

    /// <summary>The claimant's own loss and, where that doesn't pay, that of as many others as find room beside it, in their order, until it does.</summary>
    /// <param name="claimant">For whom room is made.</param>
    /// <param name="debt">What it has lost in all.</param>
    /// <param name="ledger">Where.</param>
    /// <param name="set">Who would go.</param>
    /// <param name="paid">Those of them that must be paid for.</param>
    /// <param name="others">Who waits for room too.</param>
    private Shared Share(ModelOutlook claimant, double debt, NodeLedger ledger, Candidate[] set, Candidate[] paid, Others others)
    {
        var alone = new Shared([], LostSince(claimant, debt, paid), paid.Sum(candidate => candidate.Loss));
        if (alone.Price <= alone.Lost || others.Queue is not { } queue || paid.Any(one => one.Priority > claimant.Model.Priority)
            || set.All(one => !IsLarger(one.Replica, claimant)) || debt + others.Debt < paid.Sum(one => one.LossOfOneLoad) || others.Looks++ >= LooksMost) return alone;
        var after = ledger.Copy();
        foreach (var candidate in set)
            after.WillStop(StepId.Of($"stop/{candidate.Replica.Id}"), candidate.Release);
        var room = after.SchedulerAfter;
        if (TakesAll(claimant, queue.Lacks) == 0) return alone;
        var (lost, rate, price) = (alone.Lost, claimant.ActiveRate, alone.Price);
        var sharing = ImmutableArray.CreateBuilder<ModelId>();
        foreach (var (other, lacks) in others.Waiting)
        {
            // Nobody pays for its own replica to go, nor where it finds room as things are.
            if (set.Any(one => one.Replica.Model == other.Model.Id) || !queue.MayLand(other, ledger)
                || !after.FitsAfter(other.Needs, other.Variant.DeviceKind, []) || others.FindsRoom(other) || TakesAll(other, lacks) == 0) continue;
            sharing.Add(other.Model.Id);
            (lost, rate) = (lost + LostByWaiting(other), rate + other.ActiveRate);
            if (lost >= (price = PriceOf(paid, rate))) break;
        }

        return new Shared(sharing.ToImmutable(), lost, price);

        // As many as find room of those that it will start.
        int TakesAll(ModelOutlook one, int lacks)
        {
            var taken = 0;
            while (taken < lacks && Takes(one)) taken++;
            return taken;
        }

        double LostByWaiting(ModelOutlook other) => LostSince(other, knowledge.Of(other.Model.Id).HeldDebt, paid);

        bool Takes(ModelOutlook one)
        {
            var requests = one.Model.Requests;
            if (requests is not null && room?.Takes(requests) != true || after.TryReserve(one.Needs, one.Variant.DeviceKind) is null) return false;
            if (requests is not null) room = room!.With(requests);
            return true;
        }
    }

    /// <summary>One that costs more than those that would do for the claimant, and that makes room for as many others as pay for it together.</summary>
    /// <remarks>After <see cref="LeastLoss"/> for the same claimant and node, whose candidates it looks through.</remarks>
    private (Candidate[] Set, Shared Shared)? ShareLarger(
        ModelOutlook claimant, double debt, NodeLedger ledger, ImmutableArray<InferenceReplica> mustGo, Others others, ImmutableArray<DeviceId> on)
    {
        if (!mustGo.IsEmpty || !on.IsDefault || others.Queue is null) return null;
        foreach (var candidate in _candidates)
        {
            if (candidate.Priority != claimant.Model.Priority || !IsLarger(candidate.Replica, claimant) || floors.Holds(candidate.Replica, []) is not null) continue;
            _after.Begin(ledger, claimant.Needs, claimant.Variant.DeviceKind, claimant.Model.Requests, on);
            _after.Give(candidate.Release);
            if (!_after.Fits() || !HasTime(claimant, ledger, [candidate])) continue;
            Candidate[] set = [candidate];
            if (Share(claimant, debt, ledger, set, set, others) is { Others.IsEmpty: false } shared && shared.Price <= shared.Lost) return (set, shared);
        }

        return null;
    }

    // Only who holds more than the claimant takes can leave room for others.
    private static bool IsLarger(InferenceReplica holder, ModelOutlook claimant) => claimant.Needs.Devices > 0
        ? holder.Placement.Devices.Length > claimant.Needs.Devices || claimant.Needs.PerDevice is { } each && Weighing.DeviceCharge(holder) >= each.Highest * 2
        : holder.Reserved.Host.Highest >= claimant.Needs.Host.Highest * 2;

    // Equals who ask alike keep a place for a turn of loads; of a turn in which several together serve more than would have been, only that
    // share counts which is not. Rates are counts of a minute, both taken two standard errors in favour of who is there. One alone that asks
    // more waits for its turn as before: a burst is soon over, and where that counted, too, more was lost to loads than served.
    private double PriceOf(Candidate[] paid, double perSecond)
    {
        var full = paid.Sum(candidate => candidate.Loss);
        if (settings.LoadsPerTurn <= 1) return full;
        var (theirs, ours) = (Counted(paid.Sum(candidate => candidate.PerSecond), 2), Counted(perSecond, -2));
        if (ours <= theirs) return full;
        var least = paid.Sum(candidate => candidate.LossOfOneLoad);
        return least + ((full - least) * Math.Max(0, (settings.LoadsPerTurn * theirs / ours) - 1) / (settings.LoadsPerTurn - 1));
    }

    // Arrivals are taken for a Poisson process, whose count has itself for its variance.
    private static double Counted(double perSecond, double errors)
    {
        var count = perSecond * Knowledge.ActiveWindow.TotalSeconds;
        return count + (errors * Math.Sqrt(count));
    }

    /// <summary>Who waits behind a claimant, looked up once for all nodes, and only where that decides.</summary>
    private sealed class Others
    {
        private readonly IReadOnlyCollection<NodeLedger> _everywhere;
        private readonly Lazy<(ModelOutlook Outlook, int Lacks)[]> _waiting;
        private readonly Lazy<double> _debt;
        private readonly Dictionary<ModelId, bool> _findsRoom = [];

        public Others(Queued? queue, Knowledge knowledge, IReadOnlyCollection<NodeLedger> everywhere)
        {
            (Queue, _everywhere) = (queue, everywhere);
            _waiting = new(() => queue is null ? [] : [.. queue.Behind.Take(SharingMost)]);
            _debt = new(() => Waiting.Sum(other => knowledge.Of(other.Outlook.Model.Id).HeldDebt));
        }

        /// <summary>Null where nobody shares.</summary>
        public Queued? Queue { get; }

        public (ModelOutlook Outlook, int Lacks)[] Waiting => _waiting.Value;

        /// <summary>Request-seconds that they have lost in all: the most that they can pay.</summary>
        public double Debt => _debt.Value;

        /// <summary>Nodes looked at closely so far.</summary>
        public int Looks { get; set; }

        /// <summary>Whether it finds room as things are, so that nobody need go for it.</summary>
        public bool FindsRoom(ModelOutlook other)
        {
            if (!_findsRoom.TryGetValue(other.Model.Id, out var finds))
                _findsRoom[other.Model.Id] = finds = _everywhere.Any(node => Queue!.MayLand(other, node) && node.FitsAfter(other.Needs, other.Variant.DeviceKind, [], other.Model.Requests));
            return finds;
        }
    }
}
