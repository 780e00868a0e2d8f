using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Knative;

/// <summary>
/// Knative's decision, every 2 s: rivals-rules §3.2, after knative/serving pkg/autoscaler/scaling/autoscaler.go.
/// </summary>
public static class KpaDecider
{
    public static KpaDecision Decide(KpaSettings settings, KpaState state, KpaObservation seen)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(state);
        ArgumentNullException.ThrowIfNull(seen);
        if (seen.Stable is not { } stable || seen.Panic is not { } panic) return new(null, 0, state);

        double ready = Math.Max(1, seen.Ready);
        // ceil, or a rate of 1.1 could never leave 2 pods: floor(1.1 × 2) = 2.
        var up = Math.Ceiling(settings.MaxScaleUpRate * ready);
        var down = seen.Reachable ? Math.Floor(ready / settings.MaxScaleDownRate) : 0;
        var (stableWish, panicWish) = (Math.Ceiling(stable / settings.Target.Target), Math.Ceiling(panic / settings.Target.Target));
        var desired = Activated(settings, stableWish, Math.Min(Math.Max(stableWish, down), up));
        var desiredInPanic = Activated(settings, panicWish, Math.Min(Math.Max(panicWish, down), up));

        state = Panic(settings, state, panicWish / ready >= settings.PanicThreshold, seen.Now);
        if (state.PanicSince is not null)
        {
            state = state with { MaxPanicPods = Math.Max(state.MaxPanicPods, Math.Max(desired, desiredInPanic)) };
            desired = state.MaxPanicPods;
        }

        if (settings.ScaleDownDelay > TimeSpan.Zero)
        {
            state = state with { Recent = Remember(settings, state.Recent, desired, seen.Now) };
            if (seen.Reachable) desired = state.Recent.Max(wish => wish.Pods);
        }

        return new(desired, ExcessBurstCapacity(settings, seen.Ready, panic), state);
    }

    /// <summary>Requests the ready pods could still take beyond the burst to be absorbed; −1 where that is unlimited.</summary>
    public static int ExcessBurstCapacity(KpaSettings settings, int ready, double panic)
    {
        ArgumentNullException.ThrowIfNull(settings);
        return settings.TargetBurstCapacity switch
        {
            0 => 0,
            < 0 => -1,
            var burst => WholeReplicas.Floor(ready * settings.Target.Total - burst - panic),
        };
    }

    /// <summary>Activators that a revision's requests are spread over (rivals-rules §3.3).</summary>
    public static int Activators(KpaSettings settings, int ready)
    {
        ArgumentNullException.ThrowIfNull(settings);
        if (settings.TargetBurstCapacity == 0) return 2;
        var covered = ready * settings.Target.Total + Math.Max(0, settings.TargetBurstCapacity);
        return Math.Max(2, WholeReplicas.Ceiling(covered / settings.ActivatorCapacity));
    }

    private static int Activated(KpaSettings settings, double wish, double clamped)
    {
        var pods = WholeReplicas.Truncate(clamped);
        return settings.ActivationScale > 1 && wish > 0 ? Math.Max(pods, settings.ActivationScale) : pods;
    }

    private static KpaState Panic(KpaSettings settings, KpaState state, bool over, DateTimeOffset now)
    {
        if (over) return state with { PanicSince = now };
        return state.PanicSince + settings.StableWindow < now ? state with { PanicSince = null, MaxPanicPods = 0 } : state;
    }

    /// <summary>The largest wish of each slot of a tick, over the delay's slots.</summary>
    private static ImmutableArray<KpaWish> Remember(KpaSettings settings, ImmutableArray<KpaWish> recent, int pods, DateTimeOffset now)
    {
        var slot = (now - DateTimeOffset.UnixEpoch).Ticks / settings.TickInterval.Ticks;
        var slots = (long)Math.Ceiling(settings.ScaleDownDelay / settings.TickInterval);
        var kept = recent.Where(wish => wish.Slot > slot - slots && wish.Slot != slot);
        var same = recent.Where(wish => wish.Slot == slot).Select(wish => wish.Pods).Append(pods).Max();
        return [.. kept, new(slot, same)];
    }
}
