using System.Globalization;
using System.Text;

namespace Plimsoll.Pages;

/// <summary>Numbers and texts as a report writes them.</summary>
internal static class Figures
{
    public const string None = "\u2013";

    public static string Count(double n) => Math.Round(n).ToString("#,0", CultureInfo.InvariantCulture);

    public static string Percent(double share) =>
        (share * 100).ToString(share > 0.9995 && share < 1 ? "0.000" : "0.0", CultureInfo.InvariantCulture) + "%";

    /// <summary>Three digits or so.</summary>
    public static string Number(double value) =>
        value.ToString(value >= 100 ? "#,0" : value >= 1 || value == 0 ? "0.0" : value >= 0.1 ? "0.00" : "0.000", CultureInfo.InvariantCulture);

    public static string Dollars(double dollars) =>
        "$" + dollars.ToString(dollars >= 1000 ? "#,0" : dollars >= 0.1 || dollars == 0 ? "0.00" : "0.0000", CultureInfo.InvariantCulture);

    /// <summary>A tick's label where there is room for five characters: "10k" and not "10,000".</summary>
    public static string Tick(double value, string label) =>
        label.Length <= 5 ? label : value >= 1e6 ? (value / 1e6).ToString("0.#", CultureInfo.InvariantCulture) + "M"
        : value >= 1e4 ? (value / 1e3).ToString("0.#", CultureInfo.InvariantCulture) + "k" : label;

    /// <summary>A mean of counts.</summary>
    public static string Mean(double count) => count.ToString("#,0.#", CultureInfo.InvariantCulture);

    /// <summary>Seconds as far as they can be compared at a glance.</summary>
    public static string Seconds(double? seconds) => seconds switch
    {
        null => None,
        >= 59.95 and < 999.5 => seconds.Value.ToString("0", CultureInfo.InvariantCulture) + " s",
        _ => Durations.Show(seconds.Value),
    };

    /// <summary>A text from outside without what would garble a page: controls, and marks that turn the direction of what follows.</summary>
    public static string Clean(string text, int charactersMax = 600)
    {
        var clean = new StringBuilder(Math.Min(text.Length, charactersMax + 4));
        foreach (var rune in text.EnumerateRunes())
        {
            if (clean.Length >= charactersMax) return clean.Append('\u2026').ToString();
            if (rune.Value is '\n' or '\r' or '\t') clean.Append(' ');
            else if (Rune.IsControl(rune) || rune.Value is 0xFFFE or 0xFFFF or 0x200E or 0x200F or (>= 0x2028 and <= 0x202E) or (>= 0x2066 and <= 0x2069)) clean.Append('\uFFFD');
            else clean.Append(rune.ToString());
        }

        return clean.ToString();
    }
}
