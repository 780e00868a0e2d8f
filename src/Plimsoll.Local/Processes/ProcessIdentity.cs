using System.Globalization;
using System.Text;

namespace Plimsoll.Local.Processes;

/// <summary>
/// Which process, beyond its number: pids are used again, but never with the same start time in the same boot.
/// </summary>
/// <param name="Pid">The process number.</param>
/// <param name="StartTicks">Clock ticks after boot at which it started (proc(5), stat field 22).</param>
/// <param name="BootId">The kernel's id of this boot.</param>
public sealed record ProcessIdentity(int Pid, long StartTicks, string BootId)
{
    private const int EnvironmentBytesMax = 2 * 1024 * 1024;

    /// <summary>The identity of the process that has this number now; null when none has.</summary>
    public static ProcessIdentity? Of(int pid) =>
        ProcessStat.Read(pid) is { } stat ? new ProcessIdentity(pid, stat.StartTicks, ThisBoot()) : null;

    /// <summary>True while this very process is there and is not a zombie.</summary>
    /// <exception cref="IOException">It cannot be looked at: no file descriptor is left.</exception>
    public bool IsAlive() =>
        ProcessStat.Read(Pid) is { IsZombie: false } stat && stat.StartTicks == StartTicks && ThisBoot() == BootId;

    /// <summary>The kernel's id of this boot; empty where it cannot be read.</summary>
    public static string ThisBoot() => ProcFile.TryRead("/proc/sys/kernel/random/boot_id")?.Trim() ?? "";

    /// <summary>
    /// A variable of the environment the process was started with; null when it has none of that name, or when it may
    /// not be read.
    /// </summary>
    public static string? EnvironmentOf(int pid, string name)
    {
        var bytes = ProcFile.TryReadBytes($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/environ", EnvironmentBytesMax);
        if (bytes is null) return null;
        var wanted = Encoding.UTF8.GetBytes(name + "=");
        foreach (var range in bytes.AsSpan().Split((byte)0))
        {
            var variable = bytes.AsSpan(range);
            if (variable.StartsWith(wanted)) return Encoding.UTF8.GetString(variable[wanted.Length..]);
        }

        return null;
    }

    /// <summary>
    /// Sends a signal to this very process and to no other that got its number since; false when it is gone.
    /// </summary>
    /// <exception cref="IOException">It cannot be reached: no file descriptor is left.</exception>
    public bool Signal(int signal)
    {
        var descriptor = Native.OpenProcess(Pid);
        if (descriptor < 0)
        {
            // No pidfd: the process is gone, or the kernel is old; then a look right before the signal must do.
            return IsAlive() && Native.Kill(Pid, signal) == 0;
        }

        try
        {
            return IsAlive() && Native.SignalProcess(descriptor, signal) == 0;
        }
        finally
        {
            _ = Native.Close(descriptor);
        }
    }
}

/// <summary>One line of /proc/PID/stat, as far as it is needed.</summary>
internal readonly record struct ProcessStat(int Pid, char State, int Parent, int Group, int Session, long StartTicks)
{
    public bool IsZombie => State is 'Z' or 'X' or 'x';

    /// <summary>By a signal, or by who traces it.</summary>
    public bool IsStopped => State is 'T' or 't';

    /// <summary>Null when it is gone.</summary>
    /// <exception cref="IOException">No file descriptor is left, and one that lives must not be taken for gone.</exception>
    public static ProcessStat? Read(int pid)
    {
        var text = ProcFile.Read($"/proc/{pid.ToString(CultureInfo.InvariantCulture)}/stat");
        return text is not null && TryParse(text, out var stat) ? stat : null;
    }

    /// <summary>The command name in parentheses may hold anything, parentheses too: fields count from the last one.</summary>
    public static bool TryParse(string text, out ProcessStat stat)
    {
        stat = default;
        var open = text.IndexOf('(', StringComparison.Ordinal);
        var close = text.LastIndexOf(')');
        if (open < 1 || close < open) return false;
        var fields = text[(close + 1)..].Split(' ', StringSplitOptions.RemoveEmptyEntries);
        if (fields.Length < 20
            || !int.TryParse(text.AsSpan(0, open).Trim(), CultureInfo.InvariantCulture, out var pid)
            || !int.TryParse(fields[1], CultureInfo.InvariantCulture, out var parent)
            || !int.TryParse(fields[2], CultureInfo.InvariantCulture, out var group)
            || !int.TryParse(fields[3], CultureInfo.InvariantCulture, out var session)
            || !long.TryParse(fields[19], CultureInfo.InvariantCulture, out var start))
            return false;
        stat = new ProcessStat(pid, fields[0][0], parent, group, session, start);
        return true;
    }
}

/// <summary>Reads the kernel's small files, which vanish with their process at any moment.</summary>
internal static class ProcFile
{
    private const int TextBytesMax = 256 * 1024;

    // errno, which an IOException brings as its code.
    private const int TooManyOpenHere = 24;
    private const int TooManyOpenAnywhere = 23;

    public static string? TryRead(string path) =>
        TryReadBytes(path, TextBytesMax) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;

    /// <summary>Null when it is not there or may not be read.</summary>
    /// <exception cref="IOException">No file descriptor is left, which says nothing of the file.</exception>
    public static string? Read(string path) => ReadBytes(path, TextBytesMax) is { } bytes ? Encoding.UTF8.GetString(bytes) : null;

    public static byte[]? TryReadBytes(string path, int max)
    {
        try
        {
            return ReadBytes(path, max);
        }
        catch (IOException)
        {
            return null;
        }
    }

    private static byte[]? ReadBytes(string path, int max)
    {
        try
        {
            using var file = File.OpenHandle(path);
            var buffer = new byte[4096];
            var length = 0;
            while (length < max)
            {
                if (length == buffer.Length) Array.Resize(ref buffer, Math.Min(buffer.Length * 4, max));
                var read = RandomAccess.Read(file, buffer.AsSpan(length), length);
                if (read == 0) break;
                length += read;
            }

            return buffer[..length];
        }
        catch (Exception e) when ((e is IOException && e.HResult is not (TooManyOpenHere or TooManyOpenAnywhere)) || e is UnauthorizedAccessException or NotSupportedException)
        {
            return null;
        }
    }

    /// <summary>A file that holds one number; null where there is none, or it says "max".</summary>
    public static long? TryReadNumber(string path) =>
        long.TryParse(TryRead(path)?.Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out var value) ? value : null;

    public static bool TryWrite(string path, string text)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite, 0);
            file.Write(Encoding.ASCII.GetBytes(text));
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NotSupportedException)
        {
            return false;
        }
    }
}
