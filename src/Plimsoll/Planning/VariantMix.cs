using System.Collections.Immutable;
using System.Runtime.InteropServices;

namespace Plimsoll;

/// <summary>
/// The cheapest replicas of several variants that carry a rate together (design §6.5). What runs is kept as long as it is needed, the
/// cheapest for what it carries first; only what is missing is chosen anew.
/// </summary>
/// <param name="ways">The model's outlook as each variant, in its order of preference.</param>
/// <param name="keepsCheapest">
/// Whether of what runs the cheapest that carry the rate together are kept (<see cref="Overpaid.Settled"/>), and not one after
/// the other the cheapest for what each carries: of a large one and a small one, for what the small one carries the small one.
/// </param>
internal sealed class VariantMix(ImmutableArray<ModelOutlook> ways, bool keepsCheapest = false)
{
    // Ways that are looked at without memory of their own; a journal of somebody else's may say any number.
    private const int OnStack = 64;

    // So many kinds are mixed at the most: the cheapest for what they carry, and the cheapest of all.
    private const int MixedMost = 4;

    // One of a kind fewer than would do alone, two fewer, and so on, or none: what the last replicas of a kind carry may be cheaper on
    // another. Exact where no more of a kind are missing; four were too few.
    private const int FewerMost = 32;

    /// <summary>
    /// Positions of the ways, the cheapest for what it carries first; the model's order among equals, and where prices or capacities
    /// are not known.
    /// </summary>
    public ImmutableArray<int> Order { get; } = Ordered(ways);

    private static ImmutableArray<int> Ordered(ImmutableArray<ModelOutlook> ways)
    {
        var (order, keys) = (new int[ways.Length], new (int Preference, double Each, int At)[ways.Length]);
        for (var i = 0; i < order.Length; i++)
            (order[i], keys[i]) = (i, (ways[i].Preference, ways[i] is { PricePerHour: { } price, Capacity: > 0 and var each } ? price.Micro / each : 0, i));
        Array.Sort(keys, order);
        return ImmutableCollectionsMarshal.AsImmutableArray(order);
    }

    /// <summary>Room without end in each of so many ways.</summary>
    public static int[] Unlimited(int ways) => [.. Enumerable.Repeat(int.MaxValue, ways)];

    /// <summary>Requests a second that so many replicas of each way carry together.</summary>
    public double CapacityOf(ReadOnlySpan<int> replicas)
    {
        var together = 0;
        foreach (var count in replicas) together += count;
        var sum = 0.0;
        for (var i = 0; i < replicas.Length; i++)
        {
            // Before anybody knows what one carries one is enough.
            if (replicas[i] > 0) sum += ways[i].Worth(replicas[i]) * (ways[i].CapacityOfOneAmong(together) ?? double.PositiveInfinity);
        }

        return sum;
    }

    /// <summary>Whether of what runs the cheapest that carry the rate together are kept.</summary>
    public bool KeepsCheapest => keepsCheapest;

    /// <summary>Whether each of these has a price and is one of the ways that are chosen by it.</summary>
    public bool IsPriced(ReadOnlySpan<int> there)
    {
        for (var i = 0; i < there.Length; i++)
        {
            if (there[i] > 0 && ways[i] is not { Preference: 0, PricePerHour: not null }) return false;
        }

        return true;
    }

    /// <summary>Those of what is there that carry the rate, the cheapest for what they carry first; all where all do not.</summary>
    public int[] Kept(ReadOnlySpan<int> there, double perSecond, int most)
    {
        if (keepsCheapest && IsPriced(there)) return More(there.Length <= OnStack ? stackalloc int[there.Length] : new int[there.Length], there, perSecond, most);
        var kept = new int[there.Length];
        var count = 0;
        foreach (var at in Order)
        {
            while (kept[at] < there[at] && count < most && CapacityOf(kept) < perSecond) (kept[at], count) = (kept[at] + 1, count + 1);
        }

        return kept;
    }

    /// <summary>Raises counts to so many together, the cheapest ways first and no way above its most.</summary>
    /// <returns>How many there are still too few.</returns>
    public int Fill(int[] counts, ReadOnlySpan<int> most, int least)
    {
        var lacking = least;
        foreach (var count in counts) lacking -= count;
        if (lacking <= 0) return 0;
        foreach (var at in Enumerable.Range(0, counts.Length).OrderBy(i => (ways[i].Preference, ways[i].PricePerHour?.Micro ?? 0, i)))
        {
            var further = Math.Clamp(most[at] - counts[at], 0, lacking);
            (counts[at], lacking) = (counts[at] + further, lacking - further);
        }

        return lacking;
    }

