using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// How long a model's further replicas were not wanted while others were, and how much of one would have been used when it was
/// wanted again. By rank: the 2nd; the 3rd and 4th; the 5th to 8th; and so on, as neighbours come and go together.
/// </summary>
/// <param name="Ranks">By group of ranks; those beyond the largest seen are left out.</param>
/// <param name="From">Since when nothing was missed: a time that began before it is not counted.</param>
/// <param name="Until">When it was last looked.</param>
public sealed record SurplusTimes(ImmutableArray<SurplusTimes.Group> Ranks, DateTimeOffset From, DateTimeOffset Until)
{
    /// <summary>Ranks are counted to a million replicas.</summary>
    internal const int GroupsMost = 20;

    // The share used is a mean over so many times at the most.
    private const double SharesKept = 20;

    /// <param name="Times">How long a rank was not wanted; one of a group of n counts for 1/n.</param>
    /// <param name="Share">Share of the replica that was expected to be used when it was wanted again, the mean of late.</param>
    public sealed record Group(IdleTimes Times, float Share)
    {
        public static readonly Group None = new(IdleTimes.None, 0);
    }

    /// <summary>The group of a rank; the first replica has none: while it is not wanted nothing is.</summary>
    /// <param name="rank">1 for the first replica.</param>
    public static int GroupOf(int rank) => Math.Min(System.Numerics.BitOperations.Log2((uint)Math.Max(1, rank - 1)), GroupsMost - 1);

    /// <summary>What is known of a rank.</summary>
    public Group Of(int rank) => rank > 1 && GroupOf(rank) < Ranks.Length ? Ranks[GroupOf(rank)] : Group.None;

    /// <summary>Since when nothing was missed, seen from now: a time in which nobody looked is no time of surplus.</summary>
    /// <param name="known">What is known; null before anything is.</param>
    /// <param name="at">Now.</param>
    /// <param name="unseen">Longer between two looks, and nobody knows what was wanted in between.</param>
    public static DateTimeOffset SeenFrom(SurplusTimes? known, DateTimeOffset at, TimeSpan unseen) =>
        known is null || at - known.Until > unseen || at < known.Until ? at : known.From;

    /// <summary>
    /// Learns from how many are wanted now: the times of those ranks end that were not wanted before. One no longer than the
    /// shortest is no pause: no replica could go and be back in it.
    /// </summary>
    /// <param name="known">What is known; null before anything is.</param>
    /// <param name="at">Now.</param>
    /// <param name="wanted">Replicas wanted.</param>
    /// <param name="lastWanted">When each rank was last wanted, the first rank first.</param>
    /// <param name="shortest">The model's horizon.</param>
    /// <param name="unseen">Longer between two looks, and nobody knows what was wanted in between.</param>
    /// <param name="share">Share of a rank that is expected to be used.</param>
    public static SurplusTimes Learn(
        SurplusTimes? known, DateTimeOffset at, int wanted, ImmutableArray<DateTimeOffset> lastWanted, TimeSpan shortest, TimeSpan unseen, Func<int, double> share)
    {
        ArgumentNullException.ThrowIfNull(share);
        var from = SeenFrom(known, at, unseen);
        var ranks = known?.Ranks ?? [];
        for (var rank = 2; rank <= Math.Min(wanted, lastWanted.Length); rank++)
        {
            var last = lastWanted[rank - 1];
            if (last < from || at - last <= shortest) continue;
            var group = GroupOf(rank);
            while (ranks.Length <= group) ranks = ranks.Add(Group.None);
            var (times, before) = ranks[group];
            var weight = 1.0 / (1 << group);
            var gain = weight / Math.Min(times.Weight + weight, SharesKept);
            ranks = ranks.SetItem(group, new Group(
                times.Passed(at - last, weight), (float)(Half)(before + (gain * (Math.Clamp(share(rank), 0, 1) - before)))));
        }

        return new SurplusTimes(ranks, from, at);
    }
}
