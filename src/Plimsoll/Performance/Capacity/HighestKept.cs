namespace Plimsoll;

/// <summary>
/// The highest rate that keeps an objective, by few questions, as each is dear: a bracket is narrowed by the curve
/// through the last three answers (inverse quadratic interpolation, Brent 1973), or by halves where that gains too
/// little, as at a jump.
/// </summary>
internal static class HighestKept
{
    private const int TurnsMax = 60;

    /// <summary>Of the rate as a logarithm: how far below the one that only just keeps the objective an answer may be.</summary>
    private const double Within = 0.0007;

    /// <summary>How far below where the limit is expected the next question is put: most often it is kept, and is the answer.</summary>
    private const double Below = 0.0003;

    /// <summary>The first question, as a part of the rate that is never kept.</summary>
    private const double Start = 0.5;

    /// <summary>Beyond this many deviations a distance to the limit tells nothing of where the limit is.</summary>
    private const double TellsMax = 4.5;

    /// <param name="least">Rate; where not even this is kept the answer is 0.</param>
    /// <param name="most">Rate that is never kept.</param>
    /// <param name="miss">How far a rate is from the limit, in deviations; positive where it is missed, infinite where it is more than can be carried.</param>
    public static double Of(double least, double most, Func<double, double> miss)
    {
        var (low, high) = (Math.Log(least), Math.Log(most));
        var (bottom, kept) = (low, false);
        Span<(double At, double Miss)> last = [(double.NaN, 0), (double.NaN, 0), (double.NaN, 0)];
        var (at, slow, before) = (high + Math.Log(Start), 0, double.PositiveInfinity);
        for (var turn = 0; turn < TurnsMax; turn++)
        {
            var off = miss(Math.Exp(at));
            if (off > 0 && at <= bottom) return 0;
            if (off > 0) high = at;
            else (low, kept) = (at, true);
            if (Math.Abs(off) <= TellsMax) (last[2], last[1], last[0]) = (last[1], last[0], (at, off));
            slow = Math.Abs(off) > before / 3 ? slow + 1 : 0;
            before = Math.Abs(off);
            var limit = Limit(last);
            if (kept && (high - low <= Within || (off <= 0 && limit >= low && limit - low <= Within))) break;

            var told = limit > low && limit < high;
            if (!kept) at = told ? Math.Min(limit - Below, high - 0.1) : high - 1;
            else if (told && slow <= 1) at = Math.Clamp(limit - Below, low + (Within / 2), high - (Within / 2));
            else (at, slow) = (Middle(low, high), 0);
            if (!kept && at <= bottom + 0.1) at = bottom;
        }

        return kept ? Math.Exp(low) : 0;
    }

    /// <summary>Halfway in rate where they are far apart, in its logarithm where they are near.</summary>
    private static double Middle(double low, double high) =>
        high - low > 1.4 ? high - Math.Log(2) : (low + high) / 2;

    /// <summary>Where the last answers would have none missing; NaN where they do not say.</summary>
    private static double Limit(ReadOnlySpan<(double At, double Miss)> last)
    {
        var ((a, fa), (b, fb), (c, fc)) = (last[0], last[1], last[2]);
        var line = (fa - fb) / (a - b) > 0 ? a - (fa * (a - b) / (fa - fb)) : double.NaN;
        if (double.IsNaN(line) || !((fa - fc) / (a - c) > 0 && (fb - fc) / (b - c) > 0)) return line;
        return (a * fb * fc / ((fa - fb) * (fa - fc))) + (b * fa * fc / ((fb - fa) * (fb - fc))) + (c * fa * fb / ((fc - fa) * (fc - fb)));
    }
}
