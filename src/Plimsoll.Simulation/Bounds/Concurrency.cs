using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Bounds;

/// <summary>
/// How many requests can be worked on in time at once, at the most: each only between its arrival and the last moment at which its
/// answer is in time. Time is cut into slots, and whoever's time touches a slot counts in all of it, so that it is never too few.
/// </summary>
internal sealed class Concurrency
{
    private const int SlotsMost = 200_000;
    private const double SlotsOfAWindow = 8;

    private readonly double _slot;
    private readonly int[] _from;
    private readonly int[] _to;
    private readonly List<int[]> _most = [];

    /// <param name="trace">Who asks.</param>
    /// <param name="window">Seconds from a request's arrival in which it can be worked on in time.</param>
    public Concurrency(RequestTrace trace, Func<int, double> window)
    {
        var shortest = double.PositiveInfinity;
        var end = 0.0;
        for (var i = 0; i < trace.Count; i++)
        {
            var seconds = window(i);
            shortest = Math.Min(shortest, seconds);
            end = Math.Max(end, trace.Arrivals[i] + seconds);
        }

        _slot = Math.Max(Math.Max(1e-3, shortest / SlotsOfAWindow), end / SlotsMost);
        if (!double.IsFinite(_slot)) _slot = 1;
        var slots = (int)(end / _slot) + 2;
        var change = new int[slots + 1];
        (_from, _to) = (new int[trace.Count], new int[trace.Count]);
        for (var i = 0; i < trace.Count; i++)
        {
            _from[i] = (int)(trace.Arrivals[i] / _slot);
            _to[i] = Math.Max(_from[i], (int)((trace.Arrivals[i] + window(i)) / _slot));
            change[_from[i]]++;
            change[_to[i] + 1]--;
        }

        var count = new int[slots];
        for (int t = 0, now = 0; t < slots; t++) count[t] = now += change[t];
        // The most of 1, 2, 4, ... slots from each on, so that the most of any stretch is that of two of them.
        _most.Add(count);
        for (var width = 1; width * 2 <= slots; width *= 2)
        {
            var (before, next) = (_most[^1], new int[slots - (width * 2) + 1]);
            for (var t = 0; t < next.Length; t++) next[t] = Math.Max(before[t], before[t + width]);
            _most.Add(next);
        }
    }

    /// <summary>Of those that request <paramref name="i"/> can be worked on beside, itself among them.</summary>
    public int Beside(int i)
    {
        var level = int.Log2(_to[i] - _from[i] + 1);
        var row = _most[level];
        return Math.Max(row[_from[i]], row[_to[i] + 1 - (1 << level)]);
    }
}
