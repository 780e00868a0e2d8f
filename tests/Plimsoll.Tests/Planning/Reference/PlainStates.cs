namespace Plimsoll.Tests.Planning.Reference;

/// <summary>The reachable states of starts that another scheduler places, of one node at a time.</summary>
internal static class PlainStates
{
    // Beyond these, all starts are charged before any stop: an upper bound.
    private const int WaitingSetsMax = 10;

    /// <summary>
    /// Host memory overfilled in some state, or null. In a state some stops are done, and of the starts that may run then the
    /// scheduler has put here all that it could: those whose requests cover their needs take at most what it counts as free,
    /// the others may take their needs on top.
    /// </summary>
    public static string? FindViolation(
        NodeState node, Step.Start[] starts, ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> releases, long limit, long used)
    {
        if (starts.Length == 0 || node.Scheduler is not { } room || node.Condition != NodeCondition.Ready) return null;
        var waits = starts.Select(start => (Start: start, Stops: start.After
            .Where(after => releases[after].Any(release => release.Node == node.Id)).ToHashSet())).ToArray();
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
            var left = done.SelectMany(stop => releases[stop]).Aggregate(room, (free, one) => one.Frees.Requests is { } gone ? free.Without(gone) : free);
            var (covered, others) = (0L, 0L);
            foreach (var start in running.Where(start => Allowed(node, start) && left.Takes(start.Requests!)))
            {
                if (start.Requests!.Cover(start.Needs)) covered += start.Needs.Host.Highest.Value;
                else others += start.Needs.Host.Highest.Value;
            }

            if (covered + others == 0) continue;
            var worst = used - done.SelectMany(stop => releases[stop]).Sum(one => one.Frees.Host.Value) + others + Math.Min(covered, left.Memory.Value);
            if (worst > Math.Max(limit, used)) return $"host memory of {node.Id}: {worst} against {limit}";
        }

        return null;
    }

    private static bool Allowed(NodeState node, Step.Start start) =>
        start.Requests!.Pools.IsEmpty || start.Requests.Pools.Contains(node.Pool);
}
