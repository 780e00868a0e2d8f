using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>One reconcile of a PodAutoscaler: rivals-rules §5.1.</summary>
public static class AibrixAutoscaler
{
    public static AibrixDecision Decide(AibrixSettings settings, AibrixState state, AibrixObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var replicas = seen.Replicas;
        var least = seen.Schedule?.MinReplicas ?? settings.MinReplicas;
        var most = seen.Schedule?.MaxReplicas ?? settings.MaxReplicas;
        if (replicas == 0 && least != 0 && seen.Schedule?.MinReplicas is null) return new(0, false, state);
        if (replicas > most) return new(most, false, state);
        if (replicas < least) return new(least, false, state);

        var panicking = settings.Strategy == AibrixStrategy.Kpa && seen.Metrics.Any(
            metric => metric is { Stable: { } stable, Panic: { } panic } && AibrixAlgorithms.Panics(settings, stable, panic));
        var largest = Largest(seen.Metrics.Select(metric => Recommend(settings, replicas, metric) is { } wish ? Bound(wish, least, most) : (int?)null));
        if (largest is not { } recommendation) return new(replicas, panicking, state);
        var (cooled, next) = CoolDown(settings, state, replicas, recommendation, seen.Now);
        return new(Bound(cooled, least, most), panicking, next);
    }

    /// <summary>Sources that failed are left out; null where all did.</summary>
    public static int? Largest(IEnumerable<int?> recommendations) => recommendations.Max();

    /// <summary>
    /// Up: the largest of the up window; down: the smallest of the down window. So, unlike the HPA's, the 300 s on the way down
    /// delay nothing and make the step deeper.
    /// </summary>
    public static (int Replicas, AibrixState State) CoolDown(
        AibrixSettings settings, AibrixState state, int replicas, int recommendation, DateTimeOffset now)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        var longest = settings.UpCooldownWindow > settings.DownCooldownWindow ? settings.UpCooldownWindow : settings.DownCooldownWindow;
        ImmutableArray<AibrixMark> marks = [.. state.Recommendations.Where(mark => now - mark.At < longest), new(recommendation, now)];
        var cooled = recommendation == replicas ? recommendation
            : recommendation > replicas ? Within(settings.UpCooldownWindow).DefaultIfEmpty(recommendation).Max()
            : Within(settings.DownCooldownWindow).DefaultIfEmpty(recommendation).Min();
        return (cooled, new(marks));

        IEnumerable<int> Within(TimeSpan window) => marks.Where(mark => now - mark.At < window).Select(mark => mark.Replicas);
    }

    private static int? Recommend(AibrixSettings settings, int replicas, AibrixMetric metric)
    {
        if (metric.Stable is not { } stable) return null;
        if (settings.Strategy == AibrixStrategy.Apa) return AibrixAlgorithms.Apa(settings, replicas, stable, metric.Target);
        if (metric.Panic is not { } panic) return null;
        return AibrixAlgorithms.Kpa(
            settings, replicas, stable, panic, metric.Target, AibrixAlgorithms.Panics(settings, stable, panic), maxPanic: 0);
    }

    private static int Bound(int replicas, int least, int most) => Math.Max(least, Math.Min(most, replicas));
}
