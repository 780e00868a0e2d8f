using System.Diagnostics.CodeAnalysis;
using System.Globalization;
using System.Text.Json.Serialization;
using Plimsoll.Json;

namespace Plimsoll;

/// <summary>An amount of memory or storage, in bytes. Arithmetic overflows loudly.</summary>
[JsonConverter(typeof(BytesConverter))]
public readonly record struct Bytes(long Value) : IComparable<Bytes>
{
    public static readonly Bytes Zero;

    /// <summary>The most an estimate says, 128 PiB: no device holds it, and a few dozen of them still add up.</summary>
    public static readonly Bytes EstimateMax = new(long.MaxValue / 64);

    /// <summary>An estimate rounded up to whole bytes, from zero to <see cref="EstimateMax"/>.</summary>
    public static Bytes Estimate(double bytes) => bytes >= EstimateMax.Value ? EstimateMax : new((long)Math.Ceiling(Math.Max(bytes, 0)));

    /// <summary>An exact count as far as <see cref="EstimateMax"/>, which stands for all beyond.</summary>
    public static Bytes Estimate(Int128 bytes) => new((long)Int128.Clamp(bytes, 0, EstimateMax.Value));

    public static Bytes KiB(double n) => new(checked((long)(n * 1024)));

    public static Bytes MiB(double n) => new(checked((long)(n * 1024 * 1024)));

    public static Bytes GiB(double n) => new(checked((long)(n * 1024 * 1024 * 1024)));

    public static Bytes operator +(Bytes a, Bytes b) => new(a.Value + b.Value);

    public static Bytes operator -(Bytes a, Bytes b) => new(a.Value - b.Value);

    public static Bytes operator *(Bytes a, long n) => new(a.Value * n);

    public static bool operator <(Bytes a, Bytes b) => a.Value < b.Value;

    public static bool operator >(Bytes a, Bytes b) => a.Value > b.Value;

    public static bool operator <=(Bytes a, Bytes b) => a.Value <= b.Value;

    public static bool operator >=(Bytes a, Bytes b) => a.Value >= b.Value;

    /// <summary>How long moving this many bytes takes at a bandwidth. Rounded up to a tick.</summary>
    public static TimeSpan operator /(Bytes bytes, BytesPerSecond bandwidth) =>
        bandwidth.Value <= 0
            ? throw new ArgumentOutOfRangeException(nameof(bandwidth), "a bandwidth must be above zero")
            : TimeSpan.FromTicks((long)Math.Min(
                Math.Ceiling((double)bytes.Value / bandwidth.Value * TimeSpan.TicksPerSecond),
                TimeSpan.MaxValue.Ticks / 2));

    /// <summary>Bytes × factor, rounded up.</summary>
    public Bytes Scale(double factor) => new(checked((long)Math.Ceiling(Value * factor)));

    public static Bytes Max(Bytes a, Bytes b) => a >= b ? a : b;

    public static Bytes Min(Bytes a, Bytes b) => a <= b ? a : b;

    public int CompareTo(Bytes other) => Value.CompareTo(other.Value);

    /// <summary>
    /// Reads "1536", "1.5GiB", "250 MB", "2Gi" (Kubernetes) without regard to case; binary and decimal units differ.
    /// </summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out Bytes bytes)
    {
        bytes = Zero;
        if (!Quantity.TrySplit(text, out var number, out var unit) || !Quantity.TryUnit(unit, out var factor)) return false;
        var value = number * factor;
        if (value > long.MaxValue / 2 || value < 0) return false;
        bytes = new Bytes((long)Math.Round(value));
        return true;
    }

    /// <summary>Three significant digits in binary units: "1.46 GiB", "25.0 MiB", "512 B".</summary>
    public override string ToString() => Quantity.Format(Value);
}

/// <summary>A bandwidth in bytes per second.</summary>
[JsonConverter(typeof(BytesPerSecondConverter))]
public readonly record struct BytesPerSecond(long Value) : IComparable<BytesPerSecond>
{
    public static BytesPerSecond MiB(double n) => new(Bytes.MiB(n).Value);

    public int CompareTo(BytesPerSecond other) => Value.CompareTo(other.Value);

    public static bool operator <(BytesPerSecond a, BytesPerSecond b) => a.Value < b.Value;

    public static bool operator >(BytesPerSecond a, BytesPerSecond b) => a.Value > b.Value;

    public static bool operator <=(BytesPerSecond a, BytesPerSecond b) => a.Value <= b.Value;

    public static bool operator >=(BytesPerSecond a, BytesPerSecond b) => a.Value >= b.Value;

    /// <summary>Reads what <see cref="Bytes.TryParse"/> reads, with an optional "/s".</summary>
    public static bool TryParse([NotNullWhen(true)] string? text, out BytesPerSecond bandwidth)
    {
        bandwidth = default;
        var amount = text?.Trim();
        if (amount is not null && amount.EndsWith("/s", StringComparison.OrdinalIgnoreCase)) amount = amount[..^2];
        if (!Bytes.TryParse(amount, out var bytes) || bytes.Value == 0) return false;
        bandwidth = new BytesPerSecond(bytes.Value);
        return true;
    }

    public override string ToString() => Quantity.Format(Value) + "/s";
}

internal static class Quantity
{
    private static readonly string[] Binary = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"];

    public static bool TrySplit([NotNullWhen(true)] string? text, out double number, out string unit)
    {
        (number, unit) = (0, "");
        if (text is null || text.Length > 64) return false;
        text = text.Trim();
        var end = 0;
        while (end < text.Length && (char.IsAsciiDigit(text[end]) || text[end] is '.' or '+')) end++;
        unit = text[end..].Trim();
        return double.TryParse(text.AsSpan(0, end), NumberStyles.AllowDecimalPoint | NumberStyles.AllowLeadingSign,
            CultureInfo.InvariantCulture, out number) && double.IsFinite(number) && number >= 0;
    }

    public static bool TryUnit(string unit, out double factor)
    {
        factor = unit.ToUpperInvariant() switch
        {
            "" or "B" => 1,
            "K" or "KB" => 1e3,
            "M" or "MB" => 1e6,
            "G" or "GB" => 1e9,
            "T" or "TB" => 1e12,
            "KI" or "KIB" => 1024.0,
            "MI" or "MIB" => 1024.0 * 1024,
            "GI" or "GIB" => 1024.0 * 1024 * 1024,
            "TI" or "TIB" => 1024.0 * 1024 * 1024 * 1024,
            _ => 0,
        };
        return factor > 0;
    }

    public static string Format(long value)
    {
        double magnitude = Math.Abs((double)value);
        var unit = 0;
        while (magnitude >= 1000 && unit < Binary.Length - 1)
        {
            magnitude /= 1024;
            unit++;
        }

        var format = unit == 0 || magnitude >= 99.95 ? "0" : magnitude >= 9.995 ? "0.0" : "0.00";
        return (value < 0 ? "-" : "") + magnitude.ToString(format, CultureInfo.InvariantCulture) + " " + Binary[unit];
    }
}
