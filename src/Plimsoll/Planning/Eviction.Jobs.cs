namespace Plimsoll;

// Who goes for a training job.
internal sealed partial class Eviction
{
    /// <param name="Replica">Who may go.</param>
    /// <param name="Priority">Its model's.</param>
    /// <param name="Loss">Request-seconds that its model's next requests would lose: they wait for the job to give way, and for a load.</param>
    /// <param name="IsSpare">Whether it goes as one of those that its model has to spare.</param>
    public readonly record struct ForJobs(InferenceReplica Replica, int Priority, double Loss, bool IsSpare);

    /// <summary>
    /// Replicas that may go for a job: any of lower priority, and of others those that sleep, or that are there beyond what is wanted, as
    /// many as their model has to spare (<see cref="Spare"/>).
    /// </summary>
    /// <param name="priority">The job's.</param>
    /// <param name="write">How long the job takes to write its checkpoint before it gives way again.</param>
    /// <param name="again">How long to write it and to start again.</param>
    /// <param name="going">What is let go already.</param>
    public IEnumerable<ForJobs> ForJob(int priority, TimeSpan write, TimeSpan again, HashSet<ReplicaId> going)
    {
        var spare = new Dictionary<ModelId, int>();
        foreach (var here in _byNode.Value.Values)
        {
            foreach (var holder in here.All)
            {
                if (going.Contains(holder.Replica.Id) || floors.Holds(holder.Replica) is not null) continue;
                var lower = holder.Priority < priority;
                if (holder.State == ReplicaState.Loading || holder.Replica.Turning)
                {
                    if (lower) yield return new ForJobs(holder.Replica, holder.Priority, holder.Load.TotalSeconds, false);
                    continue;
                }

                if (holder.State is not (ReplicaState.Ready or ReplicaState.Asleep)) continue;
                if (!lower)
                {
                    if (holder.IsNeeded(0) || observed.At - holder.Since < (holder.IsAsleep && holder.Wake is { } woken ? woken : holder.Load)) continue;
                    if (!holder.IsAsleep && !spare.TryGetValue(holder.Owner.Model.Id, out var left)) spare[holder.Owner.Model.Id] = left = Spare(holder.Owner, again, going);
                    else left = holder.IsAsleep ? 1 : spare[holder.Owner.Model.Id];
                    if (left == 0) continue;
                }

                var absent = lower && holder.InUse ? HeldMost : write + (holder.IsAsleep && holder.Wake is { } wake ? holder.Load - wake : holder.Load);
                var waiting = Waiting(holder.ActiveRate, Math.Max(0, absent.TotalSeconds), HeldMost.TotalSeconds);
                yield return new ForJobs(
                    holder.Replica, holder.Priority, waiting * holder.Unserved(0), IsSpare: !lower && !holder.IsAsleep);
            }
        }
    }

    /// <summary>
    /// Replicas of a model that serve beyond what is wanted and the least there is to be, and were not wanted for longer than one is held
    /// before it goes where it costs money, and than it costs whoever takes their places to give them back.
    /// </summary>
    public int Spare(ModelOutlook owner, TimeSpan again, HashSet<ReplicaId> going)
    {
        // Who was not counted may be asked for all the while.
        if (!owner.TrafficSeen) return 0;
        var (known, wanted) = (knowledge.Of(owner.Model.Id), allocations[owner.Model.Id].Wanted);
        var least = Math.Max(wanted, owner.Model.MinReplicas);
        var leaving = observed.Replicas.Count(replica => replica.Model == owner.Model.Id && replica.State == ReplicaState.Ready && going.Contains(replica.Id));
        var spare = 0;
        for (var rank = owner.Serving - leaving; rank > least; rank--)
        {
            // Nobody has seen yet how long it was not wanted.
            if (rank > known.LastWanted.Length) return 0;
            var held = rank == 1 ? owner.Load.P90 : DemandOutlook.Surplus(known, owner.Load.P90, owner.Quantile, owner.Horizon, rank).Time;
            if (observed.At - known.LastWanted[rank - 1] < (held > again ? held : again)) break;
            spare++;
        }

        return spare;
    }
}
