using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Karpenter;

/// <summary>One NodePool and the controller's options, with Karpenter's defaults (pkg/apis/v1/nodepool.go, pkg/operator/options).</summary>
public sealed record KarpenterSettings
{
    public TimeSpan BatchIdle { get; init; } = TimeSpan.FromSeconds(1);

    public TimeSpan BatchMax { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan DisruptionInterval { get; init; } = TimeSpan.FromSeconds(10);

    public TimeSpan ConsolidateAfter { get; init; } = TimeSpan.Zero;

    /// <summary>Only empty nodes go, in place of empty and underused ones.</summary>
    public bool WhenEmptyOnly { get; init; }

    /// <summary>Percent of a pool's nodes that may be disrupted at once, rounded up.</summary>
    public int BudgetPercent { get; init; } = 10;

    /// <summary>A command waits so long and is computed again before it runs.</summary>
    public TimeSpan ValidationDelay { get; init; } = TimeSpan.FromSeconds(15);

    public int MultiNodeMax { get; init; } = 100;

    public bool SpotToSpot { get; init; }

    /// <summary>Cheaper types that a lone spot node's replacement must be able to choose from.</summary>
    public int SpotToSpotTypes { get; init; } = 15;

    /// <summary>Types, cheapest first, that go to the provider.</summary>
    public int LaunchTypes { get; init; } = 600;
}

/// <param name="Cpu">Cores.</param>
public readonly record struct KarpenterResources(double Cpu, double MemoryBytes, int Gpus)
{
    public bool FitsIn(KarpenterResources room) => Cpu <= room.Cpu && MemoryBytes <= room.MemoryBytes && Gpus <= room.Gpus;

    public static KarpenterResources operator +(KarpenterResources a, KarpenterResources b) =>
        new(a.Cpu + b.Cpu, a.MemoryBytes + b.MemoryBytes, a.Gpus + b.Gpus);

    public static KarpenterResources operator -(KarpenterResources a, KarpenterResources b) =>
        new(a.Cpu - b.Cpu, a.MemoryBytes - b.MemoryBytes, a.Gpus - b.Gpus);
}

/// <summary>An offering that is available: a type of machine, on demand or as spot.</summary>
/// <param name="Allocatable">What is left for pods once daemons run.</param>
/// <param name="Price">An hour.</param>
public sealed record KarpenterType(string Name, KarpenterResources Allocatable, double Price, bool Spot = false);

/// <param name="EvictionCost">Only positive costs make a node less of a candidate.</param>
public sealed record KarpenterPod(
    string Name, KarpenterResources Requests, DateTimeOffset CreatedAt = default, double EvictionCost = 1, bool DoNotDisrupt = false);

/// <param name="LastPodEvent">When a pod last came or went.</param>
/// <param name="Blocked">By an annotation or a budget of pods.</param>
public sealed record KarpenterNode(
    string Name, KarpenterType Type, ImmutableArray<KarpenterPod> Pods, DateTimeOffset LastPodEvent, bool Initialized = true, bool Blocked = false)
{
    public KarpenterResources Free => Pods.Aggregate(Type.Allocatable, (room, pod) => room - pod.Requests);
}

/// <summary>A node still to be made, with all types that hold its pods.</summary>
public sealed record KarpenterPlannedNode(ImmutableArray<KarpenterPod> Pods, ImmutableArray<KarpenterType> Types)
{
    /// <summary>Of types equally cheap, the first by name; a spot provider also weighs its stock, which nobody publishes.</summary>
    public KarpenterType Cheapest => Types.OrderBy(type => type.Price).ThenBy(type => type.Name, StringComparer.Ordinal).First();
}

/// <param name="Placed">Node, by pod, for pods that go to nodes already there.</param>
/// <param name="Unplaced">Pods that no type holds.</param>
public sealed record KarpenterPacking(
    ImmutableSortedDictionary<string, string> Placed, ImmutableArray<KarpenterPlannedNode> Planned, ImmutableArray<KarpenterPod> Unplaced);
