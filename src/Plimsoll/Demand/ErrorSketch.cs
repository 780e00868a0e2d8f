namespace Plimsoll;

/// <summary>
/// The distribution of past errors in a fixed number of weighted points, newer errors weighing more: a small t-digest
/// (Dunning and Ertl 2019), whose points stay light towards the tails, where quantiles are asked for. Equal errors share
/// a point, so few errors and whole counts are kept exactly. Works in place on a span: all sketches of a window lie in
/// one array, each its values ascending and then their weights, zero where unused.
/// </summary>
internal static class ErrorSketch
{
    /// <summary>Points of one sketch, and of one in the planner's short form; its length in the array is twice as much.</summary>
    public const int Points = 12;
    public const int CompactPoints = 8;

    // Within what a half float holds.
    private const double ValueMost = 60000;

    /// <summary>Adds one error with a weight, that of the points before it being left as it is.</summary>
    public static void Add(Span<Half> sketch, double error, double weight)
    {
        var points = sketch.Length / 2;
        Span<float> values = stackalloc float[Points + 1];
        Span<float> weights = stackalloc float[Points + 1];
        var value = (float)(Half)Math.Clamp(error, -ValueMost, ValueMost);
        var (count, at) = (0, 0);
        while (count < points && sketch[points + count] > Half.Zero)
        {
            if ((float)sketch[count] == value)
            {
                sketch[points + count] = (Half)((float)sketch[points + count] + weight);
                return;
            }

            if ((float)sketch[count] < value) at = count + 1;
            count++;
        }

        for (var i = 0; i <= count; i++)
        {
            var from = i <= at ? i : i - 1;
            (values[i], weights[i]) = i == at ? (value, (float)weight) : ((float)sketch[from], (float)sketch[points + from]);
        }

        count++;
        if (count > points) Merge(values, weights, --count);
        for (var i = 0; i < count; i++) (sketch[i], sketch[points + i]) = ((Half)values[i], (Half)weights[i]);
    }

    /// <summary>Values in another unit, weights by another measure.</summary>
    public static void Scale(Span<Half> sketch, double values, double weights)
    {
        var points = sketch.Length / 2;
        for (var i = 0; i < points && sketch[points + i] > Half.Zero; i++)
        {
            sketch[i] = (Half)Math.Clamp((float)sketch[i] * values, -ValueMost, ValueMost);
            sketch[points + i] = (Half)((float)sketch[points + i] * weights);
        }
    }

    /// <summary>Sum of its weights.</summary>
    public static double Weight(ReadOnlySpan<Half> sketch)
    {
        var sum = 0.0;
        for (var i = sketch.Length / 2; i < sketch.Length && sketch[i] > Half.Zero; i++) sum += (float)sketch[i];
        return sum;
    }

    /// <summary>
    /// Errors at ascending quantiles. Of n independent errors the one of rank (n + 1) q is taken, as split conformal
    /// prediction does (Vovk et al., Algorithmic Learning in a Random World): a handful of errors does not show the tail.
    /// The middle of an error of rank k lies at (k − 1/2) / n, so that of a quantile at q + (q − 1/2) / n.
    /// </summary>
    /// <param name="sketch">At least one error.</param>
    /// <param name="independent">How many independent errors it is worth; windows that overlap are not.</param>
    /// <param name="quantiles">Ascending, between 0 and 1.</param>
    /// <param name="errors">Out: one for each.</param>
    public static void Quantiles(ReadOnlySpan<Half> sketch, double independent, ReadOnlySpan<double> quantiles, Span<double> errors)
    {
        var (weight, points) = (Weight(sketch), sketch.Length / 2);
        var (point, middle, value) = (0, (float)sketch[points] / 2.0, (double)(float)sketch[0]);
        var (middleBefore, valueBefore) = (middle, value);
        for (var i = 0; i < quantiles.Length; i++)
        {
            var wanted = Math.Clamp(quantiles[i] + ((quantiles[i] - 0.5) / independent), 0, 1) * weight;
            while (middle < wanted && point < points - 1 && sketch[points + point + 1] > Half.Zero)
            {
                (middleBefore, valueBefore) = (middle, value);
                middle += ((float)sketch[points + point] + (float)sketch[points + point + 1]) / 2.0;
                value = (float)sketch[++point];
            }

            errors[i] = middle <= wanted || middle <= middleBefore ? value
                : valueBefore + ((value - valueBefore) * Math.Clamp((wanted - middleBefore) / (middle - middleBefore), 0, 1));
        }
    }

    // Of two neighbours: those whose weight together is least for where they lie. A point may be heavy in the middle, and
    // below it; upper quantiles are what is asked for.
    private static void Merge(Span<float> values, Span<float> weights, int count)
    {
        var (all, below) = (0.0, 0.0);
        for (var i = 0; i <= count; i++) all += weights[i];
        var (least, pair) = (double.MaxValue, 0);
        for (var i = 0; i < count; i++)
        {
            var together = weights[i] + weights[i + 1];
            var quantile = (below + (together / 2)) / all;
            var cost = together / ((1 - quantile) * (quantile + 0.1));
            if (cost < least) (least, pair) = (cost, i);
            below += weights[i];
        }

        var sum = weights[pair] + weights[pair + 1];
        values[pair] += (values[pair + 1] - values[pair]) * weights[pair + 1] / sum;
        weights[pair] = sum;
        values[(pair + 2)..(count + 1)].CopyTo(values[(pair + 1)..]);
        weights[(pair + 2)..(count + 1)].CopyTo(weights[(pair + 1)..]);
    }
}
