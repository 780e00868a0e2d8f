namespace Plimsoll;

// Who chooses first of those that are equal in rank: whoever has most to lose by another's choice.
internal sealed partial class PlanDraft
{
    // Orders tried for one plan; what they were worth is in docs/benchmarks/allocation.md.
    private const int OrdersMost = 24;

    // More of either take too long to be tried in several orders, and one more or less matters less among many.
    private const int TriedClaimsMost = 64;
    private const int TriedNodesMost = 500;

    // Of orders that differ from the best in where one model stands, and of the nodes that they look at together: a small fleet is searched
    // through, a large one hardly.
    private const int NeighbourClaimsMost = 16;
    private const int NeighbourTriesMost = 240;
    private const int NeighbourNodesMost = 6000;

    /// <param name="Outlook">Of the model that wants replicas.</param>
    /// <param name="Missing">How many.</param>
    /// <param name="Debt">Request-seconds that it has lost by waiting.</param>
    private sealed record Claimant(ModelOutlook Outlook, int Missing, double Debt)
    {
        public static readonly Comparison<Claimant> InRank = (a, b) =>
            b.Rank.CompareTo(a.Rank) is var rank and not 0 ? rank
            : a.Outlook.Load.P90.CompareTo(b.Outlook.Load.P90) is var load and not 0 ? load
            : a.Outlook.Model.Id.CompareTo(b.Outlook.Model.Id);

        /// <summary>The highest goes first, whatever others lose by it.</summary>
        public (bool Acts, int Priority, bool Waits, double Debt) Rank => (Outlook.Model.Acts, Outlook.Model.Priority, Outlook is { Held: > 0, Supply: 0 }, Debt);
    }

    /// <summary>What an order comes to, less being better.</summary>
    private readonly record struct Outcome(int Unmet, long Preference, long Micro) : IComparable<Outcome>
    {
        public int CompareTo(Outcome other) => (Unmet, Preference, Micro).CompareTo((other.Unmet, other.Preference, other.Micro));
    }

    // Squeaky-wheel optimisation (Joslin and Clements 1999): replicas are placed in an order without being started, whoever comes off badly
    // is moved forward, and the best order of a few is kept.
    private List<Claimant> Ordered(List<Claimant> claims)
    {
        if (claims.Count < 2 || !_observed.Can.HasFlag(Capabilities.ChooseNode)) return claims;
        var regrets = claims.ToDictionary(claim => claim.Outlook.Model.Id, claim => Regret(claim.Outlook));
        var order = claims.OrderByDescending(claim => claim.Rank).ThenByDescending(claim => regrets[claim.Outlook.Model.Id])
            .ThenBy(claim => KindsOf(claim.Outlook)).ThenByDescending(claim => claim.Outlook.Needs.Devices)
            .ThenByDescending(claim => claim.Outlook.Needs.PerDevice?.Highest ?? Bytes.Zero).ToList();
        if (claims.All(claim => claim.Outlook.Mix is null) || claims.Count > TriedClaimsMost || _ledgers.Count > TriedNodesMost) return order;

        var ideal = claims.ToDictionary(claim => claim.Outlook.Model.Id, claim => Try([claim]).Costs[0]);
        var blame = claims.ToDictionary(claim => claim.Outlook.Model.Id, _ => 0.0);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var (best, least) = (order, default(Outcome?));
        for (var round = 0; round < OrdersMost && seen.Add(OrderOf(order)); round++)
        {
            var (outcome, costs) = Try(order);
            if (least is null || outcome.CompareTo(least.Value) < 0) (best, least) = (order, outcome);
            var worst = 0.0;
            for (var i = 0; i < order.Count; i++)
            {
                var mine = Blame(costs[i], ideal[order[i].Outlook.Model.Id]);
                blame[order[i].Outlook.Model.Id] += mine;
                worst = Math.Max(worst, mine);
            }

            if (worst <= 0) return best;
            order = [.. order.OrderByDescending(claim => claim.Rank).ThenByDescending(claim => blame[claim.Outlook.Model.Id])];
        }

        return _spec.Settings.TriesNeighbours && least is { } known ? BestNeighbour(best, known, seen) : best;
    }

