namespace Plimsoll;

/// <summary>
/// A decayed histogram of log ratios, "what came over what was predicted", in a fixed number of bins: fine where it
/// matters (3 % near 0) and coarse far out (± a factor of 400), as asinh spaces them. Works in place on a span, so that
/// the histograms of one window lie in one array.
/// </summary>
internal static class ResidualHistogram
{
    /// <summary>Bins of one histogram.</summary>
    public const int Bins = 128;

    private const double Fine = 0.05;
    private const double Widest = 20;
    private static readonly double Reach = Math.Asinh(Widest / Fine);

    /// <summary>Ages what is there and adds one log ratio.</summary>
    public static void Add(Span<float> bins, double logRatio, double decay)
    {
        for (var i = 0; i < Bins; i++) bins[i] *= (float)decay;
        bins[Bin(logRatio)]++;
    }

    /// <summary>The same differences in another unit.</summary>
    /// <param name="bins">The histogram.</param>
    /// <param name="ratio">Old unit over new.</param>
    public static void Rescale(Span<float> bins, double ratio)
    {
        Span<float> old = stackalloc float[Bins];
        bins.CopyTo(old);
        bins.Clear();
        for (var i = 0; i < Bins; i++) bins[Bin(ratio * Value(i + 0.5))] += old[i];
    }

    /// <summary>Samples it holds, the aged ones counted for less.</summary>
    public static double Weight(ReadOnlySpan<float> bins)
    {
        var sum = 0.0;
        foreach (var bin in bins) sum += bin;
        return sum;
    }

    /// <summary>
    /// Log ratios at ascending quantiles. Of n samples the quantile (1 + 1/n) q is taken, as split conformal prediction
    /// does (Vovk et al., Algorithmic Learning in a Random World): a handful of samples does not show the tail.
    /// </summary>
    public static void Quantiles(ReadOnlySpan<float> bins, double weight, ReadOnlySpan<double> quantiles, Span<double> logRatios)
    {
        var (below, bin) = (0.0, 0);
        for (var i = 0; i < quantiles.Length; i++)
        {
            var wanted = Math.Min(quantiles[i] * (1 + (1 / weight)), 1 - 1e-6) * weight;
            while (bin < Bins - 1 && below + bins[bin] < wanted) below += bins[bin++];
            var within = bins[bin] > 0 ? Math.Clamp((wanted - below) / bins[bin], 0, 1) : 0.5;
            logRatios[i] = Value(bin + within);
        }
    }

    private static int Bin(double value) => Math.Clamp(
        (int)((Math.Asinh(Math.Clamp(value, -Widest, Widest) / Fine) + Reach) / (2 * Reach) * Bins), 0, Bins - 1);

    private static double Value(double position) => Fine * Math.Sinh((position / Bins * 2 * Reach) - Reach);
}
