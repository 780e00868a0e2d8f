using System.Globalization;

namespace Plimsoll.Pages;

/// <summary>From values to coordinates along one axis, with round numbers to mark.</summary>
internal sealed class Scale
{
    private readonly double _from;
    private readonly double _to;
    private readonly double _at;
    private readonly double _end;

    private Scale(double from, double to, double at, double end) => (_from, _to, _at, _end) = (from, to, at, end);

    /// <summary>Round numbers within the axis, rising.</summary>
    public IReadOnlyList<double> Ticks { get; private init; } = [];

    /// <summary>An axis that reaches exactly from one value to another.</summary>
    public static Scale Exact(double from, double to, double at, double end, int ticks)
    {
        if (!(to > from)) to = from + 1;
        var step = Step(to - from, ticks);
        return new Scale(from, to, at, end) { Ticks = Within(from, to, step) };
    }

    /// <summary>An axis that reaches to the next round numbers around some values.</summary>
    public static Scale Round(double from, double to, double at, double end, int ticks)
    {
        if (!(to > from)) to = from + Math.Max(1e-9, Math.Abs(from) / 10);
        var step = Step(to - from, ticks);
        (from, to) = (Math.Floor((from / step) + 1e-9) * step, Math.Ceiling((to / step) - 1e-9) * step);
        return new Scale(from, to, at, end) { Ticks = Within(from, to, step) };
    }

    public double this[double value] => _at + ((value - _from) / (_to - _from) * (_end - _at));

    /// <summary>As many digits as the distance of ticks needs.</summary>
    public string Label(double tick)
    {
        var step = Ticks.Count > 1 ? Ticks[1] - Ticks[0] : Math.Max(Math.Abs(tick), 1);
        var digits = Math.Clamp((int)Math.Ceiling(-Math.Log10(step) - 1e-6), 0, 6);
        return tick.ToString("#,0." + new string('#', digits), CultureInfo.InvariantCulture);
    }

    private static List<double> Within(double from, double to, double step)
    {
        var first = (long)Math.Ceiling((from / step) - 1e-9);
        var ticks = new List<double>();
        for (var i = first; i * step <= to + (step * 1e-9) && ticks.Count < 50; i++) ticks.Add(i * step);
        return ticks;
    }

    // 1, 2 or 5 times a power of ten.
    private static double Step(double range, int ticks)
    {
        var rough = range / ticks;
        var power = Math.Pow(10, Math.Floor(Math.Log10(rough)));
        var factor = rough / power;
        return power * (factor <= 1.0001 ? 1 : factor <= 2.0001 ? 2 : factor <= 5.0001 ? 5 : 10);
    }
}
