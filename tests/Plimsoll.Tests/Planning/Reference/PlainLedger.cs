using System.Collections.Immutable;

namespace Plimsoll.Tests.Planning.Reference;

/// <summary>NodeLedger as it was first written: every sum taken anew from lists of stops and starts.</summary>
internal sealed class PlainLedger
{
    private readonly List<(StepId Stop, NodeLedger.Release Frees)> _stops = [];
    private readonly List<(int Level, NodeLedger.Release Takes)> _starts = [];
    private readonly ImmutableArray<(DeviceState Device, Bytes? Usable)> _devices;
    private readonly Dictionary<DeviceId, Bytes> _deviceBase = [];
    private readonly Dictionary<DeviceId, DeviceState> _exclusive;
    private Bytes _hostBase;
    private Cores _coresBase;

    public PlainLedger(
        NodeState node, FleetSnapshot observed, Knowledge knowledge, IEnumerable<InferenceReplica> replicas, IEnumerable<ForeignUse> foreign)
    {
        Node = node;
        foreign = [.. foreign];
        _exclusive = node.Devices.Where(device => device is { Resource: not null, Shared: false }).ToDictionary(device => device.Id);
        HostUsable = Usable(node.HostMemory, node.HostMemoryBudget, foreign.Where(use => use.Device is null));
        _devices =
        [
            .. node.Devices.Select(device => (device,
                Usable(device.Memory, device.MemoryBudget, foreign.Where(use => use.Device == device.Id)))),
        ];
        foreach (var replica in replicas) AddToBase(NodeLedger.Release.Of(replica, knowledge.Of(replica.Model)));
        foreach (var gang in observed.Training)
        {
            var needs = gang.ReservedPerMember;
            foreach (var member in gang.Members.Where(member => member.Node == node.Id))
                AddToBase(new NodeLedger.Release(
                    needs.Host.Highest, needs.PerDevice?.Highest ?? Bytes.Zero, needs.Cores, member.Devices));
        }
    }

    public NodeState Node { get; }

    /// <summary>Budget less what foreign use takes out of it; null when foreign use is not known at all.</summary>
    public Bytes? HostUsable { get; }

    /// <summary>Free before any stop of this plan, starts of this plan at their peaks.</summary>
    public Bytes HostFree =>
        (HostUsable ?? Bytes.Zero) - _hostBase - _starts.Aggregate(Bytes.Zero, (sum, start) => sum + start.Takes.Host);

    /// <summary>Free of host memory before anything of this plan.</summary>
    public Bytes HostFreeBefore => (HostUsable ?? Bytes.Zero) - _hostBase;

    /// <summary>Free of host memory once all stops of this plan are done, before any start.</summary>
    public Bytes HostFreeAfter => _stops.Aggregate(HostFreeBefore, (free, stop) => free + stop.Frees.Host);

    /// <summary>The stops of this plan, ordered.</summary>
    public ImmutableArray<StepId> Stops => [.. _stops.Select(stop => stop.Stop).Order()];

    /// <summary>The least that is free on any device of a resource, before any stop of this plan and with its starts at their
    /// peaks; null where there is none.</summary>
    public Bytes? LeastDeviceFree(string? resource) => _devices.Where(entry => entry.Device.Resource == resource)
        .Select(entry => (Bytes?)((entry.Usable ?? Bytes.Zero) - _deviceBase.GetValueOrDefault(entry.Device.Id)
            - _starts.Where(start => start.Takes.Devices.Contains(entry.Device.Id))
                .Aggregate(Bytes.Zero, (sum, start) => sum + start.Takes.PerDevice))).Min();

    /// <summary>What its scheduler will count as left once all stops of this plan are done; null where the body places.</summary>
    public SchedulerRoom? SchedulerAfter => _stops.Aggregate(
        Node.Scheduler, (room, stop) => stop.Frees.Requests is { } gone ? room?.Without(gone) : room);

