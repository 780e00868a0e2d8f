using Plimsoll.Simulation.Fleet;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Requests.Fluid;

/// <summary>
/// One model's requests as <see cref="ModelRequests"/> has them, but in groups, through replicas taken together, and none is kept: of
/// a model that is asked seldom a group is one request, of one that is asked often it is many.
/// </summary>
internal sealed class FluidRequests : IModelRequests
{
    // Where answers are short a group must be small beside what is in flight, or it would be a burst that nobody sent.
    private const double GroupsPerAnswer = 16;
    private const int FewestGroupsPerSecond = 32;
    private const int MostGroupsPerSecond = 2000;

    private readonly GatewayBounds _bounds;
    private readonly FluidLedger _ledger;
    private readonly IRequestStream _stream;
    private readonly LinkedList<RequestGroup> _held = new();
    private readonly List<(VariantId Variant, FluidPool Pool)> _pools = [];
    private readonly Dictionary<VariantId, Func<FluidPool>> _kinds = [];
    private RequestGroup _next;
    private bool _more;

    public FluidRequests(SimulatedModel model, GatewayBounds bounds)
    {
        (Model, _bounds, _ledger) = (model.Spec, bounds, new FluidLedger(model.Spec.Slo));
        var groups = GroupsPerSecond(model);
        _stream = model.Drawn.IsEmpty ? new TraceStream(model.Trace, groups) : new MergedStream([.. model.Drawn.Select(drawn => drawn.Stream(groups))]);
        _more = _stream.TryNext(out _next);
    }

    public ModelSpec Model { get; }

    public RequestCounts Counts => _ledger.Counts;

    public List<(double At, int Prompt, int Answer)>? Answered
    {
        get => _ledger.Answers;
        set => _ledger.Answers = value;
    }

    public long Arrived { get; private set; }

    public long Ended => _ledger.Ended;

    public long InTime => _ledger.InTime;

    public int HeldNow { get; private set; }

    public double? OldestHeld => _held.First?.Value.At;

    public double NextUnserved => _pools.Count == 0 && _more ? _next.At : double.PositiveInfinity;

    private double NextArrival => _more ? _next.At : double.PositiveInfinity;

    public IReplicaGauges Engine(VariantSpec variant, ReplicaTruth truth)
    {
        if (truth is not { Limits: { } limits, StepSeconds: { } seconds })
        {
            _kinds.TryAdd(variant.Id, () => new BatchPool(truth.Batch, variant.Concurrency, _ledger));
            return new FluidReplica();
        }

        if (!_kinds.ContainsKey(variant.Id))
        {
            var times = new StepTimes(seconds, limits.Sequences);
            var prompts = new PromptSteps(limits, times);
            _kinds.Add(variant.Id, () => new TextPool(limits, times, prompts, variant.Concurrency, _ledger));
        }

        return new FluidTextReplica(limits);
    }

    public void Attach(FleetReplica replica, double now)
    {
        var at = _pools.FindIndex(one => one.Variant == replica.Variant.Id);
        if (at < 0)
        {
            at = _pools.Count;
            _pools.Add((replica.Variant.Id, _kinds[replica.Variant.Id]()));
        }

        _pools[at].Pool.AdvanceTo(now);
        _pools[at].Pool.Add(Of(replica));
        DispatchHeld(now);
    }

    public void Detach(FleetReplica replica)
    {
        var at = _pools.FindIndex(one => one.Pool == Of(replica).Pool);
        if (at < 0) return;
        _pools[at].Pool.Leave(Of(replica));
        if (_pools[at].Pool.Replicas.Count == 0) _pools.RemoveAt(at);
    }

    public void Lost(FleetReplica replica, double now)
    {
        Detach(replica);
        var (begun, waiting) = (new List<RequestGroup>(), new List<RequestGroup>());
        Of(replica).Pool?.Abandon(begun, waiting);
        foreach (var failed in begun) _ledger.End(RequestOutcome.Failed, failed.Count);
        foreach (var back in waiting.OrderByDescending(one => one.At))
        {
            Counts.HeldChanged(HeldNow, now);
            _held.AddFirst(back);
            HeldNow += back.Count;
        }

        DispatchHeld(now);
    }

