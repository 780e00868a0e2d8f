using System.Collections.Immutable;

namespace Plimsoll.Gateway;

/// <summary>
/// Which models there are and which replicas serve them. Immutable; a body publishes a new one whole, and requests in
/// flight go on with the one they started with.
/// </summary>
/// <param name="Models">Ordered by model; a model without replicas is known and its requests are held.</param>
public sealed record RouteTable(ImmutableArray<ModelRoute> Models)
{
    public static readonly RouteTable Empty = new(ImmutableArray<ModelRoute>.Empty);
}

/// <summary>One model as the gateway sees it.</summary>
public sealed record ModelRoute
{
    public required ModelId Model { get; init; }

    /// <summary>Who counts the requests as its own, where the name may pass to another; null where it is the model itself.</summary>
    public string? Owner { get; init; }

    /// <summary>Higher is served first when requests compete for a place in the queue.</summary>
    public int Priority { get; init; }

    public required Slo Slo { get; init; }

    /// <summary>Replicas that are ready or draining, ordered by id; a draining one gets no new request.</summary>
    public ImmutableArray<ReplicaRoute> Replicas { get; init; } = [];

    /// <summary>How long until a replica is expected to serve, for Retry-After; null when unknown.</summary>
    public TimeSpan? ExpectedReady { get; init; }

    /// <summary>Longest time a request for it is held; null takes the gateway's.</summary>
    public TimeSpan? HoldTime { get; init; }

    /// <summary>Set when the model can never be served (refused, unreadable): requests get 503 with this sentence at once.</summary>
    public string? Unavailable { get; init; }

    /// <summary>Set while no replica of it is started: requests that could not be held until the end of that get 503 at once.</summary>
    public StartPause? Pause { get; init; }

    /// <summary>Why a request that may be held for so long waits in vain; null where it does not.</summary>
    internal string? InVain(TimeSpan patience, DateTimeOffset now) =>
        Pause is { } pause && pause.Until - now > patience ? $"no replica of {Model} serves within {Durations.Show(patience)}: {pause.Why}" : null;
}

/// <summary>No replica of a model is started for a while, as after crashes.</summary>
/// <param name="Until">When the next is.</param>
/// <param name="Why">A sentence for whoever asks for the model.</param>
public sealed record StartPause(DateTimeOffset Until, string Why);

/// <summary>A replica to send requests to.</summary>
/// <param name="Replica">Its id.</param>
/// <param name="Address">Its base address, on this machine or in the cluster.</param>
/// <param name="Concurrency">Requests it may hold at once; the gateway never sends it more.</param>
/// <param name="Draining">True when it gets no new request.</param>
public sealed record ReplicaRoute(ReplicaId Replica, Uri Address, int Concurrency, bool Draining);
