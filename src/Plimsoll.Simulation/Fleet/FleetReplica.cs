using Plimsoll.Simulation.Requests;

namespace Plimsoll.Simulation.Fleet;

/// <summary>A replica of the simulated fleet.</summary>
internal sealed class FleetReplica : IHolder
{
    public required ReplicaId Id { get; init; }

    public required ModelSpec Model { get; init; }

    public required string Version { get; init; }

    public required VariantSpec Variant { get; init; }

    public required SimulatedNode Node { get; init; }

    public required Placement Placement { get; init; }

    /// <summary>What was set aside for it: with a margin, where whoever began it had measured others.</summary>
    public required ReplicaNeeds Needs { get; init; }

    /// <summary>
    /// What it takes, whatever was set aside. Were it what was set aside, a margin over what was measured would be measured again, and
    /// a model that begins anew a hundred times would seem 1.05^100 = 131 times as heavy.
    /// </summary>
    public required ReplicaNeeds Takes { get; init; }

    public required IReplicaGauges Engine { get; init; }

    public required double StartedAt { get; init; }

    public required double ExpectedLoad { get; init; }

    /// <summary>The longest prompt with its answer that it has room for, in tokens; null where it keeps none.</summary>
    public long? RoomTokens { get; init; }

    public ReplicaState State { get; set; } = ReplicaState.Loading;

    public double StateSince { get; set; }

    /// <summary>Loads on its node at the same time, at the most, itself included.</summary>
    public int ConcurrentLoads { get; set; } = 1;

    /// <summary>How long it read its weights.</summary>
    public double ReadSeconds { get; set; }

    /// <summary>The transfer under way, to be broken off when it goes.</summary>
    public Link.Transfer? Reading { get; set; }

    /// <summary>On its way to sleep or back.</summary>
    public bool Turning { get; set; }

    /// <summary>It was told to end while it loaded.</summary>
    public bool EndsUnready { get; set; }

    /// <summary>Since when it sleeps; null while it does not.</summary>
    public double? SleptSince { get; set; }

    /// <summary>What it takes of its node's memory now.</summary>
    public Bytes HostNow => State == ReplicaState.Loading ? Takes.Host.LoadPeak
        : (SleptSince is not null || Turning) && Takes.Asleep is { } asleep ? Bytes.Max(asleep.Host, Takes.Host.Steady) : Takes.Host.Steady;

    /// <summary>What it takes of each of its devices now.</summary>
    public Bytes PerDeviceNow => SleptSince is not null && Takes.Asleep is { } asleep ? asleep.PerDevice : Takes.PerDevice?.Highest ?? Bytes.Zero;

    public bool HasLeftDevices => SleptSince is not null && Takes.Asleep is not null;

    public Bytes? HeldOfEach => Takes.PerDevice is null ? null : PerDeviceNow;

    public Bytes HeldOfHost => Needs.Host.Highest;

    public int Concurrency => Variant.Concurrency;

    public bool IsGone { get; set; }

    public bool CanHold(int prompt, int answer) => RoomTokens is not { } room || (long)prompt + answer - 1 <= room;

    public void Enter(ReplicaState state, double now) => (State, StateSince) = (state, now);
}
