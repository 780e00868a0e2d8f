namespace Plimsoll;

// What runs is replaced by what carries the same for less: hardware that was dear when it was all there was need not be paid for ever.
internal sealed partial class PlanDraft
{
    // Of the largest rate ahead, that other hardware must carry before anything moves to it.
    private const double CoveredByOthers = 0.999;

    private readonly Dictionary<ModelId, Overpaid> _overpaid = [];

    // What was in time on other hardware, which may have been far more than was needed, says nothing of what is to be covered on this.
    private readonly HashSet<ModelId> _moved = [];

    /// <param name="Outlook">Of the model.</param>
    /// <param name="Room">How many more of each way there may be; one of a way at a time where only trying tells.</param>
    /// <param name="Starts">Of each way.</param>
    /// <param name="Saved">Millionths of a dollar an hour.</param>
    /// <param name="Why">Of each start.</param>
    private sealed record Move(ModelOutlook Outlook, int[] Room, int[] Starts, long Saved, Reason Why);

    /// <summary>
    /// Starts replicas in cheaper ways beside those that serve, which go once these do (<see cref="VariantMix.Kept"/>): where they find room as
    /// things are, after all that is wanted has found its own, and once what was paid too much has come to what the change costs. Whatever
    /// demand does then, no more than twice what was needed is paid for changes (ski rental, as design §6.3).
    /// </summary>
    public void MoveWhereCheaper()
    {
        if (!_spec.Settings.MoveWhereCheaper) return;
        // Of most models a look without the nodes says that there is nothing better, and that is taken side by side.
        var worth = new bool[_outlooks.Length];
        OfEach.Do(worth.Length, i => worth[i] = IsTurnOf(_outlooks[i]) && MayMove(_outlooks[i]));
        var moves = new List<Move>();
        for (var i = 0; i < worth.Length; i++)
        {
            if (worth[i] && Better(_outlooks[i], null) is { } move) moves.Add(move);
        }

        foreach (var first in moves.OrderByDescending(move => move.Outlook.Model.Acts).ThenByDescending(move => move.Saved).ThenBy(move => move.Outlook.Model.Id))
        {
            for (var move = first; move is not null && StartAll(move) is { } full; move = Better(move.Outlook, move.Room)) move.Room[full] = 0;
        }
    }

    // All or none: a part of them would carry too little for what is there to go. The way that has no room; null where all have.
    private int? StartAll(Move move)
    {
        var (outlook, started) = (move.Outlook, new List<StepId>());
        if (_spec.Settings.MovesWhole && move.Starts.Sum() > 1 && _observed.Can.HasFlag(Capabilities.ChooseNode))
        {
            if (Together(move, out var on) is { } without) return without;
            foreach (var (way, replica, ledger) in on) started.Add(StartAsTried(way, replica, ledger, move.Why));
            Settle(outlook, started);
            return null;
        }

        var verdict = _verdicts.GetValueOrDefault(outlook.Model.Id);
        for (var at = 0; at < move.Starts.Length; at++)
        {
            for (var i = 0; i < move.Starts[at]; i++)
            {
                var replica = ReplicaId.Of(outlook.Model.Id, _knowledge.Of(outlook.Model.Id).NextOrdinal + started.Count);
                if (_quotas.Refuse(outlook.Ways[at]) is null && Start(outlook.Ways[at], replica, move.Why, makesRoom: false))
                {
                    started.Add(StepId.Of($"start/{replica}"));
                    continue;
                }

                foreach (var one in started)
                {
                    if (_steps[one] is Step.Start { Placement.Node: var on } begun && _ledgers.TryGetValue(on, out var ledger)) ledger.UsesNoMore(begun.Replica);
                    _steps.Remove(one);
                    if (_byScheduler.TryPeek(out var last) && last.Step == one) _byScheduler.Pop();
                }

                if (verdict is null) _verdicts.Remove(outlook.Model.Id);
                else _verdicts[outlook.Model.Id] = verdict;
                return at;
            }
        }

        Settle(outlook, started);
        return null;
    }

    // What is only shown, or waits for others to go, is not under way yet: the next plan says the same again.
    private void Settle(ModelOutlook outlook, List<StepId> started)
    {
        if (!outlook.Model.Acts || !started.All(one => _steps[one].After.IsEmpty)) return;
        _overpaid[outlook.Model.Id] = (_overpaid.GetValueOrDefault(outlook.Model.Id) ?? new Overpaid(_observed.At, _observed.At, 0)) with { Settled = true };
        _moved.Add(outlook.Model.Id);
    }

