namespace Plimsoll.Footprints.Memory;

/// <summary>One section of a page that several commands write, between comments that name it.</summary>
internal static class MarkdownSection
{
    /// <summary>Puts the text in place of what is between the comments, or at the page's end.</summary>
    public static void Write(string page, string name, string text)
    {
        var (begin, end) = ($"<!-- {name}: written by a command -->", $"<!-- end of {name} -->");
        var old = File.Exists(page) ? File.ReadAllText(page) : "# Footprints: predicted against published and measured\n";
        var from = old.IndexOf(begin, StringComparison.Ordinal);
        var to = old.IndexOf(end, StringComparison.Ordinal);
        var section = $"{begin}\n{text.ReplaceLineEndings("\n").TrimEnd()}\n{end}";
        File.WriteAllText(page, from < 0 || to < from
            ? $"{old.TrimEnd()}\n\n{section}\n"
            : old[..from] + section + old[(to + end.Length)..]);
    }
}
