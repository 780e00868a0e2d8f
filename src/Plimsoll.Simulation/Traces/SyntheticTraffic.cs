namespace Plimsoll.Simulation.Traces;

/// <summary>Requests made up from a curve of rates.</summary>
public static class SyntheticTraffic
{
    /// <summary>Most requests of one trace.</summary>
    public const int RequestsMax = 50_000_000;

    /// <summary>
    /// A renewal process of rate 1 whose time is stretched so that as many come as the curve says: gaps are exponential
    /// (Poisson) where their coefficient of variation is 1, else from a gamma distribution of that one, burstier the larger it is.
    /// </summary>
    /// <param name="curve">Requests a second over time.</param>
    /// <param name="lengths">How long they are.</param>
    /// <param name="variation">Standard deviation of gaps over their mean, above 0.</param>
    /// <param name="random">The generator.</param>
    /// <exception cref="ArgumentException">More than <see cref="RequestsMax"/> would come.</exception>
    public static RequestTrace Of(RateCurve curve, TokenLengths lengths, double variation, Random random)
    {
        ArgumentNullException.ThrowIfNull(lengths);
        return Of(curve, _ => lengths, variation, random);
    }

    /// <summary>The same with lengths that change over time, asked for by the second of the arrival.</summary>
    public static RequestTrace Of(RateCurve curve, Func<double, TokenLengths> lengths, double variation, Random random)
    {
        ArgumentNullException.ThrowIfNull(curve);
        ArgumentNullException.ThrowIfNull(lengths);
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(variation);
        if (curve.Expected > RequestsMax) throw new ArgumentException($"{curve.Expected:F0} requests would come; {RequestsMax} is the most");
        var arrivals = new List<double>((int)curve.Expected + 16);
        var prompts = new List<int>(arrivals.Capacity);
        var answers = new List<int>(arrivals.Capacity);
        var shape = 1 / (variation * variation);

        // The first gap is cut at random, or every trace would begin with a whole one.
        var sum = Gap(shape, random) * random.NextDouble();
        for (var time = curve.TimeOf(sum); time < curve.Length; time = curve.TimeOf(sum))
        {
            arrivals.Add(time);
            var (prompt, answer) = lengths(time).Draw(random);
            prompts.Add(prompt);
            answers.Add(answer);
            sum += Gap(shape, random);
        }

        return new RequestTrace([.. arrivals], [.. prompts], [.. answers], curve.Length);
    }

    /// <summary>Traces as one, in the order of their arrivals.</summary>
    public static RequestTrace Merge(params IReadOnlyList<RequestTrace> traces)
    {
        ArgumentNullException.ThrowIfNull(traces);
        var all = traces.SelectMany(trace => Enumerable.Range(0, trace.Count).Select(request => (At: trace.Arrivals[request], trace, request)))
            .OrderBy(one => one.At).ToArray();
        return new RequestTrace(
            [.. all.Select(one => one.At)], [.. all.Select(one => one.trace.Prompts[one.request])], [.. all.Select(one => one.trace.Answers[one.request])],
            traces.Select(trace => trace.Length).DefaultIfEmpty(0).Max());
    }

    /// <summary>A part of a trace, from one second to another; it begins at 0.</summary>
    public static RequestTrace Part(this RequestTrace trace, double from, double length)
    {
        ArgumentNullException.ThrowIfNull(trace);
        var (first, end) = (LowerBound(trace.Arrivals, from), LowerBound(trace.Arrivals, from + length));
        return new RequestTrace(
            [.. trace.Arrivals[first..end].Select(arrival => arrival - from)], trace.Prompts[first..end], trace.Answers[first..end], length);
    }

    /// <summary>
    /// So many times the rate: each request comes as often as the factor's whole part says, copies spread over the gap to the next
    /// request, and once more with the probability of its fraction. Bursts stay where they are.
    /// </summary>
    public static RequestTrace Scaled(this RequestTrace trace, double factor, Random random)
    {
        ArgumentNullException.ThrowIfNull(trace);
        ArgumentNullException.ThrowIfNull(random);
        ArgumentOutOfRangeException.ThrowIfNegative(factor);
        if (trace.Count * factor > RequestsMax) throw new ArgumentException($"{trace.Count * factor:F0} requests would come; {RequestsMax} is the most");
        var all = new List<(double At, int Request)>((int)(trace.Count * factor) + 16);
        for (var request = 0; request < trace.Count; request++)
        {
            var next = request + 1 < trace.Count ? trace.Arrivals[request + 1] : trace.Length;
            var copies = (int)factor + (random.NextDouble() < factor - Math.Floor(factor) ? 1 : 0);
            for (var copy = 0; copy < copies; copy++)
                all.Add((trace.Arrivals[request] + (copy == 0 ? 0 : (next - trace.Arrivals[request]) * random.NextDouble()), request));
        }

        all.Sort((a, b) => a.At != b.At ? a.At.CompareTo(b.At) : a.Request.CompareTo(b.Request));
        return new RequestTrace([.. all.Select(one => one.At)], [.. all.Select(one => trace.Prompts[one.Request])], [.. all.Select(one => trace.Answers[one.Request])], trace.Length);
    }

    private static int LowerBound(double[] sorted, double value)
    {
        var (low, high) = (0, sorted.Length);
        while (low < high)
        {
            var middle = (low + high) / 2;
            if (sorted[middle] < value) low = middle + 1;
            else high = middle;
        }

        return low;
    }

    // Of mean 1. Marsaglia and Tsang (2000); a shape below 1 by one above it and a power of a uniform.
    internal static double Gap(double shape, Random random)
    {
        if (shape == 1) return -Math.Log(1 - random.NextDouble());
        var larger = shape < 1 ? shape + 1 : shape;
        var (d, drawn) = (larger - (1.0 / 3), 0.0);
        while (true)
        {
            var x = random.Normal();
            var v = 1 + (x / Math.Sqrt(9 * d));
            if (v <= 0) continue;
            v = v * v * v;
            if (Math.Log(1 - random.NextDouble()) >= (0.5 * x * x) + (d * (1 - v + Math.Log(v)))) continue;
            drawn = d * v;
            break;
        }

        if (shape < 1) drawn *= Math.Pow(1 - random.NextDouble(), 1 / shape);
        return drawn / shape;
    }
}
