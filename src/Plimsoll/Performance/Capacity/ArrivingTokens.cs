using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Plimsoll;

/// <summary>
/// Tokens of prompts that arrive together, on a grid, for several mean numbers of requests: the sum of a Poisson number of
/// prompts by Panjer's recursion (1981), sixteen numbers' sums at a time, as each waits for the one before it.
/// </summary>
internal sealed class ArrivingTokens(int bins)
{
    /// <summary>Beyond so many there is no chance of none that a number holds; the sum is then its mean.</summary>
    private const double CountMax = 600;

    private const int Together = 16;

    private readonly double[] _sums = new double[(bins + Together - 1) * bins];
    private readonly double[] _weighed = new double[bins];
    private readonly double[] _turns = new double[bins * Together];

    /// <summary>The distribution for one of the numbers last given.</summary>
    public ReadOnlySpan<double> this[int number] => _sums.AsSpan(number * bins, bins);

    /// <param name="counts">Requests on the mean; as many as the grid has bins at most.</param>
    /// <param name="prompt">How likely each number of bins is for one prompt.</param>
    /// <param name="mean">Bins of a prompt on the mean.</param>
    public void Of(ReadOnlySpan<double> counts, ReadOnlySpan<double> prompt, double mean)
    {
        var last = 0;
        for (var j = 1; j < bins; j++)
        {
            _weighed[j] = j * prompt[j];
            if (prompt[j] > 0) last = j;
        }

        Span<double> some = stackalloc double[Together];
        for (var i = 0; i < counts.Length; i += Together)
        {
            var those = Math.Min(Together, counts.Length - i);
            some.Clear();
            for (var lane = 0; lane < those; lane++) some[lane] = Math.Min(counts[i + lane], CountMax);
            Recur(some, 1 - prompt[0], last);
            for (var lane = 0; lane < those; lane++)
            {
                var sum = _sums.AsSpan((i + lane) * bins, bins);
                if (counts[i + lane] > CountMax) Mean(sum, counts[i + lane] * mean);
                else for (var s = 0; s < sum.Length; s++) sum[s] = _turns[(s * Together) + lane];
            }
        }
    }

    /// <summary>In units of the chance that nothing arrives, which may be too small to multiply by; then in units of one.</summary>
    private void Recur(ReadOnlySpan<double> counts, double some, int last)
    {
        ref var turn = ref MemoryMarshal.GetArrayDataReference(_turns);
        ref var weighed = ref MemoryMarshal.GetArrayDataReference(_weighed);
        ref var count = ref MemoryMarshal.GetReference(counts);
        for (var lane = 0; lane < Together; lane++) _turns[lane] = 1;
        for (var s = 1; s < bins; s++)
        {
            var (a, b, c, d) = (Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero, Vector256<double>.Zero);
            var at = (nuint)s * Together;
            for (var before = s - Math.Min(s, last); before < s; before++)
            {
                var from = (nuint)before * Together;
                var weight = Vector256.Create(Unsafe.Add(ref weighed, s - before));
                a = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref turn, from), weight, a);
                b = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref turn, from + 4), weight, b);
                c = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref turn, from + 8), weight, c);
                d = Vector256.FusedMultiplyAdd(Vector256.LoadUnsafe(ref turn, from + 12), weight, d);
            }

            Large(a * Vector256.LoadUnsafe(ref count) / s).StoreUnsafe(ref turn, at);
            Large(b * Vector256.LoadUnsafe(ref count, 4) / s).StoreUnsafe(ref turn, at + 4);
            Large(c * Vector256.LoadUnsafe(ref count, 8) / s).StoreUnsafe(ref turn, at + 8);
            Large(d * Vector256.LoadUnsafe(ref count, 12) / s).StoreUnsafe(ref turn, at + 12);
        }

        for (nuint lane = 0; lane < Together; lane += 4)
        {
            var none = Vector256.Exp(Vector256.LoadUnsafe(ref count, lane) * -some);
            for (nuint s = 0; s < (nuint)bins; s++)
            {
                ref var one = ref Unsafe.Add(ref turn, (s * Together) + lane);
                Large(Vector256.LoadUnsafe(ref one) * none).StoreUnsafe(ref one);
            }
        }
    }

    /// <summary>Numbers below what a double holds in full cost a hundred times as much to multiply.</summary>
    private static Vector256<double> Large(Vector256<double> of) =>
        Vector256.ConditionalSelect(Vector256.GreaterThan(of, Vector256.Create(1e-30)), of, Vector256<double>.Zero);

    private void Mean(Span<double> sum, double at)
    {
        sum.Clear();
        at = Math.Min(at, bins - 1.001);
        var low = (int)at;
        (sum[low], sum[low + 1]) = (1 - (at - low), at - low);
    }
}
