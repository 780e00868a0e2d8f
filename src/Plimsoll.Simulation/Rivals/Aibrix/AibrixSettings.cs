using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>
/// A PodAutoscaler of AIBrix with its defaults (pkg/controller/podautoscaler/context/context.go, metrics/client.go).
/// Its third strategy makes a Kubernetes HPA.
/// </summary>
public sealed record AibrixSettings
{
    public AibrixStrategy Strategy { get; init; } = AibrixStrategy.Apa;

    public int MinReplicas { get; init; } = 1;

    public required int MaxReplicas { get; init; }

    public TimeSpan ReconcileInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan StableWindow { get; init; } = TimeSpan.FromSeconds(180);

    public TimeSpan PanicWindow { get; init; } = TimeSpan.FromSeconds(60);

    public double MaxScaleUpRate { get; init; } = 2;

    public double MaxScaleDownRate { get; init; } = 2;

    public double UpFluctuationTolerance { get; init; } = 0.1;

    public double DownFluctuationTolerance { get; init; } = 0.1;

    public TimeSpan UpCooldownWindow { get; init; } = TimeSpan.Zero;

    public TimeSpan DownCooldownWindow { get; init; } = TimeSpan.FromSeconds(300);

    public double PanicThreshold { get; init; } = 2;

    /// <summary>0: off.</summary>
    public int ActivationScale { get; init; }
}

public enum AibrixStrategy
{
    Apa,
    Kpa,
}

/// <summary>Bounds of a schedule that is active now; they replace the object's.</summary>
public sealed record AibrixSchedule(int? MinReplicas, int? MaxReplicas);

/// <summary>One metric source's answer, averaged over its windows; null where it failed.</summary>
/// <param name="Stable">Mean per pod where pods are the source, the value itself where it is external.</param>
public sealed record AibrixMetric(double Target, double? Stable, double? Panic);

/// <param name="Recommendations">Of the last cool-down window.</param>
public sealed record AibrixState(ImmutableArray<AibrixMark> Recommendations)
{
    public static AibrixState Fresh { get; } = new([]);
}

public readonly record struct AibrixMark(int Replicas, DateTimeOffset At);

public sealed record AibrixObservation(
    DateTimeOffset Now, int Replicas, ImmutableArray<AibrixMetric> Metrics, AibrixSchedule? Schedule = null);

public sealed record AibrixDecision(int Replicas, bool Panicking, AibrixState State);
