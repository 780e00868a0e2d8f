using System.Security.Cryptography.X509Certificates;

namespace Plimsoll.Kubernetes.Metrics;

/// <param name="Model">Whose requests it counts.</param>
/// <param name="Arrivals">PromQL of a cumulative counter of requests, not of a rate; null for none.</param>
/// <param name="Queue">PromQL of the requests that wait in front now; null for none.</param>
public sealed record FrontQuery(ModelId Model, string? Arrivals, string? Queue);

public sealed record PrometheusSettings
{
    /// <summary>Where its API begins, such as https://prometheus.monitoring:9090/ or https://thanos/team-a/.</summary>
    public required Uri Server { get; init; }

    /// <summary>A file with the bearer token, read anew for each look, since Kubernetes rotates them; null for none.</summary>
    public string? BearerTokenFile { get; init; }

    /// <summary>Roots that vouch for the server on HTTPS; null takes the system's.</summary>
    public X509Certificate2Collection? Roots { get; init; }

    public bool AcceptAnyCertificate { get; init; }

    /// <summary>The labels that name a pod and its namespace in what it scraped.</summary>
    public string PodLabel { get; init; } = "pod";

    public string NamespaceLabel { get; init; } = "namespace";

    public TimeSpan Timeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>A thousand vLLM pods are about 30 MiB.</summary>
    public int MaxBytes { get; init; } = 128 << 20;

    /// <summary>Of what the models' own queries find: a series for each replica of an ingress, not a cluster's.</summary>
    public int FrontMaxBytes { get; init; } = 1 << 20;

    /// <summary>What all models' own queries of one look get together.</summary>
    public TimeSpan FrontsTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How old a pod's last scrape may be before its numbers are stale: four scrapes at the usual 15 s.</summary>
    public TimeSpan StaleAfter { get; init; } = TimeSpan.FromMinutes(1);
}
