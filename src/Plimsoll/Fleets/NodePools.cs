using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>A kind of node that can be asked for.</summary>
public sealed record NodePool
{
    /// <summary>Unique among a fleet's pools; <see cref="NodeState.NodePool"/> of its nodes.</summary>
    public required string Name { get; init; }

    /// <summary>One of its nodes as it comes, empty; the id stands for any of them.</summary>
    public required NodeState Node { get; init; }

    /// <summary>Of a whole node, devices included; null where nobody says.</summary>
    public UsdPerHour? PricePerHour { get; init; }

    /// <summary>From asking for a node to its being ready; null for what was observed, or <see cref="BootTimeAssumed"/>.</summary>
    public TimeSpan? BootTime { get; init; }

    /// <summary>Null where nothing but the cluster's own machinery bounds it.</summary>
    public NodeLimit? Limit { get; init; }

    /// <summary>Of a node before any was seen to come.</summary>
    public static readonly TimeSpan BootTimeAssumed = TimeSpan.FromMinutes(5);
}

/// <summary>The most nodes that a pool may have, those that are there counted, and what says so ("maxNodes 8").</summary>
public sealed record NodeLimit(int Nodes, string Why);

/// <summary>Replicas of a model that are to find room.</summary>
public sealed record ModelCount(ModelId Model, int Replicas);

/// <summary>A node that was asked for.</summary>
/// <param name="Pool">The pool it comes from.</param>
/// <param name="Ordinal">From 1; unique among the pool's requests of one moment, and used again once a request is gone.</param>
/// <param name="For">For whom, ordered by model.</param>
public sealed record NodeRequest(string Pool, int Ordinal, ImmutableArray<ModelCount> For)
{
    /// <summary>When it was asked for.</summary>
    public DateTimeOffset At { get; init; }
}
