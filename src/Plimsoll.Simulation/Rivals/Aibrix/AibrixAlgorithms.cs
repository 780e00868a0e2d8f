namespace Plimsoll.Simulation.Rivals.Aibrix;

/// <summary>
/// AIBrix' two algorithms: rivals-rules §5.2 and §5.3, after pkg/controller/podautoscaler/algorithm/{apa,kpa}.go.
/// </summary>
public static class AibrixAlgorithms
{
    /// <param name="use">Stable mean per pod.</param>
    /// <param name="target">Per pod; 0 or less: no change.</param>
    public static int Apa(AibrixSettings settings, int replicas, double use, double target)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (target <= 0) return replicas;
        var ratio = use / target;
        var wish = WholeReplicas.Ceiling(replicas * ratio);
        if (ratio > 1 + settings.UpFluctuationTolerance)
            return Math.Min(wish, WholeReplicas.Ceiling(settings.MaxScaleUpRate * replicas));
        if (ratio < 1 - settings.DownFluctuationTolerance)
            return Math.Max(wish, WholeReplicas.Floor(replicas / settings.MaxScaleDownRate));
        return replicas;
    }

    /// <summary>Strictly above the threshold, or no load at all.</summary>
    public static bool Panics(AibrixSettings settings, double stable, double panic)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return stable <= 0 || panic / stable > settings.PanicThreshold;
    }

    /// <summary>
    /// Divides the value by the target as if it were a total, though for pod sources it is a mean: 4 pods at 50 with a target
    /// of 10 come to 5 and not 20.
    /// </summary>
    /// <param name="maxPanic">
    /// The largest wish of this panic. The controller makes its context anew at each pass, so there it is always 0.
    /// </param>
    public static int Kpa(AibrixSettings settings, int replicas, double stable, double panic, double target, bool panicking, int maxPanic)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var up = Math.Max(1, WholeReplicas.Ceiling(settings.MaxScaleUpRate * replicas));
        var down = WholeReplicas.Floor(replicas / settings.MaxScaleDownRate);
        var desired = Clamped(settings, replicas, stable, target, down, up);
        if (!panicking) return desired;
        return Math.Max(maxPanic, Math.Max(desired, Clamped(settings, replicas, panic, target, down, up)));
    }

    private static int Clamped(AibrixSettings settings, int replicas, double value, double target, int down, int up)
    {
        var within = value <= target * (1 + settings.UpFluctuationTolerance) && value >= target * (1 - settings.DownFluctuationTolerance);
        var clamped = Math.Min(Math.Max(within ? replicas : WholeReplicas.Ceiling(value / target), down), up);
        return settings.ActivationScale > 1 && clamped > 0 ? Math.Max(clamped, settings.ActivationScale) : clamped;
    }
}
