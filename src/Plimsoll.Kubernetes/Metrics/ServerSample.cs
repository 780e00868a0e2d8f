using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Whose names a pod's metrics carry. Our own model server speaks Triton's.</summary>
public enum ServerKind { Vllm, Sglang, Tgi, Triton, LlamaCpp }

/// <summary>
/// One pod's metrics under one set of names, summed over engines, ranks and label values. Counters are cumulative
/// since the server's start. What a server does not export is null here, never zero.
/// </summary>
public sealed record ServerSample
{
    public required ServerKind Server { get; init; }

    /// <summary>When the numbers were true: the scrape's end, or what Prometheus says.</summary>
    public required DateTimeOffset At { get; init; }

    /// <summary>Values of the model-name labels, in order; empty where the server names none.</summary>
    public ImmutableArray<string> ModelNames { get; init; } = [];

    /// <summary>Requests being worked on now.</summary>
    public double? Running { get; init; }

    /// <summary>Requests that wait inside the server now.</summary>
    public double? Waiting { get; init; }

    /// <summary>Requests that came in, where a server counts them itself.</summary>
    public double? Arrived { get; init; }

    public double? Completed { get; init; }

    public double? Failed { get; init; }

    /// <summary>Requests whose client went away.</summary>
    public double? Aborted { get; init; }

    /// <summary>Requests turned away because the server was full.</summary>
    public double? Rejected { get; init; }

    public double? PromptTokens { get; init; }

    public double? GenerationTokens { get; init; }

    /// <summary>Part of the KV cache in use, 0 to 1; the fullest engine's.</summary>
    public double? KvUsage { get; init; }

    public double? Preemptions { get; init; }

    /// <summary>Whether its weights are off the device (vLLM's sleep mode).</summary>
    public bool? Asleep { get; init; }

    /// <summary>From a request's arrival at the server to the end of its answer, in seconds.</summary>
    public HistogramSample? Latency { get; init; }

    /// <summary>The part of <see cref="Latency"/> spent waiting inside the server, in seconds.</summary>
    public HistogramSample? QueueTime { get; init; }

    public HistogramSample? FirstToken { get; init; }

    /// <summary>Between two tokens of one answer, in seconds.</summary>
    public HistogramSample? InterToken { get; init; }

    /// <summary>Tokens of the prompts of requests that ended.</summary>
    public HistogramSample? PromptLengths { get; init; }

    /// <summary>Tokens of the answers of requests that ended.</summary>
    public HistogramSample? AnswerLengths { get; init; }

    /// <summary>Seconds the server took from its start until it was ready, where it says.</summary>
    public double? StartupSeconds { get; init; }

    /// <summary>Seconds of that spent reading weights, where it says.</summary>
    public double? LoadSeconds { get; init; }

    /// <summary>When its process started, where it says: a later start than before means that counters began anew.</summary>
    public double? ProcessStartSeconds { get; init; }

    /// <summary>The scrape job and instance whose series these are; null where the pod itself was asked.</summary>
    internal string? Target { get; init; }

    /// <summary>The counters by the labels under which they count, so that one of them may go; empty where only sums are known.</summary>
    internal ImmutableArray<CounterSeries> Series { get; init; } = [];

    /// <summary>Requests in it now; null when neither part is told.</summary>
    public double? InFlight => Running is null && Waiting is null ? null : (Running ?? 0) + (Waiting ?? 0);
}

/// <summary>A cumulative histogram; what is made of two counters, a time and a count, has no buckets.</summary>
/// <param name="Count">Observations.</param>
/// <param name="Sum">Their sum, in seconds.</param>
/// <param name="Buckets">Ascending by bound; the last one's bound is infinite where the server says so.</param>
public sealed record HistogramSample(double Count, double Sum, ImmutableArray<HistogramBucket> Buckets)
{
    /// <summary>
    /// Observations up to a bound, those of the bucket it falls into taken as spread evenly. Of a last bucket
    /// without an end nothing counts, since nobody can say how far it reaches.
    /// </summary>
    public double Below(double seconds)
    {
        var (lower, below) = (0.0, 0.0);
        foreach (var bucket in Buckets)
        {
            if (seconds >= bucket.UpperBound)
            {
                (lower, below) = (bucket.UpperBound, bucket.Cumulative);
                continue;
            }

            if (double.IsInfinity(bucket.UpperBound) || seconds <= lower) return below;
            return below + ((bucket.Cumulative - below) * (seconds - lower) / (bucket.UpperBound - lower));
        }

        return below;
    }

    /// <summary>
    /// What was observed since an earlier reading: how many, their sum, and the sum of their squares, each taken as the middle of
    /// its bucket (the geometric mean of its bounds). No squares without buckets.
    /// </summary>
    public (double Count, double Sum, double? Squares) Since(HistogramSample? earlier)
    {
        var (count, sum) = (Math.Max(0, Count - (earlier?.Count ?? 0)), Math.Max(0, Sum - (earlier?.Sum ?? 0)));
        if (Buckets.IsEmpty || double.IsInfinity(Buckets[0].UpperBound) || (earlier is { } before && before.Buckets.Length != Buckets.Length)) return (count, sum, null);
        var (squares, lower, below) = (0.0, 0.0, 0.0);
        for (var i = 0; i < Buckets.Length; i++)
        {
            var cumulative = Buckets[i].Cumulative - (earlier?.Buckets[i].Cumulative ?? 0);
            var upper = Buckets[i].UpperBound;
            var middle = double.IsInfinity(upper) ? lower * 1.5 : lower <= 0 ? upper / 2 : Math.Sqrt(lower * upper);
            squares += Math.Max(0, cumulative - below) * middle * middle;
            (lower, below) = (upper, cumulative);
        }

        return (count, sum, squares);
    }

    /// <summary>
    /// The bound of the slowest observation since an earlier reading: its bucket's upper one, or the last finite one.
    /// Null without buckets.
    /// </summary>
    public double? Slowest(HistogramSample earlier)
    {
        ArgumentNullException.ThrowIfNull(earlier);
        double? slowest = null;
        var (now, then) = (0.0, 0.0);
        for (var i = 0; i < Buckets.Length; i++)
        {
            var cumulative = i < earlier.Buckets.Length ? earlier.Buckets[i].Cumulative : earlier.Count;
            if (Buckets[i].Cumulative - now > cumulative - then)
                slowest = !double.IsInfinity(Buckets[i].UpperBound) ? Buckets[i].UpperBound
                    : i > 0 ? Buckets[i - 1].UpperBound : null;
            (now, then) = (Buckets[i].Cumulative, cumulative);
        }

        return slowest;
    }
}

/// <param name="UpperBound">In seconds, inclusive.</param>
/// <param name="Cumulative">Observations up to the bound.</param>
public readonly record struct HistogramBucket(double UpperBound, double Cumulative);
