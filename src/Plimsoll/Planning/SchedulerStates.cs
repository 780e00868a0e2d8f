namespace Plimsoll;

/// <summary>The reachable states of starts that another scheduler places, of one node at a time.</summary>
internal sealed class SchedulerStates
{
    // Beyond these, all starts are charged before any stop: an upper bound.
    private const int WaitingSetsMax = 10;

    private readonly Step.Start[] _starts;
    private readonly ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> _releases;

    // Nodes where some start waits for a stop; on all others every start may run from the first, so that only what they ask for
    // tells them apart.
    private readonly HashSet<NodeId> _waiting;
    private readonly (SchedulerRequests Requests, long Covered, long Others)[] _shapes;

    // Of a group as many come to a node as its scheduler counts, so each is looked at there.
    private readonly Step.Start[] _groups;

    /// <param name="starts">Those without a placement and with requests.</param>
    /// <param name="releases">What each stop of the plan gives back, and where.</param>
    public SchedulerStates(Step.Start[] starts, ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> releases)
    {
        (_starts, _releases) = (starts, releases);
        _waiting = [.. starts.SelectMany(start => start.After).SelectMany(after => releases[after]).Select(release => release.Node)];
        _groups = [.. starts.Where(start => start.Workers is not null)];
        _shapes = [.. starts.Where(start => start.Workers is null).GroupBy(start => start.Requests!, SameRequests.Comparer).Select(same => (same.Key,
            same.Where(start => same.Key.Cover(start.Needs)).Sum(start => start.Needs.Host.Highest.Value),
            same.Where(start => !same.Key.Cover(start.Needs)).Sum(start => start.Needs.Host.Highest.Value)))];
    }

    /// <summary>
    /// Host memory overfilled in some state, or null. In a state some stops are done, and of the starts that may run then the
    /// scheduler has put here all that it could: those whose requests cover their needs take at most what it counts as free,
    /// the others may take their needs on top.
    /// </summary>
    /// <param name="node">The node.</param>
    /// <param name="limit">Host memory that may be used there.</param>
    /// <param name="used">Host memory that is used there.</param>
    public string? FindViolation(NodeState node, long limit, long used)
    {
        if (_starts.Length == 0 || node.Scheduler is not { } room || node.Condition != NodeCondition.Ready) return null;
        if (_waiting.Contains(node.Id)) return FindViolation(node, room, limit, used);
        var (covered, others) = (0L, 0L);
        foreach (var shape in _shapes)
        {
            if (!Allowed(node, shape.Requests) || !room.Takes(shape.Requests)) continue;
            covered += shape.Covered;
            others += shape.Others;
        }

        foreach (var group in _groups)
        {
            var comes = Most(room, [.. Pods(group).Where(pods => Allowed(node, pods.Requests))]);
            covered += comes.Covered.Value;
            others += comes.Others.Value;
        }

        return Worst(node, covered, others, room, limit, used);
    }

    private string? FindViolation(NodeState node, SchedulerRoom room, long limit, long used)
    {
        var waits = _starts.Select(start => (Start: start, Stops: start.After
            .Where(after => _releases[after].Any(release => release.Node == node.Id)).ToHashSet())).ToArray();
        var sets = waits.Select(wait => wait.Stops).Distinct(HashSet<StepId>.CreateSetComparer()).ToArray();
        var states = sets.Length > WaitingSetsMax ? 0 : 1 << sets.Length;
        for (var mask = 0; mask < Math.Max(1, states); mask++)
        {
            var done = new HashSet<StepId>();
            for (var i = 0; i < sets.Length; i++)
            {
                if ((mask & (1 << i)) != 0) done.UnionWith(sets[i]);
            }

            var running = waits.Where(wait => states == 0 || wait.Stops.IsSubsetOf(done)).Select(wait => wait.Start);
            var freed = done.SelectMany(stop => _releases[stop]).Where(release => release.Node == node.Id).Select(release => release.Frees).ToArray();
            var left = freed.Aggregate(room, (free, one) => one.Requests is { } gone ? free.Without(gone) : free);
            var (covered, others) = (0L, 0L);
            foreach (var start in running)
            {
                var comes = Most(left, [.. Pods(start).Where(pods => Allowed(node, pods.Requests))]);
                covered += comes.Covered.Value;
                others += comes.Others.Value;
            }

            if (Worst(node, covered, others, left, limit, used, freed.Sum(one => one.Host.Value)) is { } overfull) return overfull;
        }

        return null;
    }

    private static string? Worst(NodeState node, long covered, long others, SchedulerRoom left, long limit, long used, long freed = 0)
    {
        if (covered + others == 0) return null;
        var worst = used - freed + others + Math.Min(covered, left.Memory.Value);
        return worst > Math.Max(limit, used) ? $"host memory of {node.Id}: {worst} against {limit}" : null;
    }

    /// <summary>
    /// The host memory that pods of one start may take of a node at the most: those whose requests cover them, and the others.
    /// Where the leader leaves less room for workers, all of them without it may be more.
    /// </summary>
    /// <param name="room">What the scheduler counts as left.</param>
    /// <param name="pods">One kind, or leader and workers, as far as they may come here at all.</param>
    public static (Bytes Covered, Bytes Others) Most(SchedulerRoom room, IReadOnlyList<(SchedulerRequests Requests, ReplicaNeeds Needs, int Count)> pods)
    {
        var (covered, others) = (Bytes.Zero, Bytes.Zero);
        for (var first = 0; first < pods.Count; first++)
        {
            var (left, sum, besides) = (room, Bytes.Zero, Bytes.Zero);
            foreach (var (requests, needs, count) in pods.Skip(first))
            {
                var many = count == 1 ? left.Takes(requests) ? 1 : 0 : Math.Min(count, left.Slots(requests));
                if (many == 0) continue;
                left = left.With(requests, many);
                if (requests.Cover(needs)) sum += needs.Host.Highest * many;
                else besides += needs.Host.Highest * many;
            }

            (covered, others) = (Bytes.Max(covered, sum), Bytes.Max(others, besides));
        }

        return (covered, others);
    }

    private static IEnumerable<(SchedulerRequests Requests, ReplicaNeeds Needs, int Count)> Pods(Step.Start start) =>
        start.Workers is { } workers ? [(start.Requests!, start.Needs, 1), (workers.Requests, workers.Needs, workers.Count)]
        : [(start.Requests!, start.Needs, 1)];

    private static bool Allowed(NodeState node, SchedulerRequests requests) =>
        requests.Pools.IsEmpty || requests.Pools.Contains(node.Pool);
}