    /// <summary>The least that is free on the emptiest devices of a kind, so many of them, before any stop of this plan and
    /// with its starts at their peaks; null where there are fewer.</summary>
    public Bytes? DeviceFree(string? kind, int devices)
    {
        var free = _devices.Where(entry => kind is null || entry.Device.Kind == kind).Select(entry => (entry.Usable ?? Bytes.Zero)
            - _deviceBase.GetValueOrDefault(entry.Device.Id)
            - _starts.Where(start => start.Takes.Devices.Contains(entry.Device.Id))
                .Aggregate(Bytes.Zero, (sum, start) => sum + Held(entry.Device, start.Takes.PerDevice))).OrderDescending().ToList();
        return devices < 1 || free.Count < devices ? null : free[devices - 1];
    }

    // Every set of stops that may have ended, each counted from nothing; of more than six the worst of both.
    public IEnumerable<(SchedulerRoom Room, Bytes HostFree)> AsStopsEnd
    {
        get
        {
            StepId[] ids = [.. _stops.Select(stop => stop.Stop).Distinct()];
            if (ids.Length > 6)
            {
                yield return (SchedulerAfter!, HostFreeBefore);
                yield break;
            }

            for (var which = 0; which < (1 << ids.Length); which++)
            {
                var done = _stops.Where(stop => ((which >> Array.IndexOf(ids, stop.Stop)) & 1) == 1).ToArray();
                yield return (
                    done.Aggregate(Node.Scheduler!, (room, stop) => stop.Frees.Requests is { } gone ? room.Without(gone) : room),
                    done.Aggregate(HostFreeBefore, (free, stop) => free + stop.Frees.Host));
            }
        }
    }

    /// <summary>Registers a stop of this plan, so that later starts may wait for it.</summary>
    public void WillStop(StepId stop, NodeLedger.Release frees) => _stops.Add((stop, frees));

    /// <summary>Finds room for a replica at the lowest level that is safe together with all starts so far.</summary>
    /// <param name="needs">What it takes.</param>
    /// <param name="kind">The kind of device; null for any.</param>
    /// <param name="now">Without waiting for any stop.</param>
    /// <returns>The stops to wait for and the devices; null when it does not fit.</returns>
    public (ImmutableArray<StepId> After, ImmutableArray<DeviceId> Devices)? TryReserve(ReplicaNeeds needs, string? kind, bool now = false)
    {
        if (Node.Condition != NodeCondition.Ready || HostUsable is not { } usable) return null;
        var hostLeft = new Bytes[_stops.Count + 1];
        var coresLeft = new Cores[_stops.Count + 1];
        for (var level = 0; level <= _stops.Count; level++)
        {
            var used = UsedAt(level);
            hostLeft[level] = usable - used.Host - needs.Host.Highest;
            coresLeft[level] = Node.Cores - used.Cores - needs.Cores;
        }

        for (var level = 0; level <= (now ? 0 : _stops.Count); level++)
        {
            // A start of this level runs in all states of higher levels too.
            if (hostLeft.AsSpan(level).ContainsAnyInRange(new Bytes(long.MinValue), new Bytes(-1))) continue;
            if (coresLeft.AsSpan(level).ContainsAnyInRange(new Cores(long.MinValue), new Cores(-1))) continue;
            if (PickDevices(needs, kind, level) is not { } gang) continue;
            _starts.Add((level, new NodeLedger.Release(
                needs.Host.Highest, needs.PerDevice?.Highest ?? Bytes.Zero, needs.Cores, gang)));
            return ([.. _stops.Take(level).Select(stop => stop.Stop).Order()], gang);
        }

        return null;
    }

