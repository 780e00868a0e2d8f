using System.Globalization;

namespace Plimsoll.ModelServer;

/// <summary>This process's resident memory, now and at its highest, from the kernel's own account.</summary>
internal readonly record struct ProcessMemory(long ResidentBytes, long PeakBytes)
{
    public static ProcessMemory Read()
    {
        if (!OperatingSystem.IsLinux())
            return new ProcessMemory(Environment.WorkingSet, Environment.WorkingSet);
        var (resident, peak) = (0L, 0L);
        foreach (var line in File.ReadLines("/proc/self/status"))
        {
            if (line.StartsWith("VmRSS:", StringComparison.Ordinal))
                resident = Kilobytes(line);
            else if (line.StartsWith("VmHWM:", StringComparison.Ordinal))
                peak = Kilobytes(line);
        }

        return new ProcessMemory(resident, peak);
    }

    // "VmRSS:	   12345 kB"
    private static long Kilobytes(string line) =>
        1024 * long.Parse(line.AsSpan(6).Trim().TrimEnd("kB").Trim(), CultureInfo.InvariantCulture);
}
