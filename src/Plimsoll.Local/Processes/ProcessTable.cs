using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Local.Processes;

/// <summary>All processes of the machine at one moment, as far as /proc shows them.</summary>
internal sealed class ProcessTable
{
    private readonly Dictionary<int, ProcessStat> _byPid;
    private readonly ILookup<int, int> _children;
    private readonly ILookup<int, int> _sessions;

    private ProcessTable(Dictionary<int, ProcessStat> byPid)
    {
        _byPid = byPid;
        _children = byPid.Values.ToLookup(stat => stat.Parent, stat => stat.Pid);
        _sessions = byPid.Values.ToLookup(stat => stat.Session, stat => stat.Pid);
    }

    public IEnumerable<int> Pids => _byPid.Keys;

    /// <summary>A look at /proc.</summary>
    /// <exception cref="IOException">It cannot be looked at: no file descriptor is left.</exception>
    public static ProcessTable Read()
    {
        var byPid = new Dictionary<int, ProcessStat>();
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid)
                && ProcessStat.Read(pid) is { IsZombie: false } stat)
                byPid[pid] = stat;
        }

        return new ProcessTable(byPid);
    }

    public ProcessIdentity? Identity(int pid, string bootId) =>
        _byPid.TryGetValue(pid, out var stat) ? new ProcessIdentity(pid, stat.StartTicks, bootId) : null;

    /// <summary>
    /// A leader and everything that came from it: its session, its descendants, and those in its cgroup where it has
    /// one (a daemon that left its session is found only there). Ordered by pid. Empty when nothing is left.
    /// </summary>
    public ImmutableArray<ProcessIdentity> TreeOf(ProcessIdentity leader, IEnumerable<int> inCgroup)
    {
        var found = new SortedSet<int>();
        var open = new Stack<int>();
        // The leader's number says nothing once somebody else has it; its session's members keep it from being reused.
        if (!_byPid.TryGetValue(leader.Pid, out var stat) || stat.StartTicks == leader.StartTicks)
        {
            open.Push(leader.Pid);
            foreach (var member in _sessions[leader.Pid]) open.Push(member);
        }

        foreach (var member in inCgroup) open.Push(member);
        while (open.TryPop(out var pid))
        {
            if (!_byPid.ContainsKey(pid) && pid != leader.Pid) continue;
            if (!found.Add(pid)) continue;
            foreach (var child in _children[pid]) open.Push(child);
        }

        return [.. found.Select(pid => Identity(pid, leader.BootId)).OfType<ProcessIdentity>()];
    }
}
