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
        var full = new bool[there.Length];
        while (Next(outlook, there, full) is { } next)
        {
            if (TryStart(outlook, next, ReplicaId.Of(outlook.Model.Id, ordinal), full, makesRoom: false)) (there[next], ordinal) = (there[next] + 1, ordinal + 1);
            else full[next] = true;
        }

        var closed = new bool[there.Length];
        Reason? first = null;
        var lacking = (Outlook: outlook, Replicas: 0);
        while (Next(outlook, there, closed) is { } next)
        {
            if (TryStart(outlook, next, ReplicaId.Of(outlook.Model.Id, ordinal), full, makesRoom: true))
            {
                (there[next], ordinal) = (there[next] + 1, ordinal + 1);
                continue;
            }

            closed[next] = true;
            if (first is not null) continue;
            first = _verdicts.GetValueOrDefault(outlook.Model.Id);
            lacking = (outlook.Ways[next], More(outlook, there, new bool[there.Length])[next]);
        }

        if (first is null || Next(outlook, there, new bool[there.Length]) is null) return;
        _verdicts[outlook.Model.Id] = first;
        _nodeRequests.Lack(lacking.Outlook, Math.Min(lacking.Replicas, _quotas.Room(lacking.Outlook)), first, _scheduler);
    }

    // The way of the next replica; null when there are enough, or none is open.
    private int? Next(ModelOutlook outlook, int[] there, bool[] closed)
    {
        var more = More(outlook, there, closed);
        foreach (var at in outlook.Mix!.Order)
        {
            if (more[at] > 0 && !closed[at]) return at;
        }

        return null;
    }

    private int[] More(ModelOutlook outlook, int[] there, bool[] closed)
    {
        var allocation = _allocations[outlook.Model.Id];
        var least = allocation.PerSecond > 0 ? 1 : allocation.Wanted;
        var most = Math.Max(outlook.Model.MinReplicas, outlook.Model.MaxReplicas);
        var more = outlook.Mix!.More(there, closed, allocation.PerSecond, most);
        var short_ = Math.Max(least, outlook.Model.MinReplicas) - there.Sum() - more.Sum();
        if (short_ <= 0 || closed.All(one => one)) return more;
        var cheapest = Enumerable.Range(0, there.Length).Where(i => !closed[i])
            .MinBy(i => (outlook.Ways[i].Preference, outlook.Ways[i].PricePerHour?.Micro ?? 0, i));
        more[cheapest] += short_;
        return more;
    }

    private bool TryStart(ModelOutlook outlook, int at, ReplicaId replica, bool[] full, bool makesRoom)
    {
        var way = outlook.Ways[at];
        if (_quotas.Refuse(way) is { } above)
        {
            if (makesRoom) _verdicts[outlook.Model.Id] = above;
            return false;
        }

        return Start(way, replica, WhyStart(way) with { Instead = Instead(outlook, at, full) }, makesRoom);
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
