using System.Collections.Immutable;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Recommend;
using Plimsoll.Kubernetes.Resources;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>One of a ScaledModel's conditions, before anybody compares it with the last one.</summary>
/// <param name="Type">One of <see cref="ConditionTypes"/>.</param>
/// <param name="Holds">True, False, or null for Unknown.</param>
/// <param name="Reason">A word in camel case.</param>
/// <param name="Message">A sentence for a person.</param>
public sealed record Finding(string Type, bool? Holds, string Reason, string Message);

/// <summary>What a ScaledModel comes to once its target, its artefact and the nodes were looked at.</summary>
public sealed record ResolvedModel
{
    public required ScaledModelView View { get; init; }

    public ModelId Id => View.Name.ModelId;

    public ScaledModelSettings? Settings { get; init; }

    /// <summary>Whether the pace of one of its variants is still being computed.</summary>
    public bool AwaitsPace { get; init; }

    private readonly ImmutableArray<ResolvedModel> _targets;

    /// <summary>The model as each of its targets has it, in order of preference; itself where there is one.</summary>
    public ImmutableArray<ResolvedModel> Targets
    {
        get => _targets.IsDefaultOrEmpty ? [this] : _targets;
        init => _targets = value;
    }

    /// <summary>What is scaled, of several the first; null when it is not there.</summary>
    public WorkloadView? Workload { get; init; }

    /// <summary>The path of its scale subresource.</summary>
    public string? ScalePath { get; init; }

    public V1PodSpec? Pod { get; init; }

    public ServedModel? Served { get; init; }

    public WeighedSource? Weighed { get; init; }

    /// <summary>For the planner; null when there is not enough to plan with, and then nothing is done.</summary>
    public ModelSpec? Spec { get; init; }

    /// <summary>The model's own, or the Fleet's where that is less.</summary>
    public FleetMode Mode { get; init; }

    /// <summary>Where nodes fetch its weights from ahead of its pods; null where its pods use no model cache, or it cannot be cached.</summary>
    public string? CacheSource { get; init; }

    public ImmutableArray<Finding> Findings { get; init; } = [];

    /// <summary>By device kind, why it does not fit there.</summary>
    public ImmutableSortedDictionary<string, string> Misfits { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>What its pods ought to ask; null where nothing says on what they fit.</summary>
    public PodRecommendation? Recommended { get; init; }

    /// <summary>Whether the webhook is in the way of its new pods, and what it makes of them is planned with.</summary>
    public bool Applied { get; init; }

    public bool InConflict => Findings.Any(finding => finding is { Type: ConditionTypes.Conflict, Holds: true });

    /// <summary>Whether we write its replicas: neither where the plan is only shown nor where the reader of a metric does.</summary>
    public bool Acts => Spec is { Acts: true } && Settings is { Actuation: Actuation.Scale };
}
