using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Plimsoll;

/// <summary>Durations as people write them in files and objects.</summary>
public static class DurationText
{
    /// <summary>What would do, for messages.</summary>
    public const string WouldDo = "a duration such as 200ms, 2s or 1min";

    private const int LongestText = 32;

    /// <summary>Reads "200ms", "2s", "1.5min" (or m), "2h", "1d". A number alone is refused: of what?</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out TimeSpan time)
    {
        time = default;
        if (text is null || text.Length > LongestText) return false;
        text = text.Trim();
        var digits = text.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        if (digits == 0 || !double.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number)) return false;
        var seconds = number * text[digits..].Trim() switch
        {
            "ms" => 0.001,
            "s" => 1,
            "m" or "min" => 60,
            "h" => 3600,
            "d" => 86_400,
            _ => double.NaN,
        };
        if (!(seconds <= 1e10)) return false;
        time = TimeSpan.FromSeconds(seconds);
        return true;
    }
}
