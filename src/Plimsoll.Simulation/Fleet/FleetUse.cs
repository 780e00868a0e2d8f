using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>What was taken of the hardware.</summary>
internal sealed class FleetUse
{
    private readonly Dictionary<NodeId, double> _nodeSince = [];
    private readonly SortedDictionary<NodeId, NodeBill> _bills = [];

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

    /// <summary>Seconds that devices were held, by model, those of a shared one by parts; of a replica without devices the seconds themselves.</summary>
    public SortedDictionary<ModelId, double> DeviceSeconds { get; } = [];

    /// <summary>Dollars of what replicas held of their nodes (<see cref="NodeBill"/>), from when their pods were bound to them.</summary>
    public double Dollars { get; private set; }

    /// <summary>The same by model.</summary>
    public SortedDictionary<ModelId, double> ModelDollars { get; } = [];

    public SortedDictionary<ModelId, int> Starts { get; } = [];

    /// <summary>Replicas that died of memory.</summary>
    public int OutOfMemory { get; set; }

    public void Began(FleetReplica replica, double now)
    {
        Starts[replica.Model.Id] = Starts.GetValueOrDefault(replica.Model.Id) + 1;
        Holds(replica, replica.Node, now);
    }

    /// <summary>From now on it holds what it says; in place of the pod that waited under its name, where one did.</summary>
    public void Holds(IHolder holder, SimulatedNode node, double now)
    {
        if (!_bills.TryGetValue(node.Id, out var bill)) bill = _bills[node.Id] = new NodeBill(node.Group);
        bill.Charge(now, Charge);
        bill.Add(holder);
        bill.Divide();
    }

    /// <summary>What it holds is something else from now on.</summary>
    public void Changed(IHolder holder, double now)
    {
        var bill = _bills[holder.Placement.Node];
        bill.Charge(now, Charge);
        bill.Divide();
    }

    public void Ended(IHolder holder, double now)
    {
        var bill = _bills[holder.Placement.Node];
        bill.Charge(now, Charge);
        bill.Remove(holder.Id);
        bill.Divide();
    }

    public void NodeBegan(NodeId node, double now) => _nodeSince[node] = now;

    public void NodeEnded(NodeId node, NodeGroup group, double now)
    {
        if (_nodeSince.Remove(node, out var since)) NodeSeconds[group.Name] += now - since;
    }

    public void Close(double now)
    {
        foreach (var bill in _bills.Values) bill.Charge(now, Charge);
        foreach (var (node, since) in _nodeSince) NodeSeconds[node.Value[..node.Value.LastIndexOf('-')]] += now - since;
        _nodeSince.Clear();
    }

    private void Charge(ModelId model, double deviceSeconds, double dollars)
    {
        DeviceSeconds[model] = DeviceSeconds.GetValueOrDefault(model) + deviceSeconds;
        Dollars += dollars;
        ModelDollars[model] = ModelDollars.GetValueOrDefault(model) + dollars;
    }
}
