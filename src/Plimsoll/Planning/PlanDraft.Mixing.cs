using System.Collections.Immutable;

namespace Plimsoll;

// Of a model that may run in several ways: where the cheapest finds no room, the cheapest of those that do.
internal sealed partial class PlanDraft
{
    private void ClaimMix(ModelOutlook outlook, List<InferenceReplica> back, int ordinal)
    {
        int[] there = [.. outlook.There];
        foreach (var replica in back)
        {
            if (outlook.IndexOf(replica.Variant) is var at and >= 0) there[at]++;
        }

        // Nobody goes for it while another way has room as things are.
        var (room, full) = (RoomOf(outlook), new bool[there.Length]);
        for (var i = 0; i < room.Length; i++) full[i] = room[i] == 0;

        // What is left of the cheapest is the cheapest of what is left: it is looked for anew only where a way fails.
        var missing = More(outlook, there, room);
        while (Next(outlook, missing, room) is { } next)
        {
            if (TryStart(outlook, next, Wanted(outlook, there, missing), ReplicaId.Of(outlook.Model.Id, ordinal), full, makesRoom: false))
                (there[next], missing[next], room[next], ordinal) = (there[next] + 1, missing[next] - 1, room[next] - 1, ordinal + 1);
            else
            {
                room[next] = 0;
                missing = More(outlook, there, room);
            }

            full[next] = room[next] == 0;
        }

        var open = VariantMix.Unlimited(there.Length);
        Reason? first = null;
        var lacking = (Outlook: outlook, Replicas: 0);
        missing = More(outlook, there, open);
        while (Next(outlook, missing, open) is { } next)
        {
            if (_allocations[outlook.Model.Id].Firm is { } firm && there.Sum() >= firm.Replicas && outlook.Mix!.CapacityOf(there) >= firm.PerSecond)
            {
                first ??= NobodyGoes(outlook, there.Sum());
                break;
            }

            if (TryStart(outlook, next, Wanted(outlook, there, missing), ReplicaId.Of(outlook.Model.Id, ordinal), full, makesRoom: true))
            {
                (there[next], missing[next], ordinal) = (there[next] + 1, missing[next] - 1, ordinal + 1);
                continue;
            }

            open[next] = 0;
            missing = More(outlook, there, open);
            if (first is not null) continue;
            first = _verdicts.GetValueOrDefault(outlook.Model.Id);
            lacking = (outlook.Ways[next], More(outlook, there, VariantMix.Unlimited(there.Length))[next]);
        }

        open = VariantMix.Unlimited(there.Length);
        if (first is null || Next(outlook, More(outlook, there, open), open) is null)
        {
            // What began in another way was refused nothing.
            _unmet.RemoveAll(one => one.Model.Id == outlook.Model.Id);
            return;
        }

        _verdicts[outlook.Model.Id] = first;
        if (_spec.Settings.NodesByWay)
        {
            LackAll(outlook, there, first);
            return;
        }

        _nodeRequests.Lack(lacking.Outlook, _quotas.ToAsk(lacking.Outlook, lacking.Replicas), first, _scheduler);
    }

    // All that is missing at once, or a mix of two pools would come one boot after the other; of those ways that a node could come for, if any.
    private void LackAll(ModelOutlook outlook, int[] there, Reason why)
    {
        int[] open = [.. outlook.Ways.Select(way => _nodeRequests.MayCome(way, _scheduler) ? int.MaxValue : 0)];
        var missing = More(outlook, there, Array.TrueForAll(open, room => room == 0) ? VariantMix.Unlimited(open.Length) : open);
        foreach (var at in outlook.Mix!.Order)
        {
            var way = outlook.Ways[at];
            if (missing[at] > 0) _nodeRequests.Lack(way, _quotas.ToAsk(way, missing[at]), why, _scheduler);
        }
    }

    // How many of each way find room as things are; where a scheduler places, only trying tells.
    private int[] RoomOf(ModelOutlook outlook) =>
        _observed.Can.HasFlag(Capabilities.ChooseNode) ? RoomOf(outlook, way => _order.OfKind(way.Needs, way.Variant.DeviceKind)) : VariantMix.Unlimited(outlook.Ways.Length);

    private static int[] RoomOf(ModelOutlook outlook, Func<ModelOutlook, IReadOnlyCollection<NodeLedger>> ledgers)
    {
        var most = MostOf(outlook);
        return
        [
            .. outlook.Ways.Select(way =>
            {
                var room = 0;
                foreach (var ledger in ledgers(way))
                {
                    if (room >= most) break;
                    room += ledger.RoomFor(way.Needs, way.Variant.DeviceKind, most - room);
                }

                return room;
            }),
        ];
    }

