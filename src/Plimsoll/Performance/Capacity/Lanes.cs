using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Plimsoll;

/// <summary>
/// Sums over arrays, four numbers at a time on every machine, so that the order of additions, and with it the last bit, is
/// the same whatever the processor's width.
/// </summary>
internal static class Lanes
{
    /// <summary>Σ a.</summary>
    public static double Sum(ReadOnlySpan<double> a)
    {
        var sums = Vector256<double>.Zero;
        var lanes = MemoryMarshal.Cast<double, Vector256<double>>(a);
        for (var i = 0; i < lanes.Length; i++) sums += lanes[i];
        var sum = sums[0] + sums[1] + sums[2] + sums[3];
        for (var i = lanes.Length * Vector256<double>.Count; i < a.Length; i++) sum += a[i];
        return sum;
    }

    /// <summary>The same after numbers are left out whose products a double might not hold in full, which are slow.</summary>
    public static double SumOfLarge(Span<double> a)
    {
        foreach (ref var one in a)
            if (one < 1e-30) one = 0;
        return Sum(a);
    }

    /// <summary>to += factor · from; to at least as long.</summary>
    public static void AddScaled(Span<double> to, double factor, ReadOnlySpan<double> from)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(to.Length, from.Length);
        ref var target = ref MemoryMarshal.GetReference(to);
        ref var source = ref MemoryMarshal.GetReference(from);
        var each = Vector256.Create(factor);
        nuint i = 0;
        for (var end = (nuint)(from.Length & ~3); i < end; i += 4)
            (Vector256.LoadUnsafe(ref target, i) + (each * Vector256.LoadUnsafe(ref source, i))).StoreUnsafe(ref target, i);
        for (var rest = (int)i; rest < from.Length; rest++) to[rest] += factor * from[rest];
    }
}
