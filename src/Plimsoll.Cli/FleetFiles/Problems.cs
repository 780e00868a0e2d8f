using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Plimsoll.Cli.FleetFiles.Yaml;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>One thing wrong with a fleet file.</summary>
/// <param name="File">The file as it was named.</param>
/// <param name="At">Where the value is, or where it is missing.</param>
/// <param name="Field">Path of the field ("models[2].slo.latency"); empty for the file as a whole.</param>
/// <param name="Message">What was found and what would do.</param>
public sealed record Problem(string File, Position At, string Field, string Message)
{
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{File}:{At.Line}:{At.Column}: {(Field.Length == 0 ? "" : Field + ": ")}{Message}");
}

/// <summary>All problems of one file, in the order of their positions.</summary>
public sealed class Problems(string file)
{
    /// <summary>More than a person repairs in one go; the rest is counted.</summary>
    public const int ShownMax = 50;

    private readonly List<Problem> _problems = [];
    private readonly Dictionary<string, Position> _positions = new(StringComparer.Ordinal);

    public string File { get; } = file;

    public bool Any => _problems.Count > 0;

    public ImmutableArray<Problem> All =>
        [.. _problems.OrderBy(problem => (problem.At.Line, problem.At.Column)).ThenBy(problem => problem.Field, StringComparer.Ordinal)];

    public void Add(Position at, string field, string message) => _problems.Add(new Problem(File, at, field, message));

    /// <summary>A problem at a field that was read before, or, where it is missing, at what should hold it.</summary>
    public void Add(string field, string message) => Add(Where(field), field, message);

    /// <summary>Remembers where a field is.</summary>
    public void Locate(string field, Position at) => _positions[field] = at;

    /// <summary>Every problem in one line each.</summary>
    public ImmutableArray<string> Lines()
    {
        var all = All;
        return all.Length <= ShownMax
            ? [.. all.Select(problem => problem.ToString())]
            : [.. all.Take(ShownMax).Select(problem => problem.ToString()), $"{File}: and {all.Length - ShownMax} problems more"];
    }

    private Position Where(string field)
    {
        for (var path = field; path.Length > 0; path = Parent(path))
        {
            if (_positions.TryGetValue(path, out var at)) return at;
        }

        return new Position(1, 1);
    }

    private static string Parent(string path) => path[..Math.Max(0, path.LastIndexOfAny(['.', '[']))];
}

/// <summary>Shows what came from outside in a terminal: short, and without anything a terminal would obey.</summary>
internal static class Show
{
    public static string Text(string text, int charactersMax = 60)
    {
        var shown = new StringBuilder();
        foreach (var rune in text.EnumerateRunes())
        {
            if (shown.Length >= charactersMax) return shown.Append("...").ToString();
            if (Rune.IsControl(rune) || Rune.GetUnicodeCategory(rune) is UnicodeCategory.Format or UnicodeCategory.LineSeparator
                or UnicodeCategory.ParagraphSeparator or UnicodeCategory.PrivateUse)
                shown.Append(CultureInfo.InvariantCulture, $"\\u{{{rune.Value:X}}}");
            else
                shown.Append(rune.ToString());
        }

        return shown.ToString();
    }
}
