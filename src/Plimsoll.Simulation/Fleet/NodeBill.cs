using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>Somebody who holds a part of a node.</summary>
internal interface IHolder
{
    ReplicaId Id { get; }

    ModelSpec Model { get; }

    Placement Placement { get; }

    /// <summary>Whether it has left its devices to others, but for what it keeps of their memory.</summary>
    bool HasLeftDevices { get; }

    /// <summary>What it holds of each of its devices now; null for all of it.</summary>
    Bytes? HeldOfEach { get; }

    /// <summary>What it holds of its node's memory.</summary>
    Bytes HeldOfHost { get; }
}

/// <summary>
/// A node's price among those who hold it. A device's part goes to its holders: to what sleeps on it by the memory it keeps, the rest
/// to the others by theirs, so that a device is paid once however many are on it. Who runs on no device pays a part of what is then
/// left of the price, as its part of the node's memory; so all together never pay more than the node costs.
/// </summary>
internal sealed class NodeBill(NodeGroup group)
{
    private readonly List<IHolder> _holders = [];
    private readonly List<Part> _parts = [];
    private double _since;

    /// <summary>Seconds of devices, and dollars, of a model since the last call; those who hold may change after it.</summary>
    public void Charge(double now, Action<ModelId, double, double> charge)
    {
        var seconds = now - _since;
        _since = now;
        if (seconds <= 0) return;
        foreach (var part in _parts) charge(part.Model, seconds * part.Devices, seconds / 3600 * part.Dollars);
    }

    /// <summary>Begins, in place of whoever has its name.</summary>
    public void Add(IHolder holder)
    {
        Remove(holder.Id);
        _holders.Add(holder);
    }

    public void Remove(ReplicaId id) => _holders.RemoveAll(holder => holder.Id == id);

    /// <summary>Divides anew, from now on.</summary>
    public void Divide()
    {
        _parts.Clear();
        var price = group.PricePerHour?.Dollars ?? 0;
        var held = 0.0;
        foreach (var holder in _holders)
        {
            if (holder.Placement.Devices.IsEmpty) continue;
            var devices = holder.Placement.Devices.Sum(device => PartOf(holder, device));
            held += devices / Math.Max(1, group.Devices);
            _parts.Add(new Part(holder.Model.Id, devices, price * devices / Math.Max(1, group.Devices)));
        }

        foreach (var holder in _holders)
        {
            if (!holder.Placement.Devices.IsEmpty) continue;
            var memory = holder.HeldOfHost.Value / (double)Math.Max(1, group.HostMemory.Value);
            _parts.Add(new Part(holder.Model.Id, 1, price * memory * Math.Max(0, 1 - held)));
        }
    }

    private double PartOf(IHolder holder, DeviceId device)
    {
        var (kept, others) = (0.0, 0.0);
        foreach (var one in _holders)
        {
            if (!one.Placement.Devices.Contains(device)) continue;
            if (one.HasLeftDevices) kept += Weight(one);
            else others += Weight(one);
        }

        return holder.HasLeftDevices ? Weight(holder) / Math.Max(1, kept) : others > 0 ? Math.Max(0, 1 - kept) * Weight(holder) / others : 0;
    }

    // Of a device's memory.
    private double Weight(IHolder holder) => holder.HeldOfEach is { } each ? Math.Max(1, each.Value) / (double)Math.Max(1, group.DeviceMemory.Value) : 1;

    /// <param name="Model">Whose.</param>
    /// <param name="Devices">How many it holds; 1 for who runs on none.</param>
    /// <param name="Dollars">An hour.</param>
    private readonly record struct Part(ModelId Model, double Devices, double Dollars);
}
