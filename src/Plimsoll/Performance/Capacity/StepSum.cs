namespace Plimsoll;

/// <summary>The distribution of a sum of steps.</summary>
/// <param name="Least">Seconds without any prompt.</param>
/// <param name="More">What prompts add on the mean.</param>
/// <param name="Variance">Of that.</param>
/// <param name="Third">Its third cumulant.</param>
/// <param name="Nothing">The chance that they add nothing.</param>
internal readonly record struct StepSum(double Least, double More, double Variance, double Third, double Nothing)
{
    /// <summary>
    /// With seconds of another kind before it, as skewed as a gamma distribution's: without any skew of their own a sum of
    /// no steps would have none, or one of a rounding's sign.
    /// </summary>
    public StepSum And(double mean, double variance) =>
        new(Least, More + mean, Variance + variance, Third + (mean > 0 ? 2 * variance * variance / mean : 0), 0);

    public double Above(double value)
    {
        if (value < Least) return 1;
        var some = 1 - Nothing;
        if (some <= 1e-9 || More <= 0) return 0;

        // Moments given that there is something.
        var (m1, m2) = (More / some, (Variance + (More * More)) / some);
        var m3 = (Third + (3 * Variance * More) + (More * More * More)) / some;
        var variance = Math.Max(0, m2 - (m1 * m1));
        return some * Gaussian.GammaAbove(value - Least, m1, variance, m3 - (3 * m1 * m2) + (2 * m1 * m1 * m1));
    }
}
