using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Times of day at which a model that had lain idle was asked for again, and on how many of the days that were watched: what a replica
/// can be there for before it is asked. Rounded as it learns, so that what is read back goes on the same; a model that is always in
/// use has none.
/// </summary>
/// <param name="Moments">Ordered by time of day, at most <see cref="MomentsMost"/>.</param>
/// <param name="Days">Days watched since the first, aged ones counted for less.</param>
/// <param name="DayFrom">When the day that is being watched began, at any time of day.</param>
public sealed record DailyStarts(ImmutableArray<DailyStarts.Moment> Moments, float Days, DateTimeOffset DayFrom)
{
    /// <summary>Beyond it the one that came least often goes.</summary>
    internal const int MomentsMost = 48;

    /// <summary>A pause shorter than this is a lull in one use.</summary>
    internal static readonly TimeSpan PauseLeast = TimeSpan.FromMinutes(10);

    internal const int SecondsOfDay = 86_400;

    // Starts so near to each other on two days are taken for the same.
    private const int NearSeconds = 600;

    // What is known of a moment that was seen once.
    private const float SpreadFirst = 120;

    // A day counts for this share less with each further one: about two weeks are kept in mind.
    private const float Ageing = 1 / 14f;

    // A moment that came so seldom is forgotten.
    private const float TimesLeast = 0.3f;

    // After a longer time nothing that was known of days holds.
    private const int DaysAtOnceMost = 60;

    /// <summary>A time of day, as universal time.</summary>
    /// <param name="Second">Mean of the starts, in seconds from midnight.</param>
    /// <param name="Spread">Mean distance of a start from it, in seconds.</param>
    /// <param name="Times">Days on which there was one, aged as <see cref="Days"/>.</param>
    public readonly record struct Moment(int Second, float Spread, float Times);

    /// <summary>
    /// Probability that a moment comes on a day, as if there had been two more days without it: one that was seen on two days out of two
    /// is no certainty.
    /// </summary>
    public double Chance(Moment moment) => Math.Clamp(moment.Times / (Days + 2.0), 0, 1);

    /// <summary>Learns from what was counted until a moment.</summary>
    /// <param name="known">What is known; null before anything is.</param>
    /// <param name="at">Until when was counted.</param>
    /// <param name="started">Whether the model was asked for then, after a pause.</param>
    /// <param name="unseen">How long nobody had looked before: no time in which nobody asked.</param>
    public static DailyStarts? Learn(DailyStarts? known, DateTimeOffset at, bool started, TimeSpan unseen)
    {
        if (known is null) return started ? new DailyStarts([new Moment(SecondOf(at), SpreadFirst, 1)], 0, at) : null;
        // A day that was to begin later than now, as a clock was set back, begins now.
        var from = at - known.DayFrom < unseen ? at : known.DayFrom + (unseen > TimeSpan.Zero ? unseen : TimeSpan.Zero);
        var next = from != known.DayFrom ? known with { DayFrom = from } : known;
        if ((at - next.DayFrom).TotalDays > DaysAtOnceMost) return Learn(null, at, started, TimeSpan.Zero);
        while (at - next.DayFrom >= TimeSpan.FromDays(1)) next = next.DayOver();
        if (started) return next.Started(SecondOf(at));
        return next.Moments.IsEmpty ? null : next;
    }

    /// <summary>The nearest time at which a moment's centre falls, before or after.</summary>
    internal static DateTimeOffset Nearest(Moment moment, DateTimeOffset at)
    {
        var ahead = moment.Second - SecondOf(at);
        if (ahead > SecondsOfDay / 2) ahead -= SecondsOfDay;
        if (ahead <= -SecondsOfDay / 2) ahead += SecondsOfDay;
        return at.AddSeconds(ahead);
    }

    private static int SecondOf(DateTimeOffset at) => (int)(at.UtcTicks % TimeSpan.TicksPerDay / TimeSpan.TicksPerSecond);

    private DailyStarts DayOver() => new(
        [.. Moments.Select(moment => moment with { Times = Short(moment.Times * (1 - Ageing)) }).Where(moment => moment.Times >= TimesLeast)],
        Short((Days * (1 - Ageing)) + 1), DayFrom.AddDays(1));

    private DailyStarts Started(int second)
    {
        var (at, near) = (-1, NearSeconds + 1);
        for (var i = 0; i < Moments.Length; i++)
        {
            if (Apart(Moments[i].Second, second) is var apart && Math.Abs(apart) < near) (at, near) = (i, Math.Abs(apart));
        }

        var moments = Moments;
        var joined = new Moment(second, SpreadFirst, 1);
        if (at >= 0)
        {
            var (before, times) = (Moments[at], Math.Min(Moments[at].Times + 1, Days + 1));
            var gain = 1 / Math.Max(times, 1);
            var apart = Apart(before.Second, second);
            joined = new Moment(
                ((before.Second + (int)Math.Round(gain * apart)) % SecondsOfDay + SecondsOfDay) % SecondsOfDay,
                Short(before.Spread + (gain * (Math.Abs(apart) - before.Spread))), Short(Math.Max(times, before.Times)));
            moments = moments.RemoveAt(at);
        }
        else if (moments.Length >= MomentsMost)
        {
            moments = moments.Remove(moments.MinBy(moment => (moment.Times, moment.Second)));
        }

        return this with { Moments = moments.Add(joined).Sort((a, b) => a.Second.CompareTo(b.Second)) };
    }

    // From one time of day to another, the short way round.
    private static int Apart(int from, int to)
    {
        var apart = ((to - from) % SecondsOfDay + SecondsOfDay) % SecondsOfDay;
        return apart > SecondsOfDay / 2 ? apart - SecondsOfDay : apart;
    }

    // As it is written.
    private static float Short(float value) => (float)(Half)value;
}
