using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// What one node holds in the worst case of everything that is there, and what a plan adds to it. Stops are kept in
/// the order they were registered; a start waits for the first k of them (its level), so any two starts' waiting sets
/// contain one another, and the reachable states are covered by the levels: at level k the first k stops are done and
/// every start of level k or less is at its peak.
/// </summary>
internal sealed partial class NodeLedger
{
    private readonly List<(StepId Stop, Release Frees)> _stops;
    private readonly (DeviceState Device, Bytes? Usable)[] _devices;

    private readonly bool _ordered;

    // Of the devices where all are of one; null where they are not, or there are none.
    private readonly string? _onlyKind;

    // What is used of each device before anything of this plan.
    private readonly Bytes[] _before;

    // What is used at each level, and of each device; kept up, as a cluster has thousands of nodes and a plan hundreds of starts.
    private readonly List<Level> _levels;

    // Of starts alone, whatever their level: host memory, and of each device as held and as taken.
    private readonly (Bytes Held, Bytes Taken)[] _started;
    private Bytes _startedHost;
    private Bytes _stopped;

    // What found no room since the last stop, and what none without waiting, which no stop brings: full nodes are asked for every start.
    private NoRoom _noRoom;
    private NoRoom _noRoomNow;

    public NodeLedger(
        NodeState node, FleetSnapshot observed, Knowledge knowledge, IEnumerable<InferenceReplica> replicas, IEnumerable<ForeignUse> foreign)
        : this(node, knowledge, replicas, foreign, MembersOn(node, observed))
    {
    }

    /// <param name="node">The node.</param>
    /// <param name="knowledge">What is known of the models.</param>
    /// <param name="replicas">Those on it.</param>
    /// <param name="foreign">What others use of it.</param>
    /// <param name="training">What members of gangs hold of it.</param>
    public NodeLedger(
        NodeState node, Knowledge knowledge, IEnumerable<InferenceReplica> replicas, IEnumerable<ForeignUse> foreign, IEnumerable<Release> training)
    {
        Node = node;
        (_stops, _levels) = ([], []);
        SchedulerAfter = node.Scheduler;
        ForeignUse[] others = [.. foreign];
        _ordered = true;
        HostUsable = Usable(node.HostMemory, node.HostMemoryBudget, others, null);
        _devices = new (DeviceState, Bytes?)[node.Devices.Length];
        for (var i = 0; i < _devices.Length; i++)
        {
            var device = node.Devices[i];
            _devices[i] = (device, Usable(device.Memory, device.MemoryBudget, others, device.Id));
            _ordered &= i == 0 || node.Devices[i - 1].Id.CompareTo(device.Id) < 0;
        }

        _onlyKind = _devices.Length > 0 && _devices.All(one => one.Device.Kind == _devices[0].Device.Kind) ? _devices[0].Device.Kind : null;
        _started = new (Bytes, Bytes)[_devices.Length];
        _levels.Add(new Level(new Bytes[_devices.Length]));
        foreach (var replica in replicas) AddToBase(Release.Of(replica, knowledge.Of(replica.Model)));
        foreach (var member in training) AddToBase(member);

        HostFreeBefore = (HostUsable ?? Bytes.Zero) - _levels[0].Host;
        _before = [.. _levels[0].Devices];
    }

    private NodeLedger(NodeLedger other)
    {
        (Node, SchedulerAfter, HostUsable, HostFreeBefore) = (other.Node, other.SchedulerAfter, other.HostUsable, other.HostFreeBefore);
        (_devices, _ordered, _onlyKind, _before) = (other._devices, other._ordered, other._onlyKind, other._before);
        (_started, _startedHost, _stopped) = ([.. other._started], other._startedHost, other._stopped);
        _stops = [.. other._stops];
        _levels = [.. other._levels.Select(level => new Level([.. level.Devices]) { Host = level.Host, Cores = level.Cores })];
    }

    /// <summary>The same to try things on.</summary>
    public NodeLedger Copy() => new(this);

    // What is used once so many stops of the plan are done, starts of that level and lower ones at their peaks.
    private sealed class Level(Bytes[] devices)
    {
        public Bytes Host { get; set; }

        public Cores Cores { get; set; }

        public Bytes[] Devices { get; } = devices;
    }

    public NodeState Node { get; }

    /// <summary>Budget less what foreign use takes out of it; null when foreign use is not known at all.</summary>
    public Bytes? HostUsable { get; }

    /// <summary>Free before any stop of this plan, starts of this plan at their peaks.</summary>
    public Bytes HostFree => HostFreeBefore - _startedHost;

    /// <summary>Free of host memory before anything of this plan.</summary>
    public Bytes HostFreeBefore { get; }

    /// <summary>Free of host memory once all stops of this plan are done, before any start.</summary>
    public Bytes HostFreeAfter => HostFreeBefore + _stopped;

