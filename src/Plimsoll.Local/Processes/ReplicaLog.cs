using System.Text;

namespace Plimsoll.Local.Processes;

/// <summary>
/// A replica's output, bounded on disk. The process itself appends to the file: a pipe through us would break it when
/// we die, and a helper between the two would be one more process per replica. So the file is kept short from
/// outside: past the bound its head is given back to the file system (a hole; the writer appends on, undisturbed), and
/// where the file system knows no holes it is cut to nothing. Between two looks, and while no controller runs, it
/// may be longer.
/// </summary>
internal static class ReplicaLog
{
    /// <summary>Disk a log may take.</summary>
    public const long BytesMax = 4 * 1024 * 1024;

    /// <summary>What is kept of a log when it is cut, and of a replica that ended.</summary>
    public const long BytesKept = 256 * 1024;

    private const int LinesQuoted = 8;
    private const int LineLengthMax = 300;
    private const int TailBytes = 16 * 1024;
    private const long Page = 4096;

    /// <summary>Gives the head back when the log grew past the bound since the last cut.</summary>
    /// <returns>Where the kept part begins, to be handed in next time.</returns>
    public static long Trim(string path, long keptFrom)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete, 0);
            var length = file.Length;
            if (length < keptFrom) keptFrom = 0;
            if (length - keptFrom <= BytesMax) return keptFrom;
            var head = (length - BytesKept) / Page * Page;
            var descriptor = (int)file.SafeFileHandle.DangerousGetHandle();
            if (Native.Allocate(descriptor, Native.PunchHoleKeepSize, 0, head) == 0) return head;
            file.SetLength(0);
            return 0;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return keptFrom;
        }
    }

    /// <summary>Leaves the end of an ended replica's log as a file of ordinary length.</summary>
    public static void Close(string path)
    {
        try
        {
            var tail = ReadEnd(path, BytesKept);
            if (tail.Length == 0) File.Delete(path);
            else if (new FileInfo(path).Length > tail.Length) File.WriteAllBytes(path, tail);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // The log is a courtesy; the replica's end is reported without it.
        }
    }

    /// <summary>The last lines, for people: control characters gone, long lines cut; empty when there are none.</summary>
    /// <param name="path">The log.</param>
    /// <param name="from">Where what matters begins.</param>
    public static string Tail(string path, long from = 0)
    {
        try
        {
            var length = LengthOf(path);
            // A log that was cut since holds nothing of before.
            var text = Encoding.UTF8.GetString(ReadEnd(path, Math.Min(TailBytes, from > length ? length : length - from))).Replace('\r', '\n');
            var lines = text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
                .Select(Printable).Where(line => line.Length > 0).TakeLast(LinesQuoted);
            return string.Join('\n', lines);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }

    /// <summary>How long a log is; zero where there is none.</summary>
    public static long LengthOf(string path) => new FileInfo(path) is { Exists: true } file ? file.Length : 0;

    /// <summary>Deletes the oldest logs in a folder that nobody writes any more, beyond a number.</summary>
    public static void Prune(string folder, int keep, IReadOnlySet<string> inUse)
    {
        try
        {
            var ended = new DirectoryInfo(folder).GetFiles("*.log")
                .Where(file => !inUse.Contains(file.FullName))
                .OrderByDescending(file => file.LastWriteTimeUtc).ThenBy(file => file.Name, StringComparer.Ordinal);
            foreach (var file in ended.Skip(keep)) file.Delete();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // When the next one ends.
        }
    }

    private static byte[] ReadEnd(string path, long bytes)
    {
        using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 0);
        var from = Math.Max(0, file.Length - bytes);
        file.Position = from;
        var buffer = new byte[file.Length - from];
        return buffer[..file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false)];
    }

    private static string Printable(string line)
    {
        var clean = new StringBuilder(Math.Min(line.Length, LineLengthMax));
        foreach (var c in line)
        {
            if (clean.Length == LineLengthMax)
            {
                clean.Append('…');
                break;
            }

            if (!char.IsControl(c)) clean.Append(c);
        }

        return clean.ToString();
    }
}
