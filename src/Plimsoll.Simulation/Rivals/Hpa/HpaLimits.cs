using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Hpa;

/// <summary>
/// From a proposal to a step: windows and rates, rivals-rules §1.3 (no behaviour) and §1.4 (behaviour), after
/// kubernetes pkg/controller/podautoscaler/horizontal.go.
/// </summary>
public static class HpaLimits
{
    /// <summary>
    /// Without a behaviour: the largest recommendation of the window. One exactly as old as the window still counts, as in the
    /// source, which asks whether it is older; with a behaviour it no longer does.
    /// </summary>
    public static int StabilizeWithoutBehavior(HpaSettings settings, ImmutableArray<HpaMark> recommendations, int proposal, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return recommendations.Where(mark => mark.At >= now - settings.DownscaleStabilization)
            .Aggregate(proposal, (largest, mark) => Math.Max(largest, mark.Replicas));
    }

    /// <summary>Without a behaviour: at most twice the replicas, or 4; no limit on the way down but the minimum.</summary>
    public static int LimitWithoutBehavior(HpaSettings settings, int spec, int stabilized)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var limit = Math.Min(settings.MaxReplicas, Math.Max(WholeReplicas.Truncate(2.0 * spec), 4));
        return Math.Max(settings.MinReplicas, Math.Min(limit, stabilized));
    }

    /// <summary>With a behaviour: spec, moved only as far as both windows agree.</summary>
    public static int Stabilize(HpaBehavior behavior, ImmutableArray<HpaMark> recommendations, int spec, int proposal, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(behavior);
        var (lowest, highest) = (proposal, proposal);
        foreach (var mark in recommendations)
        {
            if (mark.At > now - behavior.ScaleUp.StabilizationWindow) lowest = Math.Min(lowest, mark.Replicas);
            if (mark.At > now - behavior.ScaleDown.StabilizationWindow) highest = Math.Max(highest, mark.Replicas);
        }

        return Math.Min(Math.Max(spec, lowest), highest);
    }

    /// <summary>With a behaviour: rates over the policies' periods; the bounds hold only in the direction of travel.</summary>
    public static int LimitRate(HpaSettings settings, HpaBehavior behavior, HpaState state, int spec, int stabilized, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(behavior);
        ArgumentNullException.ThrowIfNull(state);
        if (stabilized > spec)
        {
            var limit = Math.Max(spec, UpLimit(behavior.ScaleUp, state, spec, now));
            return Math.Min(stabilized, Math.Min(settings.MaxReplicas, limit));
        }

        if (stabilized < spec)
        {
            var limit = Math.Min(spec, DownLimit(behavior.ScaleDown, state, spec, now));
            return Math.Max(stabilized, Math.Max(settings.MinReplicas, limit));
        }

        return stabilized;
    }

    private static int UpLimit(HpaScalingRules rules, HpaState state, int spec, DateTimeOffset now)
    {
        if (rules.SelectPolicy == HpaPolicySelect.Disabled) return spec;
        var limits = rules.Policies.Select(policy =>
        {
            var start = PeriodStart(state, policy.Period, spec, now);
            return policy.Percent ? WholeReplicas.Ceiling(start * (1 + policy.Value / 100.0)) : start + policy.Value;
        });
        return rules.SelectPolicy == HpaPolicySelect.Min ? limits.Min() : limits.Max();
    }

    private static int DownLimit(HpaScalingRules rules, HpaState state, int spec, DateTimeOffset now)
    {
        if (rules.SelectPolicy == HpaPolicySelect.Disabled) return spec;
        var limits = rules.Policies.Select(policy =>
        {
            var start = PeriodStart(state, policy.Period, spec, now);
            return policy.Percent ? WholeReplicas.Truncate(start * (1 - policy.Value / 100.0)) : start - policy.Value;
        });
        return rules.SelectPolicy == HpaPolicySelect.Min ? limits.Max() : limits.Min();
    }

    /// <summary>Replicas when the period began: without what came since, with what went.</summary>
    private static int PeriodStart(HpaState state, TimeSpan period, int spec, DateTimeOffset now) =>
        spec - Since(state.UpEvents, now - period) + Since(state.DownEvents, now - period);

    private static int Since(ImmutableArray<HpaMark> events, DateTimeOffset cutoff) =>
        events.Where(mark => mark.At > cutoff).Sum(mark => mark.Replicas);
}
