using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A replica that was asked for and has no pod yet, and since when.</summary>
internal sealed record Promised(int Count, DateTimeOffset Since);

/// <summary>
/// Turns the cluster's objects into the planner's snapshot. All pods count, ours and others'; where Kubernetes does not
/// say which device a pod has, its devices are those that pods before it left over, which is the same to the planner.
/// </summary>
internal sealed class SnapshotBuilder
{
    // A node's devices change with the node alone, and of thousands few change between two turns.
    private static readonly ConditionalWeakTable<NodeView, DeviceState[]> DevicesOf = [];

    private readonly DateTimeOffset _at;
    private readonly NodeGroups _groups;
    private readonly double _overdueFactor;
    private readonly int _serverMinor;
    private readonly Dictionary<string, ResolvedModel> _byWorkload;
    private readonly Dictionary<string, PodLoad> _loads;
    private readonly ImmutableArray<NodeState>.Builder _nodes = ImmutableArray.CreateBuilder<NodeState>();
    private readonly List<InferenceReplica> _replicas = [];
    private readonly List<ForeignUse> _foreign = [];
    private readonly List<WorkInFlight> _flying = [];
    private readonly Dictionary<string, int> _live = new(StringComparer.Ordinal);
    private readonly PodGroups _groupPods = new();

    public SnapshotBuilder(
        DateTimeOffset at, NodeGroups groups, IEnumerable<ResolvedModel> models, IEnumerable<KeyValuePair<string, PodLoad>> loads, double overdueFactor,
        int serverMinor = 0)
    {
        _serverMinor = serverMinor;
        (_at, _groups, _overdueFactor) = (at, groups, overdueFactor);
        _byWorkload = models.SelectMany(model => model.Targets).Where(target => target is { Workload: not null, Spec: not null })
            .GroupBy(target => KeyOf(target.Workload!)).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        _loads = new Dictionary<string, PodLoad>(loads, StringComparer.Ordinal);
    }

    /// <summary>Replicas there are of each workload (<see cref="KeyOf"/>), those that end not counted.</summary>
    public IReadOnlyDictionary<string, int> Live => _live;

    public static string KeyOf(WorkloadView workload) => $"{workload.Name.Namespace}/{workload.KeyKind}/{workload.Name.Name}";

    /// <summary>The model as the target has it that the pod is of; null of others' pods.</summary>
    public ResolvedModel? OwnerOf(PodView pod) =>
        pod.WorkloadKey is { } workload ? _byWorkload.GetValueOrDefault(workload) : null;

    /// <summary>Whether the replica that a pod leads serves: of a group, all of it.</summary>
    public bool Serves(PodView pod) => pod.Ready && (pod.Group is null || _groupPods.IsWhole(pod));

    /// <summary>The leader of the group that a pod is in; null of one that is in none, or whose leader is gone.</summary>
    public PodView? LeaderOf(PodView pod) => pod.Group is null ? null : _groupPods.LeaderOf(pod);

    /// <summary>The snapshot, but for traffic and outcomes.</summary>
    public FleetSnapshot Build(
        IEnumerable<NodeView> nodes, IReadOnlyCollection<PodView> pods, IReadOnlyDictionary<string, Promised> promised, Capabilities can)
    {
        foreach (var pod in pods.Where(pod => pod is { Group: not null, IsOver: false }))
        {
            if (OwnerOf(pod) is { Workload.PodsPerReplica: > 1 and var size }) _groupPods.Add(pod, size);
        }

        var bound = pods.Where(pod => pod is { Node: not null, IsOver: false }).ToLookup(pod => pod.Node!, StringComparer.Ordinal);
        foreach (var node in nodes) Add(node, [.. bound[node.Name].OrderBy(pod => pod.ScheduledAt ?? pod.CreatedAt).ThenBy(pod => pod.Name)]);
        foreach (var pod in pods.Where(pod => pod is { Node: null, IsOver: false, DeletedAt: null }))
        {
            if (OwnerOf(pod) is { } owner) Add(pod, owner, Placement.Pending, null);
        }

        foreach (var (workload, missing) in promised)
        {
            if (!_byWorkload.TryGetValue(workload, out var owner)) continue;
            for (var i = 0; i < missing.Count; i++) Promise(owner, missing.Since, i);
        }

        foreach (var (leader, placed) in _groupPods.Leaders) Add(leader, OwnerOf(leader)!, placed.Placement, placed.Kind, Members(leader));
        return new FleetSnapshot
        {
            At = _at,
            Can = can,
            Nodes = _nodes.ToImmutable(),
            Replicas = [.. _replicas.OrderBy(replica => replica.Id)],
            Foreign = [.. _foreign],
            InFlight = [.. _flying.OrderBy(work => work.Step)],
        };
    }

