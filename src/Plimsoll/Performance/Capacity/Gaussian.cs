namespace Plimsoll;

/// <summary>Tails of distributions that only their first moments are known of.</summary>
internal static class Gaussian
{
    /// <summary>A skewness below which a shape would be so large that its mean leaves no digits for the value.</summary>
    private const double Symmetric = 1e-4;

    /// <summary>Of a standard normal, above a value (Abramowitz and Stegun 26.2.17, within 1e-7).</summary>
    public static double Above(double z)
    {
        if (z < 0) return 1 - Above(-z);
        var t = 1 / (1 + (0.2316419 * z));
        var poly = t * (0.319381530 + (t * (-0.356563782 + (t * (1.781477937 + (t * (-1.821255978 + (t * 1.330274429))))))));
        return Math.Exp(-z * z / 2) * 0.3989422804014327 * poly;
    }

    /// <summary>Of a gamma distribution, above a value: the cube root is nearly normal (Wilson and Hilferty 1931).</summary>
    public static double GammaAbove(double value, double mean, double variance)
    {
        if (value <= 0) return 1;
        if (mean <= 0) return 0;
        if (variance <= 1e-12 * mean * mean) return value < mean ? 1 : 0;
        var width = variance / (9 * mean * mean);
        return Above((Math.Cbrt(value / mean) - 1 + width) / Math.Sqrt(width));
    }

    /// <summary>The same of a gamma distribution that is shifted to have a third cumulant too.</summary>
    public static double GammaAbove(double value, double mean, double variance, double third)
    {
        if (variance <= 0 || third <= 0) return GammaAbove(value, mean, variance);
        if (third < Symmetric * variance * Math.Sqrt(variance)) return Above((value - mean) / Math.Sqrt(variance));

        // Shape k and scale s: variance k·s², third cumulant 2·k·s³.
        var scale = third / (2 * variance);
        var own = variance / scale;
        return GammaAbove(value - (mean - own), own, variance);
    }
}
