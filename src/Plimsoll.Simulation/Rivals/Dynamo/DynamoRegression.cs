using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Dynamo;

/// <summary>An engine's iteration.</summary>
/// <param name="Requests">In the batch; 0 for a prefill engine's model, which goes by tokens only.</param>
/// <param name="Tokens">Computed (prefill) or held (decode).</param>
/// <param name="Seconds">Iterations that took none are ignored.</param>
public readonly record struct DynamoSample(double Requests, double Tokens, double Seconds);

/// <summary>An engine's iteration time, linear in requests and tokens; seconds.</summary>
public sealed record DynamoStepTime(double Constant, double PerRequest, double PerToken)
{
    public double Of(double requests, double tokens) => Math.Max(1e-6, Constant + PerRequest * requests + PerToken * tokens);
}

/// <summary>
/// Ordinary least squares on a few samples spread over their range: rivals-rules §8.3 step 4.
/// </summary>
public sealed record DynamoRegression(ImmutableArray<DynamoSample> Samples)
{
    public const int MaxSamples = 64;
    public const int MinSamples = 5;
    private const int BucketsAlone = 16;
    private const int BucketsEach = 4;

    public static DynamoRegression Empty { get; } = new([]);

    /// <summary>When full, the oldest of the fullest bucket goes.</summary>
    public DynamoRegression Observe(DynamoSample sample)
    {
        if (sample.Seconds <= 0) return this;
        var samples = Samples.Add(sample);
        if (samples.Length <= MaxSamples) return new(samples);
        var two = samples.Any(s => s.Requests > 0);
        var fullest = samples.GroupBy(s => two
                ? Bucket(s.Requests, samples.Max(o => o.Requests), samples.Min(o => o.Requests), BucketsEach) * BucketsEach
                    + Bucket(s.Tokens, samples.Max(o => o.Tokens), samples.Min(o => o.Tokens), BucketsEach)
                : Bucket(s.Tokens, samples.Max(o => o.Tokens), samples.Min(o => o.Tokens), BucketsAlone))
            .OrderByDescending(group => group.Count()).ThenBy(group => group.Key).First();
        return new(samples.Remove(fullest.First()));
    }

    /// <summary>Null: too few samples, nothing to tell slopes by, or tokens that would make an iteration faster.</summary>
    public DynamoStepTime? Fit()
    {
        if (Samples.Length < MinSamples) return null;
        double n = Samples.Length;
        var (requests, tokens, seconds) = (Samples.Sum(s => s.Requests) / n, Samples.Sum(s => s.Tokens) / n, Samples.Sum(s => s.Seconds) / n);
        var rr = Samples.Sum(s => (s.Requests - requests) * (s.Requests - requests));
        var tt = Samples.Sum(s => (s.Tokens - tokens) * (s.Tokens - tokens));
        var rt = Samples.Sum(s => (s.Requests - requests) * (s.Tokens - tokens));
        var rs = Samples.Sum(s => (s.Requests - requests) * (s.Seconds - seconds));
        var ts = Samples.Sum(s => (s.Tokens - tokens) * (s.Seconds - seconds));
        if (tt <= 0) return null;
        var determinant = rr * tt - rt * rt;
        // Requests that never vary, or only with tokens, say nothing of their own.
        var perRequest = determinant > 1e-9 * rr * tt ? Math.Max(0, (rs * tt - ts * rt) / determinant) : 0;
        var perToken = determinant > 1e-9 * rr * tt ? (ts * rr - rs * rt) / determinant : ts / tt;
        return perToken < 0 ? null : new(seconds - perRequest * requests - perToken * tokens, perRequest, perToken);
    }

    private static int Bucket(double value, double most, double least, int buckets) =>
        most <= least ? 0 : Math.Min(buckets - 1, (int)((value - least) / (most - least) * buckets));
}
