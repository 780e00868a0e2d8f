using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>What was taken of the hardware.</summary>
internal sealed class FleetUse
{
    private readonly Dictionary<NodeId, double> _nodeSince = [];

    public FleetUse(World world)
    {
        foreach (var group in world.Nodes)
        {
            NodeSeconds[group.Name] = 0;
            for (var i = 0; i < group.Count; i++) _nodeSince[NodeId.Of($"{group.Name}-{i}")] = 0;
        }
    }

    /// <summary>Seconds that nodes were there, by group.</summary>
    public SortedDictionary<string, double> NodeSeconds { get; } = new(StringComparer.Ordinal);

    /// <summary>Seconds that devices were held, by model; of a replica without devices the seconds themselves.</summary>
    public SortedDictionary<ModelId, double> DeviceSeconds { get; } = [];

    /// <summary>Dollars of what replicas held: their share of their nodes' devices, or of their memory.</summary>
    public double Dollars { get; private set; }

    /// <summary>The same by model.</summary>
    public SortedDictionary<ModelId, double> ModelDollars { get; } = [];

    public SortedDictionary<ModelId, int> Starts { get; } = [];

    /// <summary>Replicas that died of memory.</summary>
    public int OutOfMemory { get; set; }

    public void Began(FleetReplica replica) => Starts[replica.Model.Id] = Starts.GetValueOrDefault(replica.Model.Id) + 1;

    public void Ended(FleetReplica replica, double now)
    {
        // What sleeps leaves its devices to others, but for what it keeps of them.
        var asleep = replica.SecondsAsleep + (replica.SleptSince is { } since ? now - since : 0);
        var kept = replica.Takes is { Asleep: { } need, PerDevice: not null } ? (double)need.PerDevice.Value / replica.Node.Group.DeviceMemory.Value : 1;
        var seconds = now - replica.StartedAt - (asleep * (1 - kept));
        var devices = Math.Max(1, replica.Placement.Devices.Length);
        DeviceSeconds[replica.Model.Id] = DeviceSeconds.GetValueOrDefault(replica.Model.Id) + (seconds * devices);
        var dollars = seconds / 3600 * PricePerHour(replica);
        Dollars += dollars;
        ModelDollars[replica.Model.Id] = ModelDollars.GetValueOrDefault(replica.Model.Id) + dollars;
    }

    public void NodeBegan(NodeId node, double now) => _nodeSince[node] = now;

    public void NodeEnded(NodeId node, NodeGroup group, double now)
    {
        if (_nodeSince.Remove(node, out var since)) NodeSeconds[group.Name] += now - since;
    }

    public void Close(double now)
    {
        foreach (var (node, since) in _nodeSince) NodeSeconds[node.Value[..node.Value.LastIndexOf('-')]] += now - since;
        _nodeSince.Clear();
    }

    private static double PricePerHour(FleetReplica replica)
    {
        var group = replica.Node.Group;
        if (group.PricePerHour is not { } price) return 0;
        var share = group.Devices > 0
            ? replica.Placement.Devices.Length / (double)group.Devices
            : replica.Needs.Host.Highest.Value / (double)group.HostMemory.Value;
        return price.Dollars * share;
    }
}
