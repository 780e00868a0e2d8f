namespace Plimsoll.Artifacts;

/// <summary>Texts of strangers as a message may show them.</summary>
internal static class Messages
{
    private const int LengthMax = 120;

    /// <summary>One line, without control characters, at most 120 of its characters.</summary>
    public static string Shown(string text)
    {
        var part = text.Length > LengthMax ? text[..LengthMax] + "…" : text;
        return string.Create(part.Length, part, (span, from) =>
        {
            for (var i = 0; i < span.Length; i++)
                span[i] = char.IsControl(from[i]) || char.IsSurrogate(from[i]) ? '?' : from[i];
        });
    }

    /// <summary>The first few of some names, and how many more there are.</summary>
    public static string Some(IReadOnlyList<string> names, int countMax = 5)
    {
        var shown = string.Join(", ", names.Take(countMax).Select(name => $"'{Shown(name)}'"));
        return names.Count > countMax ? $"{shown} and {names.Count - countMax} more" : shown;
    }
}
