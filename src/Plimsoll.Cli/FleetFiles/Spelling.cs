namespace Plimsoll.Cli.FleetFiles;

/// <summary>Finds what a mistyped name may have meant.</summary>
internal static class Spelling
{
    private const int LengthMax = 64;

    /// <summary>The nearest name within a third of its letters; null when none is.</summary>
    public static string? Nearest(string name, IEnumerable<string> names) =>
        name.Length is 0 or > LengthMax ? null : names
            .Where(known => known.Length <= LengthMax)
            .Select(known => (Known: known, Edits: Edits(name.ToLowerInvariant(), known.ToLowerInvariant())))
            .Where(pair => pair.Edits <= Math.Max(1, pair.Known.Length / 3))
            .OrderBy(pair => pair.Edits).ThenBy(pair => pair.Known, StringComparer.Ordinal)
            .Select(pair => pair.Known).FirstOrDefault();

    // Optimal string alignment: a swap of neighbours counts once, as it is the commonest slip.
    private static int Edits(string a, string b)
    {
        var d = new int[a.Length + 1, b.Length + 1];
        for (var i = 0; i <= a.Length; i++) d[i, 0] = i;
        for (var j = 0; j <= b.Length; j++) d[0, j] = j;
        for (var i = 1; i <= a.Length; i++)
        {
            for (var j = 1; j <= b.Length; j++)
            {
                var change = a[i - 1] == b[j - 1] ? 0 : 1;
                d[i, j] = Math.Min(Math.Min(d[i - 1, j] + 1, d[i, j - 1] + 1), d[i - 1, j - 1] + change);
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
            }
        }

        return d[a.Length, b.Length];
    }
}
