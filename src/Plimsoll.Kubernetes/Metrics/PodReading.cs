using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>A pod whose metrics are wanted.</summary>
public sealed record PodEndpoint
{
    public required ObjectName Pod { get; init; }

    /// <summary>The pod's uid: a StatefulSet gives a new pod the old one's name.</summary>
    public required string Uid { get; init; }

    /// <summary>The model it serves for us.</summary>
    public required ModelId Model { get; init; }

    /// <summary>Where its metrics are, such as http://10.0.3.7:8000/metrics.</summary>
    public required Uri Metrics { get; init; }

    /// <summary>The model's name in the server's labels, where one server serves several; null counts all it serves, and of Triton takes one.</summary>
    public string? ServedName { get; init; }

    /// <summary>
    /// When the pod became ready (its Ready condition's last transition); null while it is not: a pod that loads
    /// is not missed.
    /// </summary>
    public DateTimeOffset? ReadySince { get; init; }

    /// <summary>Requests it works on at once, where its arguments say (--max-num-seqs); null when unknown.</summary>
    public int? Concurrency { get; init; }
}

/// <summary>What was read of one pod at one look: known, stale with the last good sample, or missing; with a sentence.</summary>
public sealed record PodReading(PodEndpoint Pod, Signal<ServerSample> Sample);

/// <summary>A model whose traffic is to be counted.</summary>
public sealed record MeteredModel
{
    public required ModelId Model { get; init; }

    public required Slo Slo { get; init; }

    /// <summary>What stands in front of its pods counted, where the user names a query; null where there is none.</summary>
    public Signal<FrontSample>? Front { get; init; }
}

/// <summary>
/// Counts of an ingress, gateway or endpoint picker in front of the pods: the only ones there are at zero pods.
/// </summary>
/// <param name="At">When they were true.</param>
/// <param name="Arrived">Cumulative arrivals by series; null where the user gave no such query.</param>
/// <param name="Queued">Requests that wait there now; null where the user gave no such query.</param>
public sealed record FrontSample(
    DateTimeOffset At, ImmutableSortedDictionary<string, double>? Arrived, double? Queued);

/// <summary>What one look adds up to.</summary>
public sealed record TrafficReading
{
    /// <summary>One row a model that was observed, ordered by model.</summary>
    public required ImmutableArray<ModelTraffic> Traffic { get; init; }

    /// <summary>By uid, every pod of the readings.</summary>
    public required IReadOnlyDictionary<string, PodLoad> Pods { get; init; }

    /// <summary>Models without a row, each with the sentence that says why.</summary>
    public required ImmutableSortedDictionary<ModelId, string> Unobserved { get; init; }
}

/// <summary>One pod now.</summary>
public sealed record PodLoad
{
    /// <summary>Requests in it, waiting ones included.</summary>
    public required Signal<int> Outstanding { get; init; }

    /// <summary>Requests it works on at once, as its endpoint said; no server tells it.</summary>
    public int? Concurrency { get; init; }

    public bool Asleep { get; init; }

    /// <summary>How long its server took to start, or to read its weights, where it says.</summary>
    public TimeSpan? LoadTime { get; init; }
}
