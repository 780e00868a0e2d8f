using System.Globalization;
using System.Text;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>Shows what came from strangers in messages, Events and terminals: short, and without anything a terminal would obey.</summary>
internal static class Shown
{
    public const int LongestText = 60;

    public static string Text(string text, int charactersMax = LongestText)
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

    public static string Number(double number) => number.ToString("0.#####", CultureInfo.InvariantCulture);
}
