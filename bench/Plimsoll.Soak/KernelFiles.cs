using System.Globalization;
using System.Text;

namespace Plimsoll.Soak;

/// <summary>
/// Files of /proc, read on our own and not with the fleet's code, which is what is being checked. Null for a process
/// that has ended.
/// </summary>
internal static class KernelFiles
{
    public static string? Text(string path)
    {
        try
        {
            return File.ReadAllText(path, Encoding.Latin1);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public static string? Text(int pid, string file) => Text($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/{file}");

    /// <summary>A line "Name:   123 kB", in bytes; 0 where the kernel does not write it.</summary>
    public static long Field(string text, string name)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(name, StringComparison.Ordinal)) continue;
            var value = line[name.Length..].Trim();
            if (value.EndsWith("kB", StringComparison.Ordinal)) value = value[..^2].Trim();
            return long.TryParse(value, CultureInfo.InvariantCulture, out var kilobytes) ? kilobytes * 1024 : 0;
        }

        return 0;
    }

    public static IEnumerable<int> Pids()
    {
        foreach (var folder in Directory.EnumerateDirectories("/proc"))
        {
            if (int.TryParse(Path.GetFileName(folder), CultureInfo.InvariantCulture, out var pid)) yield return pid;
        }
    }
}
