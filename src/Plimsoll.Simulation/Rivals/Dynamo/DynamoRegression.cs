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
/// <param name="Least">Of all samples ever seen, those that went too: the range that buckets divide.</param>
public sealed record DynamoRegression(ImmutableArray<DynamoSample> Samples, DynamoSample Least, DynamoSample Most)
{
    public const int MaxSamples = 64;
    public const int MinSamples = 5;
    private const int BucketsAlone = 16;
    private const int BucketsEach = 4;

    public static DynamoRegression Empty { get; } = new([], default, default);

    /// <summary>When full, the oldest of the fullest bucket goes.</summary>
    public DynamoRegression Observe(DynamoSample sample)
    {
        if (sample.Seconds <= 0) return this;
        var (least, most) = Samples.IsEmpty ? (sample, sample) : (
            new(Math.Min(Least.Requests, sample.Requests), Math.Min(Least.Tokens, sample.Tokens), 0),
            new DynamoSample(Math.Max(Most.Requests, sample.Requests), Math.Max(Most.Tokens, sample.Tokens), 0));
        var samples = Samples.Add(sample);
        if (samples.Length > MaxSamples)
        {
            var fullest = samples.GroupBy(s => most.Requests > 0
                    ? Bucket(s.Requests, least.Requests, most.Requests, BucketsEach) * BucketsEach + Bucket(s.Tokens, least.Tokens, most.Tokens, BucketsEach)
                    : Bucket(s.Tokens, least.Tokens, most.Tokens, BucketsAlone))
                .OrderByDescending(group => group.Count()).ThenBy(group => group.Key).First();
            samples = samples.Remove(fullest.First());
        }

        return new(samples, least, most);
    }

    /// <summary>
    /// Null: too few samples, or tokens that would make an iteration faster. A slope of requests below zero is set to zero and
    /// the constant left as it was fitted, as the peer does. Where requests and tokens vary together or not at all, the smallest
    /// slopes that fit are taken, as its library does.
    /// </summary>
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
        var determinant = rr * tt - rt * rt;
        var (perRequest, perToken) = determinant > 1e-9 * rr * tt
            ? ((rs * tt - ts * rt) / determinant, (ts * rr - rs * rt) / determinant)
            : rr + tt > 0 ? (rs / (rr + tt), ts / (rr + tt)) : (0, 0);
        return perToken < 0 ? null : new(seconds - perRequest * requests - perToken * tokens, Math.Max(0, perRequest), perToken);
    }

    private static int Bucket(double value, double least, double most, int buckets) =>
        most <= least ? 0 : Math.Min(buckets - 1, (int)((value - least) / (most - least) * buckets));
}
