using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Local.Processes;

/// <summary>
/// What processes hold of the machine's memory. One process is measured by its resident set, which its high-water
/// mark belongs to; of several, shared pages would count more than once, so their proportional shares are added up.
/// </summary>
internal static class ProcessMemory
{
    private static readonly long PageBytes = Environment.SystemPageSize;

    /// <summary>Resident memory of all of them now; null when none could be read.</summary>
    public static Bytes? InUse(ImmutableArray<ProcessIdentity> processes) =>
        processes.Length > 1 ? Sum(processes, process => Proportional(process.Pid) ?? Resident(process.Pid))
        : processes.Length == 1 ? Resident(processes[0].Pid)
        : null;

    /// <summary>The same, cheap enough for twenty looks a second: resident sets, shared pages counted each time.</summary>
    public static Bytes? InUseQuick(ImmutableArray<ProcessIdentity> processes) =>
        Sum(processes, process => Resident(process.Pid));

    /// <summary>
    /// The part of it that is no file's page: what the kernel cannot drop, and so does not count as available.
    /// </summary>
    public static Bytes? Unreclaimable(ImmutableArray<ProcessIdentity> processes) =>
        Sum(processes, process => ReadStatm(process.Pid) is var (resident, shared) ? new Bytes(resident - shared) : null);

    /// <summary>Sum of the highest resident sets since start or since <see cref="ResetHighWater"/>.</summary>
    public static Bytes? HighWater(ImmutableArray<ProcessIdentity> processes) =>
        Sum(processes, process => StatusField(process.Pid, "VmHWM:"));

    /// <summary>Lets the high-water marks begin anew at what is resident now; false where the kernel refuses.</summary>
    public static bool ResetHighWater(ImmutableArray<ProcessIdentity> processes)
    {
        var all = processes.Length > 0;
        foreach (var process in processes) all &= ProcFile.TryWrite(PathOf(process.Pid, "clear_refs"), "5");
        return all;
    }

    public static Bytes? Resident(int pid) => ReadStatm(pid) is var (resident, _) ? new Bytes(resident) : null;

    private static Bytes? Proportional(int pid) =>
        KiloBytes(ProcFile.TryRead(PathOf(pid, "smaps_rollup")), "Pss:");

    private static Bytes? StatusField(int pid, string field) => KiloBytes(ProcFile.TryRead(PathOf(pid, "status")), field);

    private static (long Resident, long Shared)? ReadStatm(int pid)
    {
        var fields = ProcFile.TryRead(PathOf(pid, "statm"))?.Split(' ');
        return fields is { Length: >= 3 }
            && long.TryParse(fields[1], CultureInfo.InvariantCulture, out var resident)
            && long.TryParse(fields[2], CultureInfo.InvariantCulture, out var shared)
            ? (resident * PageBytes, shared * PageBytes)
            : null;
    }

    /// <summary>A line "Name:   123 kB" of a kernel file.</summary>
    internal static Bytes? KiloBytes(string? text, string field)
    {
        if (text is null) return null;
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(field, StringComparison.Ordinal)) continue;
            var value = line[field.Length..].Trim();
            if (value.EndsWith("kB", StringComparison.Ordinal)) value = value[..^2].Trim();
            return long.TryParse(value, CultureInfo.InvariantCulture, out var kilo) ? new Bytes(kilo * 1024) : null;
        }

        return null;
    }

    // A process that ended between listing and reading holds nothing any more; none readable at all is "unknown".
    private static Bytes? Sum(ImmutableArray<ProcessIdentity> processes, Func<ProcessIdentity, Bytes?> read)
    {
        Bytes? sum = null;
        foreach (var process in processes)
        {
            if (read(process) is { } one) sum = (sum ?? Bytes.Zero) + one;
        }

        return sum;
    }

    private static string PathOf(int pid, string file) => $"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/{file}";
}