    private void Add(NodeView node, PodView[] pods)
    {
        var id = new NodeId(node.Name);
        var room = new Room(node);
        var devices = new Devices(node);
        var foreign = Bytes.Zero;
        var others = 0;
        foreach (var pod in pods)
        {
            room.Take(pod.Requests);
            if (OwnerOf(pod) is { } owner && !_groupPods.IsOrphan(pod))
            {
                Add(pod, owner, new Placement(id, devices.Take(pod.Requests)), devices.KindOf(pod.Requests));
                continue;
            }

            foreign += new Bytes(pod.Requests.MemoryBytes);
            others++;
            foreach (var device in devices.TakeForeign(pod.Requests))
                _foreign.Add(new ForeignUse { Node = id, Device = device.Id, Memory = Signal.Known(device.Memory, _at), What = pod.Name.ToString() });
        }

        if (others > 0) _foreign.Add(new ForeignUse { Node = id, Memory = Signal.Known(foreign, _at), What = $"{others} other pods" });
        _nodes.Add(new NodeState
        {
            Id = id,
            Pool = _groups.GroupOf(node.Name),
            Condition = node is { Ready: true, Unschedulable: false } ? NodeCondition.Ready
                : node.Ready ? NodeCondition.Draining : NodeCondition.Unreachable,
            HostMemory = node.Memory,
            HostMemoryBudget = node.Memory,
            Cores = node.Cores,
            Devices = devices.States,
            Scheduler = room.Left,
        });
    }

    // The pods of a group are one replica, which is put together once all are found.
    private void Add(PodView pod, ResolvedModel owner, Placement placement, string? kind)
    {
        if (pod.Group is not null && _groupPods.Place(pod, placement, kind) || pod.WorkerIndex > 0) return;
        Add(pod, owner, placement, kind, default);
    }

    private ImmutableArray<ReplicaMember> Members(PodView leader)
    {
        var spec = OwnerOf(leader)!.Spec!;
        return
        [
            .. _groupPods.Workers(leader).Select(worker =>
            {
                var way = (spec.Variants.FirstOrDefault(one => one.DeviceKind == worker.Kind) ?? spec.Variants[0]).Workers!;
                return new ReplicaMember(worker.Placement, way.Needs, way.Requests);
            }),
        ];
    }

