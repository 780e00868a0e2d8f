namespace Plimsoll;

/// <summary>What of a request is timed.</summary>
public enum LatencyMetric
{
    /// <summary>From arrival to the first token.</summary>
    Ttft,

    /// <summary>Between tokens after the first, on the mean over a request.</summary>
    Tpot,

    /// <summary>From arrival to the last token.</summary>
    EndToEnd,
}

/// <summary>One term of an objective: at least this share of requests stays within the limit ("ttft-p95=1s").</summary>
/// <param name="Metric">What is timed.</param>
/// <param name="Share">Of requests, above 0 and below 1: 0.95 for p95.</param>
/// <param name="Seconds">The limit, positive.</param>
public sealed record LatencyTarget(LatencyMetric Metric, double Share, double Seconds);
