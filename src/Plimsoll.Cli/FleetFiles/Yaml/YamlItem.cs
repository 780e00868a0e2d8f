using System.Collections.Immutable;

namespace Plimsoll.Cli.FleetFiles.Yaml;

/// <summary>A place in a file; both count from 1.</summary>
public readonly record struct Position(int Line, int Column);

/// <summary>One value of a YAML file and where it starts.</summary>
public abstract record YamlItem
{
    private YamlItem()
    {
    }

    public required Position At { get; init; }

    /// <param name="Text">The value as written, quotes taken off.</param>
    /// <param name="Plain">Written without quotes; only then can it mean "nothing".</param>
    public sealed record Scalar(string Text, bool Plain) : YamlItem
    {
        public bool IsNothing => Plain && Text is "" or "~" or "null";
    }

    public sealed record List(ImmutableArray<YamlItem> Items) : YamlItem;

    /// <summary>Entries in the order written, each name once.</summary>
    public sealed record Map(ImmutableArray<YamlEntry> Entries) : YamlItem;
}

public sealed record YamlEntry(string Name, Position At, YamlItem Value);
