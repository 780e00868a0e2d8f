namespace Plimsoll.Simulation.Rivals.SageServe;

public enum SageServeAction
{
    None,
    Up,
    Down,
}

/// <summary>
/// Between plans, at each request: memory's use lets the plan's steps through one by one. rivals-rules §9 step 4, after arbiter.py.
/// </summary>
public static class SageServeGate
{
    /// <param name="counter">Steps of the plan still open: above 0 to add, below 0 to take.</param>
    /// <param name="use">Share of KV memory.</param>
    /// <param name="acting">An earlier action is not done: nothing happens.</param>
    /// <param name="tokensOverForecast">Of the last minute, for the variant that goes by it.</param>
    public static (SageServeAction Action, int Counter) Decide(
        SageServeSettings settings, int counter, double use, bool acting = false, double tokensOverForecast = 0)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (acting) return (SageServeAction.None, counter);
        var anyway = settings.UpAnywayRatio is { } ratio ? tokensOverForecast > ratio : use > settings.UpAnywayAbove;
        return counter switch
        {
            0 when anyway => (SageServeAction.Up, counter - 1),
            > 0 when use > settings.UpAbove => (SageServeAction.Up, counter - 1),
            < 0 when use < settings.DownBelow => (SageServeAction.Down, counter + 1),
            _ => (SageServeAction.None, counter),
        };
    }

    /// <summary>The reactive baseline of SageServe's own comparison: the thresholds without a plan.</summary>
    public static SageServeAction Reactive(SageServeSettings settings, double use)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return use > settings.UpAbove ? SageServeAction.Up : use < settings.DownBelow ? SageServeAction.Down : SageServeAction.None;
    }
}
