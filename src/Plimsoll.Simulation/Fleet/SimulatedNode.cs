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

    public static DeviceId Device(int index) => DeviceId.Of($"gpu{index}");

    public NodeState Row(DateTimeOffset now) => new()
    {
        Id = id,
        Pool = group.Name,
        Condition = IsLost ? NodeCondition.Unreachable : NodeCondition.Ready,
        HostMemory = group.HostMemory,
        HostMemoryBudget = group.HostMemory,
        Cores = group.Cores,
        CacheBudget = group.CacheSize,
        CacheFileSystemFree = group.CacheSize is { } size ? Signal.Known(size - CacheUse(), now) : Signal.Missing<Bytes>("it has no cache"),
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
