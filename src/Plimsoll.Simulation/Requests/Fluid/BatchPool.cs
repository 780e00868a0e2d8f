using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>Replicas whose requests take a + b·n seconds, by how many are in their replica as they are sent there.</summary>
internal sealed class BatchPool(BatchTimes times, int concurrency, FluidLedger ledger) : FluidPool(concurrency)
{
    private readonly PriorityQueue<SentGroup, double> _flying = new();

    public override double NextEvent => _flying.TryPeek(out _, out var end) ? end : double.PositiveInfinity;

    public override void Take(RequestGroup requests, double now)
    {
        // Of a group the one in the middle is typical.
        var inReplica = Math.Min(Concurrency, 1 + ((InFlight + ((requests.Count - 1) / 2)) / Replicas.Count));
        InFlight += requests.Count;
        _flying.Enqueue(new SentGroup(requests, now, inReplica), now + times.Seconds(inReplica));
    }

    public override void AdvanceTo(double time)
    {
        while (_flying.TryPeek(out var sent, out var end) && end <= time)
        {
            _flying.Dequeue();
            InFlight -= sent.Count;
            ledger.Answered(sent, end, end);
        }
    }

    public override void Abandon(List<RequestGroup> begun, List<RequestGroup> waiting)
    {
        // Such an answer comes all at once, so none had begun.
        while (_flying.TryDequeue(out var sent, out _)) waiting.Add(sent.Requests);
        InFlight = 0;
    }

    protected override FluidPool Like() => new BatchPool(times, Concurrency, ledger);

    protected override void MoveShare(FluidPool to, double share)
    {
        var (other, taker) = ((BatchPool)to, new ShareTaker(share));
        var all = new List<(SentGroup Sent, double End)>();
        while (_flying.TryDequeue(out var sent, out var end)) all.Add((sent, end));
        foreach (var (sent, end) in all)
        {
            var moved = taker.Of(sent.Count);
            if (moved > 0) other._flying.Enqueue(sent.Part(moved), end);
            if (moved < sent.Count) _flying.Enqueue(sent.Part(sent.Count - moved), end);
            InFlight -= moved;
            other.InFlight += moved;
        }
    }
}
