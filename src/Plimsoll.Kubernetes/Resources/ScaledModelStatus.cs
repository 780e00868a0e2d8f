using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>The types of a ScaledModel's conditions. Each is True when all is well, but for <see cref="Conflict"/>.</summary>
public static class ConditionTypes
{
    /// <summary>Whether Plimsoll can do for this model what its mode says.</summary>
    public const string Ready = "Ready";

    /// <summary>Whether what it scales is there, with a scale subresource.</summary>
    public const string TargetFound = "TargetFound";

    /// <summary>Whether its weight is known.</summary>
    public const string Weighed = "Weighed";

    /// <summary>Whether its demand is known.</summary>
    public const string MetricsSeen = "MetricsSeen";

    /// <summary>Whether a replica fits on the nodes it may go to.</summary>
    public const string Fits = "Fits";

    /// <summary>Whether what its pods ask covers what they take; False with the reason TooMuch where they ask far more.</summary>
    public const string Requests = "Requests";

    /// <summary>True when somebody else scales the target; the message names who.</summary>
    public const string Conflict = "Conflict";

    /// <summary>Whether nodes fetch its weights ahead of its pods; only there where its pods use the model cache.</summary>
    public const string Cached = "Cached";
}

/// <summary>What Plimsoll sees and thinks. What is not known is left out, never zero.</summary>
[Means("What Plimsoll sees and thinks; what is not known is left out.")]
public sealed record ScaledModelStatus
{
    [Means("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; init; }

    [Means("Ready, TargetFound, Weighed, MetricsSeen, Fits, Requests, Conflict and, where its pods use the model cache, Cached.")]
    [Holds(32, Key = "type")]
    public IReadOnlyList<V1Condition>? Conditions { get; init; }

    [Means("The artefact, as it may be shown.")]
    public string? Model { get; init; }

    [Means("What its weights take in memory, for a person.")]
    public string? Weight { get; init; }

    [Means("What its weights take in memory.")]
    public long? WeightBytes { get; init; }

    [Means("Replicas there are, those that load counted.")]
    public int? Replicas { get; init; }

    [Means("Replicas that serve.")]
    public int? ReadyReplicas { get; init; }

    [Means("Replicas that the last plan wants.")]
    public int? DesiredReplicas { get; init; }

    [Means("Requests that arrive in a second.")]
    public double? DemandPerSecond { get; init; }

    [Means("Requests in a second that the plan prepares for.")]
    public double? ForecastPerSecond { get; init; }

    [Means("Requests in a second that one replica carries within its objective, and what that rests on.")]
    public string? Capacity { get; init; }

    [Means("How long a replica takes until it serves, at the 90th percentile.")]
    public string? LoadTime { get; init; }

    [Means("How long an idle replica is kept.")]
    public string? Hold { get; init; }

    [Means("What Plimsoll may do for this model: its own mode, or the Fleet's where that is less.")]
    public string? Mode { get; init; }

    [Means("Why it is so, with the numbers.")]
    public string? Reason { get; init; }

    [Means("The label selector of the target's pods, where it is of another kind than Deployment, StatefulSet, LeaderWorkerSet and InferenceService.")]
    public string? Selector { get; init; }

    [Means("What each pod should request: cpu, memory, ephemeral-storage and devices.")]
    [Holds(32, Whole = true)]
    public IReadOnlyDictionary<string, string>? RecommendedRequests { get; init; }

    [Means("What each pod ought to ask, and what its template has otherwise.")]
    [Holds(16, Whole = true)]
    public RecommendedPod? Recommended { get; init; }

    [Means("Each variant, where there are several.")]
    [Holds(32)]
    public IReadOnlyList<VariantStatus>? Variants { get; init; }

    /// <summary>
    /// A copy that every API server takes and every terminal shows: without empty texts, which old servers refuse as if
    /// they were null, without control characters, and with numbers as exact as they are meant, so that a demand of
    /// 4.2501 instead of 4.2499 writes nothing.
    /// </summary>
    public ScaledModelStatus Writable() => this with
    {
        Conditions = StatusText.Conditions(Conditions),
        Model = StatusText.Of(Model),
        Weight = StatusText.Of(Weight),
        DemandPerSecond = StatusText.Rounded(DemandPerSecond),
        ForecastPerSecond = StatusText.Rounded(ForecastPerSecond),
        Capacity = StatusText.Of(Capacity),
        LoadTime = StatusText.Of(LoadTime),
        Hold = StatusText.Of(Hold),
        Mode = StatusText.Of(Mode),
        Reason = StatusText.Of(Reason),
        Selector = StatusText.Of(Selector),
        Recommended = Writable(Recommended),
        Variants = Variants?.Select(variant => variant with { Recommended = Writable(variant.Recommended), Target = StatusText.Of(variant.Target), Selector = StatusText.Of(variant.Selector), Reason = StatusText.Of(variant.Reason) }).ToList(),
    };

    private static RecommendedPod? Writable(RecommendedPod? recommended) => recommended is null ? null : recommended with { Differs = StatusText.Of(recommended.Differs) };

    /// <summary>What is recommended for the pods of one target: of several each has its own.</summary>
    /// <param name="model">With its status.</param>
    /// <param name="variant">Which of its variants.</param>
    public static RecommendedPod? RecommendedFor(ScaledModel model, VariantSettings variant)
    {
        ArgumentNullException.ThrowIfNull(model);
        ArgumentNullException.ThrowIfNull(variant);
        var settings = ScaledModelSettings.Of(model);
        return settings is { Variants.Length: > 1, Actuation: Actuation.Scale } ? model.Status?.Variants?.FirstOrDefault(one => one.Name == variant.Name)?.Recommended
            : settings.Variants is [var first, ..] && first.Name == variant.Name ? model.Status?.Recommended : null;
    }
}

[Means("What Plimsoll sees and thinks of one variant.")]
public sealed record VariantStatus
{
    [Means("The variant's name.")]
    [Needed("a name")]
    public string? Name { get; init; }

    [Means("What is scaled, as kind/name.")]
    public string? Target { get; init; }

    [Means("Replicas there are, those that load counted.")]
    public int? Replicas { get; init; }

    [Means("Replicas that serve.")]
    public int? ReadyReplicas { get; init; }

    [Means("Replicas that the last plan wants.")]
    public int? DesiredReplicas { get; init; }

    [Means("The label selector of the target's pods, where it is of another kind than Deployment, StatefulSet, LeaderWorkerSet and InferenceService.")]
    public string? Selector { get; init; }

    [Means("Whether a replica fits, and why it is chosen or not.")]
    public string? Reason { get; init; }

    [Means("What each pod should request: cpu, memory, ephemeral-storage and devices.")]
    [Holds(32, Whole = true)]
    public IReadOnlyDictionary<string, string>? RecommendedRequests { get; init; }

    [Means("What each of the target's pods ought to ask, and what its template has otherwise.")]
    [Holds(16, Whole = true)]
    public RecommendedPod? Recommended { get; init; }
}
