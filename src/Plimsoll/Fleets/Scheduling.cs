using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>A number of some countable resource ("nvidia.com/gpu").</summary>
public sealed record ResourceCount(string Resource, long Count);

/// <summary>
/// What a replica asks of the scheduler that places it (Kubernetes: its pod's requests). The scheduler counts these and
/// nothing else; what a replica truly takes is <see cref="ReplicaNeeds"/>.
/// </summary>
public sealed record SchedulerRequests
{
    public required Bytes Memory { get; init; }

    public required Cores Cores { get; init; }

    public Bytes EphemeralStorage { get; init; }

    /// <summary>The device resource it asks for; null when it asks for none.</summary>
    public string? Resource { get; init; }

    public int Devices { get; init; }

    /// <summary>Pools (<see cref="NodeState.Pool"/>) that its selectors and tolerations allow, ordered; empty allows every pool.</summary>
    public ImmutableArray<string> Pools { get; init; } = [];

    /// <summary>
    /// Whether the scheduler, by counting only this, never overfills the host memory of a node or gives out a device twice.
    /// </summary>
    public bool Cover(ReplicaNeeds needs)
    {
        ArgumentNullException.ThrowIfNull(needs);
        return Memory >= needs.Host.Highest && Devices >= needs.Devices;
    }
}

/// <summary>The pods of a group beside its leader. They are alike, and each may land on any node, on the leader's too.</summary>
/// <param name="Count">How many.</param>
/// <param name="Needs">What each takes of its node.</param>
/// <param name="Requests">What each asks of the scheduler.</param>
public sealed record WorkerPods(int Count, ReplicaNeeds Needs, SchedulerRequests Requests);

/// <summary>What is left on a node as its scheduler counts: allocatable less the requests of everything bound to it.</summary>
public sealed record SchedulerRoom
{
    public required Bytes Memory { get; init; }

    public required Cores Cores { get; init; }

    public Bytes EphemeralStorage { get; init; }

    /// <summary>Ordered by resource; one that is not listed is not there.</summary>
    public ImmutableArray<ResourceCount> Resources { get; init; } = [];

    public int Pods { get; init; }

    /// <summary>More was taken than there is.</summary>
    [JsonIgnore]
    public bool IsOverfull => Pods < 0 || Memory < Bytes.Zero || Cores < Cores.Zero || EphemeralStorage < Bytes.Zero
        || Resources.Any(one => one.Count < 0);

    /// <summary>Whether the scheduler could put the replica here now.</summary>
    public bool Takes(SchedulerRequests requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        return Pods > 0 && requests.Memory <= Memory && requests.Cores <= Cores && requests.EphemeralStorage <= EphemeralStorage
            && (requests.Devices == 0 || Has(requests.Resource, requests.Devices));
    }

    // Asked of every node for every start of a plan.
    private bool Has(string? resource, int devices)
    {
        foreach (var one in Resources)
        {
            if (one.Resource == resource && one.Count >= devices) return true;
        }

        return false;
    }

    /// <summary>How many pods with these requests the scheduler could put here at the most.</summary>
    public int Slots(SchedulerRequests requests)
    {
        ArgumentNullException.ThrowIfNull(requests);
        static long Each(long room, long one) => room < 0 ? 0 : one <= 0 ? long.MaxValue : room / one;
        var slots = Math.Min(Math.Min(Each(Memory.Value, requests.Memory.Value), Each(Cores.Milli, requests.Cores.Milli)),
            Math.Min(Each(EphemeralStorage.Value, requests.EphemeralStorage.Value), Pods));
        if (requests.Devices > 0)
            slots = Math.Min(slots, Each(Resources.FirstOrDefault(one => one.Resource == requests.Resource)?.Count ?? 0, requests.Devices));
        return (int)Math.Clamp(slots, 0, int.MaxValue);
    }

    /// <summary>The room once a replica with these requests has gone.</summary>
    public SchedulerRoom Without(SchedulerRequests gone) => Changed(gone, 1);

    /// <summary>The room once pods with these requests are here too; below zero where they would not have been put.</summary>
    public SchedulerRoom With(SchedulerRequests placed, int count = 1) => Changed(placed, -count);

    private SchedulerRoom Changed(SchedulerRequests by, int sign)
    {
        ArgumentNullException.ThrowIfNull(by);
        return this with
        {
            Memory = Memory + (by.Memory * sign),
            Cores = new Cores(Cores.Milli + (by.Cores.Milli * sign)),
            EphemeralStorage = EphemeralStorage + (by.EphemeralStorage * sign),
            Pods = Pods + sign,
            Resources = [.. Resources.Select(one => one.Resource == by.Resource ? one with { Count = one.Count + (by.Devices * sign) } : one)],
        };
    }
}
