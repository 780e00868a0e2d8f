using System.Collections.Immutable;
using Plimsoll.Simulation.Rivals.Hpa;

namespace Plimsoll.Simulation.Rivals.Keda;

/// <summary>
/// KEDA's poll: 0 to 1 and 1 to 0 are its own, 1 to N the HPA's. rivals-rules §2, after
/// kedacore/keda pkg/scaling/executor/scale_scaledobjects.go and pkg/fallback/fallback.go.
/// </summary>
public static class KedaScaler
{
    public static KedaDecision Decide(KedaSettings settings, KedaState state, KedaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var (metrics, next) = Query(settings, state, seen);
        var failed = seen.Triggers.Any(trigger => trigger.Value is null);
        var active = settings.ForcedActivation
            || seen.Triggers.Where((trigger, i) => trigger.Active || (trigger.Value is null && metrics[i] is not HpaMetric.Failed)).Any();
        var (replicas, refreshed) = Scale(settings, next, seen, active, failed);
        return new(replicas, active, metrics, refreshed ? next with { LastActive = seen.Now } : next);
    }

    /// <summary>
    /// What the triggers answer the HPA, with failures counted. The HPA's passes between polls count them too, so the one who
    /// plays its clock calls this for each of them.
    /// </summary>
    public static (ImmutableArray<HpaMetric> Metrics, KedaState State) Query(
        KedaSettings settings, KedaState state, KedaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var failures = state.Failures;
        var metrics = ImmutableArray.CreateBuilder<HpaMetric>(seen.Triggers.Length);
        foreach (var trigger in seen.Triggers)
        {
            var count = trigger.Value is null ? failures.GetValueOrDefault(trigger.Name) + 1 : 0;
            failures = failures.SetItem(trigger.Name, count);
            var value = trigger.Value
                ?? settings.Fallback?.Metric(count, trigger.Target, seen.Replicas, trigger.TotalTarget ? seen.ReadyReplicas : null);
            metrics.Add(ToHpa(trigger, value));
        }

        return (metrics.MoveToImmutable(), state with { Failures = failures });
    }

    private static HpaMetric ToHpa(KedaTrigger trigger, double? value)
    {
        if (value is not { } number) return new HpaMetric.Failed();
        return trigger.TotalTarget
            ? new HpaMetric.Value(Milli(number), Milli(trigger.Target))
            : new HpaMetric.AverageValue(Milli(number), Milli(trigger.Target));
    }

    private static long Milli(double value) => (long)Math.Ceiling(value * 1000);

    private static (int Replicas, bool Refreshed) Scale(
        KedaSettings settings, KedaState state, KedaObservation seen, bool active, bool failed)
    {
        var (current, minimum, idle) = (seen.Replicas, settings.MinReplicaCount, settings.IdleReplicaCount);
        if (active)
        {
            if (current == 0 || (idle is not null && current < minimum))
            {
                return settings.PausedScaleOut ? (current, false) : (Math.Max(minimum, 1), true);
            }

            // A partial failure only marks a condition: the object is not seen as active by this poll.
            return (current, !failed);
        }

        if (failed && settings.Fallback is not { Replicas: 0 }) return (current, false);
        if (current > idle || (current > 0 && minimum == 0))
        {
            return !settings.PausedScaleIn && CooledDown(settings, state, seen) ? (idle ?? minimum, false) : (current, false);
        }

        return idle is null && current < minimum && !settings.PausedScaleOut ? (minimum, false) : (current, false);
    }

    private static bool CooledDown(KedaSettings settings, KedaState state, KedaObservation seen) => state.LastActive is { } last
        ? last + settings.CooldownPeriod < seen.Now
        : seen.Now > seen.CreatedAt + settings.InitialCooldownPeriod;
}
