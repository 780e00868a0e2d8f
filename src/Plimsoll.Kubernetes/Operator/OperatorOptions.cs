using Plimsoll.Kubernetes.Election;
using Plimsoll.Kubernetes.Resources;

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

    public string LeaseName { get; init; } = "plimsoll-operator";

    public LeaseTimes Lease { get; init; } = LeaseTimes.Default;

    /// <summary>How often what was learned is written down.</summary>
    public TimeSpan Checkpoint { get; init; } = TimeSpan.FromSeconds(30);
}
