namespace Plimsoll.Gateway;

/// <summary>A request that waits for a place in a replica.</summary>
internal sealed class Waiter(int priority, long sequence, long bytes, long arrivedTimestamp)
{
    private readonly TaskCompletionSource<Slot?> _granted = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public int Priority { get; } = priority;

    public long Sequence { get; } = sequence;

    public long Bytes { get; } = bytes;

    /// <summary>When it began to wait.</summary>
    public long ArrivedTimestamp { get; } = arrivedTimestamp;

    /// <summary>A slot, or null when it was pushed out or the model became unavailable.</summary>
    public Task<Slot?> Granted => _granted.Task;

    public LinkedListNode<Waiter>? Node { get; set; }

    public bool TryGrant(Slot? slot) => _granted.TrySetResult(slot);
}

/// <summary>One model: its replicas, the requests that wait for it and the counts since the last reading.</summary>
internal sealed class ModelQueue(ModelRoute route)
{
    public Lock Gate { get; } = new();

    public ModelRoute Route { get; set; } = route;

    /// <summary>Ordered by id, so that ties break the same way; an array, since every request walks it.</summary>
    public ReplicaSlots[] Replicas { get; set; } = [];

    /// <summary>Whether one serves it or will when it has room.</summary>
    public bool HasReplica => Array.Exists(Replicas, replica => replica.Routable && !replica.Route.Draining);

    /// <summary>First in, first out.</summary>
    public LinkedList<Waiter> Waiting { get; } = new();

    public long WaitingBytes { get; set; }

    public TrafficCounter Counter { get; } = new();

    /// <summary>Least outstanding among those with room, ties by id; null when none has room.</summary>
    public Slot? TryTake_NeedsLock(long now)
    {
        ReplicaSlots? best = null;
        foreach (var replica in Replicas)
        {
            if (replica.HasRoom(now) && (best is null || replica.Outstanding < best.Outstanding)) best = replica;
        }

        if (best is null) return null;
        best.Outstanding++;
        return new Slot(best, best.Route, best.Outstanding, now);
    }
}

/// <summary>What became of a request, for the counts.</summary>
internal enum RequestEnd { Completed, Failed, Abandoned, Rejected }

/// <summary>What happened to one model's requests since the last reading. Guarded by the queue's lock.</summary>
internal sealed class TrafficCounter
{
    public DateTimeOffset From { get; set; }

    public long Arrivals { get; set; }

    public long RequestBytes { get; set; }

    public long Completed { get; set; }

    public long Failed { get; set; }

    public long Rejected { get; set; }

    public long Abandoned { get; set; }

    public long WithinSlo { get; set; }

    public double HeldSecondsEnded { get; set; }

    public long Samples { get; set; }

    public double SumN { get; set; }

    public double SumL { get; set; }

    public double SumNN { get; set; }

    public double SumNL { get; set; }

    public int MaxN { get; set; }

    public double MaxL { get; set; }

    /// <summary>Cumulative counts for the metrics page; never reset.</summary>
    public ModelTotals Totals { get; } = new();

    public void AddService(int n, double seconds)
    {
        Samples++;
        SumN += n;
        SumL += seconds;
        SumNN += (double)n * n;
        SumNL += n * seconds;
        MaxN = Math.Max(MaxN, n);
        MaxL = Math.Max(MaxL, seconds);
    }

    /// <summary>How long requests took by how many were in the replica with them; null where none was served.</summary>
    public ServiceSample? Service => Samples == 0 ? null : new ServiceSample(Samples, SumN, SumL, SumNN, SumNL, MaxN, MaxL);

    /// <summary>
    /// As when the model came into the table: of what was counted only what is held or in a replica now is left, as arrived.
    /// Not for counts that a reading reset.
    /// </summary>
    public void BeginAnew(DateTimeOffset from)
    {
        var inside = Arrivals - Completed - Failed - Rejected - Abandoned;
        Reset(from);
        Arrivals = inside;
    }

    public void Reset(DateTimeOffset from)
    {
        From = from;
        Arrivals = RequestBytes = Completed = Failed = Rejected = Abandoned = WithinSlo = Samples = 0;
        HeldSecondsEnded = SumN = SumL = SumNN = SumNL = MaxL = 0;
        MaxN = 0;
    }
}

/// <summary>Counts since the gateway started.</summary>
internal sealed class ModelTotals
{
    /// <summary>Upper bounds of the latency histogram's buckets, in seconds.</summary>
    public static readonly double[] Bounds = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

    public long Arrivals { get; set; }

    public long Completed { get; set; }

    public long Failed { get; set; }

    public long Rejected { get; set; }

    public long Abandoned { get; set; }

    public long Held { get; set; }

    public double LatencySeconds { get; set; }

    public long[] Buckets { get; } = new long[Bounds.Length + 1];

    public void Latency(double seconds)
    {
        LatencySeconds += seconds;
        var bucket = Array.BinarySearch(Bounds, seconds);
        Buckets[bucket < 0 ? ~bucket : bucket]++;
    }
}