    public bool HasStops => _stops.Count > 0;

    /// <summary>The stops of this plan, ordered.</summary>
    public ImmutableArray<StepId> Stops => [.. _stops.Select(stop => stop.Stop).Distinct().Order()];

    /// <summary>What its scheduler will count as left once all stops of this plan are done; null where the body places.</summary>
    public SchedulerRoom? SchedulerAfter { get; private set; }

    /// <summary>The least that is free on any device of a resource, before any stop of this plan and with its starts at their
    /// peaks; null where there is none.</summary>
    public Bytes? LeastDeviceFree(string? resource)
    {
        Bytes? least = null;
        for (var i = 0; i < _devices.Length; i++)
        {
            if (_devices[i].Device.Resource != resource) continue;
            var free = (_devices[i].Usable ?? Bytes.Zero) - _before[i] - _started[i].Taken;
            if (least is null || free < least) least = free;
        }

        return least;
    }

    /// <summary>The least that is free on the emptiest devices of a kind, so many of them, before any stop of this plan and
    /// with its starts at their peaks; null where there are fewer.</summary>
    public Bytes? DeviceFree(string? kind, int devices)
    {
        var free = Enumerable.Range(0, _devices.Length).Where(i => kind is null || _devices[i].Device.Kind == kind)
            .Select(i => (_devices[i].Usable ?? Bytes.Zero) - _before[i] - _started[i].Held).OrderDescending().ToList();
        return devices < 1 || free.Count < devices ? null : free[devices - 1];
    }

    /// <summary>About how many replicas find room without waiting for any stop, each by itself; at most so many.</summary>
    public int RoomFor(ReplicaNeeds needs, string? kind, int atMost)
    {
        if (atMost <= 0 || _noRoomNow.For(needs, kind)) return 0;
        var room = Room(needs, kind, atMost);
        if (room == 0) _noRoomNow.Remember(needs, kind);
        return room;
    }

    private int Room(ReplicaNeeds needs, string? kind, int atMost)
    {
        if (Node.Condition != NodeCondition.Ready || HostUsable is not { } usable) return 0;
        var (host, cores) = (Bytes.Zero, Cores.Zero);
        foreach (var level in _levels) (host, cores) = (Bytes.Max(host, level.Host), level.Cores.Milli > cores.Milli ? level.Cores : cores);
        long room = atMost;
        if (needs.Host.Highest > Bytes.Zero) room = Math.Min(room, (usable - host).Value / needs.Host.Highest.Value);
        if (needs.Cores.Milli > 0) room = Math.Min(room, (Node.Cores.Milli - cores.Milli) / needs.Cores.Milli);
        if (needs.Devices == 0 || room <= 0) return (int)Math.Max(0, room);
        var perDevice = Math.Max(1, (needs.PerDevice?.Highest ?? Bytes.Zero).Value);
        var places = 0L;
        for (var i = 0; i < _devices.Length; i++)
        {
            var (device, budget) = _devices[i];
            if (kind is not null && device.Kind != kind || budget is not { } all) continue;
            var used = Bytes.Zero;
            foreach (var level in _levels) used = Bytes.Max(used, level.Devices[i]);
            places += Math.Min(room, (all - used).Value / Math.Max(perDevice, Held(device, needs.PerDevice?.Highest ?? Bytes.Zero).Value));
        }

        return (int)Math.Clamp(places / needs.Devices, 0, room);
    }

    /// <summary>Registers a stop of this plan, so that later starts may wait for it.</summary>
    public void WillStop(StepId stop, Release frees)
    {
        (_noRoom, _partly) = (default, null);
        _stops.Add((stop, frees));
        _stopped += frees.Host;
        if (frees.Requests is { } gone) SchedulerAfter = SchedulerAfter?.Without(gone);
        var last = _levels[^1];
        var next = new Level([.. last.Devices]) { Host = last.Host - frees.Host, Cores = last.Cores - frees.Cores };
        foreach (var device in frees.Devices)
        {
            if (IndexOf(device) is var at and >= 0) next.Devices[at] -= Held(_devices[at].Device, frees.PerDevice);
        }

        _levels.Add(next);
    }

    /// <summary>Takes back a stop for which no start waits: none is of a higher level than its place.</summary>
    public void WillNotStop(StepId stop)
    {
        var at = _stops.FindIndex(one => one.Stop == stop);
        if (at < 0) return;
        (_noRoom, _partly) = (default, null);
        var frees = _stops[at].Frees;
        _stops.RemoveAt(at);
        _stopped -= frees.Host;
        if (frees.Requests is { } gone) SchedulerAfter = SchedulerAfter?.With(gone);

        // Without a start of its own the level after it is the one before it.
        _levels.RemoveAt(at + 1);
        foreach (var level in _levels.Skip(at + 1))
        {
            level.Host += frees.Host;
            level.Cores += frees.Cores;
            foreach (var device in frees.Devices)
            {
                if (IndexOf(device) is var index and >= 0) level.Devices[index] += Held(_devices[index].Device, frees.PerDevice);
            }
        }
    }

