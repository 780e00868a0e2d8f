using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Soak;

/// <summary>One process of a fleet's replica.</summary>
/// <param name="Pid">Its number.</param>
/// <param name="Replica">The replica it was started for.</param>
public readonly record struct FleetProcess(int Pid, string Replica);

/// <summary>
/// Which processes belong to a fleet's replicas, seen from outside: those whose environment says so, and everything they
/// started. Nothing is taken from what the controller believes or has written down.
/// </summary>
public static class FleetProcesses
{
    /// <param name="stateFolder">The fleet's state folder.</param>
    public static ImmutableArray<FleetProcess> Of(string stateFolder)
    {
        var suffix = "@" + Path.GetFullPath(stateFolder);
        var found = new SortedDictionary<int, string>();
        var children = new List<(int Pid, int Parent)>();
        foreach (var pid in KernelFiles.Pids())
        {
            if (KernelFiles.Text(pid, "environ") is { } environment && Variable(environment, "PLIMSOLL_FLEET=") is { } fleet
                && fleet.EndsWith(suffix, StringComparison.Ordinal))
                found[pid] = Variable(environment, "PLIMSOLL_REPLICA=") ?? "?";
            else if (ParentOf(pid) is { } parent)
                children.Add((pid, parent));
        }

        // A child that cleared its environment is its parent's still.
        for (var before = -1; before != found.Count;)
        {
            before = found.Count;
            foreach (var (pid, parent) in children)
            {
                if (found.TryGetValue(parent, out var replica)) found.TryAdd(pid, replica);
            }
        }

        return [.. found.Select(pair => new FleetProcess(pair.Key, pair.Value))];
    }

    private static string? Variable(string environment, string prefix)
    {
        var at = environment.StartsWith(prefix, StringComparison.Ordinal) ? 0
            : environment.IndexOf('\0' + prefix, StringComparison.Ordinal) is var inside and >= 0 ? inside + 1 : -1;
        if (at < 0) return null;
        at += prefix.Length;
        var end = environment.IndexOf('\0', at);
        return end < 0 ? environment[at..] : environment[at..end];
    }

    // "pid (name) state ppid ...": the name may hold anything, so the last bracket counts.
    private static int? ParentOf(int pid)
    {
        if (KernelFiles.Text(pid, "stat") is not { } stat) return null;
        var fields = stat[(stat.LastIndexOf(')') + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        return fields.Length > 1 && int.TryParse(fields[1], CultureInfo.InvariantCulture, out var parent) ? parent : null;
    }
}
