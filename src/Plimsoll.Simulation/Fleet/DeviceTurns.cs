namespace Plimsoll.Simulation.Fleet;

/// <summary>
/// Who slows whom on the devices that several replicas have (<see cref="TakingTurns"/>): looked at once a window, by how much of the last one
/// each had work; one that has several devices goes at the pace of its slowest.
/// </summary>
internal sealed class DeviceTurns(EventQueue events, double window, Func<IEnumerable<FleetReplica>> replicas)
{
    private readonly Dictionary<FleetReplica, double> _busyUntil = [];
    private readonly List<FleetReplica> _slowed = [];
    private bool _looks;

    /// <summary>Who is on which device changed.</summary>
    public void Changed(double now)
    {
        if (_looks || (!Shared().Any() && _slowed.Count == 0)) return;
        _looks = true;
        foreach (var replica in replicas()) _busyUntil[replica] = replica.Engine.BusyUntil(now);
        events.At(now + window, Look);
    }

    private void Look(double now)
    {
        _looks = false;
        var busy = new Dictionary<FleetReplica, double>();
        foreach (var replica in replicas())
        {
            var until = replica.Engine.BusyUntil(now);
            busy[replica] = Math.Clamp((until - _busyUntil.GetValueOrDefault(replica, until)) / window, 0, 1);
        }

        foreach (var replica in _slowed) replica.Engine.Slowdown = 1;
        _slowed.Clear();
        foreach (var on in Shared())
        {
            foreach (var replica in on)
            {
                var slowdown = TakingTurns.SlowdownBeside([.. on.Where(other => other != replica).Select(other => busy[other])]);
                if (slowdown <= replica.Engine.Slowdown) continue;
                replica.Engine.Slowdown = slowdown;
                _slowed.Add(replica);
            }
        }

        _busyUntil.Clear();
        Changed(now);
    }

    private IEnumerable<FleetReplica[]> Shared() => replicas().Where(replica => !replica.HasLeftDevices)
        .SelectMany(replica => replica.Placement.Devices.Select(device => (replica, device: (replica.Node.Id, device))))
        .GroupBy(one => one.device, one => one.replica).Where(on => on.Skip(1).Any()).Select(on => on.ToArray());
}