    /// <summary>Finds room for a replica at the lowest level that is safe together with all starts so far.</summary>
    /// <param name="needs">What it takes.</param>
    /// <param name="kind">The kind of device; null for any.</param>
    /// <param name="use">What it does with the devices' time, where that counts.</param>
    /// <param name="busyMost">How many with work at a time there may be on its devices, where that alone counts.</param>
    /// <returns>The stops to wait for and the devices; null when it does not fit.</returns>
    public (ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)? TryReserve(ReplicaNeeds needs, string? kind, DeviceUse? use = null, double? busyMost = null)
    {
        if (_noRoom.For(needs, kind)) return null;
        Span<int> gang = needs.Devices <= OnStack ? stackalloc int[Math.Min(needs.Devices, _devices.Length)] : new int[Math.Min(needs.Devices, _devices.Length)];
        if (Take(needs, kind, _stops.Count, gang, use, busyMost) is not { } level)
        {
            if (use is null) _noRoom.Remember(needs, kind);
            return null;
        }

        var devices = new DeviceId[gang.Length];
        for (var i = 0; i < gang.Length; i++) devices[i] = _devices[gang[i]].Device.Id;
        return ([.. _stops.Take(level).Select(stop => stop.Stop).Distinct().Order()], [.. devices.Order()]);
    }

    /// <summary>Finds room for more on devices that are given, at the lowest level that is safe together with all starts so far.</summary>
    /// <param name="perDevice">What is taken of each.</param>
    /// <param name="on">The devices.</param>
    /// <returns>The stops to wait for; null when it does not fit.</returns>
    public ImmutableArray<StepId>? TryReserveOn(Bytes perDevice, ImmutableArray<DeviceId> on)
    {
        int[] gang = [.. on.Select(IndexOf)];
        if (Node.Condition != NodeCondition.Ready || gang.Any(at => at < 0 || _devices[at].Usable is null)) return null;
        var lowest = _levels.Count;
        while (lowest > 0 && gang.All(at => _levels[lowest - 1].Devices[at] + perDevice <= _devices[at].Usable!.Value)) lowest--;
        if (lowest == _levels.Count) return null;
        foreach (var level in _levels.Skip(lowest))
        {
            foreach (var at in gang) level.Devices[at] += perDevice;
        }

        foreach (var at in gang) _started[at] = (_started[at].Held + perDevice, _started[at].Taken + perDevice);
        return [.. _stops.Take(lowest).Select(stop => stop.Stop).Distinct().Order()];
    }

    /// <summary>Makes room for a replica without waiting for any stop, where there is room; whether there was.</summary>
    public bool ReserveNow(ReplicaNeeds needs, string? kind) =>
        Take(needs, kind, 0, needs.Devices <= OnStack ? stackalloc int[Math.Min(needs.Devices, _devices.Length)] : new int[Math.Min(needs.Devices, _devices.Length)]) is not null;

    /// <summary>Whether the node has room for the needs once some more replicas were stopped.</summary>
    /// <param name="needs">What it takes.</param>
    /// <param name="kind">The kind of device; null for any.</param>
    /// <param name="more">What is given back beside the stops of this plan.</param>
    /// <param name="requests">What its scheduler must count as there too; null where the body places.</param>
    /// <param name="on">The devices it must be on; any where none are given.</param>
    public bool FitsAfter(ReplicaNeeds needs, string? kind, IReadOnlyList<Release> more, SchedulerRequests? requests = null, ImmutableArray<DeviceId> on = default)
    {
        if (Node.Condition != NodeCondition.Ready || HostUsable is not { } usable) return false;
        var used = _levels[^1];
        var host = used.Host + needs.Host.Highest;
        var cores = used.Cores + needs.Cores;
        for (var i = 0; i < more.Count; i++)
        {
            host -= more[i].Host;
            cores -= more[i].Cores;
        }

        if (host > usable || cores > Node.Cores || needs.Devices > 0 && DevicesAfter(needs, kind, more, on) < needs.Devices) return false;
        return requests is null
            || more.Aggregate(SchedulerAfter, (room, one) => one.Requests is { } gone ? room?.Without(gone) : room)!.Takes(requests);
    }

