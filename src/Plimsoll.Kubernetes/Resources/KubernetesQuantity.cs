using System.Globalization;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// Kubernetes' amounts ("500m", "6Gi", "2e3"), read within bounds: nothing above 2^63 − 1, no exponent that takes time.
/// </summary>
public static class KubernetesQuantity
{
    private const int LongestText = 64;

    /// <summary>The amount in thousandths, rounded up as Kubernetes does; false for what is none, or is negative.</summary>
    public static bool TryParseMilli(string? text, out Int128 milli)
    {
        milli = 0;
        if (text is null || text.Length is 0 or > LongestText) return false;
        var digits = text.TakeWhile((c, i) => char.IsAsciiDigit(c) || c == '.' || (i == 0 && c == '+')).Count();
        if (!decimal.TryParse(text.AsSpan(0, digits), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number)
            || !TryFactor(text[digits..], out var factor)) return false;
        // Both are decimals, so the product is exact or above all that can be meant.
        var product = number == 0 ? 0 : factor > decimal.MaxValue / 1000 / Math.Max(number, 1) ? decimal.MaxValue : Math.Ceiling(number * factor * 1000);
        milli = Int128.Min((Int128)product, (Int128)long.MaxValue * 1000);
        return true;
    }

    /// <summary>The amount in whole units, rounded up.</summary>
    public static bool TryParse(string? text, out long amount)
    {
        amount = 0;
        if (!TryParseMilli(text, out var milli)) return false;
        amount = (long)((milli + 999) / 1000);
        return true;
    }

    private static bool TryFactor(string suffix, out decimal factor)
    {
        factor = suffix switch
        {
            "n" => 1e-9m,
            "u" => 1e-6m,
            "m" => 1e-3m,
            "" => 1,
            "k" => 1e3m,
            "M" => 1e6m,
            "G" => 1e9m,
            "T" => 1e12m,
            "P" => 1e15m,
            "E" => 1e18m,
            "Ki" => 1L << 10,
            "Mi" => 1L << 20,
            "Gi" => 1L << 30,
            "Ti" => 1L << 40,
            "Pi" => 1L << 50,
            "Ei" => 1L << 60,
            _ => 0,
        };
        if (factor > 0) return true;
        if (suffix.Length is < 2 or > 4 || suffix[0] is not ('e' or 'E')
            || !int.TryParse(suffix.AsSpan(1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var exponent) || exponent is < -18 or > 18) return false;
        factor = 1;
        for (; exponent > 0; exponent--) factor *= 10;
        for (; exponent < 0; exponent++) factor /= 10;
        return true;
    }
}
