using System.Globalization;

namespace Plimsoll.ModelServer;

/// <summary>Reads sizes, rates and durations as people write them.</summary>
internal static class Quantities
{
    private static readonly (string Suffix, double Factor)[] ByteUnits =
    [
        ("KiB", 1L << 10), ("MiB", 1L << 20), ("GiB", 1L << 30), ("TiB", 1L << 40),
        ("kB", 1e3), ("KB", 1e3), ("MB", 1e6), ("GB", 1e9), ("TB", 1e12), ("B", 1), ("", 1),
    ];

    private static readonly (string Suffix, double Seconds)[] TimeUnits =
        [("ms", 1e-3), ("us", 1e-6), ("s", 1), ("m", 60), ("h", 3600)];

    /// <summary>Reads 1048576, 200MB, 1GiB or either with /s behind it.</summary>
    public static bool TryBytes(string text, out long bytes)
    {
        bytes = 0;
        var size = text.EndsWith("/s", StringComparison.Ordinal) ? text[..^2] : text;
        if (!TryScaled(size, ByteUnits, out var value) || value is < 0 or >= 9e18)
            return false;
        bytes = (long)value;
        return true;
    }

    /// <summary>Reads 2ms, 1.5s, 10m or a bare 0.</summary>
    public static bool TryDuration(string text, out TimeSpan duration)
    {
        duration = TimeSpan.Zero;
        if (text == "0")
            return true;
        if (!TryScaled(text, TimeUnits, out var seconds) || seconds is < 0 or > 1e9)
            return false;
        duration = TimeSpan.FromSeconds(seconds);
        return true;
    }

    private static bool TryScaled(string text, (string Suffix, double Factor)[] units, out double value)
    {
        foreach (var (suffix, factor) in units)
        {
            if (text.EndsWith(suffix, StringComparison.Ordinal)
                && double.TryParse(text.AsSpan(0, text.Length - suffix.Length).Trim(),
                    NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var number))
            {
                value = number * factor;
                return true;
            }
        }

        value = 0;
        return false;
    }
}
