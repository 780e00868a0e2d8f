namespace Plimsoll.Simulation.Fleet;

// From the devices to the node's memory and back: bytes over the devices' links, and a little that is fixed.
internal sealed partial class SimulatedCluster
{
    /// <summary>A replica that has nothing left in it moves its weights to its node's memory. Whether it does.</summary>
    public bool Sleep(ReplicaId id) =>
        Find(id) is { State: ReplicaState.Drained, Turning: false, Takes.Asleep: not null } replica && _models[replica.Model.Id].Truth[replica.Variant.Id].Sleep is { } stage
        && Turn(replica, stage, now =>
        {
            replica.Enter(ReplicaState.Asleep, now);
            replica.SleptSince = now;
            Use.Changed(replica, now);
        });

    /// <summary>A replica that sleeps moves them back and serves. Whether it does.</summary>
    public bool Wake(ReplicaId id)
    {
        if (Find(id) is not { State: ReplicaState.Asleep, Turning: false } replica || _models[replica.Model.Id].Truth[replica.Variant.Id].Wake is not { } stage) return false;
        var began = Now;
        Awake(replica, began);
        return Turn(replica, stage, now =>
        {
            if (DiesOfMemory(replica)) return;
            replica.Enter(ReplicaState.Ready, now);
            _outcomes.Add(new Outcome.Woken
            {
                At = At(now),
                Replica = replica.Id,
                Model = replica.Model.Id,
                Version = replica.Version,
                Size = replica.Model.Footprint.Weights,
                Took = TimeSpan.FromSeconds(now - began),
            });
            _requests[replica.Model.Id].Attach(replica, now);
        });
    }

    private bool Turn(FleetReplica replica, LoadStage stage, Action<double> ended)
    {
        replica.Turning = true;
        _events.At(Now + (stage.Seconds() * _loads.Factor(stage.Spread * SpreadOfOneLoad)), now =>
        {
            if (replica.IsGone || replica.State == ReplicaState.Stopping) return;
            replica.Turning = false;
            ended(now);
            Changed = true;
        });
        return true;
    }

    // From here on it holds its devices whole.
    private void Awake(FleetReplica replica, double now)
    {
        replica.SleptSince = null;
        _turns.Changed(now);
        Use.Changed(replica, now);
    }
}
