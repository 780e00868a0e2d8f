using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>What the controller keeps in memory for one object; a restart loses it.</summary>
/// <param name="Recommendations">Before stabilisation.</param>
/// <param name="UpEvents">Replicas added, kept only where a behaviour is set.</param>
/// <param name="DownEvents">Replicas taken, as positive numbers.</param>
public sealed record HpaState(
    ImmutableArray<HpaMark> Recommendations, ImmutableArray<HpaMark> UpEvents, ImmutableArray<HpaMark> DownEvents)
{
    public static HpaState Fresh { get; } = new([], [], []);
}

/// <summary>A number of replicas at a moment.</summary>
public readonly record struct HpaMark(int Replicas, DateTimeOffset At);

/// <summary>What a pass sees.</summary>
/// <param name="SpecReplicas">Asked for in the scale object.</param>
/// <param name="StatusReplicas">Reported by the workload.</param>
/// <param name="Pods">All of the workload's pods, whatever their phase.</param>
public sealed record HpaObservation(
    DateTimeOffset Now, int SpecReplicas, int StatusReplicas, ImmutableArray<HpaPod> Pods, ImmutableArray<HpaMetric> Metrics)
{
    /// <summary>Running and ready: what a Value target multiplies by.</summary>
    public int ReadyPods => Pods.Count(pod => pod is { Phase: HpaPodPhase.Running, Ready: true });
}

public enum HpaPodPhase
{
    Pending,
    Running,
    Failed,

    /// <summary>Being deleted.</summary>
    Terminating,
}

/// <param name="RequestMilli">Of the resource measured, in thousandths; only for utilisation.</param>
public sealed record HpaPod(
    string Name, HpaPodPhase Phase, bool Ready = true, long RequestMilli = 0, DateTimeOffset? StartedAt = null,
    DateTimeOffset? ReadyChangedAt = null);

/// <param name="ValueMilli">In thousandths of the metric's unit, as Kubernetes computes.</param>
/// <param name="Window">What the sample is the mean of.</param>
public sealed record HpaSample(string Pod, long ValueMilli, DateTimeOffset TakenAt = default, TimeSpan Window = default);

/// <summary>One metric of the object with what was read of it; values and targets in thousandths.</summary>
public abstract record HpaMetric
{
    private HpaMetric()
    {
    }

    /// <summary>The metric could not be read.</summary>
    public sealed record Failed : HpaMetric;

    /// <summary>External or object metric, target AverageValue: what KEDA and WVA use.</summary>
    public sealed record AverageValue(long UsageMilli, long TargetMilli) : HpaMetric;

    /// <summary>External or object metric, target Value.</summary>
    public sealed record Value(long UsageMilli, long TargetMilli) : HpaMetric;

    /// <summary>Pods metric, or a raw resource value (then <paramref name="Cpu"/> says whether readiness counts).</summary>
    public sealed record PerPod(long TargetMilli, ImmutableArray<HpaSample> Samples, bool Cpu = false) : HpaMetric;

    /// <summary>Resource metric with a target in percent of the requests.</summary>
    public sealed record Utilization(int TargetPercent, ImmutableArray<HpaSample> Samples, bool Cpu = true) : HpaMetric;
}

/// <param name="Proposal">The largest of the metrics' proposals; null where metrics were not asked or none answered.</param>
public sealed record HpaDecision(int Replicas, int? Proposal, HpaReason Reason, HpaState State);

public enum HpaReason
{
    AsProposed,

    /// <summary>Spec is 0 and the minimum is not.</summary>
    ScalingDisabled,

    /// <summary>Spec was outside the bounds, so metrics were not asked.</summary>
    OutOfBounds,

    /// <summary>All metrics failed, or some did and the rest asked for fewer replicas.</summary>
    MetricsFailed,
}
