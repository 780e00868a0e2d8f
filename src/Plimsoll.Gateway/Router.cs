using System.Collections.Frozen;
using System.Collections.Immutable;

namespace Plimsoll.Gateway;

/// <summary>
/// Decides where a request goes, holds it while nowhere can take it, and counts: that count is demand. A body publishes
/// routes here and reads traffic; the web part asks for slots. Knows nothing of HTTP.
/// </summary>
public sealed class Router(GatewayOptions options, TimeProvider time)
{
    // A replica that refused a connection is likely dying; the body's next look decides. Doubled by each failure in a row:
    // 250 ms, 500 ms, … 4 s, so that a table that is late costs few attempts.
    private static readonly TimeSpan AvoidFirst = TimeSpan.FromMilliseconds(250);
    private const int AvoidDoublings = 4;

    private readonly Lock _publish = new();
    private readonly HeldRequests _held = new(options);
    private FrozenDictionary<string, ModelQueue> _models = FrozenDictionary<string, ModelQueue>.Empty;

    // Of models that left the table while requests were in their replicas: those go on, and are to be seen until they end.
    private ModelQueue[] _left = [];
    private TaskCompletionSource _change = NewSignal();
    private TaskCompletionSource _woken = NewSignal();
    private long _wakes;
    private long _sequence;

    /// <summary>Ids of the models there are, ordered.</summary>
    public ImmutableArray<ModelId> Models => [.. _models.Values.Select(queue => queue.Route.Model).Order()];

    /// <summary>Requests held now, over all models.</summary>
    public int HeldCount => _held.Count;

    /// <summary>Takes a new table; requests in flight go on, and those that wait may go now.</summary>
    public void Publish(RouteTable table)
    {
        ArgumentNullException.ThrowIfNull(table);
        lock (_publish)
        {
            var now = time.GetTimestamp();
            var before = _models;
            var queues = new Dictionary<string, ModelQueue>(StringComparer.Ordinal);
            foreach (var route in table.Models)
            {
                var stayed = before.TryGetValue(route.Model.Value, out var queue);
                queue ??= Array.Find(_left, one => one.Route.Model == route.Model) ?? new ModelQueue(route);
                lock (queue.Gate)
                {
                    // A new owner of the name, or one that has it again, would else get all that others counted as its own.
                    if (queue.Counter.From == default || (route.Owner is { } owner && (!stayed || owner != queue.Route.Owner)))
                        queue.Counter.BeginAnew(time.GetUtcNow());
                    Update_NeedsLock(queue, route);
                }

                queues[route.Model.Value] = queue;
            }

            ModelQueue[] gone = [.. _left.Concat(before.Values).Where(queue => !queues.ContainsKey(queue.Route.Model.Value))];
            foreach (var queue in gone)
            {
                lock (queue.Gate) Update_NeedsLock(queue, queue.Route with { Replicas = [], Unavailable = "the model is no longer in the fleet" });
            }

            // Known as left before they are no longer known as there, so that no look in between misses them.
            _left = [.. gone.Where(queue => queue.Replicas.Length > 0)];
            _models = queues.ToFrozenDictionary(StringComparer.Ordinal);
            foreach (var queue in queues.Values.Concat(gone))
            {
                lock (queue.Gate) Serve_NeedsLock(queue, now);
            }
        }
    }

    /// <summary>
    /// The gateway ends, and no replica will come any more: who waits for a model without one is told so, instead of being
    /// cut off when the patience of the end is over.
    /// </summary>
    internal void End()
    {
        lock (_publish)
        {
            foreach (var queue in _models.Values)
            {
                lock (queue.Gate)
                {
                    if (queue.HasReplica) continue;
                    queue.Route = queue.Route with { Unavailable = "the gateway is ending" };
                    Serve_NeedsLock(queue, time.GetTimestamp());
                }
            }
        }
    }

    /// <summary>How often a request began to wait for a model that no replica serves and no other request waited for.</summary>
    public long Wakes => Interlocked.Read(ref _wakes);