    // Blame moves all who come off badly forward at once; that one of them must stay behind another is found by moving one at a time, as
    // long as that helps.
    private List<Claimant> BestNeighbour(List<Claimant> best, Outcome least, HashSet<string> seen)
    {
        if (best.Count > NeighbourClaimsMost) return best;
        var tries = Math.Min(NeighbourTriesMost, NeighbourNodesMost / Math.Max(1, _ledgers.Count));
        for (var better = true; better;)
        {
            better = false;
            for (var from = 0; from < best.Count && !better; from++)
            {
                for (var to = 0; to < best.Count && !better; to++)
                {
                    if (to == from || best[to].Rank != best[from].Rank) continue;
                    var order = new List<Claimant>(best);
                    order.RemoveAt(from);
                    order.Insert(to, best[from]);
                    if (!seen.Add(OrderOf(order))) continue;
                    if (tries-- <= 0) return best;
                    var (outcome, _) = Try(order);
                    if (outcome.CompareTo(least) >= 0) continue;
                    (best, least, better) = (order, outcome, true);
                }
            }
        }

        return best;
    }

    private static string OrderOf(List<Claimant> order) => string.Join(' ', order.Select(claim => claim.Outlook.Model.Id));

    private static int KindsOf(ModelOutlook outlook) => outlook.Ways.IsEmpty ? 1 : outlook.Ways.Select(way => way.Variant.DeviceKind).Distinct().Count();

    // Dollars more than by itself; what is not met is worth more than any.
    private static double Blame(Outcome cost, Outcome ideal) =>
        cost.Unmet > ideal.Unmet || cost.Preference > ideal.Preference ? 1e6 : (cost.Micro - ideal.Micro) / 1e6;

    private (Outcome All, Outcome[] Costs) Try(IReadOnlyList<Claimant> order)
    {
        var ledgers = _ledgers.Values.Where(ledger => ledger.Node.Condition == NodeCondition.Ready).Select(ledger => TriesTime ? ledger.CopyWithTime() : ledger.Copy()).ToArray();
        var costs = new Outcome[order.Count];
        for (var i = 0; i < order.Count; i++) costs[i] = Try(order[i], ledgers);
        return (new Outcome(costs.Sum(cost => cost.Unmet), costs.Sum(cost => cost.Preference), costs.Sum(cost => cost.Micro)), costs);
    }

    private Outcome Try(Claimant claim, NodeLedger[] ledgers)
    {
        var outlook = claim.Outlook;
        if (outlook.Mix is not { } mix)
        {
            var placed = 0;
            while (placed < claim.Missing && Put(outlook, ledgers)) placed++;
            return new Outcome(placed < claim.Missing ? 1 : 0, 0, 0);
        }

        int[] there = [.. outlook.There];
        var (started, room) = (new int[there.Length], RoomOf(outlook, _ => ledgers));
        var missing = More(outlook, there, room);
        while (Next(outlook, missing, room) is { } next)
        {
            if (Put(outlook.Ways[next], ledgers))
            {
                (there[next], started[next], missing[next], room[next]) = (there[next] + 1, started[next] + 1, missing[next] - 1, room[next] - 1);
                continue;
            }

            room[next] = 0;
            missing = More(outlook, there, room);
        }

        var (short_, preference, micro) = mix.CostOf(outlook.There.AsSpan(), started, _allocations[outlook.Model.Id].PerSecond);
        return new Outcome(short_ > 1e-9 ? 1 : 0, preference, micro);
    }

    private bool TriesTime => CountsTime && _spec.Settings.MovesForTime;

    private bool Put(ModelOutlook way, NodeLedger[] ledgers)
    {
        var use = TriesTime ? TimeOf(way) : null;
        foreach (var ledger in Preferred(way, ledgers))
        {
            if (use is null ? ledger.ReserveNow(way.Needs, way.Variant.DeviceKind) : IsPut(way, use, ledger)) return true;
        }

        return false;
    }

    private static bool IsPut(ModelOutlook way, DeviceUse use, NodeLedger ledger)
    {
        if (!ledger.MayHaveTime(use) || ledger.TryReserveNow(way.Needs, way.Variant.DeviceKind, use) is not { } devices) return false;
        ledger.Uses(new ReplicaId($"trial/{way.Model.Id}"), devices, use);
        return true;
    }
}
