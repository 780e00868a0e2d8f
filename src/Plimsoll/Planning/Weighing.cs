namespace Plimsoll;

/// <summary>What replicas are charged: priors from the footprint until memory was measured, then the measured values.</summary>
public static class Weighing
{
    /// <summary>
    /// A measured value is the largest of a few loads; the next may be a little larger. A twentieth covers the spread
    /// seen on repeated loads of one model here (docs/decisions).
    /// </summary>
    private const double Margin = 1.05;

    /// <summary>What a new replica of the variant needs.</summary>
    public static ReplicaNeeds Needs(VariantSpec variant, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(variant);
        ArgumentNullException.ThrowIfNull(knowledge);
        if (!knowledge.Memory.TryGetValue(variant.Id, out var measured)) return variant.Needs;
        var steady = measured.Steady.Scale(Margin);
        var peak = measured.LoadPeak is { } seen ? seen.Scale(Margin) : variant.Needs.Host.LoadPeak;
        return variant.Needs with { Host = new MemoryNeed(Bytes.Max(peak, steady), steady) };
    }

    /// <summary>
    /// What an existing replica holds of its node's memory: while it loads its reserved peak, afterwards its steady
    /// need; never less than what is seen in use.
    /// </summary>
    public static Bytes HostCharge(InferenceReplica replica, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(replica);
        ArgumentNullException.ThrowIfNull(knowledge);
        Bytes charge;
        if (replica.State == ReplicaState.Loading)
            charge = replica.Reserved.Host.Highest;
        else if (knowledge.Version == replica.Version && knowledge.Memory.TryGetValue(replica.Variant, out var measured))
            charge = measured.Steady.Scale(Margin);
        else
            charge = replica.Reserved.Host.Steady;
        return replica.HostMemory.TryGetLast(out var now) ? Bytes.Max(charge, now) : charge;
    }
}