    // Where each of a move's starts finds room, time, disk and quota beside the others, tried on copies: of a move that is not made no fetch, no
    // eviction and nothing taken may be left. The way that finds none; null where all do.
    private int? Together(Move move, out List<(ModelOutlook Way, ReplicaId Replica, NodeLedger On)> on)
    {
        var (disks, quotas, tried, model) = (_disks.Copy(), _quotas.Copy(), new Dictionary<NodeId, NodeLedger>(), move.Outlook.Model.Id);
        on = [];
        for (var at = 0; at < move.Starts.Length; at++)
        {
            var way = move.Outlook.Ways[at];
            for (var i = 0; i < move.Starts[at]; i++)
            {
                var replica = ReplicaId.Of(model, _knowledge.Of(model).NextOrdinal + on.Count);
                if (quotas.Refuse(way) is not null || Try(way, replica, disks, tried) is not { } ledger) return at;
                quotas.Take(way);
                on.Add((way, replica, ledger));
            }
        }

        return null;
    }

    // The node that one finds, which it has taken of the copies then.
    private NodeLedger? Try(ModelOutlook way, ReplicaId replica, DiskDraft disks, Dictionary<NodeId, NodeLedger> tried)
    {
        var (use, kind) = (TimeOf(way), way.Variant.DeviceKind);
        if (use is not null && HadNoTime(way)) return null;
        foreach (var ledger in Preferred(way))
        {
            var there = tried.GetValueOrDefault(ledger.Node.Id, ledger);
            if (!there.FitsAfter(way.Needs, kind, []) || use is not null && !there.MayHaveTime(use)) continue;
            if (disks.WayTo(ledger.Node, way, _going) is not { MustGo.IsEmpty: true } to) continue;
            var copy = there.CopyWithTime();
            if (copy.TryReserve(way.Needs, kind, use) is not { } room) continue;
            if (use is not null) copy.Uses(replica, room.Devices, use);
            disks.Prepare(ledger.Node, way, to, []);
            tried[ledger.Node.Id] = copy;
            return ledger;
        }

        return null;
    }

    private StepId StartAsTried(ModelOutlook way, ReplicaId replica, NodeLedger ledger, Reason why)
    {
        if (_disks.WayTo(ledger.Node, way, _going) is not { MustGo.IsEmpty: true } to || ledger.TryReserve(way.Needs, way.Variant.DeviceKind, TimeOf(way)) is not { } room)
            throw new InvalidOperationException($"{replica} was tried on {ledger.Node.Id}, which has no room for it");
        StartOn(ledger, way, replica, room, to, why);
        return StepId.Of($"start/{replica}");
    }

    // Whether anything could be better, were there room for all.
    private bool MayMove(ModelOutlook outlook)
    {
        if (_knowledge.Of(outlook.Model.Id).Overpaid is { Settled: true }) return true;
        if (outlook is not { Mix: { } mix, TrafficSeen: true, Loading: 0, Serving: > 0 } || _allocations[outlook.Model.Id] is not { PerSecond: > 0 } allocation) return false;
        var kept = KeptOf(outlook, allocation);
        return mix.CapacityOf(kept) < allocation.PerSecond
            || (outlook is { Held: 0, Backlog: 0 } && mix.IsPriced(outlook.There.AsSpan()) && IsDear(outlook, mix, kept, Almost(outlook, allocation.PerSecond), out _));
    }

    // Whether what is kept costs more than what would carry the rate, wherever that found room.
    private static bool IsDear(ModelOutlook outlook, VariantMix mix, int[] kept, double perSecond, out long paid)
    {
        var none = new int[kept.Length];
        paid = mix.CostOf(none, kept, perSecond).Micro;
        return mix.CostOf(none, mix.More(none, VariantMix.Unlimited(none.Length), perSecond, MostOf(outlook)), perSecond).Micro < paid;
    }

