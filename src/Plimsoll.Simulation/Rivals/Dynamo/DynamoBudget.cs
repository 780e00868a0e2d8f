namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>
/// The GPU budget: rivals-rules §8.5 and §8.6 d, after components/src/dynamo/planner/core/budget.py.
/// </summary>
public static class DynamoBudget
{
    public const string Hold = "gpu_budget_guard_hold";
    public const string Reconcile = "gpu_budget_reconcile";

    /// <summary>Shrinks (all generations) or grows (the third) a proposal in proportion until it is within the band.</summary>
    /// <returns>None of either where even the least replicas are too many.</returns>
    public static DynamoPair Clamp(DynamoSettings settings, DynamoPair wish)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var (gp, gd, least) = (settings.PrefillGpus, settings.DecodeGpus, settings.Least);
        var total = Total(settings, wish);
        if (InBand(settings, total)) return wish;
        if (settings.MaxGpuBudget >= 0 && total > settings.MaxGpuBudget)
        {
            if (settings.MaxGpuBudget < Total(settings, least)) return default;
            var most = Quotient(settings.MaxGpuBudget - least.Decode * gd, gp);
            var scaled = WholeReplicas.Floor(wish.Prefill * ((double)settings.MaxGpuBudget / total));
            var prefill = Math.Max(least.Prefill, Math.Min(most, scaled));
            return new(prefill, Math.Max(least.Decode, Quotient(settings.MaxGpuBudget - prefill * gp, gd)));
        }

        var share = total > 0 ? wish.Prefill * ((double)settings.MinGpuBudget / total) : settings.MinGpuBudget / 2.0 / gp;
        var grown = Math.Max(least.Prefill, WholeReplicas.Ceiling(share));
        var pair = new DynamoPair(
            grown, Math.Max(least.Decode, WholeReplicas.Ceiling((double)Math.Max(0, settings.MinGpuBudget - grown * gp) / gd)));
        return settings.MaxGpuBudget >= 0 && Total(settings, pair) > settings.MaxGpuBudget ? wish : pair;
    }

    /// <summary>
    /// The third generation's guard of one step. At the ceiling nothing is only added, at the floor nothing only taken; a move
    /// of one pool against the other keeps both its legs.
    /// </summary>
    public static (DynamoPair Pair, string? Reason) Guard(DynamoSettings settings, DynamoPair current, DynamoPair wish)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var total = Total(settings, current);
        if (!InBand(settings, total)) return (Clamp(settings, current), Reconcile);
        var opposed = (wish.Prefill - current.Prefill) * (long)(wish.Decode - current.Decode) < 0;
        var up = wish.Prefill > current.Prefill || wish.Decode > current.Decode;
        var down = wish.Prefill < current.Prefill || wish.Decode < current.Decode;
        var atFloor = total <= settings.MinGpuBudget;
        var atCeiling = settings.MaxGpuBudget >= 0 && total >= settings.MaxGpuBudget;
        if ((atFloor && down && !up) || (atCeiling && up && !opposed)) return (current, Hold);
        if (opposed && (atFloor || atCeiling)) return Held(current, Fit(settings, current, wish));

        var clamped = Clamp(settings, wish);
        return Between(current.Prefill, wish.Prefill, clamped.Prefill) && Between(current.Decode, wish.Decode, clamped.Decode)
            && InBand(settings, Total(settings, clamped)) ? (clamped, null) : (current, Hold);
    }

    /// <summary>
    /// Of all pairs between now and the wish that fit: the nearest to the wish, then the least skewed, then the most progress.
    /// </summary>
    public static DynamoPair Fit(DynamoSettings settings, DynamoPair current, DynamoPair wish)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var least = settings.Least;
        if (wish.Prefill >= least.Prefill && wish.Decode >= least.Decode && InBand(settings, Total(settings, wish))) return wish;
        var (askedPrefill, askedDecode) = (Math.Abs(wish.Prefill - current.Prefill), Math.Abs(wish.Decode - current.Decode));
        var opposed = (wish.Prefill - current.Prefill) * (long)(wish.Decode - current.Decode) < 0;
        return Candidates()
            .OrderBy(pair => Math.Abs(wish.Prefill - pair.Prefill) + Math.Abs(wish.Decode - pair.Decode))
            .ThenBy(pair => Math.Abs(Moved(pair).Prefill * (long)askedDecode - Moved(pair).Decode * (long)askedPrefill))
            .ThenByDescending(pair => Moved(pair).Prefill + Moved(pair).Decode)
            .ThenBy(pair => pair.Prefill).ThenBy(pair => pair.Decode)
            .FirstOrDefault(current);

        DynamoPair Moved(DynamoPair pair) => new(Math.Abs(pair.Prefill - current.Prefill), Math.Abs(pair.Decode - current.Decode));

        IEnumerable<DynamoPair> Candidates()
        {
            for (var p = Math.Max(Math.Min(current.Prefill, wish.Prefill), least.Prefill); p <= Math.Max(current.Prefill, wish.Prefill); p++)
                for (var d = Math.Max(Math.Min(current.Decode, wish.Decode), least.Decode); d <= Math.Max(current.Decode, wish.Decode); d++)
                {
                    var moved = (p != current.Prefill, d != current.Decode);
                    if (InBand(settings, p * settings.PrefillGpus + d * settings.DecodeGpus) && (!opposed || moved.Item1 == moved.Item2))
                        yield return new(p, d);
                }
        }
    }

    private static (DynamoPair Pair, string? Reason) Held(DynamoPair current, DynamoPair fitted) =>
        (fitted, fitted == current ? Hold : null);

    private static int Total(DynamoSettings settings, DynamoPair pair) =>
        pair.Prefill * settings.PrefillGpus + pair.Decode * settings.DecodeGpus;

    /// <summary>With both bounds, the lower one gives way by one replica's GPUs, or widths that do not divide it could never rest.</summary>
    private static bool InBand(DynamoSettings settings, int total)
    {
        var slack = settings is { MinGpuBudget: >= 0, MaxGpuBudget: >= 0 } ? Math.Max(settings.PrefillGpus, settings.DecodeGpus) : 0;
        return (settings.MaxGpuBudget < 0 || total <= settings.MaxGpuBudget)
            && (settings.MinGpuBudget < 0 || total >= settings.MinGpuBudget - slack);
    }

    private static bool Between(int from, int to, int value) => Math.Min(from, to) <= value && value <= Math.Max(from, to);

    private static int Quotient(int gpus, int width) => WholeReplicas.Floor((double)gpus / width);
}
