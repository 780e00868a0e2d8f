namespace Plimsoll;

/// <summary>
/// One replica that computes requests in batches: free, it takes those that wait, as many as its largest batch holds; the others
/// wait for the next (dynamic batching without a delay, as Triton and TensorFlow Serving do). All of a batch end together.
/// </summary>
internal sealed class SimulatedBatchReplica(BatchProfile profile, RequestLog log)
{
    private readonly Queue<int> _waiting = new();
    private readonly List<int> _batch = [];

    /// <summary>Requests sent here and not answered.</summary>
    public int Outstanding => _batch.Count + _waiting.Count;

    /// <summary>Of those, requests that are in no batch yet.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>When the batch under way ends; infinity where there is none.</summary>
    public double BatchEnds { get; private set; } = double.PositiveInfinity;

    /// <summary>How many times as long as alone the batches take that begin from now on: others may have a part of the device.</summary>
    public double Slowdown { get; set; } = 1;

    /// <summary>Seconds of batches so far, all of the one under way among them.</summary>
    public double BusySeconds { get; private set; }

    /// <summary>Takes a request; all batches that end by then must be over.</summary>
    public void Submit(int request, double now)
    {
        _waiting.Enqueue(request);
        if (_batch.Count == 0) Begin(now);
    }

    /// <summary>Lets every batch end that ends by a time.</summary>
    /// <param name="time">Until when, inclusive.</param>
    /// <param name="ended">Where requests that end are added; null where nobody asks.</param>
    public void AdvanceTo(double time, List<int>? ended = null)
    {
        while (BatchEnds <= time)
        {
            foreach (var request in _batch) log.FirstTokens[request] = log.Ends[request] = BatchEnds;
            ended?.AddRange(_batch);
            _batch.Clear();
            Begin(BatchEnds);
        }
    }

    /// <summary>It is gone, with all that were in it.</summary>
    /// <param name="lost">Where they are added.</param>
    public void Abandon(List<int> lost)
    {
        lost.AddRange(_batch);
        lost.AddRange(_waiting);
        _batch.Clear();
        _waiting.Clear();
        BatchEnds = double.PositiveInfinity;
    }

    private void Begin(double now)
    {
        while (_batch.Count < profile.BatchMax && _waiting.TryDequeue(out var request)) _batch.Add(request);
        var seconds = _batch.Count > 0 ? profile.Seconds(_batch.Count) * Slowdown : 0;
        BatchEnds = _batch.Count > 0 ? now + seconds : double.PositiveInfinity;
        BusySeconds += seconds;
    }
}
