using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources.Pods;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// A node with its pods on it: what the scheduler counts as left, and who has which devices. It follows from the node, its pods
/// and which of them are ours alone, so that it stands for as long as none of these change.
/// </summary>
internal sealed class NodeLayout
{
    private readonly NodeView _node;
    private readonly string _group;
    private readonly List<PodView> _pods;
    private readonly List<bool> _ours;

    /// <param name="node">The node.</param>
    /// <param name="group">Its group, as selectors see it.</param>
    /// <param name="pods">The pods bound to it, in any order, and whether each is of a replica or gang of ours.</param>
    /// <param name="ours">Of the same length.</param>
    public NodeLayout(NodeView node, string group, List<PodView> pods, List<bool> ours)
    {
        (_node, _group, _pods, _ours) = (node, group, pods, ours);
        var id = new NodeId(node.Name);
        var room = new Room(node);
        var devices = new Devices(node);
        var (foreign, others) = (Bytes.Zero, 0);
        var (placed, uses) = (new List<PlacedPod>(), new List<ForeignUse>());
        // Where Kubernetes does not say which device a pod has, those bound first have the first.
        var order = Enumerable.Range(0, pods.Count).OrderBy(i => pods[i].ScheduledAt ?? pods[i].CreatedAt).ThenBy(i => pods[i].Name);
        foreach (var i in order)
        {
            var pod = pods[i];
            room.Take(pod.Requests);
            if (ours[i])
            {
                placed.Add(new PlacedPod(pod, new Placement(id, devices.Take(pod.Requests)), devices.KindOf(pod.Requests)));
                continue;
            }

            foreign += new Bytes(pod.Requests.MemoryBytes);
            others++;
            foreach (var device in devices.TakeForeign(pod.Requests))
                uses.Add(new ForeignUse { Node = id, Device = device.Id, Memory = Signal.Known(device.Memory, default), What = pod.Name.ToString() });
        }

        if (others > 0) uses.Add(new ForeignUse { Node = id, Memory = Signal.Known(foreign, default), What = $"{others} other pods" });
        (Ours, Foreign) = (placed, uses);
        State = new NodeState
        {
            Id = id,
            Pool = group,
            Condition = node is { Ready: true, Unschedulable: false } ? NodeCondition.Ready
                : node.Ready ? NodeCondition.Draining : NodeCondition.Unreachable,
            HostMemory = node.Memory,
            HostMemoryBudget = node.Memory,
            Cores = node.Cores,
            Devices = devices.States,
            Scheduler = room.Left,
        };
    }

    public NodeState State { get; }

    /// <summary>Ours, in the order in which they were bound.</summary>
    public IReadOnlyList<PlacedPod> Ours { get; }

    /// <summary>What others use, not yet dated.</summary>
    public IReadOnlyList<ForeignUse> Foreign { get; }

    /// <summary>Whether it would come out the same of these; objects that changed are other objects.</summary>
    public bool Stands(NodeView node, string group, List<PodView> pods, List<bool> ours)
    {
        if (!ReferenceEquals(node, _node) || group != _group || pods.Count != _pods.Count) return false;
        for (var i = 0; i < pods.Count; i++)
        {
            if (!ReferenceEquals(pods[i], _pods[i]) || ours[i] != _ours[i]) return false;
        }

        return true;
    }

    /// <summary>A device's kind; a part of a shared one is a kind of its own.</summary>
    public static string KindOf(DeviceGroup group) => group.Sharing == DeviceSharing.Mps
        ? string.Create(CultureInfo.InvariantCulture, $"{group.Accelerator.Name}/{group.ReplicasPerDevice}") : group.Accelerator.Name;

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
            _states = Read(node);
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
                        Id = new DeviceId(string.Create(CultureInfo.InvariantCulture, $"{name}{i:00}")),
                        Kind = NodeLayout.KindOf(group),
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
}

/// <summary>A pod of ours where it is, and the kind of device it has there; null without one.</summary>
internal sealed class PlacedPod(PodView pod, Placement placement, string? kind)
{
    private (ResolvedModel Owner, ReplicaState State, int Outstanding, int? Concurrency, DateTimeOffset? UnreadySince, bool HasServed) _of;
    private InferenceReplica? _replica;

    public PodView Pod { get; } = pod;

    public Placement Placement { get; } = placement;

    public string? Kind { get; } = kind;

    /// <summary>The replica that it is, as it was while it follows from the same; objects that changed are other objects.</summary>
    public InferenceReplica Replica(ReplicaSeen seen, Func<ReplicaSeen, InferenceReplica> make)
    {
        if (_replica is null || !ReferenceEquals(_of.Owner, seen.Owner)
            || (_of.State, _of.Outstanding, _of.Concurrency, _of.UnreadySince, _of.HasServed) != (seen.State, seen.Outstanding, seen.Concurrency, seen.UnreadySince, seen.HasServed))
        {
            _of = (seen.Owner, seen.State, seen.Outstanding, seen.Concurrency, seen.UnreadySince, seen.HasServed);
            _replica = make(seen);
        }

        return _replica;
    }
}

/// <summary>All that a replica of one pod follows from.</summary>
internal readonly record struct ReplicaSeen(PodView Pod, ResolvedModel Owner, Placement Placement, string? Kind, ReplicaState State, int Outstanding, int? Concurrency)
{
    /// <summary>Since when it, or a pod of its group, is not ready; null where all are.</summary>
    public DateTimeOffset? UnreadySince { get; init; }

    /// <summary>It was seen to serve, now or before.</summary>
    public bool HasServed { get; init; }
}
