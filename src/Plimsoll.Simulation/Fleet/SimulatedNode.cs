using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>A node of the simulated fleet: what is on it, and the links its transfers share.</summary>
internal sealed class SimulatedNode(NodeId id, NodeGroup group, EventQueue events)
{
    public NodeId Id => id;

    public NodeGroup Group => group;

    public Link Disk { get; } = new(events, group.DiskBandwidth.Value);

    public Link Network { get; } = new(events, group.NetworkBandwidth.Value);

    public SortedDictionary<ModelId, CachedModel> Cache { get; } = [];

    public bool IsLost { get; set; }

    /// <summary>It was told that it is to go: nothing new begins on it.</summary>
    public bool IsLeaving { get; set; }

    /// <summary>Changes as it goes and comes: what was meant for one life is not for the next.</summary>
    public int Life { get; set; }

    /// <summary>Whether something may begin on it.</summary>
    public bool IsOpen => !IsLost && !IsLeaving;

    /// <summary>Since when nothing is on it; null while something is.</summary>
    public double? EmptySince { get; set; }

    public static DeviceId Device(int index) => DeviceId.Of($"gpu{index}");

    public NodeState Row(DateTimeOffset now) => Empty(group) with
    {
        Id = id,
        Condition = IsLeaving ? NodeCondition.Draining : NodeCondition.Ready,
        CacheFileSystemFree = group.CacheSize is { } size ? Signal.Known(size - CacheUse(), now) : Signal.Missing<Bytes>("it has no cache"),
    };

    /// <summary>One of a group as it comes.</summary>
    public static NodeState Empty(NodeGroup group) => new()
    {
        Id = NodeId.Of(group.Name),
        Pool = group.Name,
        NodePool = group.IsElastic ? group.Name : null,
        PricePerHour = group.PricePerHour,
        HostMemory = group.HostMemory,
        HostMemoryBudget = group.HostMemory,
        Cores = group.Cores,
        CacheBudget = group.CacheSize,
        CacheFileSystemFree = group.CacheSize is { } size ? Signal.Known(size, DateTimeOffset.UnixEpoch) : Signal.Missing<Bytes>("it has no cache"),
        Devices =
        [
            .. Enumerable.Range(0, group.Devices).Select(index => new DeviceState
            {
                Id = Device(index),
                Kind = group.DeviceKind!,
                Memory = group.DeviceMemory,
                MemoryBudget = group.DeviceMemory,
            }),
        ],
    };

    private Bytes CacheUse() => new(Cache.Values.Sum(model => model.There.Value));
}

/// <summary>A model on a node's disk, or on its way there.</summary>
internal sealed class CachedModel
{
    public required string Version { get; init; }

    /// <summary>All of it.</summary>
    public required Bytes Size { get; init; }

    public required double BegunAt { get; init; }

    public double? CompleteAt { get; set; }

    public double LastUsed { get; set; }

    public Link.Transfer? Fetching { get; set; }

    /// <summary>What of it is there.</summary>
    public Bytes There => Fetching is { } fetching ? new Bytes((long)(Size.Value - fetching.Left)) : Size;
}
