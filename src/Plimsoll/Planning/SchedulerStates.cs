namespace Plimsoll;

/// <summary>The reachable states of starts that another scheduler places, of one node at a time.</summary>
internal sealed class SchedulerStates
{
    // Beyond so many states of a node its starts are charged before any stop: an upper bound.
    private const long StatesMost = 4096;

    private readonly int _count;
    private readonly (SchedulerRequests Requests, long Covered, long Others)[] _shapes;
    private readonly Dictionary<SchedulerRequests, int> _shapeOf = new(SameRequests.Comparer);

    // Of a group as many come to a node as its scheduler counts, so each is looked at there.
    private readonly Step.Start[] _groups;
    private readonly ILookup<NodeId, (StepId Stop, NodeLedger.Release Frees)> _stops;
    private readonly ILookup<StepId, Step.Start> _waiting;

    /// <param name="starts">Those without a placement and with requests.</param>
    /// <param name="releases">What each stop of the plan gives back, and where.</param>
    public SchedulerStates(Step.Start[] starts, ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> releases)
    {
        _count = starts.Length;
        _stops = releases.SelectMany(stop => stop.Select(release => (Stop: stop.Key, release.Node, release.Frees))).ToLookup(one => one.Node, one => (one.Stop, one.Frees));
        _waiting = starts.SelectMany(start => start.After.Where(releases.Contains).Select(after => (after, start))).ToLookup(one => one.after, one => one.start);
        _groups = [.. starts.Where(start => start.Workers is not null)];
        _shapes = [.. starts.Where(start => start.Workers is null).GroupBy(start => start.Requests!, SameRequests.Comparer).Select(same => (same.Key,
            same.Where(start => same.Key.Cover(start.Needs)).Sum(start => start.Needs.Host.Highest.Value),
            same.Where(start => !same.Key.Cover(start.Needs)).Sum(start => start.Needs.Host.Highest.Value)))];
        for (var i = 0; i < _shapes.Length; i++) _shapeOf[_shapes[i].Requests] = i;
    }

    // Stops of a node that give back the same and that the same starts wait for: only how many of them are done tells states apart.
    private sealed record Alike(int Count, long Host, SchedulerRequests[] Requests, Step.Start[] Waiting);

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
        if (_count == 0 || node.Scheduler is not { } room || node.Condition != NodeCondition.Ready) return null;
        var alike = Stops(node.Id);
        Step.Start[] waiting = [.. alike.SelectMany(stops => stops.Waiting).Distinct()];
        int[][] waitsFor = [.. waiting.Select(start => (int[])[.. Enumerable.Range(0, alike.Length).Where(at => alike[at].Waiting.Contains(start))])];
        var (shapes, groups) = waiting.Length == 0 ? (_shapes, _groups) : (Without(waiting), [.. _groups.Except(waiting)]);

        // One stop may open a node to what is too large for it until the next is done too.
        var done = new int[alike.Length];
        if (alike.Aggregate(1.0, (states, stops) => states * (stops.Count + 1)) > StatesMost)
        {
            for (var at = 0; at < done.Length; at++) done[at] = alike[at].Count;
            return AtWorst(_ => true, freeing: true) ?? AtWorst(start => waitsFor[start].Length < alike.Length, freeing: false);
        }

        do
        {
            if (AtWorst(start => Array.TrueForAll(waitsFor[start], at => done[at] == alike[at].Count), freeing: true) is { } overfull) return overfull;
        }
        while (Next());

        return null;

        bool Next()
        {
            for (var at = 0; at < done.Length; at++)
            {
                if (++done[at] <= alike[at].Count) return true;
                done[at] = 0;
            }

            return false;
        }

        string? AtWorst(Func<int, bool> mayRun, bool freeing)
        {
            var (left, freed, covered, others) = (room, 0L, 0L, 0L);
            for (var at = 0; at < done.Length; at++)
            {
                freed += freeing ? done[at] * alike[at].Host : 0;
                for (var i = 0; i < done[at]; i++) left = alike[at].Requests.Aggregate(left, (free, gone) => free.Without(gone));
            }

            foreach (var shape in shapes)
            {
                if (!Allowed(node, shape.Requests) || !left.Takes(shape.Requests)) continue;
                covered += shape.Covered;
                others += shape.Others;
            }

            foreach (var start in groups.Concat(waiting.Where((_, at) => mayRun(at))))
            {
                var comes = Most(left, [.. Pods(start).Where(pods => Allowed(node, pods.Requests))]);
                covered += comes.Covered.Value;
                others += comes.Others.Value;
            }

            return Worst(node, covered, others, left, limit, used, freed);
        }
    }

    // What all but these may take, by what they ask for.
    private (SchedulerRequests Requests, long Covered, long Others)[] Without(Step.Start[] starts)
    {
        var shapes = _shapes.ToArray();
        foreach (var start in starts.Where(start => start.Workers is null))
        {
            ref var shape = ref shapes[_shapeOf[start.Requests!]];
            if (start.Requests!.Cover(start.Needs)) shape.Covered -= start.Needs.Host.Highest.Value;
            else shape.Others -= start.Needs.Host.Highest.Value;
        }

        return shapes;
    }

    private Alike[] Stops(NodeId node) => !_stops.Contains(node) ? [] :
    [
        .. _stops[node].GroupBy(one => one.Stop, one => one.Frees)
            .Select(stop => new Alike(1, stop.Sum(frees => frees.Host.Value), [.. stop.Select(frees => frees.Requests).OfType<SchedulerRequests>()], [.. _waiting[stop.Key].Distinct()]))
            .Aggregate(new List<Alike>(), (kinds, one) =>
            {
                var at = kinds.FindIndex(kind => kind.Host == one.Host && kind.Requests.SequenceEqual(one.Requests, SameRequests.Comparer) && kind.Waiting.SequenceEqual(one.Waiting));
                if (at < 0) kinds.Add(one);
                else kinds[at] = kinds[at] with { Count = kinds[at].Count + 1 };
                return kinds;
            }),
    ];

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
