namespace Plimsoll.Simulation.Requests;

/// <summary>
/// A replica whose requests take a fixed part and one for each request in it as it is taken in: seconds = a + b·n, as
/// models take that answer at once (classifiers, encoders, images). It works on so many at once; others wait their turn.
/// </summary>
internal sealed class BatchEngine(BatchTimes times, int concurrency, RequestLog log) : IReplicaEngine
{
    private readonly PriorityQueue<int, (double End, int Request)> _running = new();
    private readonly Queue<int> _waiting = new();
    private double _busy;
    private double _busySince;

    public int Outstanding => _running.Count + _waiting.Count;

    public int Waiting => _waiting.Count;

    public double CacheUse => 0;

    public double Slowdown { get; set; } = 1;

    public double BusyUntil(double time) => _busy + (_running.Count > 0 ? Math.Max(0, time - _busySince) : 0);

    public double NextEvent => _running.TryPeek(out _, out var next) ? next.End : double.PositiveInfinity;

    public void Submit(int request, double now)
    {
        if (_running.Count < concurrency) Begin(request, now);
        else _waiting.Enqueue(request);
    }

    public void AdvanceTo(double time, List<int> ended)
    {
        while (_running.TryPeek(out var request, out var next) && next.End <= time)
        {
            _running.Dequeue();
            log.FirstTokens[request] = log.Ends[request] = next.End;
            ended.Add(request);
            if (_running.Count == 0) _busy += next.End - _busySince;
            if (_waiting.TryDequeue(out var waiting)) Begin(waiting, next.End);
        }
    }

    public void Abandon(List<int> lost)
    {
        while (_running.TryDequeue(out var request, out _)) lost.Add(request);
        while (_waiting.TryDequeue(out var request)) lost.Add(request);
    }

    private void Begin(int request, double now)
    {
        if (_running.Count == 0) _busySince = now;
        _running.Enqueue(request, (now + (times.Seconds(_running.Count + 1) * Slowdown), request));
    }
}

/// <summary>How long a request takes with so many in its replica, itself among them.</summary>
/// <param name="Fixed">Seconds whatever is in it.</param>
/// <param name="PerRequest">Seconds for each request in it.</param>
public readonly record struct BatchTimes(double Fixed, double PerRequest)
{
    public double Seconds(int inReplica) => Fixed + (PerRequest * inReplica);
}
