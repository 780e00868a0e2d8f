namespace Plimsoll.Simulation.Runs.Rules;

/// <summary>Rates and mean tokens over a window, of counters that only grow: what Prometheus makes of them.</summary>
internal sealed class CounterWindow(TimeSpan window)
{
    private readonly Queue<(DateTimeOffset At, long Arrived, long Requests, double Prompts, double Answers)> _seen = new();
    private (DateTimeOffset At, long Arrived, long Requests, double Prompts, double Answers) _newest;

    public void Look(ModelView seen)
    {
        _newest = (seen.Now, seen.Arrived, seen.Served.Requests, seen.Served.Prompts, seen.Served.Answers);
        _seen.Enqueue(_newest);
        while (_seen.Count > 2 && _seen.ElementAt(1).At <= seen.Now - window) _seen.Dequeue();
    }

    /// <summary>Arrivals in the window, or since the first look.</summary>
    public long Arrived => _seen.TryPeek(out var oldest) ? _newest.Arrived - oldest.Arrived : 0;

    public double ArrivalsPerSecond => _seen.TryPeek(out var oldest) && _newest.At > oldest.At ? Arrived / (_newest.At - oldest.At).TotalSeconds : 0;

    /// <summary>Whether a whole window was seen.</summary>
    public bool IsFull => _seen.TryPeek(out var oldest) && _newest.At - oldest.At >= window;

    /// <summary>Tokens of a prompt; of all so far where the window has no answer; 0 where there is none at all.</summary>
    public double MeanPrompt => Mean(one => one.Prompts);

    public double MeanAnswer => Mean(one => one.Answers);

    private double Mean(Func<(DateTimeOffset At, long Arrived, long Requests, double Prompts, double Answers), double> of)
    {
        if (!_seen.TryPeek(out var oldest)) return 0;
        if (_newest.Requests > oldest.Requests) return (of(_newest) - of(oldest)) / (_newest.Requests - oldest.Requests);
        return _newest.Requests > 0 ? of(_newest) / _newest.Requests : 0;
    }
}
