using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests;

/// <summary>
/// One model's requests: as they arrive a gateway sends each to the replica with the fewest, or holds it while none can
/// take it. Models meet only in the fleet, so between two events of the fleet each is advanced by itself.
/// </summary>
internal sealed class ModelRequests
{
    private readonly Slo _slo;
    private readonly GatewayBounds _bounds;
    private readonly LinkedList<int> _held = new();
    private readonly List<FleetReplica> _replicas = [];
    private readonly List<int> _ended = [];
    private readonly double[] _sentAt;
    private readonly int[] _sentAs;
    private int _next;
    private int _turn;

    public ModelRequests(ModelSpec model, RequestTrace trace, GatewayBounds bounds)
    {
        (Model, Trace, _slo, _bounds) = (model, trace, model.Slo, bounds);
        Log = new RequestLog(trace.Arrivals, trace.Prompts, trace.Answers);
        States = new RequestStates(Log);
        (_sentAt, _sentAs) = (new double[trace.Count], new int[trace.Count]);
        Outcomes = new RequestOutcome[trace.Count];
    }

    public ModelSpec Model { get; }

    public RequestTrace Trace { get; }

    public RequestLog Log { get; }

    public RequestStates States { get; }

    /// <summary>What became of each.</summary>
    public RequestOutcome[] Outcomes { get; }

    public RequestCounts Counts { get; } = new();

    /// <summary>Where requests are added as they are answered; null where nobody reads them one by one.</summary>
    public List<int>? Answered { get; set; }

    /// <summary>Requests that arrived so far.</summary>
    public long Arrived => _next;

    /// <summary>Requests that ended so far, in whatever way.</summary>
    public long Ended { get; private set; }

    /// <summary>Of those, answered within the objective.</summary>
    public long InTime { get; private set; }

    public int HeldNow => _held.Count;

    public double? OldestHeld => _held.First is { } first ? Trace.Arrivals[first.Value] : null;

    /// <summary>When somebody will first ask a model that no replica serves; infinity where that is not so.</summary>
    public double NextUnserved => _replicas.Count == 0 && _held.Count == 0 && _next < Trace.Count ? Trace.Arrivals[_next] : double.PositiveInfinity;

    /// <summary>It takes requests from now on.</summary>
    public void Attach(FleetReplica replica, double now)
    {
        _replicas.Add(replica);
        DispatchHeld(now);
    }

    /// <summary>It gets no more; what it has it finishes, and is still to be advanced by itself.</summary>
    public void Detach(FleetReplica replica) => _replicas.Remove(replica);

    /// <summary>It died: what was not begun to be answered is held again, ahead of all others; the rest failed.</summary>
    public void Lost(FleetReplica replica, double now)
    {
        _replicas.Remove(replica);
        _ended.Clear();
        replica.Engine.Abandon(_ended);
        _ended.Sort();
        for (var i = _ended.Count - 1; i >= 0; i--)
        {
            var request = _ended[i];
            States.Forget(request);
            if (double.IsNaN(Log.FirstTokens[request])) Hold(request, now, first: true);
            else End(request, RequestOutcome.Failed);
        }

        _ended.Clear();
        DispatchHeld(now);
    }

    /// <summary>Lets all happen that does by a time, inclusive.</summary>
    public void AdvanceTo(double time)
    {
        while (true)
        {
            var arrival = _next < Trace.Count ? Trace.Arrivals[_next] : double.PositiveInfinity;
            if (_held.Count > 0 && _replicas.Count > 0)
            {
                // A place that becomes free is taken at that moment.
                var replica = Earliest(out var end);
                if (end <= arrival && end <= time)
                {
                    Advance(replica!, end);
                    DispatchHeld(end);
                    continue;
                }
            }

            if (arrival > time) break;
            Arrive(_next++, arrival);
        }

        foreach (var replica in _replicas) Advance(replica, time);
        DropOld(time);
    }

    /// <summary>The same of a replica that gets no more.</summary>
    public void Advance(FleetReplica replica, double time)
    {
        replica.Engine.AdvanceTo(time, _ended);
        foreach (var request in _ended) Completed(request);
        _ended.Clear();
    }

