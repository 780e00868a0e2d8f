using System.Globalization;
using Plimsoll.Cli.FleetFiles;
using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Weighing;

/// <summary>Text of the weighing commands in 80 columns, the same on a terminal and in a file.</summary>
internal static class EightyColumns
{
    public const int Width = 80;

    private const int BarColumns = 30;

    /// <summary>A text in as many lines as it takes, the first after <paramref name="first"/> and the others as far in as
    /// <paramref name="rest"/> says.</summary>
    public static IEnumerable<string> Hung(string text, string first = "", string rest = "", int charactersMax = 600)
    {
        var n = 0;
        foreach (var line in FleetTable.Wrap(Show.Text(text, charactersMax), Width - Math.Max(first.Length, rest.Length)))
            yield return (n++ == 0 ? first : rest) + line;
    }

    /// <summary>A bar for each term against the budget, and how sure it is.</summary>
    public static IEnumerable<string> Terms(IEnumerable<TermListing> terms, long budgetBytes) => terms.Select(term =>
        $"  {term.Term,-12}{new Bytes(term.Bytes),10}  {Bars.Of(term.Bytes / (double)Math.Max(1, budgetBytes), BarColumns),-BarColumns}  {term.Certainty}");

    public static string Total(long totalBytes, long budgetBytes) =>
        $"  {"total",-12}{new Bytes(totalBytes),10}  {Percent(totalBytes / (double)Math.Max(1, budgetBytes), "P0")} of {new Bytes(budgetBytes)}";

    /// <summary>By what rule each term was come by.</summary>
    public static IEnumerable<string> Rules(IEnumerable<TermListing> terms) =>
        terms.SelectMany(term => Hung($"{term.Term}: {term.From}", "  ", "    "));

    public static string Percent(double share, string format) =>
        share.ToString(format, CultureInfo.InvariantCulture).Replace(" ", "", StringComparison.Ordinal);

    public static string Count(long n) => n.ToString("#,0", CultureInfo.InvariantCulture);

    public static string Cut(string text, int columns) => text.Length <= columns ? text : text[..(columns - 1)] + "…";
}