    /// <summary>What arrived, ended and waits, per model, since the last reading; a model without traffic has its row too.</summary>
    public ImmutableArray<ModelTraffic> ReadTraffic(DateTimeOffset now) => Read(now, again: true);

    /// <summary>
    /// The same without a mark for the next reading: where nobody takes <see cref="ReadTraffic"/>, all since each model came
    /// into the table or got its <see cref="ModelRoute.Owner"/>, for any number of readers who take differences themselves.
    /// </summary>
    public ImmutableArray<ModelTraffic> Totals(DateTimeOffset now) => Read(now, again: false);

    /// <summary>Requests in a replica now, also of a model that left the table; 0 for one that is not known.</summary>
    public int Outstanding(ReplicaId replica) => (int)CountOf(replica, slots => slots.Outstanding);

    /// <summary>Requests that a replica has answered below 500 so far; 0 for one that is not known.</summary>
    public long Answered(ReplicaId replica) => CountOf(replica, slots => slots.Answered);

    private long CountOf(ReplicaId replica, Func<ReplicaSlots, long> count)
    {
        foreach (var queue in _models.Values.Concat(_left))
            lock (queue.Gate)
                if (Array.Find(queue.Replicas, slots => slots.Route.Replica == replica) is { } found) return count(found);

        return 0;
    }

    /// <summary>Ends when a request began to wait for a model that no replica serves.</summary>
    public async Task WaitForChangeAsync(CancellationToken cancellationToken)
    {
        await _change.Task.WaitAsync(cancellationToken).ConfigureAwait(false);
        Interlocked.Exchange(ref _change, NewSignal());
    }

    /// <summary>Ends once <see cref="Wakes"/> is past a count.</summary>
    public async Task WaitForWakeAsync(long past, CancellationToken cancellationToken)
    {
        while (true)
        {
            var signal = Volatile.Read(ref _woken).Task;
            if (Wakes > past) return;
            await signal.WaitAsync(cancellationToken).ConfigureAwait(false);
        }
    }

    internal bool TryFind(string model, out ModelQueue queue) => _models.TryGetValue(model, out queue!);

    internal IEnumerable<ModelQueue> Queues => _models.Values.OrderBy(queue => queue.Route.Model);

    /// <summary>A request that counts as demand arrived.</summary>
    internal static void Arrived(ModelQueue queue, long bytes)
    {
        lock (queue.Gate)
        {
            queue.Counter.Arrivals++;
            queue.Counter.RequestBytes += bytes;
            queue.Counter.Totals.Arrivals++;
        }
    }

    /// <summary>
    /// A slot at once, or after waiting; null with the reason when the bounds or the time say no. A request that comes
    /// <paramref name="again"/>, because its replica died, goes before those that never had one, and past the bounds: it
    /// was admitted, and there are no more of them than slots.
    /// </summary>
    internal async ValueTask<(Slot? Slot, string? Refused)> TakeAsync(
        ModelQueue queue, long bytes, TimeSpan patience, bool again, CancellationToken cancellationToken)
    {
        Waiter waiter;
        var now = time.GetTimestamp();
        lock (queue.Gate)
        {
            if (queue.Route.Unavailable is { } why) return (null, why);

            // Whoever waits already goes first.
            if ((again || queue.Waiting.Count == 0) && queue.TryTake_NeedsLock(now) is { } slot) return (slot, null);
            if (!queue.HasReplica && queue.Route.InVain(patience, time.GetUtcNow()) is { } paused) return (null, paused);
            if (!again && queue.Waiting.Count >= options.HeldRequestsPerModel)
                return (null, $"{queue.Waiting.Count} requests wait for {queue.Route.Model} already");
            if (!again && queue.WaitingBytes + bytes > options.HeldBytesPerModel.Value)
                return (null, $"{new Bytes(queue.WaitingBytes)} of requests wait for {queue.Route.Model} already");
            waiter = new Waiter(again ? int.MaxValue : queue.Route.Priority, Interlocked.Increment(ref _sequence), bytes, now);
            if (!_held.TryAdmit(waiter, again)) return (null, "the queue of held requests is full");
            waiter.Node = again ? queue.Waiting.AddFirst(waiter) : queue.Waiting.AddLast(waiter);
            queue.WaitingBytes += bytes;
            queue.Counter.Totals.Held++;
            if (!queue.HasReplica)
            {
                _change.TrySetResult();
                if (queue.Waiting.Count == 1) Wake();
            }
        }

        try
        {
            var granted = await waiter.Granted.WaitAsync(patience, time, cancellationToken).ConfigureAwait(false);
            return granted is null
                ? (null, queue.Route.Unavailable ?? "a request of higher priority took its place in the queue")
                : (granted, null);
        }
        catch (TimeoutException)
        {
            return await LeaveAsync(queue, waiter, $"no replica of {queue.Route.Model} had room within {Durations.Show(patience)}{(queue.Route.Pause is { } pause ? $": {pause.Why}" : "")}")
                .ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            var (slot, _) = await LeaveAsync(queue, waiter, null).ConfigureAwait(false);
            if (slot is not null) Release(queue, slot, served: false);
            throw;
        }
        finally
        {
            Leave(queue, waiter);
        }
    }

