using System.IO.Compression;

namespace Plimsoll.Simulation.Traces;

/// <summary>
/// Lines of a text file, one at a time, none longer than a bound: a file without a line break must not fill the
/// memory. A byte-order mark, CRLF and a last line without a break are all fine;
/// a name that ends in .gz is unpacked.
/// </summary>
public static class BoundedLines
{
    public const int LongestLine = 4096;

    public const long MostLines = 50_000_000;

    /// <exception cref="TraceException">It cannot be read, or a bound is exceeded.</exception>
    public static IEnumerable<(long Number, string Text)> Read(string path, int longest = LongestLine)
    {
        ArgumentNullException.ThrowIfNull(path);
        using var reader = Open(path);
        var buffer = new char[16 * 1024];
        var line = new char[longest];
        var (length, number) = (0, 1L);
        while (Fill(path, reader, buffer) is var read and > 0)
        {
            for (var i = 0; i < read; i++)
            {
                if (buffer[i] == '\n')
                {
                    yield return (number, Text(line, length));
                    length = 0;
                    if (++number > MostLines) throw new TraceException(path, number, $"more than {MostLines:N0} lines; cut the file into parts");
                }
                else if (length == longest)
                {
                    throw new TraceException(path, number, $"the line is longer than {longest} characters; this is no trace");
                }
                else
                {
                    line[length++] = buffer[i];
                }
            }
        }

        if (length > 0) yield return (number, Text(line, length));
    }

    private static string Text(char[] line, int length) =>
        new(line, 0, length > 0 && line[length - 1] == '\r' ? length - 1 : length);

    private static int Fill(string path, StreamReader reader, char[] buffer)
    {
        try
        {
            return reader.Read(buffer, 0, buffer.Length);
        }
        catch (Exception problem) when (problem is IOException or InvalidDataException)
        {
            throw new TraceException(path, 0, $"cannot be read to its end ({problem.Message})");
        }
    }

    private static StreamReader Open(string path)
    {
        try
        {
            if (Directory.Exists(path)) throw new TraceException(path, 0, "is a folder; name the trace's file");
            return path.EndsWith(".gz", StringComparison.OrdinalIgnoreCase)
                ? new StreamReader(new GZipStream(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read), CompressionMode.Decompress))
                : new StreamReader(path);
        }
        catch (Exception problem) when (problem is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new TraceException(path, 0, "there is no such file");
        }
        catch (Exception problem) when (problem is IOException or UnauthorizedAccessException)
        {
            throw new TraceException(path, 0, $"cannot be read ({problem.Message})");
        }
    }
}

/// <summary>A trace that cannot be read; the message names the file and the line, what was found and what would do.</summary>
public sealed class TraceException(string path, long line, string what)
    : Exception(line > 0 ? $"{path}:{line}: {what}" : $"{path}: {what}");
