namespace Plimsoll;

/// <summary>Demand as people are shown it.</summary>
public static class ShownDemand
{
    /// <summary>
    /// A verdict's demand, stale where nothing was counted within what counts as lately (<see cref="PlannerSettings.Lately"/>). The
    /// plan goes on from the last that was counted, as it must, and says so nowhere; who looks on should not take it for today's.
    /// </summary>
    /// <param name="verdict">What was planned with.</param>
    /// <param name="settings">The fleet's.</param>
    /// <param name="at">The moment of the plan, on the clock of what it saw.</param>
    public static Signal<double> DemandAsOf(this ModelVerdict verdict, PlannerSettings settings, DateTimeOffset at)
    {
        ArgumentNullException.ThrowIfNull(verdict);
        ArgumentNullException.ThrowIfNull(settings);
        return verdict.DemandPerSecond.TryGetKnown(out var rate) && verdict.DemandPerSecond.At is { } counted && counted + settings.Lately < at
            ? Signal.Stale(rate, counted, "no arrivals were counted since") : verdict.DemandPerSecond;
    }
}
