namespace Plimsoll;

// Who holds what others claim.
internal sealed partial class Eviction
{
    /// <summary>
    /// A replica with all that a claimant asks of it and of its model, side by side: of a large fleet where devices are scarce, hundreds
    /// of claimants look at every node.
    /// </summary>
    private readonly struct Holder
    {
        public Holder(InferenceReplica replica, ModelOutlook owner, int wanted, PlannerSettings settings)
        {
            (Replica, Owner, State, Since) = (replica, owner, replica.State, replica.StateSince);
            (Priority, Load, LoadFromDisk, Fetch) = (owner.Model.Priority, owner.LoadAnew.P90, owner.LoadFromDisk.P90, owner.Fetch.P90);
            Wake = owner.Wake?.P90;
            var asleep = IsAsleep = replica.State == ReplicaState.Asleep && owner.Wake is not null;
            (IsLeast, IsNeeded) = (!asleep && owner.Serving <= owner.Model.MinReplicas, asleep ? owner.Supply < wanted : owner.Serving <= wanted);
            ActiveRate = owner.ActiveRate;
            IdleSeconds = owner.Idle is { } gap ? Math.Max(gap.TotalSeconds, 1e-3) : double.PositiveInfinity;
            owner.Demand.TryGetLast(out var lately);

            // By when the last request came, and not by which buckets hold one: whether a pause shows in those depends on where in a bucket it falls.
            var asked = settings.LoadsPerTurn == 0 ? lately > 0 : owner.Idle is { } silent && silent < settings.Lately;
            InUse = asked || owner.Outstanding > 0;
            Left = asleep ? owner.Serving : owner.Serving - 1;
            if (Left <= 0 || owner.Capacity is not { } capacity) return;
            owner.Forecast.TryGetLast(out var forecast);
            Unserved = forecast <= 0 ? 0 : Math.Max(0, forecast - (capacity * Left)) / forecast;
        }

        public InferenceReplica Replica { get; }

        public ModelOutlook Owner { get; }

        public ReplicaState State { get; }

        public DateTimeOffset Since { get; }

        public int Priority { get; }

        public TimeSpan Load { get; }

        public TimeSpan LoadFromDisk { get; }

        public TimeSpan Fetch { get; }

        /// <summary>How long one of its model takes to wake; null where it cannot sleep.</summary>
        public TimeSpan? Wake { get; }

        /// <summary>It sleeps and a plan could wake it; what somebody else put to sleep, where no plan can, is held as if it served.</summary>
        public bool IsAsleep { get; }

        /// <summary>Its model has no more than it is to have at the least.</summary>
        public bool IsLeast { get; }

        /// <summary>Its model has no more than it wants.</summary>
        public bool IsNeeded { get; }

        /// <summary>It serves, or a request came lately.</summary>
        public bool InUse { get; }

        public double ActiveRate { get; }

        /// <summary>Without end where nobody ever asked.</summary>
        public double IdleSeconds { get; }

        /// <summary>Replicas that would still serve.</summary>
        public int Left { get; }

        /// <summary>The share of what is expected that those have no capacity for; null where there are none, or nobody knows.</summary>
        public double? Unserved { get; }
    }

    private static Dictionary<NodeId, Holder[]> Holders(
        FleetSnapshot observed, Dictionary<ModelId, ModelOutlook> outlooks, Dictionary<ModelId, Allocation> allocations, PlannerSettings settings)
    {
        var byNode = new Dictionary<NodeId, List<Holder>>();
        foreach (var replica in observed.Replicas)
        {
            if (!outlooks.TryGetValue(replica.Model, out var owner) || !owner.Model.Acts) continue;
            if (replica.EndsInOrder is { } order && observed.Replicas.Any(other => other.Model == replica.Model && other.EndsInOrder > order)) continue;
            var holder = new Holder(replica, owner, allocations[replica.Model].Wanted, settings);
            if (byNode.TryGetValue(replica.Placement.Node, out var here)) here.Add(holder);
            else byNode[replica.Placement.Node] = [holder];
        }

        return byNode.ToDictionary(here => here.Key, here => here.Value.ToArray());
    }
}