    private void Add(PodView pod, ResolvedModel owner, Placement placement, string? kind, ImmutableArray<ReplicaMember> members)
    {
        var spec = owner.Spec!;
        var variant = spec.Variants.FirstOrDefault(one => kind is null || one.DeviceKind == kind) ?? spec.Variants[0];
        var load = _loads.GetValueOrDefault(pod.Uid);
        var started = pod.ScheduledAt ?? pod.CreatedAt;
        var state = pod.DeletedAt is not null ? ReplicaState.Stopping
            : !Serves(pod) ? ReplicaState.Loading
            : load is { Asleep: true } ? ReplicaState.Asleep
            : pod.DrainingSince is { } since && Victims.AreKnown(owner.Workload!.KeyKind, _serverMinor)
                ? Victims.IsDrained(load, since) ? ReplicaState.Drained : ReplicaState.Draining : ReplicaState.Ready;
        // A container that starts over loads anew.
        if (state == ReplicaState.Loading && pod is { Restarts: > 0, ReadyChangedAt: { } changed } && changed > started) started = changed;
        var id = IdOf(pod);
        _replicas.Add(new InferenceReplica
        {
            Id = id,
            Model = owner.Id,
            Version = spec.Version,
            Variant = variant.Id,
            Placement = placement,
            State = state,
            EndsInOrder = Victims.OrderOf(owner.Workload!.KeyKind, pod.Name.Name),
            StateSince = state is ReplicaState.Draining or ReplicaState.Drained ? pod.DrainingSince!.Value
                : state is ReplicaState.Ready or ReplicaState.Asleep ? pod.ReadyChangedAt ?? started : pod.DeletedAt ?? started,
            StartedAt = started,
            Reserved = variant.Needs,
            // Its own, which the webhook or an older template made differ from what the next one will ask.
            Requests = spec.Requests is { } asks ? asks with
            {
                Memory = new Bytes(pod.Requests.MemoryBytes),
                Cores = new Cores(pod.Requests.CpuMilli),
                EphemeralStorage = new Bytes(pod.Requests.EphemeralStorageBytes),
                Devices = asks.Resource is { } resource ? (int)Math.Min(pod.Requests.Devices.GetValueOrDefault(resource), 1024) : 0,
            } : null,
            Members = members,
            HostMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
            DeviceMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
            Outstanding = load is not null && load.Outstanding.TryGetLast(out var outstanding) ? outstanding : 0,
            Concurrency = load?.Concurrency ?? variant.Concurrency,
        });
        if (state == ReplicaState.Loading) Fly(owner, id, started, placement);
        if (state != ReplicaState.Stopping) CountLive(owner);
    }

    /// <summary>Never used twice: a StatefulSet gives a new pod the old one's name.</summary>
    public static ReplicaId IdOf(PodView pod) => pod.Replica;

    /// <summary>The pod of a replica; null of one that has none yet.</summary>
    public static ObjectName? PodOf(ReplicaId replica) =>
        replica.Value.Split('@') is [var name, not ['n', 'e', 'w', ..]] ? ObjectName.Parse(name) : null;

    private void Promise(ResolvedModel owner, DateTimeOffset since, int index)
    {
        var spec = owner.Spec!;
        var id = new ReplicaId($"{KeyOf(owner.Workload!)}@new{index}");
        _replicas.Add(new InferenceReplica
        {
            Id = id,
            Model = owner.Id,
            Version = spec.Version,
            Variant = spec.Variants[0].Id,
            Placement = Placement.Pending,
            State = ReplicaState.Loading,
            StateSince = since,
            StartedAt = since,
            Reserved = spec.Variants[0].Needs,
            Requests = spec.Requests,
            Members = spec.Variants[0].Workers is { } workers
                ? [.. Enumerable.Repeat(new ReplicaMember(Placement.Pending, workers.Needs, workers.Requests), workers.Count)] : default,
            HostMemory = Signal.Missing<Bytes>("it has no pod yet"),
            DeviceMemory = Signal.Missing<Bytes>("it has no pod yet"),
        });
        Fly(owner, id, since, Placement.Pending);
        CountLive(owner);
    }

    private void CountLive(ResolvedModel owner)
    {
        var key = KeyOf(owner.Workload!);
        _live[key] = _live.GetValueOrDefault(key) + 1;
    }

    // Kubernetes gives a Deployment ten minutes to make progress; images and nodes may take them, and nothing is called
    // overdue before that.
    private void Fly(ResolvedModel owner, ReplicaId id, DateTimeOffset started, Placement placement) => _flying.Add(new WorkInFlight
    {
        Step = StepId.Of($"start/{id}"),
        Kind = WorkKind.Loading,
        StartedAt = started,
        ExpectedEnd = started + (owner.Workload!.ProgressDeadline / _overdueFactor),
        Model = owner.Id,
        Replica = id,
        Node = placement == Placement.Pending ? null : placement.Node,
    });

    /// <summary>What the scheduler counts as left.</summary>
    private sealed class Room(NodeView node)
    {
        private readonly Dictionary<string, long> _extended = node.Extended.ToDictionary(one => one.Resource, one => one.Count, StringComparer.Ordinal);
        private Cores _cores = node.Cores;
        private Bytes _memory = node.Memory;
        private Bytes _storage = node.EphemeralStorage;
        private int _pods = node.Pods;

