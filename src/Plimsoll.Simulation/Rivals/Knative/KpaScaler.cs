namespace Plimsoll.Simulation.Rivals.Knative;

public enum KpaActivity
{
    Activating,
    Active,
    Inactive,
}

/// <summary>Where a revision is between its first pod and none.</summary>
/// <param name="Since">When it came to be so.</param>
/// <param name="ReachedInitialScale">Whether it ever had the pods it is to begin with.</param>
public sealed record KpaScalerState(KpaActivity Activity, DateTimeOffset Since, bool ReachedInitialScale)
{
    public static KpaScalerState Start(DateTimeOffset now) => new(KpaActivity.Activating, now, false);
}

/// <param name="Desired">What the decider wishes; null: invalid.</param>
/// <param name="Scale">Pods asked for now.</param>
/// <param name="ActivatorConfirmed">Whether a probe found the activator in the path of requests.</param>
/// <param name="ProxySince">Since when requests go through the activator; null: they do not.</param>
public sealed record KpaScalerObservation(
    DateTimeOffset Now, int? Desired, int Scale, int Ready, bool ActivatorConfirmed, DateTimeOffset? ProxySince);

/// <summary>
/// Applies a wish within bounds and, towards zero, in steps: rivals-rules §3.3, after knative/serving
/// pkg/reconciler/autoscaling/kpa/{scaler,kpa}.go. With the defaults the last request leaves, about 60 s later the stable
/// average is 0, then the revision is marked inactive, and at least 30 s later there are no pods.
/// </summary>
public static class KpaScaler
{
    public static (int Scale, KpaScalerState State) Apply(KpaSettings settings, KpaScalerState state, KpaScalerObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        var least = state.ReachedInitialScale ? settings.MinScale : Math.Max(settings.MinScale, settings.InitialScale);
        var reached = state with { ReachedInitialScale = state.ReachedInitialScale || seen.Ready >= settings.InitialScale };
        if (seen.Desired is not { } desired) return (seen.Scale, Settle(reached, seen, null, settings));

        desired = Math.Max(desired, least);
        if (settings.MaxScale > 0) desired = Math.Min(desired, settings.MaxScale);
        if (desired > 0) return (desired, Settle(reached, seen, desired, settings));
        if (!settings.EnableScaleToZero) return (1, Settle(reached, seen, 1, settings));
        return ToZero(settings, reached, seen);
    }

    private static (int Scale, KpaScalerState State) ToZero(KpaSettings settings, KpaScalerState state, KpaScalerObservation seen)
    {
        var elapsed = seen.Now - state.Since;
        switch (state.Activity)
        {
            case KpaActivity.Activating:
                return elapsed >= settings.ProgressDeadline + settings.ActivationTimeoutBuffer
                    ? (0, Become(state, KpaActivity.Inactive, seen.Now))
                    : (seen.Scale, Settle(state, seen, null, settings));
            case KpaActivity.Active:
                // Pods stay this pass: first the activator has to be in the path.
                return elapsed >= settings.StableWindow
                    ? (seen.Scale, Become(state, KpaActivity.Inactive, seen.Now))
                    : (1, Settle(state, seen, 1, settings));
            default:
                if (!seen.ActivatorConfirmed) return (seen.Scale, state);
                var grace = settings.ScaleToZeroGracePeriod;
                var retained = elapsed >= settings.ScaleToZeroPodRetention;
                var graceOver = elapsed >= grace || seen.Now - seen.ProxySince >= grace;
                return retained && graceOver ? (0, state) : (seen.Scale, state);
        }
    }

    /// <summary>
    /// Active while it has the pods it must have, activating while it lacks them; only a wish for pods ends inactivity.
    /// </summary>
    private static KpaScalerState Settle(KpaScalerState state, KpaScalerObservation seen, int? wanted, KpaSettings settings)
    {
        if (wanted is not > 0 && state.Activity == KpaActivity.Inactive) return state;
        var least = Math.Max(1, state.ReachedInitialScale ? settings.MinScale : Math.Max(settings.MinScale, settings.InitialScale));
        return Become(state, seen.Ready >= least ? KpaActivity.Active : KpaActivity.Activating, seen.Now);
    }

    private static KpaScalerState Become(KpaScalerState state, KpaActivity activity, DateTimeOffset now) =>
        state.Activity == activity ? state : state with { Activity = activity, Since = now };
}
