using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Metrics;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A replica that was asked for and has no pod yet, and since when.</summary>
internal sealed record Promised(int Count, DateTimeOffset Since);

/// <summary>
/// Turns the cluster's objects into the planner's snapshot. All pods count, ours and others'; where Kubernetes does not
/// say which device a pod has, its devices are those that pods before it left over, which is the same to the planner.
/// </summary>
internal sealed class SnapshotBuilder
{
    private readonly DateTimeOffset _at;
    private readonly NodeGroups _groups;
    private readonly double _overdueFactor;
    private readonly int _serverMinor;
    private readonly Dictionary<string, ResolvedModel> _byWorkload;
    private readonly IReadOnlyDictionary<string, PodLoad> _loads;
    private readonly SnapshotMemory _memory;
    private readonly Func<PodView, bool> _hasServed;
    private readonly ImmutableArray<NodeState>.Builder _nodes = ImmutableArray.CreateBuilder<NodeState>();
    private readonly List<InferenceReplica> _replicas = [];
    private readonly List<ForeignUse> _foreign = [];
    private readonly List<WorkInFlight> _flying = [];
    private readonly Dictionary<string, int> _live = new(StringComparer.Ordinal);
    private readonly PodGroups _groupPods = new();
    private readonly IReadOnlyDictionary<string, DateTimeOffset> _gangs;
    private readonly Dictionary<string, Placement> _gangPods = new(StringComparer.Ordinal);

    /// <param name="at">Now.</param>
    /// <param name="groups">Node groups by what the models' pods ask of nodes.</param>
    /// <param name="models">What the pods may be replicas of.</param>
    /// <param name="loads">What pods told, by uid.</param>
    /// <param name="overdueFactor">A load that takes so many times as long as expected is overdue.</param>
    /// <param name="serverMinor">The server's minor version.</param>
    /// <param name="memory">What the snapshot before was made from; null makes all anew.</param>
    /// <param name="hasServed">Whether a pod was seen to serve before; null of none is that known.</param>
    /// <param name="gangs">Keys of workloads whose pods are members of gangs, and when these were made; null for none.</param>
    public SnapshotBuilder(
        DateTimeOffset at, NodeGroups groups, IEnumerable<ResolvedModel> models, IReadOnlyDictionary<string, PodLoad> loads, double overdueFactor,
        int serverMinor = 0, SnapshotMemory? memory = null, Func<PodView, bool>? hasServed = null, IReadOnlyDictionary<string, DateTimeOffset>? gangs = null)
    {
        _gangs = gangs ?? ImmutableDictionary<string, DateTimeOffset>.Empty;
        _hasServed = hasServed ?? (_ => false);
        (_serverMinor, _memory) = (serverMinor, memory ?? new SnapshotMemory());
        (_at, _groups, _overdueFactor) = (at, groups, overdueFactor);
        _byWorkload = models.SelectMany(model => model.Targets).Where(target => target is { Workload: not null, Spec: not null })
            .GroupBy(target => KeyOf(target.Workload!)).ToDictionary(group => group.Key, group => group.First(), StringComparer.Ordinal);
        _loads = loads;
    }

    /// <summary>Replicas there are of each workload (<see cref="KeyOf"/>), those that end not counted.</summary>
    public IReadOnlyDictionary<string, int> Live => _live;

    /// <summary>Where gangs' pods are, by uid, that are bound.</summary>
    public IReadOnlyDictionary<string, Placement> GangPods => _gangPods;

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
        _memory.Begin();
        foreach (var pod in pods.Where(pod => pod is { Group: not null, IsOver: false }))
        {
            if (OwnerOf(pod) is { Workload.PodsPerReplica: > 1 and var size }) _groupPods.Add(pod, size);
        }

        var bound = new Dictionary<string, List<PodView>>(StringComparer.Ordinal);
        foreach (var pod in pods.Where(pod => pod is { Node: not null, IsOver: false }))
        {
            if (bound.TryGetValue(pod.Node!, out var there)) there.Add(pod);
            else bound[pod.Node!] = [pod];
        }

        foreach (var node in nodes) Add(node, bound.GetValueOrDefault(node.Name, []));
        foreach (var pod in pods.Where(pod => pod is { Node: null, IsOver: false, DeletedAt: null }))
        {
            if (OwnerOf(pod) is { } owner) Add(new PlacedPod(pod, Placement.Pending, null), owner);
        }

        foreach (var (workload, missing) in promised)
        {
            if (!_byWorkload.TryGetValue(workload, out var owner)) continue;
            for (var i = 0; i < missing.Count; i++) Promise(owner, missing.Since, i);
        }

        foreach (var (leader, placed) in _groupPods.Leaders) Add(new PlacedPod(leader, placed.Placement, placed.Kind), OwnerOf(leader)!, Members(leader));
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

