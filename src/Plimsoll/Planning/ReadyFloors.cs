namespace Plimsoll;

/// <summary>
/// Keeps a plan to <see cref="FleetSnapshot.Floors"/>: counts what is ready under each, and what the plan lets go of it. A
/// replica counts until it is gone: one that drains is still ready to whoever counts.
/// </summary>
internal sealed class ReadyFloors
{
    private readonly Dictionary<ReplicaId, List<Counted>> _over = [];
    private readonly HashSet<ReplicaId> _gone = [];

    public ReadyFloors(FleetSnapshot observed)
    {
        if (observed.Floors.IsDefaultOrEmpty) return;
        var ready = observed.Replicas.Where(Counts).Select(replica => replica.Id).ToHashSet();
        foreach (var floor in observed.Floors)
        {
            var counted = new Counted(floor, floor.Replicas.Count(ready.Contains));
            foreach (var replica in floor.Replicas)
            {
                if (!_over.TryGetValue(replica, out var over)) _over[replica] = over = [];
                over.Add(counted);
            }
        }
    }

    /// <summary>Why a replica must stay; null when it may go.</summary>
    /// <param name="replica">The one.</param>
    /// <param name="also">Others that are to go with it and are not let go of yet.</param>
    public Reason? Holds(InferenceReplica replica, params IEnumerable<InferenceReplica> also)
    {
        if (!Counts(replica) || _gone.Contains(replica.Id) || !_over.TryGetValue(replica.Id, out var over)) return null;
        foreach (var counted in over)
        {
            var left = counted.Ready - 1 - also.Count(one => Counts(one) && !_gone.Contains(one.Id) && counted.Floor.Replicas.Contains(one.Id));
            if (left < counted.Floor.AtLeast)
                return new Reason(Rule.HoldBudget,
                [
                    Fact.Of("budget", counted.Floor.Name), Fact.Of("least", counted.Floor.AtLeast), Fact.Of("ready", counted.Ready),
                    Fact.Of("replica", replica.Id.Value),
                ]);
        }

        return null;
    }

    /// <summary>The plan ends it.</summary>
    public void LetGo(InferenceReplica replica)
    {
        if (!Counts(replica) || !_gone.Add(replica.Id) || !_over.TryGetValue(replica.Id, out var over)) return;
        foreach (var counted in over) counted.Ready--;
    }

    /// <summary>The plan does not end it after all.</summary>
    public void Keep(InferenceReplica replica)
    {
        if (!_gone.Remove(replica.Id) || !_over.TryGetValue(replica.Id, out var over)) return;
        foreach (var counted in over) counted.Ready++;
    }

    private static bool Counts(InferenceReplica replica) =>
        replica.State is ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained or ReplicaState.Asleep;

    private sealed class Counted(ReadyFloor floor, int ready)
    {
        public ReadyFloor Floor { get; } = floor;

        public int Ready { get; set; } = ready;
    }
}
