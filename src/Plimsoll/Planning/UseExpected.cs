using System.Globalization;

namespace Plimsoll;

/// <summary>A use of an idle model that is expected at about its time of day, and worth being there for.</summary>
/// <param name="At">About when.</param>
/// <param name="Until">It is given up then.</param>
/// <param name="Chance">Probability that it comes.</param>
/// <param name="Days">Days that this was seen on, aged ones counted for less.</param>
/// <param name="Reload">What a cold start would cost, as time of a replica's price; null where nothing is priced.</param>
/// <param name="Begins">Whether a load that begins now would be over at the right time.</param>
internal sealed record UseExpected(DateTimeOffset At, DateTimeOffset Until, double Chance, double Days, TimeSpan? Reload, bool Begins)
{
    // A moment seen on one day is an anecdote.
    private const float TimesLeast = 1.5f;

    // On hardware that costs nothing more likely than not will do.
    private const double ChanceLeastOwned = 0.5;

    // Mean distances from the mean that are waited for: nine starts in ten and more are nearer.
    private const double Spreads = 3;

    // Counts and plans come some seconds after the fact.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(15);

    /// <summary>
    /// The use to be there for now; null where there is none, or where waiting for it costs more than it saves. A load for one that does not
    /// come costs the load and the wait, T + 2w, where w is half the time in which it is expected; for one that comes it costs half of that, w,
    /// and saves what a cold start costs beyond its load. So with probability p it pays where p · reload exceeds T + p · w + (1 − p) · 2w.
    /// </summary>
    /// <param name="known">What is known of the model.</param>
    /// <param name="at">Now.</param>
    /// <param name="horizon">T_load + review: how long from now until a replica would be there.</param>
    /// <param name="load">T_load at its p90.</param>
    /// <param name="reload">What coming back costs, T_load included, as time of the replica's price; null where nothing is priced.</param>
    public static UseExpected? Of(ModelKnowledge known, DateTimeOffset at, TimeSpan horizon, TimeSpan load, TimeSpan? reload)
    {
        if (known.Daily is not { } daily) return null;
        foreach (var moment in daily.Moments)
        {
            if (moment.Times < TimesLeast) continue;
            var half = TimeSpan.FromSeconds(Spreads * moment.Spread) + Slack;
            if (Centre(moment, half, at, horizon, known.LastArrival) is not { } centre) continue;
            var chance = daily.Chance(moment);
            var pays = reload is { } cost
                ? chance * cost.TotalSeconds > load.TotalSeconds + (half.TotalSeconds * (2 - chance))
                : chance >= ChanceLeastOwned;
            if (pays) return new UseExpected(centre, centre + half, chance, daily.Days, reload, at + horizon <= centre);
        }

        return null;
    }

    // The time around which it is expected now: not over, near enough for a load that begins now, and not come yet.
    private static DateTimeOffset? Centre(DailyStarts.Moment moment, TimeSpan half, DateTimeOffset at, TimeSpan horizon, DateTimeOffset? lastArrival)
    {
        foreach (var centre in (ReadOnlySpan<DateTimeOffset>)[DailyStarts.Nearest(moment, at), DailyStarts.Nearest(moment, at + horizon)])
        {
            if (at < centre + half && at + horizon >= centre - half && !(lastArrival > centre - half - DailyStarts.PauseLeast)) return centre;
        }

        return null;
    }

    /// <summary>"09:00 UTC", as it is said.</summary>
    public string Time => At.ToUniversalTime().ToString("HH:mm 'UTC'", CultureInfo.InvariantCulture);
}
