using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Plimsoll;

/// <summary>
/// Sums over arrays, four numbers at a time on every machine, so that the order of additions, and with it the last bit, is
/// the same whatever the processor's width.
/// </summary>
internal static class Lanes
{
    /// <summary>Σ a·b; both as long.</summary>
    public static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        var left = MemoryMarshal.Cast<double, Vector256<double>>(a);
        var right = MemoryMarshal.Cast<double, Vector256<double>>(b);
        var sums = Vector256<double>.Zero;
        for (var i = 0; i < left.Length; i++) sums += left[i] * right[i];
        var sum = sums[0] + sums[1] + sums[2] + sums[3];
        for (var i = left.Length * Vector256<double>.Count; i < a.Length; i++) sum += a[i] * b[i];
        return sum;
    }

    /// <summary>to += factor · from; both as long. Numbers that a double does not hold in full are slow, and are left out.</summary>
    public static void AddScaled(Span<double> to, double factor, ReadOnlySpan<double> from)
    {
        var target = MemoryMarshal.Cast<double, Vector256<double>>(to);
        var source = MemoryMarshal.Cast<double, Vector256<double>>(from);
        var (each, least) = (Vector256.Create(factor), Vector256.Create(1e-30));
        for (var i = 0; i < source.Length; i++)
        {
            var more = each * source[i];
            target[i] += Vector256.ConditionalSelect(Vector256.GreaterThan(more, least), more, Vector256<double>.Zero);
        }

        for (var i = source.Length * Vector256<double>.Count; i < from.Length; i++)
        {
            var more = factor * from[i];
            if (more > 1e-30) to[i] += more;
        }
    }
}
