using System.Collections.Immutable;

namespace Plimsoll.Local.Processes;

/// <summary>A process that the fleet started, with all that came from it. Its members change only under the fleet's lock.</summary>
/// <param name="leader">The one that was spawned; it leads a session.</param>
/// <param name="cgroup">Its memory cgroup; null when it has none.</param>
/// <param name="ownChild">True for our own child, whose end we are told; false for an adopted one, which we must look after.</param>
internal class OwnProcess(ProcessIdentity leader, MemoryCgroup? cgroup, bool ownChild)
{
    // Whom a signal did not reach for want of a file descriptor.
    private (int Signal, ImmutableArray<ProcessIdentity> To) _owed = (0, []);

    public ProcessIdentity Leader { get; } = leader;

    /// <summary>Its processes as last seen, the leader first where it lives.</summary>
    public ImmutableArray<ProcessIdentity> Members { get; set; } = [leader];

    /// <summary>How its leader ended; null while it lives.</summary>
    public ProcessExit? Exit { get; set; }

    /// <summary>Set when it was told to end: when it is killed if it has not.</summary>
    public DateTimeOffset? KillAt { get; set; }

    /// <summary>Where the kept part of its log begins.</summary>
    public long LogKeptFrom { get; set; }

    /// <summary>Finds all its processes, and moves those into its cgroup that were forked before it was in there.</summary>
    public void Gather(ProcessTable table)
    {
        var inside = CgroupPids();
        Members = table.TreeOf(Leader, inside);
        if (cgroup is null) return;
        foreach (var member in Members)
        {
            if (!inside.Contains(member.Pid)) cgroup.TryAdd(member.Pid);
        }
    }

    /// <summary>How its leader ended; null while it runs.</summary>
    public ProcessExit? Look()
    {
        if (ownChild) return ChildProcess.TryReap(Leader.Pid);
        try
        {
            return Leader.IsAlive() ? null : ProcessExit.Unknown;
        }
        catch (IOException)
        {
            // Nobody can say now.
            return null;
        }
    }

    /// <summary>Signals all that came from it; whom that does not reach for want of a file descriptor, <see cref="SignalOwed"/> does.</summary>
    public void Signal(int signal)
    {
        try
        {
            Members = ProcessTable.Read().TreeOf(Leader, CgroupPids());
        }
        catch (IOException)
        {
            // Those that were seen last.
        }

        Send(signal, Members);
    }

    /// <summary>Signals those that the last signal did not reach, and no other: a second SIGTERM has some trainers stop writing.</summary>
    public void SignalOwed()
    {
        if (!_owed.To.IsEmpty) Send(_owed.Signal, _owed.To);
    }

    private void Send(int signal, ImmutableArray<ProcessIdentity> to)
    {
        var unreached = ImmutableArray.CreateBuilder<ProcessIdentity>();
        foreach (var process in to)
        {
            try
            {
                process.Signal(signal);
            }
            catch (IOException)
            {
                unreached.Add(process);
            }
        }

        _owed = (signal, unreached.ToImmutable());
    }

    /// <summary>What its leader left behind.</summary>
    /// <param name="byToken">Processes that have its token, whoever their parents are.</param>
    /// <param name="table">All processes.</param>
    /// <param name="bootId">This boot.</param>
    public List<ProcessIdentity> Remains(IEnumerable<ProcessIdentity> byToken, ProcessTable table, string bootId) =>
        [.. byToken.Concat(CgroupPids().Select(pid => table.Identity(pid, bootId)).OfType<ProcessIdentity>())
            .Concat(Members.Where(member => member != Leader && member.IsAlive())).Distinct()];

    private ImmutableArray<int> CgroupPids() => cgroup?.Pids() ?? [];
}