    // Null while there is nothing better, while anything of the model changes, and until the change pays.
    private Move? Better(ModelOutlook outlook, int[]? room)
    {
        var (model, allocation) = (outlook.Model, _allocations[outlook.Model.Id]);
        if (_knowledge.Of(model.Id).Overpaid is { Settled: true } settled && outlook.Mix is { KeepsCheapest: true } && IsUnderway(outlook, allocation))
        {
            _overpaid[model.Id] = settled;
            return null;
        }

        if (outlook is not { Mix: { } mix, TrafficSeen: true, Loading: 0 } || allocation.PerSecond <= 0) return null;
        if (outlook.Serving == 0 || allocation.Missing(outlook) > 0 || !mix.IsPriced(outlook.There.AsSpan())) return null;
        if (_knowledge.Of(model.Id).Failures.Count > 0 || _replicas[model.Id].Any(replica => replica.State == ReplicaState.Loading)) return null;
        var kept = KeptOf(outlook, allocation);
        return mix.CapacityOf(kept) < allocation.PerSecond ? Stronger(outlook, mix, room, kept, allocation.PerSecond)
            : outlook is { Held: 0, Backlog: 0 } ? Cheaper(outlook, mix, room, kept, Almost(outlook, allocation.PerSecond)) : null;
    }

    // Of each way, whatever an allocator leaves out or calls by another name.
    private static int[] KeptOf(ModelOutlook outlook, Allocation allocation)
    {
        var kept = new int[outlook.Ways.Length];
        foreach (var part in allocation.Mix)
        {
            if (outlook.IndexOf(part.Variant) is var at and >= 0) kept[at] += part.Replicas;
        }

        return kept;
    }

    // While what is kept by its price differs from what would be for what each carries.
    private static bool IsUnderway(ModelOutlook outlook, Allocation allocation)
    {
        var (counts, kinds) = (outlook.There, 0);
        for (var i = 0; i < counts.Length; i++) kinds += counts[i] > 0 ? 1 : 0;
        return kinds > 1 && allocation.PerSecond > 0 && allocation.Mix.Sum(part => part.Replicas) < counts.Sum();
    }

    // As many as there may be carry too little, and others would carry more.
    private Move? Stronger(ModelOutlook outlook, VariantMix mix, int[]? room, int[] kept, double perSecond)
    {
        room ??= RoomToMove(outlook);
        var (stronger, starts, _) = Instead(outlook, mix, room, perSecond);
        var (carried, carries) = (mix.CapacityOf(kept), mix.CapacityOf(stronger));
        if (kept.Sum() < outlook.Model.MaxReplicas || Math.Min(carries, perSecond) <= carried || Array.TrueForAll(starts, count => count == 0)) return null;
        return new Move(outlook, room, starts, long.MaxValue, new Reason(Rule.StartForMore,
        [
            Fact.Of("mix", Mixed(outlook, stronger)), Fact.Rate("carries", carries), Fact.Rate("demand", perSecond),
            Fact.Of("most", outlook.Model.MaxReplicas), Fact.Rate("carried", carried),
        ]));
    }

    private Move? Cheaper(ModelOutlook outlook, VariantMix mix, int[]? room, int[] kept, double perSecond)
    {
        if (!IsDear(outlook, mix, kept, perSecond, out var paid)) return null;
        room ??= RoomToMove(outlook);
        var (cheaper, starts, price) = Instead(outlook, mix, room, perSecond);
        if (mix.CapacityOf(cheaper) < perSecond || price >= paid || !MayGo(outlook, kept, cheaper)) return null;

        var seen = _knowledge.Of(outlook.Model.Id).Overpaid is { Settled: false } before ? before : null;
        if (seen is not null && (_observed.At <= seen.At || _observed.At - seen.At > Knowledge.IdleReviews * _spec.Settings.Review)) seen = null;
        var overpaid = new Overpaid(
            seen?.Since ?? _observed.At, _observed.At, seen is null ? 0 : seen.Usd + ((paid - price) / 1e6 * (_observed.At - seen.At).TotalHours));
        _overpaid[outlook.Model.Id] = overpaid;
        var (cost, load, hold) = CostOfChange(outlook, kept, cheaper, starts);
        return overpaid.Usd < cost ? null : new Move(outlook, room, starts, paid - price, new Reason(Rule.StartForLess,
        [
            Fact.Of("mix", Mixed(outlook, cheaper)), Fact.Rate("demand", perSecond), Usd("price", price / 1e6), Usd("paid", paid / 1e6),
            Fact.Of("since", _observed.At - overpaid.Since), Usd("lost", overpaid.Usd), Usd("cost", cost), Fact.Of("load", load), Fact.Of("hold", hold),
        ]));

        static Fact Usd(string name, double dollars) => new(name, FactUnit.Usd, dollars);
    }

    // Where a scheduler places only trying tells, and it is told of one of a way at a time.
    private int[] RoomToMove(ModelOutlook outlook) => _observed.Can.HasFlag(Capabilities.ChooseNode) ? RoomOf(outlook) : [.. outlook.Ways.Select(_ => 1)];

