using System.Collections.Immutable;

namespace Plimsoll.Kubernetes.Metrics;

/// <summary>Reads pods' metrics over HTTP. Whatever an endpoint does ends in a reading, never in an exception.</summary>
public sealed class MetricsScraper(MetricsScraperSettings settings, TimeProvider time) : IDisposable
{
    /// <summary>One reading a pod, in the order of the pods.</summary>
    public Task<ImmutableArray<PodReading>> ScrapeAsync(
        IReadOnlyList<PodEndpoint> pods, CancellationToken cancellationToken) =>
        throw new NotImplementedException($"{settings} {time} {pods} {cancellationToken}");

    public void Dispose()
    {
    }
}

public sealed record MetricsScraperSettings;
