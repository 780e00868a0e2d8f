using System.Globalization;

namespace Plimsoll.Gateway;

/// <summary>How many files and sockets this process may have open at once (RLIMIT_NOFILE), as Linux tells it.</summary>
internal static class DescriptorLimit
{
    // A limit that leaves less than this is no service at all, and better run into.
    private const long Least = 16;

    /// <summary>A number of connections, and no more than a share of the descriptors.</summary>
    public static long Bound(long connections, double share) => Bound(connections, share, Read());

    internal static long Bound(long connections, double share, long? limit) =>
        limit is { } most ? Math.Min(connections, Math.Max(Least, (long)(most * share))) : connections;

    // .NET raises the soft limit to the hard one when it starts.
    private static long? Read()
    {
        try
        {
            return Parse(File.ReadAllText("/proc/self/limits"));
        }
        catch (Exception none) when (none is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    // "Max open files            1048576              1048576              files"
    internal static long? Parse(string limits)
    {
        const string name = "Max open files";
        foreach (var line in limits.AsSpan().EnumerateLines())
        {
            if (!line.StartsWith(name, StringComparison.Ordinal)) continue;
            var values = line[name.Length..].TrimStart();
            var end = values.IndexOf(' ');
            return long.TryParse(end < 0 ? values : values[..end], NumberStyles.None, CultureInfo.InvariantCulture, out var soft) ? soft : null;
        }

        return null;
    }
}