    // Whether no floor of ready replicas keeps what would be replaced.
    private bool MayGo(ModelOutlook outlook, int[] kept, int[] cheaper)
    {
        var going = new List<InferenceReplica>();
        for (var at = 0; at < kept.Length; at++)
        {
            var left = kept[at] - cheaper[at];
            foreach (var replica in _replicas[outlook.Model.Id])
            {
                if (left <= 0) break;
                if (outlook.IndexOf(replica.Variant) != at || replica.State != ReplicaState.Ready || _floors.Holds(replica, going) is not null) continue;
                going.Add(replica);
                left--;
            }

            if (left > 0) return false;
        }

        return true;
    }

    // The cheapest of what is there and what there is room for; what of it is to be started, and what it costs an hour.
    private static (int[] Mix, int[] Starts, long Micro) Instead(ModelOutlook outlook, VariantMix mix, int[] more, double perSecond)
    {
        var (none, room) = (new int[outlook.There.Length], new int[more.Length]);
        for (var i = 0; i < room.Length; i++)
            room[i] = outlook.Ways[i].Preference > 0 ? outlook.There[i] : (int)Math.Min((long)more[i] + outlook.There[i], int.MaxValue);
        var instead = mix.More(none, room, perSecond, MostOf(outlook));
        mix.Fill(instead, room, outlook.Model.MinReplicas);
        return (instead, [.. instead.Select((count, i) => Math.Max(0, count - outlook.There[i]))], mix.CostOf(none, instead, perSecond).Micro);
    }

    // Nearly all that may come: what is in time on hardware with much to spare says nothing of how near to its bounds other hardware may be run.
    private static double Almost(ModelOutlook outlook, double perSecond) =>
        outlook.Ahead.IsEmpty ? perSecond : Math.Max(perSecond, WindowForecast.Between(outlook.Ahead.AsSpan(), CoveredByOthers));

    // In dollars: of what starts its load and ten more, as of equals who take turns on a place, since nothing but money asks for it; and what goes
    // for as long as a surplus is kept, which is what having to load it again would cost. Beside it the longest load and the longest hold.
    private (double Usd, TimeSpan Load, TimeSpan Hold) CostOfChange(ModelOutlook outlook, int[] kept, int[] cheaper, int[] starts)
    {
        var known = _knowledge.Of(outlook.Model.Id);
        var (usd, load, hold) = (0.0, TimeSpan.Zero, TimeSpan.Zero);
        for (var i = 0; i < starts.Length; i++)
        {
            var way = outlook.Ways[i];
            var perHour = way.PricePerHour!.Value.Dollars;
            if (starts[i] > 0)
            {
                usd += starts[i] * perHour * (1 + PlannerSettings.LoadsPerTurnUsual) * way.LoadAnew.P90.TotalHours;
                if (way.LoadAnew.P90 > load) load = way.LoadAnew.P90;
            }

            if (kept[i] <= cheaper[i]) continue;
            var held = DemandOutlook.Surplus(known, way.Load.P90, way.Quantile, WeightAllocator.HeldLeast(_spec.Settings, way), Math.Max(2, outlook.Serving)).Time;
            usd += (kept[i] - cheaper[i]) * perHour * held.TotalHours;
            if (held > hold) hold = held;
        }

        return (usd, load, hold);
    }

    private static string Mixed(ModelOutlook outlook, int[] counts) =>
        string.Join(" and ", outlook.Ways.Select((way, i) => (way, Count: counts[i])).Where(one => one.Count > 0).Select(one => $"{one.Count} as {Named(one.way)}"));

    // Those beyond what is kept of their way first, all others behind them; each in the order that they come in.
    private static IEnumerable<InferenceReplica> NotKept(ModelOutlook outlook, Allocation allocation, IEnumerable<InferenceReplica> inOrder)
    {
        if (outlook.Mix is not { KeepsCheapest: true } mix || !mix.IsPriced(outlook.There.AsSpan())) return inOrder;
        int[] beyond = [.. KeptOf(outlook, allocation).Select((kept, i) => outlook.There[i] - kept)];
        var (first, others) = (new List<InferenceReplica>(), new List<InferenceReplica>());
        foreach (var replica in inOrder)
        {
            var at = outlook.IndexOf(replica.Variant);
            (at < 0 || beyond[at]-- > 0 ? first : others).Add(replica);
        }

        return first.Concat(others);
    }
}
