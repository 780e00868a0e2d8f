using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;

namespace Plimsoll.Simulation.Rivals.Keda;

/// <summary>A ScaledObject with KEDA's defaults (apis/keda/v1alpha1/withtriggers_types.go, scaledobject_types.go).</summary>
public sealed record KedaSettings
{
    public TimeSpan PollingInterval { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan CooldownPeriod { get; init; } = TimeSpan.FromSeconds(300);

    public TimeSpan InitialCooldownPeriod { get; init; } = TimeSpan.Zero;

    public int MinReplicaCount { get; init; }

    public int MaxReplicaCount { get; init; } = 100;

    public int? IdleReplicaCount { get; init; }

    public KedaFallback? Fallback { get; init; }

    /// <summary>Behaviour that the user gave for the HPA; KEDA sets none itself.</summary>
    public HpaBehavior? HpaBehavior { get; init; }

    /// <summary>Annotations that stop changes in one direction, and one that counts as active whatever the triggers say.</summary>
    public bool PausedScaleIn { get; init; }

    public bool PausedScaleOut { get; init; }

    public bool ForcedActivation { get; init; }

    /// <summary>The HPA that KEDA makes: never below 1, as 0 is KEDA's own.</summary>
    public HpaSettings ToHpa() => new()
    {
        MinReplicas = Math.Max(MinReplicaCount, 1),
        MaxReplicas = MaxReplicaCount,
        Behavior = HpaBehavior,
    };
}

public enum KedaFallbackBehavior
{
    Static,
    CurrentReplicas,
    CurrentReplicasIfHigher,
    CurrentReplicasIfLower,
}

/// <param name="FailureThreshold">Failures in a row that must be exceeded.</param>
public sealed record KedaFallback(
    int FailureThreshold, int Replicas, KedaFallbackBehavior Behavior = KedaFallbackBehavior.Static)
{
    /// <summary>
    /// What the HPA is told while a trigger fails: the target times the replicas wanted. For a Value target they are divided by
    /// the ready replicas first.
    /// </summary>
    /// <param name="ready">Ready replicas, for a target of type Value only.</param>
    /// <returns>Null: below the threshold, or nothing to divide by; the HPA gets an error and holds.</returns>
    public double? Metric(int failures, double target, int current, int? ready = null)
    {
        if (failures <= FailureThreshold || ready == 0) return null;
        var replicas = Behavior switch
        {
            KedaFallbackBehavior.CurrentReplicas => current,
            KedaFallbackBehavior.CurrentReplicasIfHigher => Math.Max(current, Replicas),
            KedaFallbackBehavior.CurrentReplicasIfLower => Math.Min(current, Replicas),
            _ => Replicas,
        };
        return target * replicas / (ready ?? 1);
    }
}

/// <summary>What KEDA remembers of one object.</summary>
/// <param name="LastActive">The last poll that found it active.</param>
/// <param name="Failures">Failed queries in a row, by trigger; the HPA's queries count too.</param>
public sealed record KedaState(DateTimeOffset? LastActive, ImmutableSortedDictionary<string, int> Failures)
{
    public static KedaState Fresh { get; } = new(null, ImmutableSortedDictionary.Create<string, int>(StringComparer.Ordinal));
}

/// <summary>One trigger's answer to a query.</summary>
/// <param name="Value">Null: the query failed.</param>
/// <param name="Target">Per replica, or in all where <paramref name="TotalTarget"/> is set, in the metric's own unit.</param>
/// <param name="TotalTarget">Whether the target is of type Value and not AverageValue.</param>
public sealed record KedaTrigger(string Name, double? Value, double Target, double ActivationThreshold = 0, bool TotalTarget = false)
{
    /// <summary>Strictly above the threshold.</summary>
    public bool Active => Value > ActivationThreshold;
}

/// <summary>What a poll sees.</summary>
/// <param name="ReadyReplicas">For the fallback of Value targets.</param>
public sealed record KedaObservation(
    DateTimeOffset Now, DateTimeOffset CreatedAt, int Replicas, int ReadyReplicas, ImmutableArray<KedaTrigger> Triggers);

/// <param name="HpaMetrics">What the HPA would read now; it asks on its own clock.</param>
public sealed record KedaDecision(int Replicas, bool Active, ImmutableArray<HpaMetric> HpaMetrics, KedaState State);

/// <summary>The HTTP add-on's own times (scaler/config.go, operator/apis/http): its metric is requests in flight or their rate.</summary>
public sealed record KedaHttpSettings
{
    public TimeSpan QueueTick { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How often activity is streamed, so that a cold start waits for no poll.</summary>
    public TimeSpan StreamInterval { get; init; } = TimeSpan.FromMilliseconds(200);

    public TimeSpan RateWindow { get; init; } = TimeSpan.FromMinutes(1);

    public TimeSpan RateGranularity { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests in flight per replica.</summary>
    public double ConcurrencyTarget { get; init; } = 100;
}
