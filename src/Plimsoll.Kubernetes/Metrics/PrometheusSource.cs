using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Reads the same metrics from a Prometheus server that scrapes the pods already.</summary>
public sealed class PrometheusSource(PrometheusSettings settings, TimeProvider time) : IDisposable
{
    /// <summary>One reading a pod, in the order of the pods; a server that fails makes all of them stale or missing.</summary>
    public Task<ImmutableArray<PodReading>> ReadAsync(
        IReadOnlyList<PodEndpoint> pods, CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{settings} {time} {pods} {cancellationToken}");

    /// <summary>What the user's queries say of each model's front; missing, with a sentence, where they fail.</summary>
    public Task<ImmutableSortedDictionary<ModelId, Signal<FrontSample>>> ReadFrontsAsync(
        IReadOnlyList<FrontQuery> queries, CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{queries} {cancellationToken}");

    public void Dispose()
    {
    }
}

/// <param name="Model">Whose requests it counts.</param>
/// <param name="Arrivals">PromQL of a cumulative counter of requests, not of a rate.</param>
/// <param name="Queue">PromQL of the requests that wait in front now.</param>
public sealed record FrontQuery(ModelId Model, string? Arrivals, string? Queue);

public sealed record PrometheusSettings
{
    public required Uri Server { get; init; }
}
