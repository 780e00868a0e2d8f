using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests;

/// <summary>
/// One model's requests: as they arrive a gateway sends each to the replica with the fewest, or holds it while none can
/// take it. Models meet only in the fleet, so between two events of the fleet each is advanced by itself.
/// </summary>
internal sealed class ModelRequests : IModelRequests
{
    private readonly Slo _slo;
    private readonly GatewayBounds _bounds;
    private readonly LinkedList<int> _held = new();
    private readonly List<FleetReplica> _replicas = [];
    private readonly List<IReplicaEngine> _engines = [];
    private readonly Dictionary<VariantId, StepTimes> _stepTimes = [];
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

    public List<(double At, int Prompt, int Answer)>? Answered { get; set; }

    public long Arrived => _next;

    public long Ended { get; private set; }

    public long InTime { get; private set; }

    public int HeldNow => _held.Count;

    public double? OldestHeld => _held.First is { } first ? Trace.Arrivals[first.Value] : null;

    public double NextUnserved => _replicas.Count == 0 && _next < Trace.Count ? Trace.Arrivals[_next] : double.PositiveInfinity;

    public IReplicaGauges Engine(VariantSpec variant, ReplicaTruth truth)
    {
        if (truth.Profile is { } profile) return new ProfiledEngine(profile, Log);
        if (truth is not { Limits: { } limits, StepSeconds: { } seconds }) return new BatchEngine(truth.Batch, variant.Concurrency, Log);
        if (!_stepTimes.TryGetValue(variant.Id, out var times)) times = _stepTimes[variant.Id] = new StepTimes(seconds, limits.Sequences);
        return new TokenEngine(limits, times, Log, States);
    }

    public void Attach(FleetReplica replica, double now)
    {
        _replicas.Add(replica);
        _engines.Add(Of(replica));
        DispatchHeld(now);
    }

    public void Detach(FleetReplica replica)
    {
        var at = _replicas.IndexOf(replica);
        if (at < 0) return;
        _replicas.RemoveAt(at);
        _engines.RemoveAt(at);
    }

    public void Lost(FleetReplica replica, double now)
    {
        Detach(replica);
        _ended.Clear();
        Of(replica).Abandon(_ended);
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

    public void AdvanceTo(double time)
    {
        while (true)
        {
            var arrival = _next < Trace.Count ? Trace.Arrivals[_next] : double.PositiveInfinity;
            if (_held.Count > 0 && _replicas.Count > 0)
            {
                // A place that becomes free is taken at that moment.
                var engine = Earliest(out var end);
                if (end <= arrival && end <= time)
                {
                    Advance(engine!, end);
                    DispatchHeld(end);
                    continue;
                }
            }

            if (arrival > time) break;
            Arrive(_next++, arrival);
        }

        foreach (var engine in _engines) Advance(engine, time);
        DropOld(time);
    }

    public void Advance(FleetReplica replica, double time) => Advance(Of(replica), time);

    public void Close()
    {
        foreach (var request in _held) Outcomes[request] = RequestOutcome.Unfinished;
        _held.Clear();
    }

    public RequestTotals Totals()
    {
        var counts = new long[Enum.GetValues<RequestOutcome>().Length];
        var seconds = new List<double>();
        for (var request = 0; request < Trace.Count; request++)
        {
            var outcome = Outcomes[request];
            counts[(int)outcome]++;
            if (outcome is RequestOutcome.WithinSlo or RequestOutcome.Late) seconds.Add(Log.EndToEnd(request));
        }

        seconds.Sort();
        double At(double share) => seconds[Math.Min(seconds.Count - 1, (int)(share * seconds.Count))];
        long Of(RequestOutcome outcome) => counts[(int)outcome];
        return new RequestTotals(
            Of(RequestOutcome.WithinSlo), Of(RequestOutcome.Late), Of(RequestOutcome.Rejected), Of(RequestOutcome.Failed), Of(RequestOutcome.Unfinished),
            seconds.Count == 0 ? null : new Runs.AnswerSeconds(At(0.5), At(0.95), At(0.99)));
    }

    // It made them itself.
    private static IReplicaEngine Of(FleetReplica replica) => (IReplicaEngine)replica.Engine;

    private void Advance(IReplicaEngine engine, double time)
    {
        engine.AdvanceTo(time, _ended);
        foreach (var request in _ended) Completed(request);
        _ended.Clear();
    }

    private void Arrive(int request, double now)
    {
        Counts.Arrivals++;
        foreach (var engine in _engines) Advance(engine, now);
        if ((_held.Count > 0 && !RoomsDiffer) || !TrySend(request, now)) Hold(request, now, first: false);
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
        for (var waiting = _held.First; waiting is not null;)
        {
            var next = waiting.Next;
            if (TrySend(waiting.Value, now))
            {
                Counts.HeldChanged(_held.Count, now);
                _held.Remove(waiting);
            }
            else if (!RoomsDiffer) return;

            waiting = next;
        }
    }

    // Then one that waits for the only replica that holds it keeps nobody from another.
    private bool RoomsDiffer => _replicas.Exists(replica => replica.RoomTokens != _replicas[0].RoomTokens);

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
        var (at, fewest, isFree) = (-1, int.MaxValue, false);
        for (var i = 0; i < _replicas.Count; i++)
        {
            var other = (_turn + i) % _replicas.Count;
            var outstanding = _engines[other].Outstanding;
            if (outstanding >= _replicas[other].Concurrency) continue;
            isFree = true;
            if (outstanding < fewest && CanHold(_replicas[other], request)) (at, fewest) = (other, outstanding);
        }

        if (at < 0)
        {
            if (!isFree || _replicas.Exists(replica => CanHold(replica, request))) return false;
            End(request, RequestOutcome.Failed);
            return true;
        }

        _turn = (at + 1) % _replicas.Count;
        _engines[at].Submit(request, now);
        (_sentAt[request], _sentAs[request]) = (now, _engines[at].Outstanding);
        return true;
    }

    private bool CanHold(FleetReplica replica, int request) => replica.CanHold(Trace.Prompts[request], Trace.Answers[request]);

    private IReplicaEngine? Earliest(out double end)
    {
        IReplicaEngine? earliest = null;
        end = double.PositiveInfinity;
        foreach (var engine in _engines)
        {
            if (engine.NextEvent >= end) continue;
            (earliest, end) = (engine, engine.NextEvent);
        }

        return earliest;
    }

    private void Completed(int request)
    {
        var end = Log.Ends[request];
        var within = end - Trace.Arrivals[request] <= _slo.Latency.TotalSeconds
            && (_slo.TimeToFirstToken is not { } first || Log.Ttft(request) <= first.TotalSeconds)
            && (_slo.TimePerOutputToken is not { } each || Log.Tpot(request) <= each.TotalSeconds);
        Answered?.Add((end, Trace.Prompts[request], Trace.Answers[request]));
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

    /// <summary>Its replica died while it answered, or no replica that serves can hold it.</summary>
    Failed,
}

/// <summary>What the gateway bounds; the defaults are the gateway's own.</summary>
/// <param name="HeldRequestsPerModel">Requests held for one model.</param>
/// <param name="HoldSeconds">Longest time a request is held.</param>
public sealed record GatewayBounds(int HeldRequestsPerModel = 2048, double HoldSeconds = 120);