    /// <summary>Whether the node has room for the needs once some more replicas were stopped.</summary>
    /// <param name="needs">What it takes.</param>
    /// <param name="kind">The kind of device; null for any.</param>
    /// <param name="more">What is given back beside the stops of this plan.</param>
    /// <param name="requests">What its scheduler must count as there too; null where the body places.</param>
    public bool FitsAfter(ReplicaNeeds needs, string? kind, IReadOnlyList<NodeLedger.Release> more, SchedulerRequests? requests = null)
    {
        if (requests is not null && !more.Aggregate(SchedulerAfter, (room, one) => one.Requests is { } gone ? room?.Without(gone) : room)!.Takes(requests)) return false;
        if (Node.Condition != NodeCondition.Ready || HostUsable is not { } usable) return false;
        var used = UsedAt(_stops.Count);
        var host = used.Host + needs.Host.Highest;
        var cores = used.Cores + needs.Cores;
        foreach (var release in more)
        {
            host -= release.Host;
            cores -= release.Cores;
        }

        if (host > usable || cores > Node.Cores) return false;
        if (needs.Devices == 0) return true;
        var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
        return _devices.Count(entry =>
        {
            if (kind is not null && entry.Device.Kind != kind || entry.Usable is not { } room) return false;
            var left = room - DeviceUsedAt(entry.Device.Id, _stops.Count) - perDevice;
            foreach (var release in more.Where(release => release.Devices.Contains(entry.Device.Id))) left += Held(entry.Device, release.PerDevice);
            return left >= Bytes.Zero;
        }) >= needs.Devices;
    }

    private (Bytes Host, Cores Cores) UsedAt(int level)
    {
        var (host, cores) = (_hostBase, _coresBase);
        for (var i = 0; i < level; i++)
        {
            host -= _stops[i].Frees.Host;
            cores -= _stops[i].Frees.Cores;
        }

        foreach (var (at, takes) in _starts)
        {
            if (at > level) continue;
            host += takes.Host;
            cores += takes.Cores;
        }

        return (host, cores);
    }

    private Bytes DeviceUsedAt(DeviceId device, int level)
    {
        var used = _deviceBase.GetValueOrDefault(device);
        for (var i = 0; i < level; i++)
        {
            if (_stops[i].Frees.Devices.Contains(device)) used -= Held(_exclusive.GetValueOrDefault(device), _stops[i].Frees.PerDevice);
        }

        foreach (var (at, takes) in _starts)
        {
            if (at <= level && takes.Devices.Contains(device)) used += Held(_exclusive.GetValueOrDefault(device), takes.PerDevice);
        }

        return used;
    }

    // Best fit: the devices with the least room left over, ties by id, so that large holes stay whole.
    private ImmutableArray<DeviceId>? PickDevices(ReplicaNeeds needs, string? kind, int level)
    {
        if (needs.Devices == 0) return [];
        var perDevice = needs.PerDevice?.Highest ?? Bytes.Zero;
        var fitting = new List<(DeviceId Id, Bytes Left)>();
        foreach (var (device, usable) in _devices)
        {
            if (kind is not null && device.Kind != kind || usable is not { } room) continue;
            var left = Enumerable.Range(level, _stops.Count - level + 1)
                .Select(at => room - DeviceUsedAt(device.Id, at) - perDevice).Min();
            if (left >= Bytes.Zero) fitting.Add((device.Id, left));
        }

        return fitting.Count < needs.Devices
            ? null
            : [.. fitting.OrderBy(entry => entry.Left).ThenBy(entry => entry.Id).Take(needs.Devices).Select(entry => entry.Id).Order()];
    }

    private void AddToBase(NodeLedger.Release held)
    {
        _hostBase += held.Host;
        _coresBase += held.Cores;
        foreach (var device in held.Devices)
            _deviceBase[device] = _deviceBase.GetValueOrDefault(device) + Held(_exclusive.GetValueOrDefault(device), held.PerDevice);
    }

    // What another scheduler hands out goes to one holder whole, however little of it that one takes.
    private static Bytes Held(DeviceState? device, Bytes takes) =>
        device is { Resource: not null, Shared: false } ? Bytes.Max(takes, device.MemoryBudget) : takes;

    private static Bytes? Usable(Bytes memory, Bytes budget, IEnumerable<ForeignUse> foreign)
    {
        var taken = Bytes.Zero;
        foreach (var use in foreign)
        {
            // Unknown foreign use is a state of its own: nothing is placed beside what nobody can weigh.
            if (!use.Memory.TryGetLast(out var bytes)) return null;
            taken += bytes;
        }

        return Bytes.Min(budget, memory - taken);
    }
}
