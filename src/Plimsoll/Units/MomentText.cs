using System.Diagnostics.CodeAnalysis;
using System.Globalization;

namespace Plimsoll;

/// <summary>Moments as people write them in files and objects: RFC 3339, with the offset from universal time.</summary>
public static class MomentText
{
    /// <summary>What would do, for messages.</summary>
    public const string WouldDo = "a moment with its offset such as 2026-12-01T12:00:00Z or 2026-12-01T12:00+01:00";

    /// <summary>How one looks, in the part of regular expressions that .NET, JSON Schema and Go share.</summary>
    public const string Pattern = @"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,7})?)?([Zz]|[+-][0-9]{2}:[0-9]{2})$";

    /// <summary>Longest that is read.</summary>
    public const int LongestText = 40;

    private static readonly string[] Forms = ["yyyy-MM-dd'T'HH:mmzzz", "yyyy-MM-dd'T'HH:mm:sszzz", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary>
    /// Reads a moment of the years 2000 to 2199, as universal time. One without an offset is refused: the machine that reads it may
    /// be anywhere.
    /// </summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out DateTimeOffset moment)
    {
        moment = default;
        if (text is null || text.Length > LongestText) return false;
        text = text.Trim().ToUpperInvariant();
        if (text.EndsWith('Z')) text = text[..^1] + "+00:00";
        if (!DateTimeOffset.TryParseExact(text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.None, out var read)) return false;
        moment = read.ToUniversalTime();
        return moment.Year is >= 2000 and < 2200;
    }

    /// <summary>"2026-12-01 12:00 UTC", with seconds where they are not zero.</summary>
    public static string Show(DateTimeOffset moment) =>
        moment.ToUniversalTime().ToString(moment.Second == 0 ? "yyyy-MM-dd HH:mm 'UTC'" : "yyyy-MM-dd HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);

    /// <summary>The same as somebody says it at another moment: the time alone where that is within twelve hours.</summary>
    public static string Show(DateTimeOffset moment, DateTimeOffset now) => (moment - now).Duration() > TimeSpan.FromHours(12) ? Show(moment)
        : moment.ToUniversalTime().ToString(moment.Second == 0 ? "HH:mm 'UTC'" : "HH:mm:ss 'UTC'", CultureInfo.InvariantCulture);
}
