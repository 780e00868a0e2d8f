namespace Plimsoll;

/// <summary>The largest of several independent counts: what is expected of a series nobody has errors of yet.</summary>
internal static class CountMaximum
{
    // Beyond this mean the normal approximation with a skewness term is within half a count.
    private const double SummedUpTo = 30;

    /// <summary>
    /// The smallest count x with F(x)^buckets ≥ quantile, F the Poisson distribution; above a mean of 30 the
    /// Cornish-Fisher expansion of the same.
    /// </summary>
    /// <param name="mean">Arrivals expected in a bucket.</param>
    /// <param name="buckets">Independent buckets the maximum is taken over.</param>
    /// <param name="quantile">Between 0 and 1.</param>
    public static double Quantile(double mean, int buckets, double quantile)
    {
        if (!(mean > 0)) return 0;
        var each = Math.Pow(quantile, 1.0 / buckets);
        if (mean > SummedUpTo)
        {
            var z = NormalQuantile(each);
            return Math.Max(0, mean + (z * Math.Sqrt(mean)) + (((z * z) - 1) / 6));
        }

        var (term, sum, count) = (Math.Exp(-mean), Math.Exp(-mean), 0);
        while (sum < each && count < 1000)
        {
            term *= mean / ++count;
            sum += term;
        }

        return count;
    }

    /// <summary>Quantile of the standard normal distribution, |error| &lt; 4.5e-4 (Abramowitz and Stegun 26.2.23).</summary>
    public static double NormalQuantile(double p)
    {
        p = Math.Clamp(p, 1e-12, 1 - 1e-12);
        var t = Math.Sqrt(-2 * Math.Log(Math.Min(p, 1 - p)));
        var z = t - ((2.515517 + (t * (0.802853 + (t * 0.010328))))
            / (1 + (t * (1.432788 + (t * (0.189269 + (t * 0.001308)))))));
        return p < 0.5 ? -z : z;
    }
}
