using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Plimsoll;

/// <summary>
/// Tokens of prompts that arrive together, on a grid, for several mean numbers of requests: the sum of a Poisson number of
/// prompts by Panjer's recursion (1981), four numbers' sums at a time.
/// </summary>
internal sealed class ArrivingTokens(int bins)
{
    /// <summary>Beyond so many there is no chance of none that a number holds; the sum is then its mean.</summary>
    private const double CountMax = 600;

    private readonly double[] _sums = new double[(bins + 3) * bins];
    private readonly double[] _weighed = new double[bins];
    private readonly Vector256<double>[] _turns = new Vector256<double>[bins];

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

        for (var i = 0; i < counts.Length; i += 4)
        {
            Vector256<double> four = Vector256.Create(counts[i], At(counts, i + 1), At(counts, i + 2), At(counts, i + 3));
            Four(Vector256.Min(four, Vector256.Create(CountMax)), 1 - prompt[0], last);
            for (var lane = 0; lane < 4; lane++)
            {
                var sum = _sums.AsSpan((i + lane) * bins, bins);
                if (four[lane] <= CountMax) for (var s = 0; s < bins; s++) sum[s] = MemoryMarshal.Cast<Vector256<double>, double>(_turns)[(s * 4) + lane];
                else Mean(sum, four[lane] * mean);
            }
        }
    }

    private static double At(ReadOnlySpan<double> counts, int i) => i < counts.Length ? counts[i] : 0;

    /// <summary>In units of the chance that nothing arrives, which may be too small to multiply by; then in units of one.</summary>
    private void Four(Vector256<double> counts, double some, int last)
    {
        // Numbers below what a double holds in full cost a hundred times as much to multiply.
        var least = Vector256.Create(1e-30);
        _turns[0] = Vector256<double>.One;
        for (var s = 1; s < bins; s++)
        {
            var (even, odd) = (Vector256<double>.Zero, Vector256<double>.Zero);
            var j = Math.Min(s, last);
            for (; j > 1; j -= 2)
            {
                even += _turns[s - j] * _weighed[j];
                odd += _turns[s - j + 1] * _weighed[j - 1];
            }

            if (j == 1) even += _turns[s - 1] * _weighed[1];
            var one = (even + odd) * counts / s;
            _turns[s] = Vector256.ConditionalSelect(Vector256.GreaterThan(one, least), one, Vector256<double>.Zero);
        }

        var none = Vector256.Create(Math.Exp(-counts[0] * some), Math.Exp(-counts[1] * some), Math.Exp(-counts[2] * some), Math.Exp(-counts[3] * some));
        for (var s = 0; s < bins; s++)
        {
            var one = _turns[s] * none;
            _turns[s] = Vector256.ConditionalSelect(Vector256.GreaterThan(one, least), one, Vector256<double>.Zero);
        }
    }

    private void Mean(Span<double> sum, double at)
    {
        sum.Clear();
        at = Math.Min(at, bins - 1.001);
        var low = (int)at;
        (sum[low], sum[low + 1]) = (1 - (at - low), at - low);
    }
}
