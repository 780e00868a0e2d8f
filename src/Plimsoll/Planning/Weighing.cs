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
        if (measured.Unworked) steady = Bytes.Max(steady, variant.Needs.Host.Steady);
        var peak = measured.LoadPeak is { } seen ? seen.Scale(Margin) : variant.Needs.Host.LoadPeak;
        var needs = variant.Needs with { Host = new MemoryNeed(Bytes.Max(peak, steady), steady) };
        if (needs.Asleep is { } asleep)
            needs = needs with { Asleep = new SleepNeed(Bytes.Max(asleep.Host, steady), Bytes.Max(asleep.PerDevice, measured.PerDeviceAsleep ?? Bytes.Zero)) };

        // Devices have no high-water mark: what was seen between two looks can only raise the prior, never lower it. No
        // margin: an engine that takes a share of its device takes exactly that, and with one would seem not to fit it.
        return needs.PerDevice is { } prior && measured.PerDevice is { } onDevice
            ? needs with { PerDevice = new MemoryNeed(Bytes.Max(prior.LoadPeak, onDevice), Bytes.Max(prior.Steady, onDevice)) }
            : needs;
    }

    /// <summary>
    /// What an existing replica holds of each of its devices: what was reserved for it, or what it keeps while it sleeps, never less than
    /// what is seen in use. A server that fills its device (vLLM takes nine tenths unless told otherwise) is charged what it took.
    /// </summary>
    public static Bytes DeviceCharge(InferenceReplica replica)
    {
        ArgumentNullException.ThrowIfNull(replica);
        var reserved = replica is { State: ReplicaState.Asleep, Turning: false, Reserved.Asleep: { } asleep }
            ? asleep.PerDevice : replica.Reserved.PerDevice?.Highest ?? Bytes.Zero;
        return replica.DeviceMemory.TryGetLast(out var now) ? Bytes.Max(reserved, now) : reserved;
    }

    /// <summary>
    /// What an existing replica holds of its node's memory: while it loads its reserved peak, and until it is gone where it is ended before
    /// it was ready; otherwise its steady need, and its weights too where it sleeps or is on the way; never less than what is seen in use.
    /// </summary>
    public static Bytes HostCharge(InferenceReplica replica, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(replica);
        ArgumentNullException.ThrowIfNull(knowledge);
        Bytes charge;
        if (replica.State == ReplicaState.Loading || replica.EndsUnready)
            charge = replica.Reserved.Host.Highest;
        else if (knowledge.Version == replica.Version && knowledge.Memory.TryGetValue(replica.Variant, out var measured))
            charge = measured.Unworked ? Bytes.Max(measured.Steady.Scale(Margin), replica.Reserved.Host.Steady) : measured.Steady.Scale(Margin);
        else
            charge = replica.Reserved.Host.Steady;
        if ((replica.State == ReplicaState.Asleep || replica.Turning) && replica.Reserved.Asleep is { } asleep) charge = Bytes.Max(charge, asleep.Host);
        return replica.HostMemory.TryGetLast(out var now) ? Bytes.Max(charge, now) : charge;
    }

    /// <summary>What a replica that is awake takes of its node's memory beyond its charge when it goes to sleep; zero while it is on the way.</summary>
    public static Bytes ToSleep(InferenceReplica replica, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(replica);
        return Bytes.Max(Bytes.Zero, (replica.Reserved.Asleep?.Host ?? Bytes.Zero) - HostCharge(replica, knowledge));
    }

    /// <summary>What a replica that is awake will keep of each of its devices when it sleeps.</summary>
    public static Bytes KeptAsleep(InferenceReplica replica, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(replica);
        ArgumentNullException.ThrowIfNull(knowledge);
        var seen = knowledge.Version == replica.Version && knowledge.Memory.TryGetValue(replica.Variant, out var measured) ? measured.PerDeviceAsleep : null;
        return Bytes.Max(replica.Reserved.Asleep?.PerDevice ?? Bytes.Zero, seen ?? Bytes.Zero);
    }

    /// <summary>What a replica that sleeps takes of each of its devices beyond its charge when it wakes; zero while it is on the way.</summary>
    public static Bytes ToWake(InferenceReplica replica, ModelKnowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(replica);
        ArgumentNullException.ThrowIfNull(knowledge);
        var awake = replica.Reserved.PerDevice?.Highest ?? Bytes.Zero;
        if (knowledge.Version == replica.Version && knowledge.Memory.TryGetValue(replica.Variant, out var measured) && measured.PerDevice is { } seen)
            awake = Bytes.Max(awake, seen);
        return Bytes.Max(Bytes.Zero, awake - DeviceCharge(replica));
    }
}
