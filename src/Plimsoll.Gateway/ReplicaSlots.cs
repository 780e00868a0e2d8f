namespace Plimsoll.Gateway;

/// <summary>One replica's requests in flight against what it may hold. Guarded by the router's lock of its model.</summary>
internal sealed class ReplicaSlots(ReplicaRoute route)
{
    public ReplicaRoute Route { get; set; } = route;

    public int Outstanding { get; set; }

    /// <summary>Requests that it has answered below 500 so far.</summary>
    public long Answered { get; set; }

    /// <summary>Gets no request before this moment: it refused a connection or broke one.</summary>
    public long AvoidUntilTimestamp { get; set; }

    /// <summary>Failures in a row; each doubles how long it is avoided.</summary>
    public int FailuresInARow { get; set; }

    public bool Routable { get; set; } = true;

    public bool HasRoom(long now) =>
        Routable && !Route.Draining && Outstanding < Route.Concurrency && now >= AvoidUntilTimestamp;
}

/// <summary>A place in a replica, held for the length of one attempt; Depth counts the requests in it, this one included.</summary>
internal sealed record Slot(ReplicaSlots Replica, ReplicaRoute Route, int Depth, long SentTimestamp);
