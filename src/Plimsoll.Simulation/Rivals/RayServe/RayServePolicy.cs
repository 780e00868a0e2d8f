namespace Plimsoll.Simulation.Rivals.RayServe;

/// <summary>
/// Ray Serve's default policy, replica_queue_length: rivals-rules §4, after python/ray/serve/autoscaling_policy.py.
/// The wish is computed from running replicas' load but compared with the target, so that replicas still starting cause no
/// second step.
/// </summary>
public static class RayServePolicy
{
    public static RayServeDecision Decide(RayServeSettings settings, RayServeState state, RayServeObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        if (seen.Running == 0) return new(Bound(settings, FromZero(settings, seen)), state);

        var wish = Bound(settings, Wish(settings, seen));
        // Reaching 0 always passes through 1.
        if (wish < seen.Target && seen.Target > 1) wish = Math.Max(1, wish);
        if (wish == seen.Target) return new(Bound(settings, seen.Target), RayServeState.Fresh);

        var up = wish > seen.Target;
        var turned = up ? state.Ticks < 0 : state.Ticks > 0;
        var held = new RayServeState(
            (turned ? 0 : state.Ticks) + (up ? 1 : -1), turned || state.Ticks == 0 ? seen.Now : state.FirstSeen ?? seen.Now);
        var delay = up ? settings.UpscaleDelay
            : seen.Target == 1 ? settings.DownscaleToZeroDelay ?? settings.DownscaleDelay
            : settings.DownscaleDelay;
        return Fires(settings, held, delay, seen.Now)
            ? new(Bound(settings, wish), RayServeState.Fresh)
            : new(Bound(settings, seen.Target), held);
    }

    /// <summary>With none running, one step at once and without delay; bounds are the caller's.</summary>
    public static int FromZero(RayServeSettings settings, RayServeObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(seen);
        return seen.Ongoing > 0 ? Math.Max(WholeReplicas.Ceiling(settings.UpscalingFactor), seen.Target) : seen.Target;
    }

    private static int Wish(RayServeSettings settings, RayServeObservation seen)
    {
        var raw = seen.Ongoing / settings.TargetOngoingRequests;
        var factor = raw > seen.Running ? settings.UpscalingFactor : settings.DownscalingFactor;
        var wish = WholeReplicas.Ceiling(seen.Running + factor * (raw - seen.Running));
        // A small factor rounds back to where it was and would never come down.
        return WholeReplicas.Ceiling(raw) < seen.Running && wish == seen.Running ? wish - 1 : wish;
    }

    private static bool Fires(RayServeSettings settings, RayServeState held, TimeSpan delay, DateTimeOffset now) =>
        settings.DelayRule == RayServeDelayRule.Counter
            ? Math.Abs(held.Ticks) > WholeReplicas.Truncate(delay.TotalSeconds / settings.ControlLoopInterval.TotalSeconds)
            : now - held.FirstSeen >= delay - TimeSpan.FromMicroseconds(1);

    private static int Bound(RayServeSettings settings, int replicas) =>
        Math.Max(settings.MinReplicas, Math.Min(settings.MaxReplicas, replicas));
}
