using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>
/// One HorizontalPodAutoscaler (autoscaling/v2) and the controller's flags, with Kubernetes' defaults
/// (pkg/controller/podautoscaler/config/v1alpha1/defaults.go, pkg/apis/autoscaling/v2/defaults.go).
/// </summary>
public sealed record HpaSettings
{
    public int MinReplicas { get; init; } = 1;

    public required int MaxReplicas { get; init; }

    /// <summary>Null: the object has none, and the older limits hold (2 × spec, at least 4, a pass).</summary>
    public HpaBehavior? Behavior { get; init; }

    public TimeSpan SyncPeriod { get; init; } = TimeSpan.FromSeconds(15);

    /// <summary>Share of the target; a behaviour may say another for its direction.</summary>
    public double Tolerance { get; init; } = 0.1;

    public TimeSpan DownscaleStabilization { get; init; } = TimeSpan.FromSeconds(300);

    public TimeSpan CpuInitializationPeriod { get; init; } = TimeSpan.FromSeconds(300);

    public TimeSpan InitialReadinessDelay { get; init; } = TimeSpan.FromSeconds(30);

    public HpaTolerance Tolerances => new(Behavior?.ScaleUp.Tolerance ?? Tolerance, Behavior?.ScaleDown.Tolerance ?? Tolerance);
}

/// <summary>Shares of the target within which a ratio counts as met.</summary>
public sealed record HpaTolerance(double Up = 0.1, double Down = 0.1)
{
    public bool Holds(double ratio) => 1 - Down <= ratio && ratio <= 1 + Up;
}

/// <summary>What Kubernetes fills in where a behaviour is given and leaves parts unsaid.</summary>
public sealed record HpaBehavior
{
    public HpaScalingRules ScaleUp { get; init; } = new()
    {
        StabilizationWindow = TimeSpan.Zero,
        Policies = [HpaPolicy.OfPods(4, TimeSpan.FromSeconds(15)), HpaPolicy.OfPercent(100, TimeSpan.FromSeconds(15))],
    };

    public HpaScalingRules ScaleDown { get; init; } = new()
    {
        StabilizationWindow = TimeSpan.FromSeconds(300),
        Policies = [HpaPolicy.OfPercent(100, TimeSpan.FromSeconds(15))],
    };
}

public sealed record HpaScalingRules
{
    public TimeSpan StabilizationWindow { get; init; }

    public ImmutableArray<HpaPolicy> Policies { get; init; } = [];

    public HpaPolicySelect SelectPolicy { get; init; } = HpaPolicySelect.Max;

    public double? Tolerance { get; init; }

    public TimeSpan LongestPeriod => Policies.IsEmpty ? TimeSpan.Zero : Policies.Max(policy => policy.Period);
}

public enum HpaPolicySelect
{
    /// <summary>The policy that allows the largest change.</summary>
    Max,
    Min,
    Disabled,
}

/// <param name="Percent">Whether the value is a percentage of the replicas at the period's beginning, and not pods.</param>
public sealed record HpaPolicy(bool Percent, int Value, TimeSpan Period)
{
    public static HpaPolicy OfPods(int pods, TimeSpan period) => new(false, pods, period);

    public static HpaPolicy OfPercent(int percent, TimeSpan period) => new(true, percent, period);
}
