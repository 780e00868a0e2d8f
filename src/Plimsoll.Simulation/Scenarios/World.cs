using System.Collections.Immutable;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Scenarios;

/// <summary>All of a simulated run but who controls it: what there is, who asks for what, and what truly happens.</summary>
public sealed record World
{
    public required string Name { get; init; }

    /// <summary>What is to be served, as the planner knows it.</summary>
    public required FleetSpec Spec { get; init; }

    /// <summary>Kinds of node, ordered by name.</summary>
    public required ImmutableArray<NodeGroup> Nodes { get; init; }

    /// <summary>One for each model of the spec, in its order.</summary>
    public required ImmutableArray<SimulatedModel> Models { get; init; }

    /// <summary>How long traffic comes.</summary>
    public required TimeSpan Length { get; init; }

    /// <summary>What the gateway bounds.</summary>
    public GatewayBounds Gateway { get; init; } = new();

    public ImmutableArray<Fault> Faults { get; init; } = [];

    /// <summary>When the run begins, on its own clock.</summary>
    public DateTimeOffset Start { get; init; } = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);
}

/// <summary>Nodes that are alike.</summary>
public sealed record NodeGroup
{
    public required string Name { get; init; }

    /// <summary>How many there are from the beginning.</summary>
    public required int Count { get; init; }

    /// <summary>The kind of device, as variants name it; null for nodes without.</summary>
    public string? DeviceKind { get; init; }

    public int Devices { get; init; }

    /// <summary>Of each device.</summary>
    public Bytes DeviceMemory { get; init; }

    public required Bytes HostMemory { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>Room for models on its disk; null where it keeps none.</summary>
    public Bytes? CacheSize { get; init; }

    /// <summary>What its disk gives all loads together.</summary>
    public required BytesPerSecond DiskBandwidth { get; init; }

    /// <summary>What its network gives all fetches together.</summary>
    public required BytesPerSecond NetworkBandwidth { get; init; }

    /// <summary>Of a whole node; null where it is owned.</summary>
    public UsdPerHour? PricePerHour { get; init; }
}

/// <summary>One model: who asks for it, and how it truly behaves.</summary>
public sealed record SimulatedModel
{
    public required ModelSpec Spec { get; init; }

    public required RequestTrace Trace { get; init; }

    /// <summary>How replicas truly behave, by variant; ordered by variant.</summary>
    public required ImmutableSortedDictionary<VariantId, ReplicaTruth> Truth { get; init; }

    /// <summary>What is predicted of replicas that generate text, by variant: what others measure offline before they serve.</summary>
    public ImmutableSortedDictionary<VariantId, ReplicaProfile> Profiles { get; init; } = ImmutableSortedDictionary<VariantId, ReplicaProfile>.Empty;
}

/// <summary>A replica's limits and the predicted seconds of its steps.</summary>
public sealed record ReplicaProfile(ReplicaLimits Limits, Func<StepBatch, double> StepSeconds);

/// <summary>How replicas of a variant truly behave, which the planner has to find out.</summary>
public sealed record ReplicaTruth
{
    /// <summary>Of one that generates text; null for others.</summary>
    public ReplicaLimits? Limits { get; init; }

    /// <summary>Seconds of its steps, where it generates text.</summary>
    public Func<StepBatch, double>? StepSeconds { get; init; }

    /// <summary>Of one that does not.</summary>
    public BatchTimes Batch { get; init; }

    /// <summary>From its start to ready, weights on the node. Stages of bytes share the node's disk.</summary>
    public required LoadPath Load { get; init; }

    /// <summary>From being told to end until its memory is given back.</summary>
    public required LoadStage Unload { get; init; }

    /// <summary>What it truly takes, over what it is charged.</summary>
    public double MemoryFactor { get; init; } = 1;
}

/// <summary>Something goes wrong.</summary>
/// <param name="At">When, from the run's beginning.</param>
/// <param name="What">What.</param>
/// <param name="Node">The node it strikes ("gpu-1"), or a replica's model.</param>
public sealed record Fault(TimeSpan At, FaultKind What, string Node);

public enum FaultKind
{
    /// <summary>The node is gone, with all on it.</summary>
    NodeLost,

    /// <summary>A lost node is back, empty.</summary>
    NodeBack,

    /// <summary>One replica of the model dies.</summary>
    ReplicaDies,

    /// <summary>The next load of the model fails as it ends.</summary>
    LoadFails,
}
