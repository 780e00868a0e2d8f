using System.Net;
using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Gateway;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.NodeCache;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Webhook;

namespace Plimsoll.Kubernetes.Operator;

/// <summary>How an operator runs.</summary>
public sealed record OperatorOptions
{
    /// <summary>Where its lease and what it remembers are kept.</summary>
    public required string Namespace { get; init; }

    /// <summary>This operator's own name; nobody else's, ever.</summary>
    public required string Identity { get; init; }

    /// <summary>The Fleet that is read.</summary>
    public string Fleet { get; init; } = FleetResource.DefaultName;

    /// <summary>The pod it runs in, which is labelled while it leads; null outside a cluster.</summary>
    public string? Pod { get; init; }

    public string LeaseName { get; init; } = "plimsoll-operator";

    public LeaseTimes Lease { get; init; } = LeaseTimes.Default;

    /// <summary>Where probes ask.</summary>
    public IPAddress Address { get; init; } = IPAddress.Any;

    /// <summary>The probes' port; 0 takes a free one, null serves none.</summary>
    public int? HealthPort { get; init; }

    public MetricsScraperSettings Metrics { get; init; } = new();

    /// <summary>Asked instead of the pods themselves; null asks the pods.</summary>
    public PrometheusSettings? Prometheus { get; init; }

    /// <summary>The gateway that is asked for demand; null asks none.</summary>
    public GatewaySettings? Gateway { get; init; }

    /// <summary>The folder of the model cache on each node, as pods mount it.</summary>
    public string CacheFolder { get; init; } = CachePaths.DefaultFolder;

    /// <summary>The webhook for pods; null serves none.</summary>
    public WebhookOptions? Webhook { get; init; }

    /// <summary>How many replicas each model should have.</summary>
    public IAllocator Allocator { get; init; } = new WeightAllocator();

    /// <summary>How often what was learned is written down.</summary>
    public TimeSpan Checkpoint { get; init; } = TimeSpan.FromSeconds(30);
}
