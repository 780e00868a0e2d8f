using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>A launch, a batch run, a holiday: demand known beforehand to differ from what was learned.</summary>
/// <param name="From">Its start.</param>
/// <param name="To">Its end, not part of it.</param>
/// <param name="Factor">What the usual demand is multiplied by; 1 where only something is added.</param>
/// <param name="AddedPerSecond">Arrivals a second that come on top.</param>
public sealed record DemandEvent(DateTimeOffset From, DateTimeOffset To, double Factor = 1, double AddedPerSecond = 0)
{
    /// <summary>Most events of one model.</summary>
    public const int PerModelMost = 100;

    /// <summary>Most that the usual demand is multiplied by.</summary>
    public const double FactorMost = 1000;

    /// <summary>Most arrivals a second that an event adds.</summary>
    public const double AddedMost = 1e6;

    /// <summary>Shortest time after which an event comes again.</summary>
    public static readonly TimeSpan EveryLeast = TimeSpan.FromMinutes(10);

    /// <summary>Longest.</summary>
    public static readonly TimeSpan EveryMost = TimeSpan.FromDays(366);

    /// <summary>It comes again and again, so long from start to start, and never ends; null for one that comes once.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public TimeSpan? Every { get; init; }

    /// <summary>
    /// What is wrong with it, as a field and a sentence that says what would do; null where nothing is. Fields are named as files and
    /// objects name them.
    /// </summary>
    public (string Field, string Message)? Problem() => this switch
    {
        _ when To <= From => ("to", $"found {MomentText.Show(To)}, which is not after from ({MomentText.Show(From)}); the moment at which it ends would do"),
        { Every: { } every } when every < EveryLeast || every > EveryMost =>
            ("every", $"found {Durations.Show(every)}; it must be from {Durations.Show(EveryLeast)} to {Durations.Show(EveryMost)}"),
        { Every: { } every } when To - From > every =>
            ("every", $"found {Durations.Show(every)}, which is before one that lasts {Durations.Show(To - From)} is over; so long or longer would do"),
        _ when !(Factor >= 0 && Factor <= FactorMost) => ("factor", $"found {Factor}; it must be from 0 to {FactorMost}"),
        _ when !(AddedPerSecond >= 0 && AddedPerSecond <= AddedMost) => ("addedPerSecond", $"found {AddedPerSecond}; it must be from 0 to {AddedMost}"),
        { Factor: 1, AddedPerSecond: 0 } => ("factor", "it changes nothing; a factor other than 1 or addedPerSecond would do"),
        _ => null,
    };

    /// <summary>The times at which it is in force that overlap a window, in order; none of an event with a problem.</summary>
    /// <param name="from">The window's start.</param>
    /// <param name="to">Its end.</param>
    internal IEnumerable<(DateTimeOffset From, DateTimeOffset To)> Within(DateTimeOffset from, DateTimeOffset to)
    {
        if (Problem() is not null) yield break;
        if (Every is not { } every)
        {
            if (From < to && To > from) yield return (From, To);
            yield break;
        }

        // The one that began last before the window may reach into it. Counted in ticks from the first, so that none drifts.
        var first = from <= From ? 0 : (from - From).Ticks / every.Ticks;
        for (var i = 0; i < TimesMost; i++)
        {
            var start = From + (every * (first + i));
            if (start >= to) yield break;
            if (start + (To - From) > from) yield return (start, start + (To - From));
        }
    }

    // A window of months would meet one that comes every ten minutes forever; by then all it does was seen.
    private const int TimesMost = 1000;
}
