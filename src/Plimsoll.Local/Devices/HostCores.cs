using System.Globalization;
using Plimsoll.Local.Processes;

namespace Plimsoll.Local.Devices;

/// <summary>Processor cores this process may use: its affinity, and the cgroup's quota where there is one.</summary>
internal static class HostCores
{
    public static Cores Detect()
    {
        var affinity = CountList(Field(ProcFile.TryRead("/proc/self/status"), "Cpus_allowed_list:"));
        var cores = Cores.Of(affinity > 0 ? affinity : Environment.ProcessorCount);
        // .NET reads affinity and quota too, but rounds the quota up to whole cores.
        return Quota("/sys/fs/cgroup", ProcFile.TryRead("/proc/self/cgroup")) is { } quota && quota < cores ? quota : cores;
    }

    /// <summary>How many a kernel list names: "0-3,8" is five; 0 when it cannot be read.</summary>
    internal static int CountList(string? list)
    {
        var count = 0;
        foreach (var part in (list ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            var ends = part.Split('-');
            if (!int.TryParse(ends[0], CultureInfo.InvariantCulture, out var first)
                || !int.TryParse(ends[^1], CultureInfo.InvariantCulture, out var last) || last < first)
                return 0;
            count += last - first + 1;
        }

        return count;
    }

    /// <summary>The tightest quota from our cgroup up to the root: a slice or a pod above us may be the one that has it.</summary>
    /// <param name="mount">Where the cgroups are mounted.</param>
    /// <param name="own">What the kernel says of our membership, "0::/a/b".</param>
    internal static Cores? Quota(string mount, string? own)
    {
        Cores? tightest = null;
        for (var path = (Field(own, "0::") ?? "").TrimEnd('/'); ; path = path[..path.LastIndexOf('/')])
        {
            if (ParseMax(ProcFile.TryRead(mount + path + "/cpu.max")) is { } quota && (tightest is not { } least || quota < least)) tightest = quota;
            if (!path.Contains('/', StringComparison.Ordinal)) break;
        }

        return tightest ?? OfQuota(
            ProcFile.TryReadNumber(mount + "/cpu/cpu.cfs_quota_us"), ProcFile.TryReadNumber(mount + "/cpu/cpu.cfs_period_us"));
    }

    /// <summary>"150000 100000" is a core and a half; "max 100000" is none set.</summary>
    internal static Cores? ParseMax(string? text)
    {
        var parts = text?.Trim().Split(' ');
        return parts is { Length: 2 }
            && long.TryParse(parts[0], CultureInfo.InvariantCulture, out var quota)
            && long.TryParse(parts[1], CultureInfo.InvariantCulture, out var period) ? OfQuota(quota, period) : null;
    }

    private static Cores? OfQuota(long? quota, long? period) =>
        quota > 0 && period > 0 ? Cores.Of((double)quota.Value / period.Value) : null;

    private static string? Field(string? text, string name)
    {
        foreach (var line in (text ?? "").Split('\n'))
        {
            if (line.StartsWith(name, StringComparison.Ordinal)) return line[name.Length..].Trim();
        }

        return null;
    }
}
