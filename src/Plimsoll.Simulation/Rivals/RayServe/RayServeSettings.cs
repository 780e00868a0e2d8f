namespace Plimsoll.Simulation.Rivals.RayServe;

/// <summary>autoscaling_config of a Ray Serve deployment, with its defaults (python/ray/serve/config.py, _private/constants.py).</summary>
public sealed record RayServeSettings
{
    public double TargetOngoingRequests { get; init; } = 2;

    /// <summary>Requests a replica takes at once; the rest wait at the handles.</summary>
    public int MaxOngoingRequests { get; init; } = 5;

    public int MinReplicas { get; init; } = 1;

    /// <summary>1 by default, 100 with <c>num_replicas: auto</c>.</summary>
    public int MaxReplicas { get; init; } = 1;

    public int? InitialReplicas { get; init; }

    public TimeSpan UpscaleDelay { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan DownscaleDelay { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Null: as <see cref="DownscaleDelay"/>.</summary>
    public TimeSpan? DownscaleToZeroDelay { get; init; }

    public double UpscalingFactor { get; init; } = 1;

    public double DownscalingFactor { get; init; } = 1;

    /// <summary>How often replicas and handles push their counts, and over how long these are averaged.</summary>
    public TimeSpan MetricsInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan LookBackPeriod { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan ControlLoopInterval { get; init; } = TimeSpan.FromSeconds(0.1);

    public RayServeDelayRule DelayRule { get; init; } = RayServeDelayRule.WallClock;
}

public enum RayServeDelayRule
{
    /// <summary>Versions of 2026: time since the wish was first seen.</summary>
    WallClock,

    /// <summary>Before: ticks of the loop, so that a slow loop stretches every delay.</summary>
    Counter,
}

/// <param name="Ticks">Decisions in a row that wanted more (positive) or fewer (negative).</param>
/// <param name="FirstSeen">When the first of them was.</param>
public sealed record RayServeState(int Ticks, DateTimeOffset? FirstSeen)
{
    public static RayServeState Fresh { get; } = new(0, null);
}

/// <param name="Running">Replicas that run; those still starting are in the target only.</param>
/// <param name="Target">What was last decided.</param>
/// <param name="Ongoing">Requests running and queued at handles, averaged over the look-back.</param>
public sealed record RayServeObservation(DateTimeOffset Now, int Running, int Target, double Ongoing);

public sealed record RayServeDecision(int Replicas, RayServeState State);
