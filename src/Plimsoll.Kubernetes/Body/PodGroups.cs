using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>
/// A LeaderWorkerSet's pods by the replica that they are part of. A group is whole when its leader and all its workers are there,
/// ready and staying: when one goes, the set makes the whole group anew.
/// </summary>
internal sealed class PodGroups
{
    /// <summary>Where a pod is, and the kind of device it has there.</summary>
    public readonly record struct Placed(Placement Placement, string? Kind);

    private sealed record Group(int Size)
    {
        public SortedDictionary<int, PodView> Pods { get; } = [];
    }

    private readonly Dictionary<(string Space, string Set, string Group), Group> _groups = [];
    private readonly Dictionary<string, Placed> _placed = new(StringComparer.Ordinal);

    /// <param name="pod">One of a group.</param>
    /// <param name="size">Pods of a group, as its set says.</param>
    public void Add(PodView pod, int size)
    {
        if (!_groups.TryGetValue(KeyOf(pod), out var group)) _groups[KeyOf(pod)] = group = new Group(size);
        // A name is not used twice at a time; of a mode in which it were, the one that stays counts.
        if (!group.Pods.TryGetValue(pod.WorkerIndex ?? 0, out var there) || there.DeletedAt is not null) group.Pods[pod.WorkerIndex ?? 0] = pod;
    }

    /// <summary>Notes where a pod of a group is; false when it is of none.</summary>
    public bool Place(PodView pod, Placement placement, string? kind)
    {
        if (!_groups.ContainsKey(KeyOf(pod))) return false;
        _placed[pod.Uid] = new Placed(placement, kind);
        return true;
    }

    /// <summary>A worker whose leader is gone: it still holds what it has, and is part of no replica.</summary>
    public bool IsOrphan(PodView pod) =>
        pod.WorkerIndex > 0 && (!_groups.TryGetValue(KeyOf(pod), out var group) || !group.Pods.ContainsKey(0) || !ReferenceEquals(group.Pods.GetValueOrDefault(pod.WorkerIndex.Value), pod));

    public bool IsWhole(PodView leader) =>
        !_groups.TryGetValue(KeyOf(leader), out var group)
        || group.Pods.Count >= group.Size && group.Pods.Values.All(pod => pod is { Ready: true, DeletedAt: null });

    /// <summary>Since when a pod, or of a group the last of those that are not ready or are going, is not; null where all that are there are and stay.</summary>
    public DateTimeOffset? UnreadySince(PodView leader)
    {
        if (!_groups.TryGetValue(KeyOf(leader), out var group)) return Since(leader);
        DateTimeOffset? last = null;
        foreach (var pod in group.Pods.Values)
            if (Since(pod) is { } since && !(last > since)) last = since;
        return last;

        static DateTimeOffset? Since(PodView pod) => pod.DeletedAt ?? (pod.Ready ? null : pod.ReadyChangedAt ?? pod.ScheduledAt ?? pod.CreatedAt);
    }

    public PodView? LeaderOf(PodView pod) => _groups.TryGetValue(KeyOf(pod), out var group) ? group.Pods.GetValueOrDefault(0) : null;

    /// <summary>The leaders, and where they are.</summary>
    public IEnumerable<(PodView Leader, Placed Placed)> Leaders =>
        _groups.Values.Where(group => group.Pods.ContainsKey(0)).Select(group => group.Pods[0])
            .Where(leader => _placed.ContainsKey(leader.Uid)).Select(leader => (leader, _placed[leader.Uid]));

    /// <summary>Where the leader's workers are, by their number; those that there are no pods of yet have no place.</summary>
    public IEnumerable<Placed> Workers(PodView leader)
    {
        if (!_groups.TryGetValue(KeyOf(leader), out var group)) yield break;
        for (var number = 1; number < group.Size; number++)
        {
            yield return group.Pods.TryGetValue(number, out var pod) && _placed.TryGetValue(pod.Uid, out var placed)
                ? placed : new Placed(Placement.Pending, null);
        }
    }

    private static (string, string, string) KeyOf(PodView pod) => (pod.Name.Namespace, pod.Workload ?? "", pod.Group ?? "");
}