    /// <summary>An attempt is over: the slot is free, and the next waiter may have it.</summary>
    internal void Release(ModelQueue queue, Slot slot, bool served, bool refused = false)
    {
        var now = time.GetTimestamp();
        lock (queue.Gate)
        {
            var replica = slot.Replica;
            replica.Outstanding--;
            if (served)
            {
                queue.Counter.AddService(slot.Depth, time.GetElapsedTime(slot.SentTimestamp, now).TotalSeconds);
                replica.Answered++;
                replica.FailuresInARow = 0;
            }

            // Of the requests that one death failed, the first to tell counts; those sent before it say nothing new.
            if (refused && slot.Route == replica.Route && slot.SentTimestamp >= replica.AvoidUntilTimestamp)
            {
                var pause = AvoidFirst * (1 << Math.Min(replica.FailuresInARow++, AvoidDoublings));
                replica.AvoidUntilTimestamp = now + (long)(pause.TotalSeconds * time.TimestampFrequency);
                _ = ServeAfterAsync(queue, replica, pause);
            }

            Serve_NeedsLock(queue, now);
        }

        if (refused) _change.TrySetResult();
    }

    // No table may come and no slot be freed, so the end of the avoidance itself lets waiters go.
    private async Task ServeAfterAsync(ModelQueue queue, ReplicaSlots replica, TimeSpan pause)
    {
        do
        {
            await Task.Delay(pause, time).ConfigureAwait(false);
            pause = TimeSpan.FromMilliseconds(1);
        }
        while (time.GetTimestamp() < AvoidedUntil(queue, replica));
        lock (queue.Gate) Serve_NeedsLock(queue, time.GetTimestamp());

        static long AvoidedUntil(ModelQueue queue, ReplicaSlots replica)
        {
            lock (queue.Gate) return replica.AvoidUntilTimestamp;
        }
    }

    /// <summary>The request is over, for the counts.</summary>
    internal static void Ended(ModelQueue queue, RequestEnd end, TimeSpan latency)
    {
        lock (queue.Gate)
        {
            var (counter, totals) = (queue.Counter, queue.Counter.Totals);
            switch (end)
            {
                case RequestEnd.Completed:
                    counter.Completed++;
                    totals.Completed++;
                    if (latency <= queue.Route.Slo.Latency) counter.WithinSlo++;
                    totals.Latency(latency.TotalSeconds);
                    break;
                case RequestEnd.Failed:
                    counter.Failed++;
                    totals.Failed++;
                    break;
                case RequestEnd.Abandoned:
                    counter.Abandoned++;
                    totals.Abandoned++;
                    break;
                default:
                    counter.Rejected++;
                    totals.Rejected++;
                    break;
            }
        }
    }

