using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Knative;

/// <summary>
/// A revision under Knative's own autoscaler, with the defaults of config/core/configmaps/autoscaler.yaml.
/// </summary>
public sealed record KpaSettings
{
    /// <summary>Requests in flight, or a second where the metric is RPS, that one pod is aimed at and can take.</summary>
    public KpaTarget Target { get; init; } = KpaTarget.Concurrency();

    public double MaxScaleUpRate { get; init; } = 1000;

    public double MaxScaleDownRate { get; init; } = 2;

    /// <summary>Requests to be absorbed without queueing; 0 takes the activator out, negative keeps it in always.</summary>
    public double TargetBurstCapacity { get; init; } = 211;

    public TimeSpan StableWindow { get; init; } = TimeSpan.FromSeconds(60);

    public double PanicWindowPercentage { get; init; } = 10;

    public TimeSpan PanicWindow => StableWindow * (PanicWindowPercentage / 100);

    /// <summary>Pods wanted by the panic window over ready pods; 200 % in the configuration.</summary>
    public double PanicThreshold { get; init; } = 2;

    /// <summary>Pods at least, once there is any load; 1 or less says nothing.</summary>
    public int ActivationScale { get; init; }

    public TimeSpan ScaleDownDelay { get; init; } = TimeSpan.Zero;

    public int MinScale { get; init; }

    /// <summary>0: unbounded.</summary>
    public int MaxScale { get; init; }

    public int InitialScale { get; init; } = 1;

    public bool EnableScaleToZero { get; init; } = true;

    public TimeSpan ScaleToZeroGracePeriod { get; init; } = TimeSpan.FromSeconds(30);

    public TimeSpan ScaleToZeroPodRetention { get; init; } = TimeSpan.Zero;

    public TimeSpan ProgressDeadline { get; init; } = TimeSpan.FromSeconds(600);

    /// <summary>Added to the deadline before an activation is given up.</summary>
    public TimeSpan ActivationTimeoutBuffer { get; init; } = TimeSpan.FromSeconds(30);

    public double ActivatorCapacity { get; init; } = 100;

    public TimeSpan TickInterval { get; init; } = TimeSpan.FromSeconds(2);

    public TimeSpan ScrapeInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Requests the activator queues for a revision before it answers 503.</summary>
    public int ActivatorQueueDepth { get; init; } = 10_000;
}

/// <param name="Target">What a pod is aimed at, at least 0.01.</param>
/// <param name="Total">What a pod can take.</param>
public sealed record KpaTarget(double Target, double Total)
{
    /// <param name="annotation">The revision's own target; null: the default of 100, or its hard limit where it has one.</param>
    /// <param name="containerConcurrency">Hard limit of requests in a pod; 0: none.</param>
    public static KpaTarget Concurrency(double? annotation = null, int containerConcurrency = 0, double utilization = 0.7)
    {
        var total = annotation ?? (containerConcurrency > 0 ? containerConcurrency : 100);
        return Of(containerConcurrency > 0 ? Math.Min(total, containerConcurrency) : total, utilization);
    }

    public static KpaTarget RequestsPerSecond(double total = 200, double utilization = 0.7) => Of(total, utilization);

    private static KpaTarget Of(double total, double utilization) => new(Math.Max(0.01, total * utilization), total);
}

/// <param name="PanicSince">The last moment over the panic threshold; null: not panicking.</param>
/// <param name="MaxPanicPods">The largest wish of this panic: it is never gone below.</param>
/// <param name="Recent">Wishes by slot of a tick, kept only where scaling down is delayed.</param>
public sealed record KpaState(DateTimeOffset? PanicSince, int MaxPanicPods, ImmutableArray<KpaWish> Recent)
{
    /// <summary>An autoscaler that finds more than one pod ready starts in panic, so that a restart takes none away.</summary>
    public static KpaState Start(int ready, DateTimeOffset now) => ready > 1 ? new(now, ready, []) : new(null, 0, []);
}

public readonly record struct KpaWish(long Slot, int Pods);

/// <summary>What a tick sees.</summary>
/// <param name="Stable">The metric's sum over pods, averaged over the stable window; null: no data, and nothing changes.</param>
/// <param name="Panic">The same over the panic window.</param>
/// <param name="Reachable">Whether a route leads to the revision.</param>
public sealed record KpaObservation(DateTimeOffset Now, int Ready, double? Stable, double? Panic, bool Reachable = true);

/// <param name="Desired">Null: invalid, nothing changes.</param>
/// <param name="ExcessBurstCapacity">Below 0 the activator stays in the path of requests.</param>
public sealed record KpaDecision(int? Desired, int ExcessBurstCapacity, KpaState State);