    private int DevicesAfter(ReplicaNeeds needs, string? kind, IReadOnlyList<Release> more, ImmutableArray<DeviceId> on)
    {
        var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
        var fitting = 0;
        for (var i = 0; i < _devices.Length; i++)
        {
            var (device, usable) = _devices[i];
            if (kind is not null && device.Kind != kind || usable is not { } room || (!on.IsDefault && !on.Contains(device.Id))) continue;
            var left = room - _levels[^1].Devices[i] - (perDevice > Bytes.Zero ? perDevice : Held(device, perDevice));
            for (var k = 0; k < more.Count && left < Bytes.Zero; k++)
            {
                if (more[k].Devices.Contains(device.Id)) left += Held(device, more[k].PerDevice);
            }

            if (left >= Bytes.Zero) fitting++;
        }

        return fitting;
    }

    // The lowest level at which it fits there and at all higher ones, as a start of one level runs in all states of higher ones too.
    private int? Take(ReplicaNeeds needs, string? kind, int levelMax, Span<int> gang, DeviceUse? use = null, double? busyMost = null)
    {
        if (Node.Condition != NodeCondition.Ready || HostUsable is not { } usable || needs.Devices > _devices.Length) return null;
        var lowest = _levels.Count;
        while (lowest > 0 && _levels[lowest - 1] is var at && at.Host + needs.Host.Highest <= usable && at.Cores + needs.Cores <= Node.Cores) lowest--;
        for (var level = lowest; level <= levelMax; level++)
        {
            if (!PickDevices(needs, kind, level, gang, use, busyMost)) continue;
            var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
            for (var i = level; i < _levels.Count; i++)
            {
                _levels[i].Host += needs.Host.Highest;
                _levels[i].Cores += needs.Cores;
                foreach (var device in gang) _levels[i].Devices[device] += Held(_devices[device].Device, perDevice);
            }

            _startedHost += needs.Host.Highest;
            foreach (var device in gang)
                _started[device] = (_started[device].Held + Held(_devices[device].Device, perDevice), _started[device].Taken + perDevice);
            return level;
        }

        return null;
    }

    // Best fit: the devices with the least room left over, ties by id, so that large holes stay whole.
    private bool PickDevices(ReplicaNeeds needs, string? kind, int level, Span<int> gang, DeviceUse? use, double? busyMost)
    {
        if (gang.IsEmpty) return true;
        var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
        Span<long> lefts = gang.Length <= OnStack ? stackalloc long[gang.Length] : new long[gang.Length];
        var picked = 0;
        for (var i = 0; i < _devices.Length; i++)
        {
            var (device, usable) = _devices[i];
            if (kind is not null && device.Kind != kind || usable is not { } room) continue;
            var left = room - _levels[level].Devices[i];
            for (var at = level + 1; at < _levels.Count; at++) left = Bytes.Min(left, room - _levels[at].Devices[i]);
            left -= perDevice > Bytes.Zero ? perDevice : Held(device, perDevice);
            if (left < Bytes.Zero || use is not null && !HasTime(i, use, busyMost)) continue;

            // The best so far are kept in order; one that is worse than all of a full gang is not taken in.
            var place = picked;
            while (place > 0 && IsBetter(i, left.Value, gang[place - 1], lefts[place - 1])) place--;
            if (place == gang.Length) continue;
            picked = Math.Min(picked + 1, gang.Length);
            for (var move = picked - 1; move > place; move--) (gang[move], lefts[move]) = (gang[move - 1], lefts[move - 1]);
            (gang[place], lefts[place]) = (i, left.Value);
        }

        return picked == gang.Length;
    }

    private bool IsBetter(int device, long left, int other, long othersLeft) => left != othersLeft ? left < othersLeft
        : !_ordered && _devices[device].Device.Id.CompareTo(_devices[other].Device.Id) < 0;

    private void AddToBase(Release held)
    {
        var at = _levels[0];
        at.Host += held.Host;
        at.Cores += held.Cores;
        foreach (var device in held.Devices)
        {
            if (IndexOf(device) is var index and >= 0) at.Devices[index] += Held(_devices[index].Device, held.PerDevice);
        }
    }

    private int IndexOf(DeviceId device)
    {
        for (var i = 0; i < _devices.Length; i++)
        {
            if (_devices[i].Device.Id == device) return i;
        }

        return -1;
    }

    // What another scheduler hands out goes to one holder whole, however little of it that one takes.
    private static Bytes Held(DeviceState device, Bytes takes) =>
        device is { Resource: not null, Shared: false } ? Bytes.Max(takes, device.MemoryBudget) : takes;

    private static Bytes? Usable(Bytes memory, Bytes budget, ForeignUse[] foreign, DeviceId? device)
    {
        var taken = Bytes.Zero;
        foreach (var use in foreign)
        {
            if (use.Device != device) continue;

            // Unknown foreign use is a state of its own: nothing is placed beside what nobody can weigh.
            if (!use.Memory.TryGetLast(out var bytes)) return null;
            taken += bytes;
        }

        return Bytes.Min(budget, memory - taken);
    }
}
