using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>AIBrix' GPU optimiser with its defaults (gpu_optimizer/load_monitor/monitor.py).</summary>
public sealed record AibrixOptimizerSettings
{
    public TimeSpan Interval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan Window { get; init; } = TimeSpan.FromSeconds(240);

    /// <summary>The window turns over by one part of these at a time.</summary>
    public int SubWindows { get; init; } = 4;

    /// <summary>Distance between neighbours, in powers of two of tokens.</summary>
    public double ClusterDistance { get; init; } = 0.5;

    /// <summary>Neighbours, itself included, that make a point the core of a cluster.</summary>
    public int ClusterPoints { get; init; } = 10;

    public int SliceFactor { get; init; } = 4;

    /// <summary>Parts of a GPU the programme counts in: whole ones are made only later, by the deployment's own autoscaler.</summary>
    public int GpuFraction { get; init; } = 100;
}

/// <summary>Throughputs of each kind of GPU on one grid of request sizes.</summary>
/// <param name="InputTicks">log2 of prompt tokens, ascending.</param>
/// <param name="OutputTicks">log2 of answer tokens, ascending.</param>
public sealed record AibrixProfile(
    ImmutableArray<double> InputTicks, ImmutableArray<double> OutputTicks, ImmutableArray<AibrixGpuProfile> Gpus);

/// <param name="Cost">An hour.</param>
/// <param name="PerSecond">Requests a second within the objective, by [output tick][input tick].</param>
public sealed record AibrixGpuProfile(string Deployment, double Cost, ImmutableArray<ImmutableArray<double>> PerSecond);

public readonly record struct AibrixRequest(DateTimeOffset At, int InputTokens, int OutputTokens);

/// <param name="Requests">Those of the window, at least; older ones are left out here.</param>
/// <param name="LatestPerSecond">The newest rate counted.</param>
/// <param name="Since">When counting began.</param>
public sealed record AibrixOptimizerObservation(
    DateTimeOffset Now, DateTimeOffset Since, ImmutableArray<AibrixRequest> Requests, double LatestPerSecond);
