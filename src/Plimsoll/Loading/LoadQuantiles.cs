namespace Plimsoll;

/// <summary>
/// The median and the value that nine of ten stay under, of logarithms of times. In logarithms, because what slows a
/// load multiplies it: a busy disk makes a load twice as long whether it took two seconds or two minutes.
/// </summary>
internal readonly record struct LoadQuantiles(double Median, double P90)
{
    private const double Level = 0.9;

    // Before a model has shown its own spread, half of its loads are taken to lie within a ninth of the median, and that
    // counts as two loads: wide enough for the first loads of a production fleet, narrow enough that ten steady ones forget it.
    private const double PriorSpread = 0.17;
    private const double PriorLoads = 2;

    // Order statistics say nothing of the ninth tenth before the ninth load: up to here Student's t of the logarithms.
    private const double FewLoads = 4;
    private const double EnoughLoads = 10;

    // A handful of wild values makes Student's t say hours; nothing is said beyond twice what was seen.
    private static readonly double Farthest = Math.Log(2);

    /// <param name="logs">Oldest first; at least one.</param>
    /// <param name="keep">What an observation still counts, once one more has come; 1 for all the same.</param>
    public static LoadQuantiles Of(ReadOnlySpan<double> logs, double keep)
    {
        if (logs.IsEmpty) throw new ArgumentException("no observation has no quantile", nameof(logs));
        Span<double> values = stackalloc double[logs.Length];
        Span<double> weights = stackalloc double[logs.Length];
        var weight = 1.0;
        for (var i = logs.Length - 1; i >= 0; i--, weight *= keep) weights[i] = weight;
        logs.CopyTo(values);
        values.Sort(weights);

        double sum = 0, squares = 0, mean = 0;
        for (var i = 0; i < values.Length; i++)
        {
            sum += weights[i];
            squares += weights[i] * weights[i];
            mean += weights[i] * values[i];
        }

        mean /= sum;
        var count = sum * sum / squares;
        double deviation = 0;
        for (var i = 0; i < values.Length; i++) deviation += weights[i] * (values[i] - mean) * (values[i] - mean);
        var freedom = PriorLoads + count - 1;
        var scale = ((PriorLoads * PriorSpread * PriorSpread) + (deviation / sum * count)) / freedom * (1 + (1 / count));

        var ranked = Math.Clamp((count - FewLoads) / (EnoughLoads - FewLoads), 0, 1);
        var median = Between(mean, Ranked(values, weights, sum * (count + 1) / count, 0.5), ranked);
        var tail = Math.Min(mean + (StudentP90(freedom) * Math.Sqrt(scale)), values[^1] + Farthest);
        var p90 = Between(tail, Ranked(values, weights, sum * (count + 1) / count, Level), ranked);
        return new LoadQuantiles(median, Math.Max(p90, median));
    }

    private static double Between(double few, double? many, double share) => many is { } rank ? few + ((rank - few) * share) : few;

    // The k-th of n is the k / (n + 1) quantile, whatever the distribution; null where that would lie beyond the largest.
    private static double? Ranked(ReadOnlySpan<double> values, ReadOnlySpan<double> weights, double total, double level)
    {
        double below = 0, last = 0;
        for (var i = 0; i < values.Length; i++)
        {
            below += weights[i];
            var share = below / total;
            if (share >= level)
                return i == 0 ? values[0] : values[i - 1] + ((values[i] - values[i - 1]) * (level - last) / (share - last));
            last = share;
        }

        return null;
    }

    /// <summary>
    /// Of Student's t, the value nine of ten stay under; within 0.5 % from two degrees of freedom on. Cornish and Fisher's
    /// expansion around the normal quantile (Abramowitz and Stegun 26.7.5), its polynomials in 1.2816 worked out.
    /// </summary>
    internal static double StudentP90(double freedom) =>
        1.2815516 + ((0.8465848 + ((0.5708906 + (0.2585171 / freedom)) / freedom)) / freedom);
}
