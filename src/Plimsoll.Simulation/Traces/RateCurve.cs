namespace Plimsoll.Simulation.Traces;

/// <summary>Requests a second over time, in steps: each holds until the next begins.</summary>
public sealed class RateCurve
{
    /// <summary>Periods of a wave at the most: a hundred steps each are kept, and drawn from, for every model.</summary>
    public const int WavesMost = 10_000;

    private readonly double[] _starts;
    private readonly double[] _rates;
    private readonly double[] _sums;

    /// <param name="starts">Seconds at which a step begins, rising from 0.</param>
    /// <param name="perSecond">Its rate, none negative.</param>
    /// <param name="length">Seconds until the last one ends.</param>
    /// <exception cref="ArgumentException">The steps do not rise from 0, or a rate is none.</exception>
    public RateCurve(double[] starts, double[] perSecond, double length)
    {
        ArgumentNullException.ThrowIfNull(starts);
        ArgumentNullException.ThrowIfNull(perSecond);
        if (starts.Length == 0 || starts.Length != perSecond.Length || starts[0] != 0) throw new ArgumentException("a curve of rates begins at 0 and has a rate for each step");
        for (var i = 0; i < starts.Length; i++)
        {
            var end = i + 1 < starts.Length ? starts[i + 1] : length;
            if (!double.IsFinite(end) || end < starts[i]) throw new ArgumentException($"step {i} of the curve ends at {end} s, before it begins at {starts[i]} s");
            if (!double.IsFinite(perSecond[i]) || perSecond[i] < 0) throw new ArgumentException($"step {i} of the curve has a rate of {perSecond[i]}; it must be a number, at least 0");
        }

        (_starts, _rates, Length) = (starts, perSecond, length);
        _sums = new double[starts.Length + 1];
        for (var i = 0; i < starts.Length; i++) _sums[i + 1] = _sums[i] + (perSecond[i] * (End(i) - starts[i]));
    }

    /// <summary>Seconds.</summary>
    public double Length { get; }

    /// <summary>Requests expected over all of it.</summary>
    public double Expected => _sums[^1];

    public static RateCurve Constant(double perSecond, double length) => new([0], [perSecond], length);

    /// <summary>
    /// A day's wave: from the least at its trough to the most half a period later, as a cosine, in steps of a hundredth of a period.
    /// </summary>
    /// <param name="least">Requests a second at the trough.</param>
    /// <param name="most">Requests a second at the peak.</param>
    /// <param name="period">Seconds from trough to trough.</param>
    /// <param name="length">Seconds.</param>
    /// <param name="trough">Seconds at which the first trough is.</param>
    /// <exception cref="ArgumentException">More than <see cref="WavesMost"/> periods.</exception>
    public static RateCurve Wave(double least, double most, double period, double length, double trough = 0)
    {
        if (!(length / period <= WavesMost)) throw new ArgumentException($"a wave of {period} s over {length} s has more than {WavesMost} periods");
        var step = period / 100;
        var steps = Math.Max(1, (int)Math.Ceiling(length / step));
        var starts = new double[steps];
        var rates = new double[steps];
        for (var i = 0; i < steps; i++)
        {
            starts[i] = i * step;
            rates[i] = ((most + least) / 2) - ((most - least) / 2 * Math.Cos(2 * Math.PI * (starts[i] + (step / 2) - trough) / period));
        }

        return new RateCurve(starts, rates, Math.Max(length, starts[^1]));
    }

    /// <summary>The same shape, so many times as high.</summary>
    public RateCurve Times(double factor) => new(_starts, [.. _rates.Select(rate => rate * factor)], Length);

    /// <summary>A part of it, from one second on; it begins at 0.</summary>
    public RateCurve Part(double from, double length)
    {
        double[] starts = [0, .. _starts.Where(start => start > from && start < from + length).Select(start => start - from)];
        return new RateCurve(starts, [.. starts.Select(start => At(start + from))], length);
    }

    /// <summary>The sum of two curves, as long as the longer one.</summary>
    public RateCurve Plus(RateCurve other)
    {
        ArgumentNullException.ThrowIfNull(other);
        double[] starts = [.. _starts.Concat(other._starts).Distinct().Order()];
        return new RateCurve(starts, [.. starts.Select(at => At(at) + other.At(at))], Math.Max(Length, other.Length));
    }

    /// <summary>Requests a second at a time; 0 outside.</summary>
    public double At(double seconds)
    {
        if (seconds < 0 || seconds >= Length) return 0;
        var at = Array.BinarySearch(_starts, seconds);
        return _rates[at >= 0 ? at : ~at - 1];
    }

    /// <summary>Requests expected to have come by a time.</summary>
    public double ExpectedBy(double seconds)
    {
        if (seconds <= 0) return 0;
        if (seconds >= Length) return Expected;
        var at = Array.BinarySearch(_starts, seconds);
        var step = at >= 0 ? at : ~at - 1;
        return _sums[step] + (_rates[step] * (seconds - _starts[step]));
    }

    /// <summary>When so many are expected to have come; infinity where never so many come.</summary>
    public double TimeOf(double expected)
    {
        if (expected >= Expected) return double.PositiveInfinity;
        var at = Array.BinarySearch(_sums, expected);
        var step = at >= 0 ? at : ~at - 1;
        // Steps in which nothing comes have the sum of the one before them.
        while (step < _rates.Length - 1 && _sums[step + 1] <= expected) step++;
        return _starts[step] + ((expected - _sums[step]) / _rates[step]);
    }

    private double End(int step) => step + 1 < _starts.Length ? _starts[step + 1] : Length;
}
