using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>Replicas whose requests take a + b·n seconds, by how many are in their replica as they are sent there.</summary>
internal sealed class BatchPool(BatchTimes times, int concurrency, FluidLedger ledger) : FluidPool(concurrency)
{
    private readonly PriorityQueue<(SentGroup Sent, Lane Lane), double> _flying = new();
    private readonly List<Lane> _lanes = [];

    public override double NextEvent => _flying.TryPeek(out _, out var end) ? end : double.PositiveInfinity;

    public override void Add(FluidReplica replica)
    {
        base.Add(replica);
        _lanes.Add(new Lane());
    }

    public override void Take(RequestGroup requests, double now)
    {
        var lane = Fewest(_lanes, static one => one.InFlight, requests.Count, out var used);

        // Of a group the one in the middle is typical.
        var ahead = (lane.InFlight + (requests.Count / 2.0)) * used / Replicas.Count;
        var inReplica = Math.Clamp((int)Math.Round(ahead + 0.5), 1, Concurrency);
        Busy(now);
        Enqueue(new SentGroup(requests, now, inReplica), lane, now + (times.Seconds(inReplica) * Slowdown));
    }

    public override void AdvanceTo(double time)
    {
        while (_flying.TryPeek(out var flying, out var end) && end <= time)
        {
            _flying.Dequeue();
            Busy(end);
            InFlight -= flying.Sent.Count;
            flying.Lane.InFlight -= flying.Sent.Count;
            ledger.Answered(flying.Sent, end, end);
        }
    }

    public override void Abandon(List<RequestGroup> begun, List<RequestGroup> waiting)
    {
        // Such an answer comes all at once, so none had begun.
        foreach (var ((sent, _), _) in Emptied()) waiting.Add(sent.Requests);
    }

    protected override FluidPool Like() => new BatchPool(times, Concurrency, ledger);

    protected override void MoveShare(FluidPool to, double share)
    {
        var (other, taker) = ((BatchPool)to, new ShareTaker(share));
        foreach (var ((sent, lane), end) in Emptied())
        {
            var moved = taker.Of(sent.Count);
            if (moved > 0) other.Enqueue(sent.Part(moved), other._lanes[0], end);
            if (moved < sent.Count) Enqueue(sent.Part(sent.Count - moved), lane, end);
        }
    }

    // Requests of the lane that goes are in others from now on.
    protected override void Left()
    {
        var gone = _lanes[^1];
        _lanes.RemoveAt(_lanes.Count - 1);
        if (_lanes.Count == 0) return;
        foreach (var ((sent, lane), end) in Emptied()) Enqueue(sent, lane == gone ? Fewest(_lanes, static one => one.InFlight, 1, out _) : lane, end);
    }

    private List<((SentGroup Sent, Lane Lane) Flying, double End)> Emptied()
    {
        var all = new List<((SentGroup, Lane), double)>(_flying.Count);
        while (_flying.TryDequeue(out var flying, out var end)) all.Add((flying, end));
        foreach (var lane in _lanes) lane.InFlight = 0;
        InFlight = 0;
        return all;
    }

    private void Enqueue(SentGroup sent, Lane lane, double end)
    {
        _flying.Enqueue((sent, lane), end);
        InFlight += sent.Count;
        lane.InFlight += sent.Count;
    }

    private sealed class Lane
    {
        /// <summary>Requests in the replica.</summary>
        public int InFlight { get; set; }
    }
}
