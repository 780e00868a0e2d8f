using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>A launch, a batch run, a holiday: demand known beforehand to differ from what was learned.</summary>
/// <param name="From">Its start.</param>
/// <param name="To">Its end, not part of it.</param>
/// <param name="Factor">What the usual demand is multiplied by; 1 where only something is added.</param>
/// <param name="AddedPerSecond">Arrivals a second that come on top.</param>
public sealed record DemandEvent(DateTimeOffset From, DateTimeOffset To, double Factor = 1, double AddedPerSecond = 0);

/// <summary>Known events; where several overlap their factors multiply and what they add adds up.</summary>
/// <param name="Events">In any order.</param>
public sealed record DemandCalendar(ImmutableArray<DemandEvent> Events)
{
    // What is left of demand under a factor below this says nothing of the usual one.
    private const double FactorLeast = 0.05;

    /// <summary>The most a window holds, given what it would hold without events.</summary>
    public double WithEvents(DateTimeOffset from, DateTimeOffset to, double ratePerSecond)
    {
        // What is in force changes only where an event begins or ends: the window's start and the starts and ends
        // within it are all there is to look at.
        var most = Apply(from, ratePerSecond);
        foreach (var one in Events)
        {
            if (one.From > from && one.From < to) most = Math.Max(most, Apply(one.From, ratePerSecond));
            if (one.To > from && one.To < to) most = Math.Max(most, Apply(one.To, ratePerSecond));
        }

        return most;
    }

    /// <summary>
    /// What would have arrived in an interval without the events; null where they left too little to tell.
    /// </summary>
    public double? WithoutEvents(DateTimeOffset from, DateTimeOffset to, double arrivals)
    {
        var factor = 1.0;
        foreach (var one in Events)
        {
            var overlap = (Min(to, one.To) - Max(from, one.From)).TotalSeconds;
            if (overlap <= 0 || !Valid(one)) continue;
            arrivals -= one.AddedPerSecond * overlap;
            factor *= 1 + (overlap / (to - from).TotalSeconds * (one.Factor - 1));
        }

        return factor < FactorLeast ? null : Math.Max(0, arrivals) / factor;
    }

    private double Apply(DateTimeOffset at, double ratePerSecond)
    {
        var (factor, added) = (1.0, 0.0);
        foreach (var one in Events)
        {
            if (one.From > at || one.To <= at || !Valid(one)) continue;
            factor *= one.Factor;
            added += one.AddedPerSecond;
        }

        return (ratePerSecond * factor) + added;
    }

    private static bool Valid(DemandEvent one) =>
        double.IsFinite(one.Factor) && one.Factor >= 0 && double.IsFinite(one.AddedPerSecond) && one.AddedPerSecond >= 0;

    private static DateTimeOffset Min(DateTimeOffset a, DateTimeOffset b) => a < b ? a : b;

    private static DateTimeOffset Max(DateTimeOffset a, DateTimeOffset b) => a > b ? a : b;
}
