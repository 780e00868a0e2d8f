using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Known events; where several overlap their factors multiply and what they add adds up.</summary>
/// <param name="Events">In any order; one with a <see cref="DemandEvent.Problem"/> counts for nothing.</param>
public sealed record DemandCalendar(ImmutableArray<DemandEvent> Events)
{
    // What is left of demand under a factor below this says nothing of the usual one.
    private const double FactorLeast = 0.05;

    /// <summary>A model's; null where it has none.</summary>
    public static DemandCalendar? Of(ModelSpec? model) => model is null || model.Events.IsDefaultOrEmpty ? null : new DemandCalendar(model.Events);

    /// <summary>
    /// What is in force at a window's start and wherever that changes within it, in order: between those moments nothing does.
    /// </summary>
    internal ImmutableArray<Stretch> Within(DateTimeOffset from, DateTimeOffset to)
    {
        var parts = Parts(from, to);
        var moments = new SortedSet<DateTimeOffset> { from };
        foreach (var (_, start, end) in parts)
        {
            if (start > from && start < to) moments.Add(start);
            if (end > from && end < to) moments.Add(end);
        }

        var stretches = ImmutableArray.CreateBuilder<Stretch>(moments.Count);
        foreach (var at in moments)
        {
            var (factor, added) = (1.0, 0.0);
            foreach (var (one, start, end) in parts)
            {
                if (start > at || end <= at) continue;
                factor *= one.Factor;
                added += one.AddedPerSecond;
            }

            stretches.Add(new Stretch(at, Math.Min(factor, DemandEvent.FactorMost), Math.Min(added, DemandEvent.AddedMost)));
        }

        return stretches.MoveToImmutable();
    }

    /// <summary>The most a window holds, given what it would hold without events.</summary>
    public double WithEvents(DateTimeOffset from, DateTimeOffset to, double ratePerSecond) => Most(Within(from, to), ratePerSecond).On(ratePerSecond);

    /// <summary>The stretch of a window in which most comes, the first of equals.</summary>
    internal static Stretch Most(ImmutableArray<Stretch> stretches, double ratePerSecond)
    {
        var most = stretches[0];
        foreach (var one in stretches)
        {
            if (one.On(ratePerSecond) > most.On(ratePerSecond)) most = one;
        }

        return most;
    }

    /// <summary>
    /// What would have arrived in an interval without the events; null where they left too little to tell.
    /// </summary>
    public double? WithoutEvents(DateTimeOffset from, DateTimeOffset to, double arrivals)
    {
        var factor = 1.0;
        foreach (var (one, start, end) in Parts(from, to))
        {
            var overlap = (Min(to, end) - Max(from, start)).TotalSeconds;
            arrivals -= one.AddedPerSecond * overlap;
            factor *= 1 + (overlap / (to - from).TotalSeconds * (one.Factor - 1));
        }

        return factor < FactorLeast ? null : Math.Max(0, arrivals) / factor;
    }

    /// <summary>The one that is under way or comes next, the earliest; null where none does any more.</summary>
    public (DemandEvent Event, DateTimeOffset From, DateTimeOffset To)? Next(DateTimeOffset at)
    {
        (DemandEvent, DateTimeOffset From, DateTimeOffset)? next = null;
        foreach (var one in Events)
        {
            // One that repeats comes within its time; one that comes once, whenever it does.
            var until = one.Every is { } every ? Max(at, one.From) + every : Max(at, one.To);
            foreach (var (from, to) in one.Within(at, until + TimeSpan.FromTicks(1)).Take(1))
            {
                if (next is null || from < next.Value.From) next = (one, from, to);
            }
        }

        return next;
    }

    /// <summary>Whether any event is in force in a window.</summary>
    internal bool Any(DateTimeOffset from, DateTimeOffset to) => Events.Any(one => one.Within(from, to).Any());

    private List<(DemandEvent Event, DateTimeOffset From, DateTimeOffset To)> Parts(DateTimeOffset from, DateTimeOffset to)
    {
        var parts = new List<(DemandEvent, DateTimeOffset, DateTimeOffset)>();
        foreach (var one in Events)
        {
            foreach (var (start, end) in one.Within(from, to)) parts.Add((one, start, end));
        }

        return parts;
    }

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}

/// <summary>A time in which the same events are in force, from a moment on.</summary>
/// <param name="At">When it begins.</param>
/// <param name="Factor">What the usual demand is multiplied by.</param>
/// <param name="AddedPerSecond">What comes on top.</param>
internal readonly record struct Stretch(DateTimeOffset At, double Factor, double AddedPerSecond)
{
    /// <summary>Arrivals a second in it where so many are usual.</summary>
    public double On(double ratePerSecond) => (ratePerSecond * Factor) + AddedPerSecond;
}

/// <summary>What known events make of the demand over the time ahead.</summary>
/// <param name="At">The moment within it from which most comes; now, of an event that is under way.</param>
/// <param name="Factor">What the usual demand is multiplied by then.</param>
/// <param name="AddedPerSecond">What comes on top then.</param>
/// <param name="UsualPerSecond">What would be planned for without events.</param>
/// <param name="Underway">Whether that moment is now.</param>
public sealed record EventAhead(DateTimeOffset At, double Factor, double AddedPerSecond, double UsualPerSecond, bool Underway)
{
    /// <summary>Whether it brings requests even to a model that nobody asks for.</summary>
    internal bool Adds => AddedPerSecond > 0;

    /// <summary>"from 12:00 UTC an event of 3x", "in an event of 5/s more", as a clause.</summary>
    /// <param name="now">When it is said.</param>
    public string Shown(DateTimeOffset now) => (Underway ? "in an event of " : $"from {MomentText.Show(At, now)} an event of ") + What(Factor, AddedPerSecond)
        + (UsualPerSecond > 0 ? $" on {Fact.Rate("", UsualPerSecond).Shown}" : "");

    /// <summary>"3x", "5/s more", "3x and 5/s more".</summary>
    public static string What(double factor, double addedPerSecond)
    {
        var times = factor.ToString("0.##", CultureInfo.InvariantCulture) + "x";
        var more = Fact.Rate("", addedPerSecond).Shown + " more";
        return addedPerSecond <= 0 ? times : factor == 1 ? more : $"{times} and {more}";
    }
}
