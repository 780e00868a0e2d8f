using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll.Local.Processes;

/// <summary>
/// A cgroup of the memory controller, version 1 or 2. A fleet makes one below its own and one in that per replica,
/// where it may; it is where every process of a replica is found whatever it forks, and the only true peak of several
/// processes together. Its page cache counts in, so a peak of it is an upper bound.
/// </summary>
/// <param name="Folder">Its folder in the cgroup file system.</param>
/// <param name="Version">1 or 2.</param>
internal sealed record MemoryCgroup(string Folder, int Version)
{
    // Below the cgroup that the controller was started in, where version 2 has it go: see TryMakeChild.
    private const string OwnLeaf = "plimsoll-controller";

    /// <summary>Where this process is, among the memory controllers mounted; null where there is none.</summary>
    public static MemoryCgroup? OfThisProcess()
    {
        if (ProcFile.TryRead("/proc/self/cgroup") is not { } own || ProcFile.TryRead("/proc/self/mounts") is not { } mounts)
            return null;
        return Locate(own, mounts, Directory.Exists);
    }

    /// <summary>From the texts of /proc/self/cgroup and /proc/self/mounts.</summary>
    internal static MemoryCgroup? Locate(string own, string mounts, Func<string, bool> exists)
    {
        foreach (var line in mounts.Split('\n'))
        {
            var fields = line.Split(' ');
            if (fields.Length < 4) continue;
            var version = fields[2] == "cgroup2" ? 2
                : fields[2] == "cgroup" && fields[3].Split(',').Contains("memory") ? 1 : 0;
            if (version == 0 || PathIn(own, version) is not { } path) continue;
            // In a container the mount's root is our own cgroup and the path is the host's: then the root it is.
            var folder = (fields[1] + path).TrimEnd('/');
            if (version == 2 && Path.GetFileName(folder) == OwnLeaf) folder = Path.GetDirectoryName(folder)!;
            var found = new MemoryCgroup(exists(folder) ? folder : fields[1], version);
            if (version == 1 || exists(Path.Combine(found.Folder, "memory.stat")) || HasMemory(found.Folder)) return found;
        }

        return null;
    }

    private static bool HasMemory(string folder) =>
        ProcFile.TryRead(Path.Combine(folder, "cgroup.controllers"))?.Split(' ', '\n').Contains("memory") == true;

    private static string? PathIn(string own, int version)
    {
        foreach (var line in own.Split('\n'))
        {
            var parts = line.Split(':', 3);
            if (parts.Length == 3 && (version == 2 ? parts is ["0", "", _] : parts[1].Split(',').Contains("memory")))
                return parts[2] == "/" ? "" : parts[2];
        }

        return null;
    }

    /// <summary>Makes a child that counts memory; null where this user or this hierarchy does not allow it.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="mayMove">Whether this process may go into a child of its own for that, which version 2 wants: a cgroup has
    /// processes, or children whose memory is counted. It goes where no other process is in this cgroup.</param>
    public MemoryCgroup? TryMakeChild(string name, bool mayMove = false)
    {
        var child = this with { Folder = Path.Combine(Folder, name) };
        try
        {
            if (Version == 2 && !TryCountChildren() && mayMove && TryMoveAside()) TryCountChildren();
            Directory.CreateDirectory(child.Folder);
            if (Version == 1) ProcFile.TryWrite(Path.Combine(child.Folder, "memory.use_hierarchy"), "1");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }

        if (child.UsageNow is not null) return child;
        child.TryRemove();
        return null;
    }

    private bool TryCountChildren() => ProcFile.TryWrite(Path.Combine(Folder, "cgroup.subtree_control"), "+memory");

    private bool TryMoveAside()
    {
        if (Pids() is not [var only] || only != Environment.ProcessId) return false;
        var leaf = this with { Folder = Path.Combine(Folder, OwnLeaf) };
        Directory.CreateDirectory(leaf.Folder);
        return leaf.TryAdd(only);
    }

    /// <summary>Moves a process in; what it forks from then on is in here too.</summary>
    public bool TryAdd(int pid) =>
        ProcFile.TryWrite(Path.Combine(Folder, "cgroup.procs"), pid.ToString(CultureInfo.InvariantCulture));

    /// <summary>Has the kernel allow it no more than this; null lifts a limit.</summary>
    public bool TryLimit(Bytes? limit) => ProcFile.TryWrite(
        Path.Combine(Folder, Version == 2 ? "memory.max" : "memory.limit_in_bytes"),
        limit?.Value.ToString(CultureInfo.InvariantCulture) ?? (Version == 2 ? "max" : "-1"));

    public ImmutableArray<int> Pids()
    {
        var text = ProcFile.TryRead(Path.Combine(Folder, "cgroup.procs"));
        if (text is null) return [];
        return [.. text.Split('\n', StringSplitOptions.RemoveEmptyEntries)
            .Select(line => int.TryParse(line, CultureInfo.InvariantCulture, out var pid) ? pid : 0).Where(pid => pid > 0)];
    }

    /// <summary>Everything charged now, page cache included.</summary>
    public Bytes? UsageNow => Number(Version == 2 ? "memory.current" : "memory.usage_in_bytes");

    /// <summary>The highest it ever was, page cache included.</summary>
    public Bytes? Peak => Number(Version == 2 ? "memory.peak" : "memory.max_usage_in_bytes");

    /// <summary>The limit; null when there is none.</summary>
    public Bytes? Limit =>
        // Version 1 writes "no limit" as the largest page-aligned number.
        Number(Version == 2 ? "memory.max" : "memory.limit_in_bytes") is { } limit && limit < Bytes.GiB(1L << 32) ? limit : null;

    /// <summary>File pages in it that the kernel drops when memory is wanted.</summary>
    public Bytes? Reclaimable
    {
        get
        {
            if (ProcFile.TryRead(Path.Combine(Folder, "memory.stat")) is not { } stat) return null;
            var prefix = Version == 2 ? "" : "total_";
            return StatField(stat, prefix + "inactive_file") is { } inactive && StatField(stat, prefix + "active_file") is { } active
                ? inactive + active : null;
        }
    }

    /// <summary>This one and those above it, up to the hierarchy's root: a limit anywhere binds.</summary>
    public IEnumerable<MemoryCgroup> UpToRoot()
    {
        for (var folder = Folder; folder is { Length: > 1 }; folder = Path.GetDirectoryName(folder))
        {
            if (!File.Exists(Path.Combine(folder, "cgroup.procs"))) yield break;
            yield return this with { Folder = folder };
        }
    }

    /// <summary>Removes it when nothing is in it any more.</summary>
    public bool TryRemove()
    {
        try
        {
            // Its files cannot be deleted and go with it, hence not recursive.
            Directory.Delete(Folder, recursive: false);
            return true;
        }
        catch (DirectoryNotFoundException)
        {
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Removes children that a killed controller could not; those with processes in them stay.</summary>
    public void RemoveEmptyChildren()
    {
        foreach (var child in Directory.EnumerateDirectories(Folder)) new MemoryCgroup(child, Version).TryRemove();
    }

    private Bytes? Number(string file) =>
        ProcFile.TryReadNumber(Path.Combine(Folder, file)) is { } value ? new Bytes(value) : null;

    internal static Bytes? StatField(string stat, string field)
    {
        foreach (var line in stat.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(field, StringComparison.Ordinal) && line.Length > field.Length && line[field.Length] == ' ')
                return long.TryParse(line[(field.Length + 1)..], CultureInfo.InvariantCulture, out var value) ? new Bytes(value) : null;
        }

        return null;
    }
}