    private static void Update_NeedsLock(ModelQueue queue, ModelRoute route)
    {
        queue.Route = route;
        var known = queue.Replicas.ToDictionary(slots => slots.Route.Replica);
        foreach (var slots in queue.Replicas) slots.Routable = false;
        foreach (var replica in route.Replicas)
        {
            if (!known.TryGetValue(replica.Replica, out var slots))
            {
                known.Add(replica.Replica, new ReplicaSlots(replica));
                continue;
            }

            // Published anew with something changed: whatever it refused is past.
            if (slots.Route != replica) (slots.AvoidUntilTimestamp, slots.FailuresInARow) = (0, 0);
            slots.Route = replica;
            slots.Routable = true;
        }

        // One that left the table while requests are in it stays known until they end.
        queue.Replicas = [.. known.Values.Where(slots => slots.Routable || slots.Outstanding > 0).OrderBy(slots => slots.Route.Replica)];
    }

    private void Serve_NeedsLock(ModelQueue queue, long now)
    {
        var unavailable = queue.Route.Unavailable is not null;
        while (queue.Waiting.First is { } first)
        {
            var slot = unavailable ? null : queue.TryTake_NeedsLock(now);
            if (slot is null && !unavailable) return;
            queue.Waiting.RemoveFirst();
            queue.WaitingBytes -= first.Value.Bytes;
            first.Value.Node = null;
            _held.Forget(first.Value);
            queue.Counter.HeldSecondsEnded += HeldSince(queue, first.Value, now);
            if (!first.Value.TryGrant(slot) && slot is not null) slot.Replica.Outstanding--;
        }
    }

    private void Wake()
    {
        Interlocked.Increment(ref _wakes);
        Interlocked.Exchange(ref _woken, NewSignal()).TrySetResult();
    }

    private ImmutableArray<ModelTraffic> Read(DateTimeOffset now, bool again)
    {
        var rows = ImmutableArray.CreateBuilder<ModelTraffic>();
        foreach (var queue in _models.Values.OrderBy(queue => queue.Route.Model))
        {
            lock (queue.Gate)
            {
                rows.Add(Read_NeedsLock(queue, now));
                if (again) queue.Counter.Reset(now);
            }
        }

        return rows.ToImmutable();
    }

    private ModelTraffic Read_NeedsLock(ModelQueue queue, DateTimeOffset now)
    {
        var counter = queue.Counter;
        var timestamp = time.GetTimestamp();
        return new ModelTraffic
        {
            Model = queue.Route.Model,
            From = counter.From,
            To = now,
            Arrivals = counter.Arrivals,
            RequestBytes = counter.RequestBytes,
            Completed = counter.Completed,
            Failed = counter.Failed,
            Rejected = counter.Rejected,
            Abandoned = counter.Abandoned,
            WithinSlo = counter.WithinSlo,
            HeldNow = queue.Waiting.Count,
            OldestHeld = queue.Waiting.First is { } oldest ? time.GetElapsedTime(oldest.Value.ArrivedTimestamp, timestamp) : null,
            HeldRequestSeconds = counter.HeldSecondsEnded + queue.Waiting.Sum(waiter => HeldSince(queue, waiter, timestamp)),
            Service = counter.Service,
        };
    }

    // The part of a waiter's time that falls into the interval since the last reading.
    private double HeldSince(ModelQueue queue, Waiter waiter, long now)
    {
        var waited = time.GetElapsedTime(waiter.ArrivedTimestamp, now);
        var interval = time.GetUtcNow() - queue.Counter.From;
        return Math.Max(0, Math.Min(waited.TotalSeconds, interval.TotalSeconds));
    }

    private void Leave(ModelQueue queue, Waiter waiter)
    {
        lock (queue.Gate)
        {
            if (waiter.Node is null) return;
            queue.Waiting.Remove(waiter.Node);
            queue.WaitingBytes -= waiter.Bytes;
            waiter.Node = null;
            queue.Counter.HeldSecondsEnded += HeldSince(queue, waiter, time.GetTimestamp());
        }

        _held.Forget(waiter);
    }

    // Gives up waiting; a slot that was granted at the same moment is returned, not lost.
    private async ValueTask<(Slot? Slot, string? Refused)> LeaveAsync(ModelQueue queue, Waiter waiter, string? why)
    {
        Leave(queue, waiter);
        return !waiter.TryGrant(null) && await waiter.Granted.ConfigureAwait(false) is { } slot ? (slot, null) : (null, why);
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
