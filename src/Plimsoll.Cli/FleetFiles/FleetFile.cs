using Plimsoll.Cli.FleetFiles.Yaml;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>A fleet file as read: bound and checked on its own, before any model or device is looked at.</summary>
public sealed record FleetFile
{
    /// <summary>Most bytes a fleet file may have.</summary>
    public const int BytesMax = YamlText.BytesMax;

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
        var text = YamlText.Read(path, problems, "fleet file");
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
}