    private void Add(NodeView node, List<PodView> pods)
    {
        var ours = pods.ConvertAll(pod => OwnerOf(pod) is not null && !_groupPods.IsOrphan(pod) || IsMember(pod));
        var layout = _memory.Lay(node, _groups.GroupOf(node.Name), pods, ours);
        foreach (var placed in layout.Ours)
        {
            if (OwnerOf(placed.Pod) is { } owner) Add(placed, owner);
            else _gangPods[placed.Pod.Uid] = placed.Placement;
        }

        foreach (var use in layout.Foreign) _foreign.Add(use with { Memory = use.Memory with { At = _at } });
        _nodes.Add(layout.State);
    }

    private bool IsMember(PodView pod) => pod.WorkloadKey is { } key && _gangs.TryGetValue(key, out var made) && pod.CreatedAt >= made;

    // The pods of a group are one replica, which is put together once all are found.
    private void Add(PlacedPod placed, ResolvedModel owner)
    {
        var pod = placed.Pod;
        if (pod.Group is not null && _groupPods.Place(pod, placed.Placement, placed.Kind) || pod.WorkerIndex > 0) return;
        Add(placed, owner, default);
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

    private void Add(PlacedPod placed, ResolvedModel owner, ImmutableArray<ReplicaMember> members)
    {
        var load = _loads.GetValueOrDefault(placed.Pod.Uid);
        var seen = new ReplicaSeen(
            placed.Pod, owner, placed.Placement, placed.Kind, StateOf(placed.Pod, owner, load),
            load is not null && load.Outstanding.TryGetLast(out var outstanding) ? outstanding : 0, load?.Concurrency)
        {
            UnreadySince = Serves(placed.Pod) ? null : _groupPods.UnreadySince(placed.Pod) ?? _memory.MissingSince(placed.Pod.Uid, _at),
            HasServed = _hasServed(placed.Pod),
        };
        var replica = placed.Replica(seen, Made);
        // Of a group the members change with its other pods.
        if (!members.IsDefault) replica = replica with { Members = members };
        _replicas.Add(replica);
        if (seen.State == ReplicaState.Loading) Fly(owner, replica.Id, Began(seen), placed.Placement);
        if (seen.State != ReplicaState.Stopping) CountLive(placed.Pod.WorkloadKey!);
    }

    private ReplicaState StateOf(PodView pod, ResolvedModel owner, PodLoad? load) =>
        pod.DeletedAt is not null ? ReplicaState.Stopping
        : !Serves(pod) ? ReplicaState.Loading
        : load is { Asleep: true } ? ReplicaState.Asleep
        : pod.DrainingSince is { } since && Victims.AreKnown(owner.Workload!.KeyKind, _serverMinor)
            ? Victims.IsDrained(load, since) ? ReplicaState.Drained : ReplicaState.Draining : ReplicaState.Ready;

    // What lost its readiness begins anew then, whether its container started over or not: the time that it served is no part of a load.
    private static DateTimeOffset Began(ReplicaSeen seen)
    {
        var started = seen.Pod.ScheduledAt ?? seen.Pod.CreatedAt;
        return seen is { State: ReplicaState.Loading, UnreadySince: { } lost } && lost > started ? lost : started;
    }

    private static InferenceReplica Made(ReplicaSeen seen)
    {
        var (pod, owner, state) = (seen.Pod, seen.Owner, seen.State);
        var spec = owner.Spec!;
        var variant = spec.Variants.FirstOrDefault(one => seen.Kind is null || one.DeviceKind == seen.Kind) ?? spec.Variants[0];
        var started = Began(seen);
        return new InferenceReplica
        {
            Id = IdOf(pod),
            Model = owner.Id,
            Version = spec.Version,
            Variant = variant.Id,
            Placement = seen.Placement,
            State = state,
            EndsInOrder = Victims.OrderOf(owner.Workload!.KeyKind, pod.Name.Name),
            StateSince = state is ReplicaState.Draining or ReplicaState.Drained ? pod.DrainingSince!.Value
                : state is ReplicaState.Ready or ReplicaState.Asleep ? pod.ReadyChangedAt ?? started : pod.DeletedAt ?? started,
            StartedAt = started,
            HasServed = state == ReplicaState.Loading && seen.HasServed,
            EndsUnready = state == ReplicaState.Stopping && !seen.HasServed,
            Reserved = variant.Needs,
            // Its own, which the webhook or an older template made differ from what the next one will ask.
            Requests = spec.Requests is { } asks ? asks with
            {
                Memory = new Bytes(pod.Requests.MemoryBytes),
                Cores = new Cores(pod.Requests.CpuMilli),
                EphemeralStorage = new Bytes(pod.Requests.EphemeralStorageBytes),
                Devices = asks.Resource is { } resource ? (int)Math.Min(pod.Requests.Devices.GetValueOrDefault(resource), 1024) : 0,
            } : null,
            HostMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
            DeviceMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
            Outstanding = seen.Outstanding,
            Concurrency = seen.Concurrency ?? variant.Concurrency,
        };
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
        CountLive(KeyOf(owner.Workload!));
    }

    private void CountLive(string workload) => _live[workload] = _live.GetValueOrDefault(workload) + 1;

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
}
