using System.Text;

namespace Plimsoll.Artifacts;

/// <summary>Python writes Infinity and NaN into JSON, which JSON does not know.</summary>
internal static class JsonNumbers
{
    private static readonly string[] Words = ["-Infinity", "Infinity", "NaN"];

    /// <summary>The text with Infinity, -Infinity and NaN outside strings put as null, of the same meaning to us.</summary>
    public static string Finite(string text)
    {
        if (!text.Contains("Infinity", StringComparison.Ordinal) && !text.Contains("NaN", StringComparison.Ordinal))
            return text;
        var finite = new StringBuilder(text.Length);
        var quoted = false;
        for (var i = 0; i < text.Length; i++)
        {
            if (quoted && text[i] == '\\' && i + 1 < text.Length)
            {
                finite.Append(text[i]).Append(text[++i]);
                continue;
            }

            if (text[i] == '"')
                quoted = !quoted;
            var word = quoted ? null : WordAt(text.AsSpan(i));
            if (word is null)
            {
                finite.Append(text[i]);
                continue;
            }

            finite.Append("null");
            i += word.Length - 1;
        }

        return finite.ToString();
    }

    // Without a delegate for each character: a text may have many millions.
    private static string? WordAt(ReadOnlySpan<char> rest)
    {
        foreach (var word in Words)
        {
            if (rest.StartsWith(word, StringComparison.Ordinal)) return word;
        }

        return null;
    }
}
