namespace Plimsoll;

/// <summary>
/// How many replicas of what is no longer listed stay while others take over that a body cannot put in their place by itself: as many as are wanted and
/// do not serve yet. Where the plan finds no room for those, a quarter of them goes first, one at the least, as there would be no way to
/// begin; no more before what came in its place serves, so that a place that somebody else took costs no second one.
/// </summary>
/// <param name="Asked">Replicas of what is no longer listed that are asked for.</param>
/// <param name="Serving">Those of them that serve.</param>
/// <param name="Ending">Those of them that are on their way out.</param>
/// <param name="Began">What served of the model, listed or not, when it left the list.</param>
public readonly record struct Replacement(int Asked, int Serving, int Ending, int Began)
{
    /// <summary>The replicas that stay.</summary>
    /// <param name="wanted">Of the model.</param>
    /// <param name="serving">Of what is listed.</param>
    /// <param name="coming">Of what is listed, on their way.</param>
    /// <param name="unroomed">Since when the plan finds no room for what is listed; null while it does, or wants none.</param>
    /// <param name="patience">How long that must last: room may be on its way.</param>
    public int Stay(int wanted, int serving, int coming, TimeSpan? unroomed, TimeSpan patience)
    {
        var stay = Math.Min(Asked, Math.Max(0, wanted - serving));
        if (unroomed is not { } since || since < patience || coming > 0 || Ending > 0) return stay;
        var whole = Math.Min(wanted, Began);
        var fewest = whole - Math.Max(1, whole / 4);
        return Math.Max(0, Math.Min(stay, Asked - Math.Max(0, serving + Serving - fewest)));
    }

    /// <summary>Whether a verdict says that no node has room for a replica, and that none is on its way.</summary>
    public static bool FindsNoRoom(Reason reason)
    {
        ArgumentNullException.ThrowIfNull(reason);
        return reason.Rule is Rule.HoldUnplaced or Rule.HoldGroupUnplaced or Rule.HoldNoPool or Rule.HoldNodeOverdue or Rule.HoldScarce or Rule.HoldScarceDevice or Rule.HoldScarceEqual;
    }
}