        public SchedulerRoom Left => new()
        {
            Cores = _cores,
            Memory = _memory,
            EphemeralStorage = _storage,
            Pods = _pods,
            Resources = [.. _extended.OrderBy(one => one.Key, StringComparer.Ordinal).Select(one => new ResourceCount(one.Key, one.Value))],
        };

        public void Take(PodRequests requests)
        {
            _cores -= new Cores(requests.CpuMilli);
            _memory -= new Bytes(requests.MemoryBytes);
            _storage -= new Bytes(requests.EphemeralStorageBytes);
            _pods--;
            foreach (var (resource, count) in requests.Devices) _extended[resource] = _extended.GetValueOrDefault(resource) - count;
        }
    }

    /// <summary>A node's devices, handed out in order.</summary>
    private sealed class Devices
    {
        private readonly DeviceState[] _states;
        private readonly Dictionary<string, Queue<DeviceState>> _free;

        public Devices(NodeView node)
        {
            _states = DevicesOf.GetValue(node, Read);
            _free = _states.GroupBy(device => device.Resource!, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => new Queue<DeviceState>(group), StringComparer.Ordinal);
        }

        public ImmutableArray<DeviceState> States => [.. _states];

        // Ordered by id, which within a resource is the order in which they are handed out.
        private static DeviceState[] Read(NodeView node)
        {
            var states = new List<DeviceState>();
            foreach (var group in node.Devices.Groups)
            {
                var name = group.Resource[(group.Resource.IndexOf('/', StringComparison.Ordinal) + 1)..];
                var parts = group.Sharing == DeviceSharing.Mps ? group.ReplicasPerDevice : 1;
                // What the device plugin hands out, not what labels promise: an unhealthy device is not there.
                var allocatable = node.Extended.FirstOrDefault(one => one.Resource == group.Resource)?.Count ?? 0;
                var count = (int)Math.Min(
                    (long)group.Devices * parts, group.Sharing == DeviceSharing.TimeSlicing ? allocatable / Math.Max(1, group.ReplicasPerDevice) : allocatable);
                for (var i = 0; i < count; i++)
                {
                    states.Add(new DeviceState
                    {
                        Id = new DeviceId(string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{name}{i:00}")),
                        Kind = SnapshotBuilder.KindOf(group),
                        Memory = group.MemoryPerReplica,
                        MemoryBudget = group.MemoryPerReplica,
                        Resource = group.Resource,
                        Shared = group.Sharing == DeviceSharing.TimeSlicing,
                    });
                }
            }

            return [.. states.OrderBy(device => device.Id)];
        }

        public string? KindOf(PodRequests requests) =>
            requests.Devices.Keys.Select(resource => _states.FirstOrDefault(device => device.Resource == resource)?.Kind).FirstOrDefault(kind => kind is not null);

        /// <summary>Of shared devices nobody knows which: then it may be any, and counts on all.</summary>
        public ImmutableArray<DeviceId> Take(PodRequests requests) => [.. TakeForeign(requests).Select(device => device.Id).Order()];

        public List<DeviceState> TakeForeign(PodRequests requests)
        {
            var taken = new List<DeviceState>();
            foreach (var (resource, count) in requests.Devices)
            {
                if (!_free.TryGetValue(resource, out var queue)) continue;
                if (_states.Any(device => device.Resource == resource && device.Shared))
                {
                    taken.AddRange(_states.Where(device => device.Resource == resource));
                    continue;
                }

                for (var i = 0; i < count && queue.Count > 0; i++) taken.Add(queue.Dequeue());
            }

            return taken;
        }
    }

    /// <summary>A device's kind; a part of a shared one is a kind of its own.</summary>
    public static string KindOf(DeviceGroup group) => group.Sharing == DeviceSharing.Mps
        ? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{group.Accelerator.Name}/{group.ReplicasPerDevice}") : group.Accelerator.Name;
}
