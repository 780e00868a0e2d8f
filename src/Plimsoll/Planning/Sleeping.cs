namespace Plimsoll;

/// <summary>
/// Who may wait in host memory in place of going: between its devices and its node's disk there is a place from which it is back in seconds.
/// </summary>
internal static class Sleeping
{
    // A server that failed to wake so many times in a row is started anew.
    public const int WakesFailedMost = 2;

    /// <summary>Whether a replica may go to sleep: its server can, it would be woken, and nothing says that it is to leave the memory.</summary>
    public static bool May(InferenceReplica replica, ModelOutlook outlook, ModelKnowledge known, Capabilities can) =>
        can.HasFlag(Capabilities.Sleep)
        && replica.Reserved.Asleep is not null
        && replica.State is ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained
        && replica.Version == outlook.Model.Version
        && (replica.Turning || known.Failures.Count == 0)
        && !IsPastLimit(outlook);

    /// <summary>Whether the file's own limit has an idle model leave the memory.</summary>
    public static bool IsPastLimit(ModelOutlook outlook) => outlook.Model.IdleLimit is { } limit && outlook.Held == 0 && (outlook.Idle ?? outlook.Unasked) >= limit;

    /// <summary>How long one takes to wake, by those that did, else by its bytes; null where it cannot sleep.</summary>
    public static LoadEstimate? Wake(VariantSpec variant, ModelKnowledge known, Bytes weights, Capabilities can) =>
        variant.Needs.Asleep is null || !can.HasFlag(Capabilities.Sleep) ? null
        : known.Wakes?.Estimate() ?? new LoadPath([LoadPriors.Wake(weights, Math.Max(1, variant.Needs.Devices))]).Estimate();

    /// <summary>
    /// Nobody sleeps sooner: what a server keeps of the prompts it saw is lost when it does.
    /// </summary>
    public static readonly TimeSpan AwakeLeast = TimeSpan.FromMinutes(1);

    /// <summary>Late requests that waking costs: none where it takes less than a request may wait.</summary>
    public static double Misses(ModelSpec model, ModelKnowledge known, LoadEstimate wake) =>
        wake.P90 <= model.Slo.MayWait ? 0 : 1 + (known.ActiveRate * wake.P90.TotalSeconds);

    /// <summary>What it takes of its devices to wake, as what a claimant needs.</summary>
    public static ReplicaNeeds NeedsToWake(InferenceReplica replica, ModelKnowledge known)
    {
        var perDevice = Weighing.ToWake(replica, known);
        return new ReplicaNeeds
        {
            Host = MemoryNeed.None,
            PerDevice = new MemoryNeed(perDevice, perDevice),
            Devices = replica.Placement.Devices.Length,
            Cores = Cores.Zero,
            Disk = Bytes.Zero,
        };
    }
}
