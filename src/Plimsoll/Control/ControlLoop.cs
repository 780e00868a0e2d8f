namespace Plimsoll.Control;

/// <summary>One turn of the loop, as it is journalled.</summary>
public sealed record Tick(long Number, FleetSpec Spec, FleetSnapshot Snapshot, Plan Plan, ApplyResult Applied);

/// <summary>
/// Observe, fold, decide, record, apply; the same loop for all three bodies. A plan is recorded before it is applied,
/// so that a controller killed in between knows on its return what it may have started.
/// </summary>
/// <param name="fleet">The body.</param>
/// <param name="planner">The brain.</param>
/// <param name="time">The clock the ticks are paced by; the plan itself knows only the snapshot's time.</param>
/// <param name="record">Called with each tick before its plan is applied; what it throws ends the loop.</param>
/// <param name="applied">Called after the plan was applied.</param>
public sealed class ControlLoop(
    IFleet fleet,
    Planner planner,
    TimeProvider time,
    Func<Tick, CancellationToken, ValueTask> record,
    Action<Tick>? applied = null)
{
    // Waking up for every held request of a burst would plan a hundred times a second for nothing.
    private static readonly TimeSpan ShortestPause = TimeSpan.FromMilliseconds(50);

    /// <summary>Turns until cancelled.</summary>
    /// <param name="spec">Asked at each tick, so that an edited fleet file takes effect at the next.</param>
    /// <param name="remembered">The last checkpoint, or <see cref="Knowledge.Empty"/>.</param>
    /// <param name="firstTick">The number of the first tick.</param>
    /// <param name="cancellationToken">Ends the loop.</param>
    /// <returns>What is known at the end.</returns>
    public async Task<Knowledge> RunAsync(
        Func<FleetSpec> spec, Knowledge remembered, long firstTick, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        var knowledge = remembered;
        for (var number = firstTick; !cancellationToken.IsCancellationRequested; number++)
        {
            var now = spec();
            try
            {
                var tick = await TurnAsync(number, now, knowledge, cancellationToken).ConfigureAwait(false);
                knowledge = tick.Plan.Next;
                await PauseAsync(now.Settings.Review, cancellationToken).ConfigureAwait(false);
            }
            catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
            {
                break;
            }
        }

        return knowledge;
    }

    /// <summary>One turn.</summary>
    public async Task<Tick> TurnAsync(
        long number, FleetSpec spec, Knowledge remembered, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(remembered);
        var snapshot = await fleet.ObserveAsync(cancellationToken).ConfigureAwait(false);
        var knowledge = remembered.Fold(spec, snapshot);
        var plan = planner.Decide(spec, snapshot, knowledge);
        var tick = new Tick(number, spec, snapshot, plan, ApplyResult.Nothing);
        await record(tick, cancellationToken).ConfigureAwait(false);
        if (spec.Mode == FleetMode.Act)
            tick = tick with { Applied = await fleet.ApplyAsync(plan, cancellationToken).ConfigureAwait(false) };
        applied?.Invoke(tick);
        return tick;
    }

    private async Task PauseAsync(TimeSpan review, CancellationToken cancellationToken)
    {
        var shortest = review < ShortestPause ? review : ShortestPause;
        await Task.Delay(shortest, time, cancellationToken).ConfigureAwait(false);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var change = fleet.WaitForChangeAsync(either.Token);
        await Task.WhenAny(change, Task.Delay(review - shortest, time, either.Token)).ConfigureAwait(false);
        await either.CancelAsync().ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
    }
}
