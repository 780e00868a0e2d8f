namespace Plimsoll;

/// <summary>Finds what a mistyped name may have meant.</summary>
public static class NearMiss
{
    private const int LengthMax = 64;

    /// <summary>
    /// Up to <paramref name="count"/> names, nearest first, capitals or not: those that begin with what was typed, then those
    /// within a third of its letters.
    /// </summary>
    public static IEnumerable<string> Of(string typed, IEnumerable<string> names, int count)
    {
        ArgumentNullException.ThrowIfNull(typed);
        ArgumentNullException.ThrowIfNull(names);
        return typed.Length is 0 or > LengthMax ? [] : names
            .Where(name => name.Length <= LengthMax)
            .Select(name => (Name: name, Begins: name.StartsWith(typed, StringComparison.OrdinalIgnoreCase), Edits: Edits(typed.ToLowerInvariant(), name.ToLowerInvariant())))
            .Where(pair => pair.Begins || pair.Edits <= Math.Max(1, typed.Length / 3))
            .OrderByDescending(pair => pair.Begins).ThenBy(pair => pair.Edits).ThenBy(pair => pair.Name, StringComparer.Ordinal)
            .Select(pair => pair.Name).Distinct().Take(count);
    }

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
