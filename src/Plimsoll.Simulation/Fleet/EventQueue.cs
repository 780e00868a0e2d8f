namespace Plimsoll.Simulation.Fleet;

/// <summary>What is to happen, in the order of (time, sequence): equal times keep the order in which they were said.</summary>
internal sealed class EventQueue
{
    private readonly PriorityQueue<Action<double>, (double Time, long Sequence)> _events = new();
    private long _sequence;

    /// <summary>When the next thing happens; infinity where nothing is to.</summary>
    public double Next => _events.TryPeek(out _, out var first) ? first.Time : double.PositiveInfinity;

    /// <param name="time">Seconds of the run.</param>
    /// <param name="happen">Called with the time.</param>
    public void At(double time, Action<double> happen)
    {
        if (!double.IsFinite(time)) throw new ArgumentOutOfRangeException(nameof(time), time, "an event needs a time");
        _events.Enqueue(happen, (time, _sequence++));
    }

    /// <summary>Lets the next thing happen.</summary>
    public void RunNext()
    {
        if (_events.TryDequeue(out var happen, out var at)) happen(at.Time);
    }
}
