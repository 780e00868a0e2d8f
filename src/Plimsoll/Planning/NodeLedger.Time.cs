using System.Collections.Immutable;

namespace Plimsoll;

// The time of its devices: nothing that could run out, but whoever shares it is slower.
internal sealed partial class NodeLedger
{
    // Devices of a replica that are looked at without memory of their own; a journal of somebody else's may say any number.
    private const int OnStack = 64;

    // Null while nobody uses any.
    private TimeOfDevice[]? _times;

    // What is used of the device that is used least, while nothing changes; null where that is to be looked up.
    private double? _leastBusy;

    /// <summary>The same to try things on that use its devices' time.</summary>
    public NodeLedger CopyWithTime()
    {
        var copy = Copy();
        if (_times is not null) copy._times = Array.ConvertAll(_times, time => time.Without([]));
        return copy;
    }

    /// <summary>A replica that is there or starts uses its devices' time.</summary>
    public void Uses(ReplicaId replica, ImmutableArray<DeviceId> devices, DeviceUse use)
    {
        if (_times is null)
        {
            _times = new TimeOfDevice[_devices.Length];
            for (var i = 0; i < _times.Length; i++) _times[i] = new TimeOfDevice();
        }

        _leastBusy = null;
        foreach (var device in devices)
        {
            if (IndexOf(device) is var at and >= 0) _times[at].Add(replica, use);
        }
    }

    /// <summary>It goes, or starts elsewhere.</summary>
    public void UsesNoMore(ReplicaId replica)
    {
        if (_times is null) return;
        _leastBusy = null;
        foreach (var time in _times) time.Remove(replica);
    }

    /// <summary>Whether some device, whatever its memory, could have the time.</summary>
    public bool MayHaveTime(DeviceUse use) => _times is null || (_leastBusy ??= _times.Min(time => time.Busy)) <= use.BesideMost;

    /// <summary>
    /// Of the devices with room in memory for a replica the ones that are used least: by how much they are, and the one that is used most of them;
    /// null where there is no room.
    /// </summary>
    public (double Busy, DeviceId Device)? LeastUsed(ReplicaNeeds needs, string? kind)
    {
        if (needs.Devices == 0 || !FitsAfter(needs, kind, [])) return null;
        var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
        var those = new List<(double Busy, int At)>();
        for (var i = 0; i < _devices.Length; i++)
        {
            var (device, usable) = _devices[i];
            if (kind is not null && device.Kind != kind || usable is not { } room || _levels[^1].Devices[i] + Held(device, perDevice) > room) continue;
            those.Add((_times?[i].Busy ?? 0, i));
        }

        if (those.Count < needs.Devices) return null;
        those.Sort();
        var (busy, last) = those[needs.Devices - 1];
        return (busy, _devices[last].Device.Id);
    }

    /// <summary>Makes room and time for a replica without waiting for any stop, where there is both; its devices.</summary>
    public ImmutableArray<DeviceId>? TryReserveNow(ReplicaNeeds needs, string? kind, DeviceUse use)
    {
        Span<int> gang = needs.Devices <= OnStack ? stackalloc int[Math.Min(needs.Devices, _devices.Length)] : new int[Math.Min(needs.Devices, _devices.Length)];
        if (Take(needs, kind, 0, gang, use) is null) return null;
        var devices = new DeviceId[gang.Length];
        for (var i = 0; i < gang.Length; i++) devices[i] = _devices[gang[i]].Device.Id;
        return [.. devices];
    }

    /// <summary>Whether so many devices would have the room and the time were some replicas gone.</summary>
    public bool HasTimeWithout(ReplicaNeeds needs, string? kind, DeviceUse use, IReadOnlyList<(ReplicaId Replica, Release Frees)> gone)
    {
        if (_times is null || needs.Devices == 0) return true;
        var (perDevice, found) = (needs.PerDevice?.Highest ?? Bytes.Zero, 0);
        for (var i = 0; i < _devices.Length; i++)
        {
            var (device, usable) = _devices[i];
            if (kind is not null && device.Kind != kind || usable is not { } room) continue;
            var freed = Bytes.Zero;
            foreach (var (_, frees) in gone)
            {
                if (frees.Devices.Contains(device.Id)) freed += Held(device, frees.PerDevice);
            }

            if (_levels[^1].Devices[i] - freed + Held(device, perDevice) <= room && _times[i].Without([.. gone.Select(one => one.Replica)]).Has(use)) found++;
        }

        return found >= needs.Devices;
    }

    /// <summary>By how much somebody on a device would be slower than he may be with one more; 1 where nobody would.</summary>
    public double ExcessOn(DeviceId device, DeviceUse use) => _times is not null && IndexOf(device) is var at and >= 0 ? _times[at].Excess(use) : 1;

    /// <summary>The same on the device that is used least, were some replicas gone.</summary>
    public double ExcessWithout(DeviceUse use, IReadOnlyCollection<ReplicaId> gone) =>
        _times is null ? 1 : _times.Select(time => time.Without(gone)).MinBy(time => time.Busy)?.Excess(use) ?? 1;

    private bool HasTime(int device, DeviceUse use, double? busyMost) =>
        _times is null || (busyMost is { } most ? _times[device].Busy <= most : _times[device].Has(use));

    /// <summary>Who uses one device's time, and what may be added without anybody being too slow.</summary>
    internal sealed class TimeOfDevice
    {
        private const double BusyLeast = 1e-3;

        // Beside whom nobody needs to look: half of the time at the most is taken from one beside another.
        private const double NoMatter = double.PositiveInfinity;

        private readonly List<(ReplicaId Replica, DeviceUse Use)> _there = [];
        private double _busy;
        private double _more;
        private bool _counted = true;

        public TimeOfDevice() => _more = NoMatter;

        /// <summary>How many of those that are there have work at a time.</summary>
        public double Busy
        {
            get
            {
                Count();
                return _busy;
            }
        }

        public void Add(ReplicaId replica, DeviceUse use)
        {
            _there.Add((replica, use));
            _counted = false;
        }

        public TimeOfDevice Without(IReadOnlyCollection<ReplicaId> gone)
        {
            var left = new TimeOfDevice();
            foreach (var (replica, use) in _there)
            {
                if (!gone.Contains(replica)) left.Add(replica, use);
            }

            return left;
        }

        public void Remove(ReplicaId replica)
        {
            if (_there.RemoveAll(one => one.Replica == replica) > 0) _counted = false;
        }

        /// <summary>Whether there is time for one more: a bound says at once that there is not, or all are looked at.</summary>
        public bool Has(DeviceUse use)
        {
            if (_there.Count == 0) return true;
            Count();

            // Who has next to no work makes nobody slower than he is.
            if (use.Busy < BusyLeast) return _busy <= use.BesideMost;
            return use.Busy <= _more && _busy <= use.BesideMost && Excess(use) <= 1;
        }

        /// <summary>By how much somebody would be slower than he may be; 1 where nobody would.</summary>
        public double Excess(DeviceUse use)
        {
            if (_there.Count == 0) return 1;
            var all = new DeviceUse[_there.Count + 1];
            for (var i = 0; i < _there.Count; i++) all[i] = _there[i].Use;
            all[^1] = use;
            return DeviceUse.Excess(all);
        }

        private void Count()
        {
            if (_counted) return;
            (_counted, _busy, _more) = (true, 0, NoMatter);
            foreach (var (_, use) in _there) _busy += use.Busy;
            foreach (var (_, use) in _there) _more = Math.Min(_more, use.BesideMost - (_busy - use.Busy));
        }
    }
}
