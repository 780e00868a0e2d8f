using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>A pod with what is charged to it.</summary>
internal readonly record struct HpaCount(long ValueMilli, long RequestMilli);

/// <summary>How a metric of pods becomes a ratio to its target.</summary>
internal interface IHpaRatio
{
    /// <summary>Null: nothing to divide by.</summary>
    double? Of(IReadOnlyCollection<HpaCount> counted);

    /// <summary>What a pod without a sample is taken to use on the way down, in thousandths.</summary>
    long FillFor(HpaPod pod);
}

/// <summary>
/// A workload's pods by what a metric may make of them: rivals-rules §1.2 and §1.2a. Failed and going pods count nowhere.
/// </summary>
internal sealed record HpaPodGroups(ImmutableArray<HpaCount> Counted, ImmutableArray<HpaPod> Missing, ImmutableArray<HpaPod> Unready)
{
    public static HpaPodGroups Of(HpaSettings settings, HpaObservation seen, ImmutableArray<HpaSample> samples, bool cpu)
    {
        var byPod = samples.ToDictionary(sample => sample.Pod, StringComparer.Ordinal);
        var counted = ImmutableArray.CreateBuilder<HpaCount>();
        var missing = ImmutableArray.CreateBuilder<HpaPod>();
        var unready = ImmutableArray.CreateBuilder<HpaPod>();
        foreach (var pod in seen.Pods)
        {
            if (pod.Phase is HpaPodPhase.Failed or HpaPodPhase.Terminating) continue;
            if (pod.Phase == HpaPodPhase.Pending) unready.Add(pod);
            else if (!byPod.TryGetValue(pod.Name, out var sample)) missing.Add(pod);
            else if (cpu && !CpuCounts(settings, pod, sample, seen.Now)) unready.Add(pod);
            else counted.Add(new(sample.ValueMilli, pod.RequestMilli));
        }

        return new(counted.ToImmutable(), missing.ToImmutable(), unready.ToImmutable());
    }

    /// <summary>§1.2 steps 2 to 6; null where no pod can be counted.</summary>
    public int? Propose(IHpaRatio target, int spec, HpaTolerance tolerance)
    {
        if (Counted.IsEmpty || target.Of(Counted) is not { } ratio) return null;
        var unreadyCount = !Unready.IsEmpty && ratio > 1;
        if (Missing.IsEmpty && !unreadyCount) return tolerance.Holds(ratio) ? spec : WholeReplicas.Ceiling(ratio * Counted.Length);

        var filled = Counted.ToBuilder();
        if (ratio < 1) filled.AddRange(Missing.Select(pod => new HpaCount(target.FillFor(pod), pod.RequestMilli)));
        if (ratio > 1) filled.AddRange(Missing.Concat(Unready).Select(pod => new HpaCount(0, pod.RequestMilli)));
        if (target.Of(filled) is not { } again) return null;
        if (tolerance.Holds(again) || (ratio < 1 && again > 1) || (ratio > 1 && again < 1)) return spec;
        var proposal = WholeReplicas.Ceiling(again * filled.Count);
        return (again < 1 && proposal > spec) || (again > 1 && proposal < spec) ? spec : proposal;
    }

    /// <summary>
    /// While a pod's processor use may still be that of its start, only a ready pod with a sample from after it became ready
    /// counts; later, all but pods that have never been ready.
    /// </summary>
    private static bool CpuCounts(HpaSettings settings, HpaPod pod, HpaSample sample, DateTimeOffset now)
    {
        if (pod.StartedAt is not { } started || pod.ReadyChangedAt is not { } changed) return false;
        if (started + settings.CpuInitializationPeriod > now) return pod.Ready && sample.TakenAt >= changed + sample.Window;
        return pod.Ready || started + settings.InitialReadinessDelay <= changed;
    }
}
