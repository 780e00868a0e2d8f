namespace Plimsoll;

/// <summary>How long a load is expected to take.</summary>
/// <param name="Median">As long as half of them take.</param>
/// <param name="P90">As long as nine of ten take: what planning ahead rests on.</param>
/// <param name="Observed">Loads of this very model it rests on; 0 for a prior from bytes and bandwidth.</param>
public sealed record LoadEstimate(TimeSpan Median, TimeSpan P90, int Observed)
{
    // The longest that is ever said: sums of some of these stay far from the end of TimeSpan.
    private static readonly double LongestSeconds = TimeSpan.FromDays(365).TotalSeconds;

    /// <summary>
    /// Of seconds. Rounded to a tenth of a millisecond, so that the last bit of a logarithm, which differs between
    /// platforms, decides nothing.
    /// </summary>
    internal static LoadEstimate Of(double median, double p90, int observed) => new(Rounded(median), Rounded(p90), observed);

    public static LoadEstimate operator +(LoadEstimate a, LoadEstimate b) =>
        new(a.Median + b.Median, a.P90 + b.P90, Math.Min(a.Observed, b.Observed));

    private static TimeSpan Rounded(double seconds) =>
        TimeSpan.FromTicks((long)Math.Round(Math.Clamp(seconds, 0, LongestSeconds) * 10_000) * 1_000);
}
