using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;
using Plimsoll.Simulation.Rivals.Keda;

namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>What can be read of the simulated cluster.</summary>
public enum SimulatedMetric
{
    /// <summary>Requests in replicas and at the gateway.</summary>
    InFlight,

    /// <summary>Requests being worked on.</summary>
    Running,

    /// <summary>Requests that wait.</summary>
    Waiting,

    /// <summary>Share of the memory for keys and values in use, 0 to 1.</summary>
    CacheUse,

    /// <summary>1 for a replica that works on something, else 0: what a device's utilisation shows of a model that generates text.</summary>
    Busy,

    /// <summary>Requests that arrive, a second.</summary>
    ArrivalsPerSecond,

    /// <summary>Requests that are answered, a second.</summary>
    AnsweredPerSecond,
}

/// <summary>How replicas' values become one.</summary>
public enum MetricAggregate
{
    Sum,
    Mean,
    Max,
}

/// <summary>The kinds of an HPA's targets.</summary>
public enum MetricTarget
{
    /// <summary>A mean over pods, of a metric that each pod has.</summary>
    PerPod,

    /// <summary>A metric of the whole, divided by the replicas.</summary>
    AverageValue,

    /// <summary>A metric of the whole that is not divided.</summary>
    Value,

    /// <summary>A share of what pods request.</summary>
    Utilization,
}

/// <summary>A metric that somebody's own autoscaler goes by.</summary>
public sealed record OwnMetric
{
    /// <summary>As the manifest names it.</summary>
    public required string Name { get; init; }

    public required SimulatedMetric Reads { get; init; }

    public required MetricTarget Kind { get; init; }

    /// <summary>In the metric's own unit; a utilisation in percent.</summary>
    public required double Target { get; init; }

    /// <summary>The metric's unit: 100 where it counts in percent what is a share here.</summary>
    public double Scale { get; init; } = 1;

    public MetricAggregate Aggregate { get; init; }

    /// <summary>Of counters that became rates.</summary>
    public TimeSpan Window { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Whether pods report it: while there is none nothing is reported, however many requests are held before them.</summary>
    public bool OfPods { get; init; }

    /// <summary>Above which KEDA counts it as active.</summary>
    public double Activation { get; init; }
}

/// <summary>Somebody's own HorizontalPodAutoscaler or ScaledObject.</summary>
/// <param name="Target">The workload it scales, by name.</param>
/// <param name="Hpa">Its HPA, or the one KEDA makes of it.</param>
/// <param name="Keda">Null for an HPA.</param>
/// <param name="Metrics">At least one.</param>
public sealed record OwnAutoscaler(string Target, HpaSettings Hpa, KedaSettings? Keda, ImmutableArray<OwnMetric> Metrics)
{
    /// <summary>The fewest that it ever has: KEDA's idle ones where it has fewer of these.</summary>
    public int MinReplicas => Keda is { } keda ? Math.Min(keda.MinReplicaCount, keda.IdleReplicaCount ?? keda.MinReplicaCount) : Hpa.MinReplicas;

    public int MaxReplicas => Hpa.MaxReplicas;

    /// <summary>Whether it scales a model: by its name, or the last part of it.</summary>
    public bool Scales(ModelId model) => model.Value == Target || model.Value.EndsWith("/" + Target, StringComparison.Ordinal);
}