    /// <summary>The first so many of what is there, the cheapest for what they carry first, and of a way what is more than that.</summary>
    public int[] First(ReadOnlySpan<int> there, int replicas, int further)
    {
        var first = new int[there.Length];
        foreach (var at in Order)
        {
            first[at] = Math.Min(there[at], replicas);
            replicas -= first[at];
        }

        first[Math.Max(0, further)] += replicas;
        return first;
    }

    /// <summary>The cheapest replicas beside what is there that carry the rate with it; those that carry most where none do.</summary>
    /// <param name="there">Replicas of each way that are there.</param>
    /// <param name="room">How many more of each way there may be.</param>
    /// <param name="perSecond">Requests a second.</param>
    /// <param name="most">Replicas of all ways together at the most.</param>
    /// <returns>How many more of each way.</returns>
    public int[] More(ReadOnlySpan<int> there, ReadOnlySpan<int> room, double perSecond, int most)
    {
        // As nearly always: nothing is missing.
        if (CapacityOf(there) >= perSecond) return new int[there.Length];
        var open = Mixed(room);
        var search = new Search(this, ways, open, [.. there], [.. room], perSecond, most);
        if (open.Length > 0) search.From(0);
        if (search.Best is { } best) return best;
        var more = new int[there.Length];
        var counts = there.ToArray();
        var total = counts.Sum();
        foreach (var strongest in open.OrderBy(i => (ways[i].Preference, -ways[i].Capacity ?? 0, i)))
        {
            for (; more[strongest] < room[strongest] && total < most && CapacityOf(counts) < perSecond; total++)
                (counts[strongest], more[strongest]) = (counts[strongest] + 1, more[strongest] + 1);
        }

        return more;
    }

    /// <summary>What so many more cost an hour, ways that are only thought of later first; what they leave of a rate before all of it.</summary>
    public (double Short, long Preference, long Micro) CostOf(ReadOnlySpan<int> there, ReadOnlySpan<int> more, double perSecond)
    {
        var counts = there.ToArray();
        var (preference, micro) = (0L, 0L);
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] += more[i];
            (preference, micro) = (preference + ((long)more[i] * ways[i].Preference), micro + (more[i] * (ways[i].PricePerHour?.Micro ?? 0)));
        }

        return (Math.Max(0, perSecond - CapacityOf(counts)), preference, micro);
    }

    private int[] Mixed(ReadOnlySpan<int> room)
    {
        var open = new List<int>();
        foreach (var i in Order)
        {
            if (room[i] > 0) open.Add(i);
        }

        if (open.Count <= MixedMost) return [.. open];
        var cheapest = open.MinBy(i => (ways[i].Preference, ways[i].PricePerHour?.Micro ?? 0, i));
        return [.. open.Take(MixedMost - 1).Append(cheapest).Distinct()];
    }

    // Over the ways one by one: so many of a way as would do alone, or a few fewer and the rest of those after it.
    private sealed class Search(VariantMix mix, ImmutableArray<ModelOutlook> ways, int[] open, int[] there, int[] room, double perSecond, int most)
    {
        private readonly int[] _counts = [.. there];
        private (long Preference, long Micro, int Replicas) _least = (long.MaxValue, 0, 0);

        public int[]? Best { get; private set; }

        public void From(int at)
        {
            // What is there already only becomes dearer.
            if (Cost().CompareTo(_least) >= 0) return;
            var way = open[at];
            var alone = 0;
            while (mix.CapacityOf(_counts) < perSecond && _counts.Sum() < most && alone < room[way])
            {
                _counts[way]++;
                alone++;
            }

            var carried = mix.CapacityOf(_counts) >= perSecond;
            if (carried) Judge();
            else if (at + 1 < open.Length) From(at + 1);
            for (var fewer = 1; at + 1 < open.Length && fewer <= Math.Min(alone, FewerMost); fewer++)
            {
                _counts[way]--;
                From(at + 1);
            }

            // None of it at all is one of the choices too.
            if (at + 1 < open.Length && alone > FewerMost)
            {
                _counts[way] = there[way];
                From(at + 1);
            }

            _counts[way] = there[way];
        }

        private void Judge()
        {
            var cost = Cost();
            if (cost.CompareTo(_least) >= 0) return;
            _least = cost;
            Best = [.. _counts.Select((count, i) => count - there[i])];
        }

        private (long Preference, long Micro, int Replicas) Cost()
        {
            var (preference, micro, replicas) = (0L, 0L, 0);
            for (var i = 0; i < _counts.Length; i++)
            {
                var more = _counts[i] - there[i];
                (preference, micro, replicas) = (preference + (more * (long)ways[i].Preference), micro + (more * (ways[i].PricePerHour?.Micro ?? 0)), replicas + _counts[i]);
            }

            return (preference, micro, replicas);
        }
    }
}
