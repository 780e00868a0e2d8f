namespace Plimsoll;

/// <summary>
/// The highest rate up to which an objective is kept at every lower one, by few questions, as each is dear. What is late
/// does not fall while the rate grows, so there is one limit, and it is held between a rate that keeps and one that
/// misses: the next question is put just beyond where the curve through the last three answers has it (inverse quadratic
/// interpolation, Brent 1973), first on one side, then on the other, or halfway where that gains too little, as at a jump.
/// </summary>
internal static class HighestKept
{
    /// <summary>Of the rate as a logarithm: how near the one that keeps the objective is to one that does not.</summary>
    public const double Within = 0.001;

    /// <summary>How far beyond the expected limit the next question is put: one on each side is near enough.</summary>
    private const double Beyond = 0.0004;

    private const int TurnsMax = 60;

    /// <summary>The first question, as a part of the rate that is never kept.</summary>
    private const double Start = 0.5;

    /// <summary>Beyond this many deviations a distance to the limit tells nothing of where the limit is.</summary>
    private const double TellsMax = 4.5;

    /// <param name="least">Rate; where not even this is kept the answer is 0.</param>
    /// <param name="most">Rate that is never kept.</param>
    /// <param name="miss">How far a rate is from the limit, in deviations; positive where it is missed, infinite where it is more than can be carried.</param>
    public static double Of(double least, double most, Func<double, double> miss)
    {
        var (bottom, high) = (Math.Log(least), Math.Log(most));
        var low = double.NegativeInfinity;
        Span<(double At, double Miss)> last = [(double.NaN, 0), (double.NaN, 0), (double.NaN, 0)];
        var (at, slow) = (high + Math.Log(Start), 0);
        for (var turn = 0; turn < TurnsMax && high - low > Within; turn++)
        {
            var (width, off) = (high - low, miss(Math.Exp(at)));
            if (off > 0 && at <= bottom) return 0;
            if (off > 0) high = at;
            else low = at;
            slow = high - low > width / 2 ? slow + 1 : 0;
            var tells = Math.Abs(off) <= TellsMax;
            if (tells) (last[2], last[1], last[0]) = (last[1], last[0], (at, off));
            var limit = tells ? Limit(last) : double.NaN;
            if (double.IsInfinity(low))
            {
                at = limit < high ? Math.Clamp(limit - Beyond, high - 2, high - 0.05) : high - 1;
                if (at <= bottom + 0.1) at = bottom;
            }
            else if (limit > low && limit < high && slow < 3)
                at = Math.Clamp(limit + (off > 0 ? -Beyond : Beyond), low + Beyond, Math.Max(low + Beyond, high - Beyond));
            else
                (at, slow) = (high - low > 1.4 ? high - Math.Log(2) : (low + high) / 2, 0);
        }

        return Math.Exp(low);
    }

    /// <summary>Where the last answers would have none missing; NaN where they do not say.</summary>
    private static double Limit(ReadOnlySpan<(double At, double Miss)> last)
    {
        var ((a, fa), (b, fb), (c, fc)) = (last[0], last[1], last[2]);
        var line = (fa - fb) / (a - b) > 0 ? a - (fa * (a - b) / (fa - fb)) : double.NaN;
        if (double.IsNaN(line) || !((fa - fc) / (a - c) > 0 && (fb - fc) / (b - c) > 0)) return line;
        return (a * fb * fc / ((fa - fb) * (fa - fc))) + (b * fa * fc / ((fb - fa) * (fb - fc))) + (c * fa * fb / ((fc - fa) * (fc - fb)));
    }
}
