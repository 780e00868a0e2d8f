using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Demo.Traffic;

/// <summary>Fits a <see cref="StreamModel"/> to a stretch of a real trace, by moments.</summary>
public static class StreamFit
{
    // Below this share of the time in silences a stream is one that never rests.
    private const double SilentShare = 0.1;

    /// <param name="name">The stream's name.</param>
    /// <param name="requests">The whole trace, in the order of time.</param>
    /// <param name="until">Only what lies before this is looked at.</param>
    public static StreamModel Fit(string name, IEnumerable<TraceRequest> requests, TimeSpan until)
    {
        var inside = requests.TakeWhile(request => request.At < until).ToList();
        if (inside.Count < 100) throw new ArgumentException("fewer than a hundred requests to fit to", nameof(requests));
        var times = inside.Select(request => request.At.TotalSeconds).ToList();
        var tokens = QuantileTable.Of(inside.Select(request => (double)Math.Max(1, request.Tokens)));
        var gaps = times.Zip(times.Skip(1), (a, b) => b - a).ToList();
        var silences = gaps.Where(gap => gap > StreamModel.SilenceSeconds).ToList();
        return silences.Sum() > SilentShare * until.TotalSeconds
            ? Bursty(name, times, gaps, silences, tokens, until)
            : Drifting(name, times, gaps, tokens, until);
    }

    private static StreamModel Bursty(
        string name, List<double> times, List<double> gaps, List<double> silences, QuantileTable tokens, TimeSpan until)
    {
        var bursts = new List<List<double>> { new() };
        foreach (var gap in gaps)
        {
            if (gap > StreamModel.SilenceSeconds) bursts.Add([]);
            else bursts[^1].Add(gap);
        }

        var inner = gaps.Where(gap => gap <= StreamModel.SilenceSeconds).ToList();
        var paces = bursts.Where(burst => burst.Count > 20).Select(burst => Math.Log(burst.Average())).ToList();
        var sigma = paces.Count > 1 ? Math.Sqrt(StreamMoments.Variance(paces)) : 0;
        return new StreamModel
        {
            Name = name,
            MeanPerSecond = Round(times.Count / until.TotalSeconds),
            BurstPerSecond = Round(1 / inner.Average()),
            // A lognormal pace of variance exp(σ²) − 1 has its part of the gaps' spread; the rest is the Gamma's.
            GapShape = Round(ShapeFor(inner, Math.Exp(sigma * sigma) - 1)),
            RateSigma = Round(sigma),
            RateMemory = 0,
            BurstSizes = QuantileTable.Of(bursts.Select(burst => burst.Count + 1.0)),
            Silences = QuantileTable.Of(silences),
            ContextTokens = tokens,
        };
    }

    private static StreamModel Drifting(
        string name, List<double> times, List<double> gaps, QuantileTable tokens, TimeSpan until)
    {
        var counts = StreamMoments.Counts(times, StreamModel.StepSeconds, until.TotalSeconds);
        var mean = counts.Average();
        // Of the counts' variance, a Poisson stream of steady rate would show the mean; the rest is the rate's own.
        var drift = Math.Max(0, StreamMoments.Variance(counts) - mean);
        var covariance = counts.Zip(counts.Skip(1), (a, b) => (a - mean) * (b - mean)).Average();
        var square = drift / (mean * mean);
        return new StreamModel
        {
            Name = name,
            MeanPerSecond = Round(times.Count / until.TotalSeconds),
            BurstPerSecond = Round(times.Count / until.TotalSeconds),
            GapShape = Round(ShapeFor(gaps, square)),
            RateSigma = Round(Math.Sqrt(Math.Log(1 + square))),
            RateMemory = Round(drift > 0 ? Math.Clamp(covariance / drift, 0, 0.995) : 0),
            ContextTokens = tokens,
        };
    }

    /// <summary>
    /// Shape of the Gamma part of gaps whose mean varies with relative variance v: 1 + CV² = (1 + 1/k)(1 + v).
    /// </summary>
    private static double ShapeFor(List<double> gaps, double v)
    {
        var mean = gaps.Average();
        var square = StreamMoments.Variance(gaps) / (mean * mean);
        return 1 / Math.Max(0.01, (1 + square) / (1 + v) - 1);
    }

    private static double Round(double number) => Math.Round(number, 4);
}
