namespace Plimsoll;

/// <summary>
/// Times of the parts of a layer, in seconds: the roofline of Williams et al. 2009 with a rounded corner, as compute
/// and memory overlap only in part. Every function grows with each of its sizes, and grows no faster than the tokens.
/// </summary>
public static class Roofline
{
    /// <summary>The larger of two times, rounded: (a⁴ + b⁴)^¼, 1.19 times either where they are alike.</summary>
    public static double Larger(double a, double b)
    {
        var (large, small) = a > b ? (a, b) : (b, a);
        if (large <= 0) return 0;
        var ratio = small / large;
        var squared = ratio * ratio;
        return large * Math.Sqrt(Math.Sqrt(1 + (squared * squared)));
    }

    /// <summary>Experts that a batch touches, of equally likely ones: E·(1 − (1 − k/E)^tokens).</summary>
    public static double TouchedExperts(double experts, double perToken, double tokens) =>
        experts <= 0 || tokens <= 0 ? 0
        : perToken >= experts ? experts * Math.Min(1, tokens)
        : experts * -double.ExpM1(tokens * Math.Log(1 - (perToken / experts)));

    /// <summary>
    /// A collective over ranks of one link: a start that grows with the tree's depth, then the bytes each rank sends
    /// over the bandwidth (all-reduce: 2·(n−1)/n of the message; Thakur et al. 2005).
    /// </summary>
    public static double Collective(int ranks, double sentBytes, double bytesPerSecond, double startSeconds) =>
        ranks <= 1 ? 0 : (startSeconds * (1 + Math.Log2(ranks)) / 2) + (sentBytes / bytesPerSecond);
}
