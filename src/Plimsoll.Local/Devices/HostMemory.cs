using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Devices;

/// <summary>Memory of the machine or container.</summary>
/// <param name="Total">What there is at the most: the machine's, or the tightest cgroup limit above us.</param>
/// <param name="Available">
/// What could be had now without swapping, by the tightest of the machine and those cgroups; files in the page cache
/// that the kernel may drop count as available.
/// </param>
internal sealed record HostMemory(Bytes Total, Bytes Available)
{
    /// <summary>Null when /proc/meminfo cannot be read.</summary>
    public static HostMemory? Read(MemoryCgroup? cgroup) =>
        ParseMemInfo(ProcFile.TryRead("/proc/meminfo")) is { } machine ? machine.Within(cgroup) : null;

    internal static HostMemory? ParseMemInfo(string? text) =>
        ProcessMemory.KiloBytes(text, "MemTotal:") is { } total && ProcessMemory.KiloBytes(text, "MemAvailable:") is { } available
            ? new HostMemory(total, available) : null;

    internal HostMemory Within(MemoryCgroup? cgroup)
    {
        var (total, available) = (Total, Available);
        foreach (var level in cgroup?.UpToRoot() ?? [])
        {
            if (level.Limit is not { } limit) continue;
            total = Bytes.Min(total, limit);
            if (level.UsageNow is { } usage)
                available = Bytes.Min(available, limit - usage + (level.Reclaimable ?? Bytes.Zero));
        }

        return new HostMemory(total, Bytes.Max(Bytes.Zero, Bytes.Min(available, total)));
    }

    /// <summary>
    /// What others hold: all that is not available and not ours. Ours is counted without file pages, as the kernel
    /// does when it says what is available.
    /// </summary>
    public Bytes Foreign(Bytes oursUnreclaimable) =>
        Bytes.Max(Bytes.Zero, Total - Available - oursUnreclaimable);
}
