namespace Plimsoll;

/// <summary>Where a gang finds room, all of it or none, and which of several comes first.</summary>
internal static class GangRoom
{
    /// <summary>Higher priority first, of equals who waits for longest.</summary>
    public static readonly Comparer<TrainingSpec> ByRank = Comparer<TrainingSpec>.Create((a, b) =>
        b.Priority.CompareTo(a.Priority) is var priority and not 0 ? priority
        : a.SubmittedAt.CompareTo(b.SubmittedAt) is var submitted and not 0 ? submitted : a.Id.CompareTo(b.Id));

    /// <summary>Members that there would be places for were the nodes empty, as far as they are asked for.</summary>
    public static int Places(IEnumerable<NodeState> nodes, TrainingSpec job)
    {
        var (needs, places) = (job.NeedsPerMember, 0L);
        foreach (var node in nodes)
        {
            if (!job.MayRunIn(node.Pool)) continue;
            long here = job.GangSize;
            if (needs.Host.Highest > Bytes.Zero) here = Math.Min(here, Bytes.Min(node.HostMemory, node.HostMemoryBudget).Value / needs.Host.Highest.Value);
            if (needs.Cores.Milli > 0) here = Math.Min(here, node.Cores.Milli / needs.Cores.Milli);
            if (needs.Devices > 0)
            {
                var each = Math.Max(1, needs.PerDevice?.Highest.Value ?? 0);
                here = Math.Min(here, node.Devices.Where(device => (job.DeviceKind is null || device.Kind == job.DeviceKind) && (job.Requests is null || device.Resource == job.Requests.Resource))
                    .Sum(device => Math.Min(device is { Resource: not null, Shared: false } ? 1 : job.GangSize, device.MemoryBudget.Value / each)) / needs.Devices);
            }

            if ((places += here) >= job.GangSize) return job.GangSize;
        }

        return (int)places;
    }

    /// <summary>Members that find room on a node beside all that is planned, as far as they are asked for.</summary>
    /// <param name="ledger">The node.</param>
    /// <param name="job">The job.</param>
    /// <param name="now">Without waiting for any stop; else some may find room once others have stopped.</param>
    public static int Takes(NodeLedger ledger, TrainingSpec job, bool now = false)
    {
        if (!ledger.FitsAfter(job.NeedsPerMember, job.DeviceKind, [])) return 0;
        var most = job.Requests is { } requests ? Math.Min(job.GangSize, ledger.SchedulerAfter?.Slots(requests) ?? 0) : job.GangSize;
        var copy = ledger.Copy();
        var members = 0;
        while (members < most && (now ? copy.ReserveNow(job.NeedsPerMember, job.DeviceKind) : copy.TryReserve(job.NeedsPerMember, job.DeviceKind) is not null)) members++;
        return members;
    }

    /// <summary>
    /// Nodes for all members: the first that takes them all, else as few as will do, as members on one node are the nearest to one
    /// another; those that need wait for no stop where they do for all. Null where there is no room for all.
    /// </summary>
    /// <param name="nodes">In order of preference.</param>
    /// <param name="job">The job.</param>
    /// <param name="places">Members that there is room for.</param>
    public static (NodeLedger Ledger, int Members)[]? Over(IReadOnlyList<NodeLedger> nodes, TrainingSpec job, out int places)
    {
        if (nodes.Any(ledger => ledger.HasStops) && Over(nodes, job, now: true, out places) is { } free) return free;
        return Over(nodes, job, now: false, out places);
    }

    private static (NodeLedger Ledger, int Members)[]? Over(IReadOnlyList<NodeLedger> nodes, TrainingSpec job, bool now, out int places)
    {
        places = 0;
        var rooms = new List<(NodeLedger Ledger, int Members)>();
        foreach (var ledger in nodes)
        {
            var members = Takes(ledger, job, now);
            places += members;
            if (members == job.GangSize) return [(ledger, members)];
            if (members > 0) rooms.Add((ledger, members));
        }

        return Fewest(rooms, job.GangSize);
    }

    private static (NodeLedger Ledger, int Members)[]? Fewest(IEnumerable<(NodeLedger Ledger, int Members)> rooms, int members)
    {
        var chosen = new List<(NodeLedger, int)>();
        foreach (var (ledger, room) in rooms.OrderByDescending(one => one.Members))
        {
            if (members == 0) break;
            var here = Math.Min(room, members);
            chosen.Add((ledger, here));
            members -= here;
        }

        return members == 0 ? [.. chosen] : null;
    }
}
