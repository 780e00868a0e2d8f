using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Where replicas that are yet to be placed will probably go on the nodes that are there, and what room that leaves. Its
/// answers are estimates: another scheduler may choose otherwise. Looked at only when somebody asks.
/// </summary>
internal sealed class FreeRoom(
    SortedDictionary<NodeId, NodeLedger> ledgers, Step.Start[] starts, Step[] launches, FleetSnapshot observed, FleetSpec spec, Func<ModelOutlook, DeviceUse?> timeOf)
{
    private readonly HashSet<NodeId> _taken = [];
    private readonly Dictionary<NodeId, InferenceReplica> _waiting = [];
    private Room[]? _rooms;
    private Dictionary<string, int> _resources = new(StringComparer.Ordinal);

    private Room[] Rooms => _rooms ?? Build();

    /// <summary>Takes room for replicas of a model that are not wanted yet; for how many there was some.</summary>
    public int Take(ModelOutlook outlook, int replicas)
    {
        if (outlook.Model.Requests is { } requests) return Take(Rooms.Where(room => room.Held).Concat(Rooms.Where(room => !room.Held)), requests, replicas, null);
        var found = 0;
        foreach (var ledger in ledgers.Values.Where(ledger => Admission.Fits(ledger.Node, outlook.Needs, outlook.Variant.DeviceKind)))
        {
            while (found < replicas && TryTake(ledger, outlook))
            {
                _taken.Add(ledger.Node.Id);
                found++;
            }
        }

        return found;
    }

    private bool TryTake(NodeLedger ledger, ModelOutlook outlook)
    {
        if (timeOf(outlook) is not { } use) return ledger.ReserveNow(outlook.Needs, outlook.Variant.DeviceKind);
        if (ledger.TryReserveNow(outlook.Needs, outlook.Variant.DeviceKind, use) is not { } devices) return false;
        ledger.Uses(ReplicaId.Of(outlook.Model.Id, 0), devices, use);
        return true;
    }

    /// <summary>Whether something is expected to go there.</summary>
    public bool IsTaken(NodeId node) => Rooms.Length >= 0 && _taken.Contains(node);

    /// <summary>A replica that waits for its place and is expected there, the longest waiting; null where there is none.</summary>
    public InferenceReplica? WaitingFor(NodeId node) => Rooms.Length >= 0 ? _waiting.GetValueOrDefault(node) : null;

    private Room[] Build()
    {
        var ready = ledgers.Values.Where(ledger => ledger.Node is { Condition: NodeCondition.Ready, Scheduler: not null }).ToArray();
        _resources = ready.SelectMany(ledger => ledger.Node.Scheduler!.Resources).Select(one => one.Resource).Distinct()
            .Order(StringComparer.Ordinal).Select((name, index) => (name, index)).ToDictionary(one => one.name, one => one.index, StringComparer.Ordinal);
        // A scheduler displaces nobody where there is room without.
        _rooms = [.. ready.Select(ledger => new Room(ledger, _resources)).OrderBy(room => room.Held).ThenBy(room => room.Node)];
        foreach (var pending in observed.Replicas.Where(replica => replica.Placement == Placement.Pending).GroupBy(replica => replica.Model).OrderBy(group => group.Key))
        {
            if (spec.Find(pending.Key)?.Requests is { } requests)
                Take(_rooms, requests, pending.Count(), new Queue<InferenceReplica>(pending.OrderBy(replica => replica.StartedAt).ThenBy(replica => replica.Id)));
        }

        foreach (var starting in starts.Where(start => start.Requests is not null).GroupBy(start => start.Model).OrderBy(group => group.Key))
            Take(_rooms, starting.First().Requests!, starting.Count(), null);
        foreach (var gang in observed.Training)
            if (gang.Requests is { } requests) Take(_rooms.Where(room => !room.Held), requests, gang.Members.Count(member => member == Placement.Pending), null);
        foreach (var launch in launches)
            if (Step.GangOf(launch) is { Requests: { } requests } gang) Take(_rooms.Where(room => !room.Held), requests, gang.Members.Length, null);
        return _rooms;
    }

    private int Take(IEnumerable<Room> rooms, SchedulerRequests requests, int replicas, Queue<InferenceReplica>? waiting)
    {
        var resource = requests.Resource is { } name && requests.Devices > 0 ? _resources.GetValueOrDefault(name, -1) : -1;
        if (requests.Devices > 0 && resource < 0) return 0;
        var pools = requests.Pools.ToHashSet(StringComparer.Ordinal);
        var found = 0;
        foreach (var room in rooms)
        {
            if (found == replicas) break;
            if (pools.Count > 0 && !pools.Contains(room.Pool)) continue;
            while (found < replicas && room.TryTake(requests, resource))
            {
                found++;
                _taken.Add(room.Node);
                if (waiting?.TryDequeue(out var replica) == true) _waiting.TryAdd(room.Node, replica);
            }
        }

        return found;
    }

    // Plain numbers: in a large cluster each model that looks ahead goes over all nodes.
    private sealed class Room
    {
        private readonly long[] _devices;
        private long _memory;
        private long _cores;
        private long _storage;
        private int _pods;

        public Room(NodeLedger ledger, Dictionary<string, int> resources)
        {
            var left = ledger.SchedulerAfter!;
            (Node, Pool, Held) = (ledger.Node.Id, ledger.Node.Pool, !ledger.Node.Held.IsDefaultOrEmpty);
            (_memory, _cores, _storage, _pods) = (left.Memory.Value, left.Cores.Milli, left.EphemeralStorage.Value, left.Pods);
            _devices = new long[resources.Count];
            foreach (var one in left.Resources) _devices[resources[one.Resource]] = one.Count;
        }

        public NodeId Node { get; }

        public string Pool { get; }

        public bool Held { get; }

        public bool TryTake(SchedulerRequests requests, int resource)
        {
            if (_pods < 1 || requests.Memory.Value > _memory || requests.Cores.Milli > _cores || requests.EphemeralStorage.Value > _storage
                || resource >= 0 && _devices[resource] < requests.Devices) return false;
            _pods--;
            _memory -= requests.Memory.Value;
            _cores -= requests.Cores.Milli;
            _storage -= requests.EphemeralStorage.Value;
            if (resource >= 0) _devices[resource] -= requests.Devices;
            return true;
        }
    }
}
