namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>
/// What one metric proposes, and several together: rivals-rules §1.1 step 3 and §1.2, after
/// kubernetes pkg/controller/podautoscaler/replica_calculator.go.
/// </summary>
public static class HpaProposal
{
    /// <summary>Null: the metric is invalid.</summary>
    public static int? For(HpaSettings settings, HpaMetric metric, HpaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seen);
        var tolerance = settings.Tolerances;
        return metric switch
        {
            HpaMetric.AverageValue average => OfAverage(average, seen.StatusReplicas, tolerance),
            HpaMetric.Value value => OfValue(value, seen.SpecReplicas, seen.ReadyPods, tolerance),
            HpaMetric.PerPod perPod => HpaPodGroups.Of(settings, seen, perPod.Samples, perPod.Cpu)
                .Propose(new MeanOf(perPod.TargetMilli), seen.SpecReplicas, tolerance),
            HpaMetric.Utilization use => HpaPodGroups.Of(settings, seen, use.Samples, use.Cpu)
                .Propose(new ShareOf(use.TargetPercent), seen.SpecReplicas, tolerance),
            _ => null,
        };
    }

    /// <summary>
    /// The largest proposal; null where no change may follow: none is valid, or one failed and the rest would scale down.
    /// </summary>
    public static int? Largest(int spec, IEnumerable<int?> proposals)
    {
        int? largest = null;
        var failed = false;
        foreach (var proposal in proposals)
        {
            failed |= proposal is null;
            if (proposal > (largest ?? int.MinValue)) largest = proposal;
        }

        return failed && largest < spec ? null : largest;
    }

    /// <summary>In tolerance the reported count comes back, not the one asked for; readiness plays no part.</summary>
    private static int OfAverage(HpaMetric.AverageValue metric, int status, HpaTolerance tolerance)
    {
        var ratio = metric.UsageMilli / ((double)metric.TargetMilli * status);
        return tolerance.Holds(ratio) ? status : WholeReplicas.Ceiling((double)metric.UsageMilli / metric.TargetMilli);
    }

    /// <summary>Multiplies by the ready pods, so that pods still starting lower the proposal.</summary>
    private static int OfValue(HpaMetric.Value metric, int spec, int ready, HpaTolerance tolerance)
    {
        var ratio = (double)metric.UsageMilli / metric.TargetMilli;
        if (spec == 0) return WholeReplicas.Ceiling(ratio);
        return tolerance.Holds(ratio) ? spec : WholeReplicas.Ceiling(ratio * ready);
    }

    /// <summary>Pods' mean over a target, in thousandths; the mean loses its fraction.</summary>
    private sealed record MeanOf(long TargetMilli) : IHpaRatio
    {
        public double? Of(IReadOnlyCollection<HpaCount> counted) =>
            (double)(counted.Sum(pod => pod.ValueMilli) / counted.Count) / TargetMilli;

        public long FillFor(HpaPod pod) => TargetMilli;
    }

    /// <summary>Use over requests in whole percent: the fraction is cut off.</summary>
    private sealed record ShareOf(int TargetPercent) : IHpaRatio
    {
        public double? Of(IReadOnlyCollection<HpaCount> counted)
        {
            var requests = counted.Sum(pod => pod.RequestMilli);
            return requests == 0 ? null : (double)(100 * counted.Sum(pod => pod.ValueMilli) / requests) / TargetPercent;
        }

        /// <summary>Its whole request, or more where the target lies above 100 %.</summary>
        public long FillFor(HpaPod pod) => pod.RequestMilli * Math.Max(100, TargetPercent) / 100;
    }
}