    public void AdvanceTo(double time)
    {
        while (true)
        {
            if (HeldNow > 0 && _pools.Count > 0)
            {
                // A place that becomes free is taken at that moment.
                var free = double.PositiveInfinity;
                foreach (var (_, pool) in _pools) free = Math.Min(free, pool.NextEvent);
                if (free <= NextArrival && free <= time)
                {
                    AdvancePools(free);
                    DispatchHeld(free);
                    continue;
                }
            }

            if (NextArrival > time) break;
            var arrived = _next;
            _more = _stream.TryNext(out _next);
            Arrive(arrived);
        }

        AdvancePools(time);
        DropOld(time);
    }

    public void Advance(FleetReplica replica, double time) => Of(replica).Pool?.AdvanceTo(time);

    public void Close()
    {
        // What would have come later is unfinished too, as it was asked.
        while (_more)
        {
            Arrived += _next.Count;
            _more = _stream.TryNext(out _next);
        }

        _held.Clear();
        HeldNow = 0;
    }

    public RequestTotals Totals() => _ledger.Totals(Arrived);

    // It made them itself.
    private static FluidReplica Of(FleetReplica replica) => (FluidReplica)replica.Engine;

    private static int GroupsPerSecond(SimulatedModel model)
    {
        var quickest = model.Truth.Values.Min(truth => truth.Limits is null ? truth.Batch.Seconds(1) : double.PositiveInfinity);
        return (int)Math.Clamp(GroupsPerAnswer / Math.Max(quickest, 1e-6), FewestGroupsPerSecond, MostGroupsPerSecond);
    }

    private void AdvancePools(double time)
    {
        foreach (var (_, pool) in _pools) pool.AdvanceTo(time);
    }

    private void Arrive(RequestGroup arrived)
    {
        Arrived += arrived.Count;
        Counts.Arrivals += arrived.Count;
        AdvancePools(arrived.At);
        var left = HeldNow > 0 && _pools.Count < 2 ? arrived.Count : Send(arrived, arrived.At);
        if (left == 0) return;
        var room = Math.Min(left, Math.Max(0, _bounds.HeldRequestsPerModel - HeldNow));
        if (room < left) _ledger.End(RequestOutcome.Rejected, left - room);
        if (room == 0) return;
        Counts.HeldChanged(HeldNow, arrived.At);
        _held.AddLast(arrived with { Count = room });
        HeldNow += room;
    }

    private void DispatchHeld(double now)
    {
        DropOld(now);
        for (var one = _held.First; one is not null;)
        {
            var (next, left) = (one.Next, Send(one.Value, now));
            if (left < one.Value.Count)
            {
                Counts.HeldChanged(HeldNow, now);
                HeldNow -= one.Value.Count - left;
            }

            if (left > 0) one.Value = one.Value with { Count = left };
            else _held.Remove(one);
            // What waits for the only variant that holds it keeps nobody from another.
            if (left > 0 && _pools.Count < 2) return;
            one = next;
        }
    }

    private void DropOld(double now)
    {
        while (_held.First is { } oldest && now - oldest.Value.At > _bounds.HoldSeconds)
        {
            Counts.HeldChanged(HeldNow, now);
            HeldNow -= oldest.Value.Count;
            _ledger.End(RequestOutcome.Rejected, oldest.Value.Count);
            _held.RemoveFirst();
        }
    }

    /// <summary>Sends as many as there are places for, to the pool whose replicas have the fewest; how many are left.</summary>
    private int Send(RequestGroup requests, double now)
    {
        while (requests.Count > 0)
        {
            var (chosen, isFree) = ((FluidPool?)null, false);
            foreach (var (_, pool) in _pools)
            {
                isFree |= pool.Free > 0;
                if (pool.Free > 0 && pool.CanHold(requests) && (chosen is null || (long)pool.InFlight * chosen.Replicas.Count < (long)chosen.InFlight * pool.Replicas.Count)) chosen = pool;
            }

            if (chosen is null)
            {
                if (!isFree || _pools.Exists(one => one.Pool.CanHold(requests))) return requests.Count;
                _ledger.End(RequestOutcome.Failed, requests.Count);
                return 0;
            }

            var sent = Math.Min(requests.Count, chosen.Free);
            chosen.Take(requests with { Count = sent }, now);
            requests = requests with { Count = requests.Count - sent };
        }

        return 0;
    }
}
