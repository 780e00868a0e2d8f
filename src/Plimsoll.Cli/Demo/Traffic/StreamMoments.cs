using Plimsoll.Cli.Load.Traces;

namespace Plimsoll.Cli.Demo.Traffic;

/// <summary>What makes two request streams alike or not, measured over a stretch of time.</summary>
/// <param name="PerSecond">Requests a second.</param>
/// <param name="GapCv">Coefficient of variation of the gaps between requests: 1 for Poisson.</param>
/// <param name="Dispersion10">Variance over mean of counts in 10 s: 1 for Poisson.</param>
/// <param name="Dispersion60">The same in 60 s.</param>
/// <param name="Empty10">Share of 10 s without a request.</param>
/// <param name="TokensMean">Mean context length.</param>
/// <param name="Tokens50">Its median.</param>
/// <param name="Tokens90">Its 90th percentile.</param>
public sealed record StreamMoments(
    double PerSecond, double GapCv, double Dispersion10, double Dispersion60, double Empty10, double TokensMean,
    double Tokens50, double Tokens90)
{
    /// <summary>Measures requests that lie between two moments.</summary>
    public static StreamMoments Of(IEnumerable<TraceRequest> requests, TimeSpan from, TimeSpan to)
    {
        var inside = requests.SkipWhile(request => request.At < from).TakeWhile(request => request.At < to).ToList();
        if (inside.Count < 2) throw new ArgumentException("fewer than two requests to measure", nameof(requests));
        var times = inside.Select(request => (request.At - from).TotalSeconds).ToList();
        var gaps = times.Zip(times.Skip(1), (a, b) => b - a).ToList();
        var tokens = inside.Select(request => (double)request.Tokens).Order().ToList();
        var seconds = (to - from).TotalSeconds;
        var tens = Counts(times, 10, seconds);
        return new StreamMoments(
            Round(inside.Count / seconds), Round(Math.Sqrt(Variance(gaps)) / gaps.Average()),
            Round(Variance(tens) / tens.Average()), Round(Dispersion(Counts(times, 60, seconds))),
            Round(tens.Count(count => count == 0) / (double)tens.Count), Round(tokens.Average()),
            QuantileTable.QuantileOf(tokens, 0.5), QuantileTable.QuantileOf(tokens, 0.9));
    }

    internal static List<double> Counts(List<double> times, double width, double seconds)
    {
        var counts = new double[(int)(seconds / width)];
        foreach (var at in times)
        {
            if ((int)(at / width) is var bin && bin < counts.Length) counts[bin]++;
        }

        return [.. counts];
    }

    internal static double Variance(IReadOnlyCollection<double> numbers)
    {
        var mean = numbers.Average();
        return numbers.Average(number => (number - mean) * (number - mean));
    }

    private static double Dispersion(List<double> counts) => Variance(counts) / counts.Average();

    private static double Round(double number) => Math.Round(number, 4);
}
