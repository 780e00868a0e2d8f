namespace Plimsoll;

/// <summary>When loads under way are expected to end, by replica.</summary>
internal sealed class LoadsInFlight
{
    private readonly DateTimeOffset _at;
    private readonly Dictionary<ReplicaId, WorkInFlight> _byReplica = [];

    public LoadsInFlight(FleetSnapshot observed)
    {
        _at = observed.At;
        foreach (var work in observed.InFlight)
        {
            if (work is { Kind: WorkKind.Loading, Replica: { } replica, ExpectedEnd: not null }) _byReplica.TryAdd(replica, work);
        }
    }

    /// <summary>A load past its expected end by the settings' factor, and past half a minute.</summary>
    public bool Overdue(InferenceReplica replica, PlannerSettings settings) => replica.State == ReplicaState.Loading
        && _at - replica.StartedAt > Outlooks.OverdueAfter(Expected(replica, settings), settings);

    /// <summary>How long the load takes, as its body expects; by what it weighs where the body says nothing.</summary>
    public TimeSpan Expected(InferenceReplica replica, PlannerSettings settings) => _byReplica.TryGetValue(replica.Id, out var work)
        ? Outlooks.Positive(work.ExpectedEnd!.Value - work.StartedAt)
        : settings.AssumedLoadFixed + (replica.Reserved.Host.Highest / settings.AssumedLoadBandwidth);
}
