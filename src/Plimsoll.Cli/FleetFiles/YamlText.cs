using System.Text;
using Plimsoll.Cli.FleetFiles.Yaml;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>Reads the text of a file that a person wrote, within bounds.</summary>
internal static class YamlText
{
    /// <summary>Most bytes of one.</summary>
    public const int BytesMax = 1 << 20;

    /// <summary>Null where there is a problem, which is then among the others.</summary>
    public static string? Read(string path, Problems problems, string kind) => Read(path, problems, kind, [], out _);

    /// <summary>The same, of a file that is opened once, as a pipe can only be read once; nothing is read, and nothing is a problem, where it is of another kind.</summary>
    /// <param name="path">The file.</param>
    /// <param name="problems">Where a problem goes.</param>
    /// <param name="kind">What it should be.</param>
    /// <param name="other">What a file of the other kind begins with; empty for none.</param>
    /// <param name="isOther">Whether it does.</param>
    public static string? Read(string path, Problems problems, string kind, ReadOnlySpan<byte> other, out bool isOther)
    {
        var start = new Position(1, 1);
        isOther = false;
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            // Read rather than asked for: a pipe and a device have no length.
            var buffer = new byte[BytesMax + 1];
            var read = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            isOther = !other.IsEmpty && buffer.AsSpan(0, read).StartsWith(other);
            if (isOther) return null;
            if (read > BytesMax) problems.Add(start, "", $"larger than 1 MiB, the most a {kind} may have");
            else return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(buffer.AsSpan(0, read)).TrimStart('\uFEFF');
        }
        catch (ArgumentException)
        {
            problems.Add(start, "", "not a text in UTF-8");
        }
        catch (Exception e) when (e is FileNotFoundException or DirectoryNotFoundException)
        {
            problems.Add(start, "", "there is no such file");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            problems.Add(start, "", Directory.Exists(path) ? "this is a folder, not a file" : "cannot be read: " + Show.Text(e.Message, 200));
        }

        return null;
    }
}
