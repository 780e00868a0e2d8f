namespace Plimsoll;

/// <summary>Finds what a mistyped name may have meant.</summary>
internal static class NearMiss
{
    private const int LengthMax = 64;

    /// <summary>
    /// Up to <paramref name="count"/> names, nearest first: those that begin with what was typed, then those within a
    /// third of its letters.
    /// </summary>
    public static IEnumerable<string> Of(string typed, IEnumerable<string> names, int count) =>
        typed.Length is 0 or > LengthMax ? [] : names
            .Where(name => name.Length <= LengthMax)
            .Select(name => (Name: name, Begins: name.StartsWith(typed, StringComparison.OrdinalIgnoreCase), Edits: Edits(typed, name)))
            .Where(pair => pair.Begins || pair.Edits <= Math.Max(1, typed.Length / 3))
            .OrderByDescending(pair => pair.Begins).ThenBy(pair => pair.Edits).ThenBy(pair => pair.Name, StringComparer.Ordinal)
            .Select(pair => pair.Name).Distinct().Take(count);

    // Levenshtein's distance in two rows.
    private static int Edits(string a, string b)
    {
        var (above, row) = (new int[b.Length + 1], new int[b.Length + 1]);
        for (var j = 0; j <= b.Length; j++) above[j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            row[0] = i;
            for (var j = 1; j <= b.Length; j++)
            {
                var change = char.ToLowerInvariant(a[i - 1]) == char.ToLowerInvariant(b[j - 1]) ? 0 : 1;
                row[j] = Math.Min(Math.Min(above[j], row[j - 1]) + 1, above[j - 1] + change);
            }

            (above, row) = (row, above);
        }

        return above[b.Length];
    }
}
