namespace Plimsoll.Tests.Planning.Reference;

/// <summary>The reachable states of starts that another scheduler places, of one node at a time: each set of its stops by itself.</summary>
internal static class PlainStates
{
    /// <summary>
    /// Host memory overfilled in some state, or null. In a state some stops are done, and of the starts that may run then the
    /// scheduler has put here all that it could: those whose requests cover their needs take at most what it counts as free,
    /// the others may take their needs on top.
    /// </summary>
    public static string? FindViolation(
        NodeState node, Step.Start[] starts, ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> releases, long limit, long used)
    {
        if (starts.Length == 0 || node.Scheduler is not { } room || node.Condition != NodeCondition.Ready) return null;
        StepId[] stops = [.. releases.Where(stop => stop.Any(release => release.Node == node.Id)).Select(stop => stop.Key)];
        for (var mask = 0; mask < 1 << stops.Length; mask++)
        {
            var done = stops.Where((_, i) => (mask & (1 << i)) != 0).ToHashSet();
            var running = starts.Where(start => start.After.All(after => done.Contains(after) || !stops.Contains(after)));
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