    /// <summary>
    /// How much dearer it becomes, over what it costs, if another takes the devices that are cheapest for it; without end where it would
    /// find none. Who has most to lose chooses first.
    /// </summary>
    private double Regret(ModelOutlook outlook)
    {
        if (outlook.Mix is not { } mix || _allocations[outlook.Model.Id].PerSecond is not (> 0 and var perSecond)) return double.PositiveInfinity;
        int[] there = [.. outlook.There];
        var room = RoomOf(outlook);
        var more = More(outlook, there, room);
        var (lacks, later, micro) = mix.CostOf(there, more, perSecond);
        foreach (var kind in outlook.Ways.Where((_, i) => more[i] > 0).Select(way => way.Variant.DeviceKind).ToHashSet())
        {
            for (var i = 0; i < room.Length; i++)
                if (outlook.Ways[i].Variant.DeviceKind == kind) room[i] = 0;
        }

        var (short_, preference, other) = mix.CostOf(there, More(outlook, there, room), perSecond);
        return short_ > lacks + 1e-9 || preference > later || micro <= 0 ? double.PositiveInfinity : (double)(other - micro) / micro;
    }

    // The way of the next of those that are missing; null when there are enough, or none is open.
    private static int? Next(ModelOutlook outlook, int[] missing, int[] room)
    {
        foreach (var at in outlook.Mix!.Order)
        {
            if (missing[at] > 0 && room[at] > 0) return at;
        }

        return null;
    }

    private static int MostOf(ModelOutlook outlook) => Math.Max(0, outlook.Most - outlook.Lost);

    private int[] More(ModelOutlook outlook, int[] there, int[] room)
    {
        var allocation = _allocations[outlook.Model.Id];
        var least = allocation.PerSecond > 0 ? 1 : allocation.Wanted;
        var more = outlook.Mix!.More(there, room, allocation.PerSecond, MostOf(outlook));
        outlook.Mix.Fill(more, room, Math.Min(Math.Max(least, outlook.Model.MinReplicas), MostOf(outlook)) - there.Sum());
        return more;
    }

    // What is there and what is to come; and where that finds too little room, what would be besides.
    private int[] Wanted(ModelOutlook outlook, int[] there, int[] missing)
    {
        int[] mix = [.. there.Zip(missing, (have, more) => have + more)];
        return outlook.Mix!.CapacityOf(mix) >= _allocations[outlook.Model.Id].PerSecond ? mix
            : [.. mix.Zip(More(outlook, mix, VariantMix.Unlimited(mix.Length)), (have, more) => have + more)];
    }

    private bool TryStart(ModelOutlook outlook, int at, int[] mix, ReplicaId replica, bool[] full, bool makesRoom)
    {
        var way = outlook.Ways[at];
        if (_quotas.Refuse(way) is { } above)
        {
            if (makesRoom) _verdicts[outlook.Model.Id] = above;
            return false;
        }

        return Start(way, replica, WhyStart(way, mix.Sum(), outlook.Mix!.CapacityOf(mix) / mix.Sum()) with { Instead = Instead(outlook, at, full) }, makesRoom);
    }

    // The way that is cheapest of the others, and what all of the demand would cost either way; the one before it that has no room.
    private Rejected? Instead(ModelOutlook outlook, int at, bool[] full)
    {
        var (ways, order) = (outlook.Ways, outlook.Mix!.Order);
        foreach (var before in order.TakeWhile(one => one != at))
        {
            if (full[before]) return new Rejected($"as {Named(ways[before])}, which finds no room", []);
        }

        var perSecond = _allocations[outlook.Model.Id].PerSecond;
        if (perSecond <= 0 || ways[at].PricePerHour is null || ways.All(way => way.Preference > 0)) return null;
        var others = ways.Where((way, i) => i != at && way.Preference == 0).ToArray();
        if (others.Length == 0) return null;
        var other = others.MinBy(way => Dollars(way, perSecond))!;
        return new Rejected($"as {Named(other)}",
            [new Fact("an hour for all of it", FactUnit.Usd, Dollars(other, perSecond)), new Fact("against", FactUnit.Usd, Dollars(ways[at], perSecond))]);
    }

    private static string Named(ModelOutlook way) => way.Variant.Target ?? way.Variant.Id.Value;

    private static double Dollars(ModelOutlook way, double perSecond) => WeightAllocator.Needed(way, perSecond) * (way.PricePerHour?.Dollars ?? 0);
}
