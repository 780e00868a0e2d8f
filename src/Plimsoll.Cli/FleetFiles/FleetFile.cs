using System.Text;
using Plimsoll.Cli.FleetFiles.Yaml;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>A fleet file as read: bound and checked on its own, before any model or device is looked at.</summary>
public sealed record FleetFile
{
    /// <summary>Most bytes a fleet file may have.</summary>
    public const int BytesMax = 1 << 20;

    /// <summary>The file as it was named on the command line.</summary>
    public required string Path { get; init; }

    /// <summary>Paths in the file are relative to this folder.</summary>
    public required string Folder { get; init; }

    /// <summary>What could be bound; only to be used when there are no problems.</summary>
    public required FleetDocument Document { get; init; }

    public required Problems Problems { get; init; }

    public static FleetFile Read(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        var problems = new Problems(Show.Text(path, 200));
        var text = ReadText(path, problems);
        return Parse(text, path, problems);
    }

    /// <summary>The same for text that is at hand.</summary>
    public static FleetFile Parse(string text, string path) => Parse(text, path, new Problems(path));

    private static FleetFile Parse(string? text, string path, Problems problems)
    {
        var item = text is null ? null : YamlTree.Read(text, problems);
        var document = item is null ? new FleetDocument() : (FleetDocument)new Binder(problems).Group(item, typeof(FleetDocument), "");
        if (item is not null) FleetChecks.Check(document, problems);
        return new FleetFile
        {
            Path = path,
            Folder = System.IO.Path.GetDirectoryName(System.IO.Path.GetFullPath(path)) ?? "/",
            Document = document,
            Problems = problems,
        };
    }

    private static string? ReadText(string path, Problems problems)
    {
        var start = new Position(1, 1);
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            // Read rather than asked for: a pipe and a device have no length.
            var buffer = new byte[BytesMax + 1];
            var read = file.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false);
            if (read > BytesMax) problems.Add(start, "", "larger than 1 MiB, the most a fleet file may have");
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
