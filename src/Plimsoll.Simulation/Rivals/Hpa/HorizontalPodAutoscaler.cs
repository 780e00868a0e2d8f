using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>
/// One pass of Kubernetes' HPA v2 over one object: rivals-rules §1.1. Its peculiarities are kept: bounds are set before metrics
/// are asked, and a partial failure never scales down.
/// </summary>
public static class HorizontalPodAutoscaler
{
    public static HpaDecision Decide(HpaSettings settings, HpaState state, HpaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var (now, spec) = (seen.Now, seen.SpecReplicas);
        // A fresh object remembers where it found the workload, so it cannot go below that for a down window.
        if (state.Recommendations.IsEmpty) state = state with { Recommendations = [new(spec, now)] };

        if (spec == 0 && settings.MinReplicas != 0) return new(spec, null, HpaReason.ScalingDisabled, state);
        if (spec > settings.MaxReplicas) return Moved(settings, state, spec, settings.MaxReplicas, null, HpaReason.OutOfBounds, now);
        if (spec < settings.MinReplicas) return Moved(settings, state, spec, settings.MinReplicas, null, HpaReason.OutOfBounds, now);

        var largest = HpaProposal.Largest(spec, seen.Metrics.Select(metric => HpaProposal.For(settings, metric, seen)));
        if (largest is not { } proposal) return new(spec, null, HpaReason.MetricsFailed, state);

        var result = settings.Behavior is { } behavior
            ? HpaLimits.LimitRate(settings, behavior, state, spec, HpaLimits.Stabilize(behavior, state.Recommendations, spec, proposal, now), now)
            : HpaLimits.LimitWithoutBehavior(
                settings, spec, HpaLimits.StabilizeWithoutBehavior(settings, state.Recommendations, proposal, now));
        state = state with { Recommendations = Remember(settings, state.Recommendations, new(proposal, now)) };
        return Moved(settings, state, spec, result, proposal, HpaReason.AsProposed, now);
    }

    private static ImmutableArray<HpaMark> Remember(HpaSettings settings, ImmutableArray<HpaMark> marks, HpaMark newest)
    {
        if (settings.Behavior is not { } behavior) return Store(marks, newest, settings.DownscaleStabilization);
        var (up, down) = (behavior.ScaleUp.StabilizationWindow, behavior.ScaleDown.StabilizationWindow);
        return Store(marks, newest, up > down ? up : down);
    }

    private static HpaDecision Moved(
        HpaSettings settings, HpaState state, int spec, int result, int? proposal, HpaReason reason, DateTimeOffset now)
    {
        if (settings.Behavior is { } behavior && result > spec)
            state = state with { UpEvents = Store(state.UpEvents, new(result - spec, now), behavior.ScaleUp.LongestPeriod) };
        else if (settings.Behavior is { } other && result < spec)
            state = state with { DownEvents = Store(state.DownEvents, new(spec - result, now), other.ScaleDown.LongestPeriod) };
        return new(result, proposal, reason, state);
    }

    /// <summary>
    /// Overwrites the last slot that is out of its window, as Kubernetes does: further old ones stay, and a policy of the other
    /// direction with a longer period still counts them.
    /// </summary>
    private static ImmutableArray<HpaMark> Store(ImmutableArray<HpaMark> marks, HpaMark newest, TimeSpan window)
    {
        for (var i = marks.Length - 1; i >= 0; i--)
            if (marks[i].At < newest.At - window) return marks.SetItem(i, newest);
        return marks.Add(newest);
    }
}