    /// <summary>The run is over: what has no end by then has none within the objective.</summary>
    public void Close()
    {
        foreach (var request in _held) Outcomes[request] = RequestOutcome.Unfinished;
        _held.Clear();
    }

    private void Arrive(int request, double now)
    {
        Counts.Arrivals++;
        foreach (var replica in _replicas) Advance(replica, now);
        if (_held.Count > 0 || !TrySend(request, now)) Hold(request, now, first: false);
    }

    private void Hold(int request, double now, bool first)
    {
        if (!first && _held.Count >= _bounds.HeldRequestsPerModel)
        {
            End(request, RequestOutcome.Rejected);
            return;
        }

        Counts.HeldChanged(_held.Count, now);
        if (first) _held.AddFirst(request);
        else _held.AddLast(request);
    }

    private void DispatchHeld(double now)
    {
        DropOld(now);
        while (_held.First is { } waiting && TrySend(waiting.Value, now))
        {
            Counts.HeldChanged(_held.Count, now);
            _held.RemoveFirst();
        }
    }

    private void DropOld(double now)
    {
        while (_held.First is { } oldest && now - Trace.Arrivals[oldest.Value] > _bounds.HoldSeconds)
        {
            Counts.HeldChanged(_held.Count, now);
            _held.RemoveFirst();
            End(oldest.Value, RequestOutcome.Rejected);
        }
    }

    private bool TrySend(int request, double now)
    {
        FleetReplica? chosen = null;
        for (var i = 0; i < _replicas.Count; i++)
        {
            var other = _replicas[(_turn + i) % _replicas.Count];
            if (other.Engine.Outstanding < other.Concurrency && (chosen is null || other.Engine.Outstanding < chosen.Engine.Outstanding)) chosen = other;
        }

        if (chosen is null) return false;
        if (!chosen.CanHold(Trace.Prompts[request], Trace.Answers[request]))
        {
            End(request, RequestOutcome.Failed);
            return true;
        }

        _turn = _replicas.Count > 1 ? (_replicas.IndexOf(chosen) + 1) % _replicas.Count : 0;
        chosen.Engine.Submit(request, now);
        (_sentAt[request], _sentAs[request]) = (now, chosen.Engine.Outstanding);
        return true;
    }

    private FleetReplica? Earliest(out double end)
    {
        FleetReplica? earliest = null;
        end = double.PositiveInfinity;
        foreach (var replica in _replicas)
        {
            if (replica.Engine.NextEvent >= end) continue;
            (earliest, end) = (replica, replica.Engine.NextEvent);
        }

        return earliest;
    }

    private void Completed(int request)
    {
        var end = Log.Ends[request];
        var within = end - Trace.Arrivals[request] <= _slo.Latency.TotalSeconds
            && (_slo.TimeToFirstToken is not { } first || Log.Ttft(request) <= first.TotalSeconds)
            && (_slo.TimePerOutputToken is not { } each || Log.Tpot(request) <= each.TotalSeconds);
        Answered?.Add(request);
        Counts.Served(_sentAs[request], end - _sentAt[request], Trace.Prompts[request], Trace.Answers[request]);
        End(request, within ? RequestOutcome.WithinSlo : RequestOutcome.Late);
    }

    private void End(int request, RequestOutcome outcome)
    {
        Outcomes[request] = outcome;
        Ended++;
        if (outcome == RequestOutcome.WithinSlo) InTime++;
        Counts.Ended(outcome);
    }
}

/// <summary>What became of a request.</summary>
public enum RequestOutcome : byte
{
    /// <summary>Held or in a replica when the run ended, or not arrived by then.</summary>
    Unfinished,

    WithinSlo,

    /// <summary>Answered, not within its objective.</summary>
    Late,

    /// <summary>Turned away: too many were held, or it was held too long.</summary>
    Rejected,

    /// <summary>Its replica died while it answered, or no replica can hold it.</summary>
    Failed,
}

/// <summary>What the gateway bounds; the defaults are the gateway's own.</summary>
/// <param name="HeldRequestsPerModel">Requests held for one model.</param>
/// <param name="HoldSeconds">Longest time a request is held.</param>
public sealed record GatewayBounds(int HeldRequestsPerModel = 2048, double HoldSeconds = 120);
