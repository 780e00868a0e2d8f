using System.Collections.Immutable;

namespace Plimsoll;

// The tier between device and disk: weights wait in the node's memory, where the server can and there is room.
internal sealed partial class PlanDraft
{
    // What sleeps stays until somebody needs its memory, unless it is of no more use.
    private void RetireAsleep(InferenceReplica replica)
    {
        if (!_observed.Can.HasFlag(Capabilities.Sleep) || !_outlookOf.TryGetValue(replica.Model, out var outlook) || replica.Version != outlook.Model.Version) return;
        var known = _knowledge.Of(replica.Model);
        if (replica is { Turning: false } && known.Failures.Wakes >= Sleeping.WakesFailedMost)
            Stop(replica, new Reason(Rule.StopAsleepFailed, [Fact.Of("failures", known.Failures.Wakes), Fact.Of("why", known.Failures.Why)]), []);
        else if (Sleeping.IsPastLimit(outlook) && !replica.Turning)
            Stop(replica, new Reason(Rule.DrainIdleLimit, [Fact.Of("idle", outlook.Idle!.Value), Fact.Of("limit", outlook.Model.IdleLimit!.Value)]), []);
        else if (!replica.Turning && outlook.Serving + Asleep(outlook).TakeWhile(other => other.Id != replica.Id).Count() >= Math.Max(outlook.Model.MinReplicas, outlook.Model.MaxReplicas))
            Stop(replica, new Reason(Rule.StopAsleepSpare, [Fact.Of("have", outlook.Serving), Fact.Of("most", outlook.Model.MaxReplicas)]), []);
    }

    private IEnumerable<InferenceReplica> Asleep(ModelOutlook outlook) => _replicas[outlook.Model.Id]
        .Where(replica => replica is { State: ReplicaState.Asleep, Turning: false } && replica.Version == outlook.Model.Version && !_going.Contains(replica.Id))
        .OrderBy(replica => replica.Id);

    /// <summary>
    /// Has those sleep that were to end, where nothing that the plan does needs the memory that they keep then; and those that have been
    /// idle for long enough to, where there is room. After all else, so that nobody is refused anything for it; those that are slowest to
    /// load first.
    /// </summary>
    public void LieDown()
    {
        if (!_observed.Can.HasFlag(Capabilities.Sleep)) return;
        var ending = _observed.Replicas.Where(replica => _going.Contains(replica.Id) && _outlookOf.ContainsKey(replica.Model));
        var drowsy = _outlooks.SelectMany(outlook => Drowsy(outlook, _allocations[outlook.Model.Id]));
        foreach (var replica in ending.Concat(drowsy).OrderByDescending(replica => _outlookOf[replica.Model].Model.Priority)
            .ThenByDescending(replica => _outlookOf[replica.Model].LoadFromDisk.P90).ThenBy(replica => replica.Id).ToArray())
        {
            if (Sleeping.May(replica, _outlookOf[replica.Model], _knowledge.Of(replica.Model), _observed.Can)) LiesDown(replica);
        }
    }

    // Awake they cost their devices, and asleep nothing that anybody else asks for.
    private IEnumerable<InferenceReplica> Drowsy(ModelOutlook outlook, Allocation allocation) =>
        allocation.Awake is not { } awake || outlook.Serving <= awake ? [] : _replicas[outlook.Model.Id]
            .Where(replica => replica.State == ReplicaState.Ready && replica.Version == outlook.Model.Version && !_going.Contains(replica.Id))
            .OrderByDescending(replica => outlook.RankOf(replica.Variant)).ThenByDescending(replica => replica.Id).Take(outlook.Serving - awake);

    // In place of its stop, or of nothing; what has nothing left in it sleeps at once.
    private void LiesDown(InferenceReplica replica)
    {
        var (outlook, stop, drain) = (_outlookOf[replica.Model], StepId.Of($"stop/{replica.Id}"), StepId.Of($"drain/{replica.Id}"));
        var steps = new SortedDictionary<StepId, Step>(_steps);
        ImmutableArray<StepId> after = [];
        var why = _allocations[replica.Model].WhySleep;
        if (steps.Remove(stop, out var ends))
        {
            // Whose weights leave the disk is started anew from elsewhere, and whose time to drain is over is not waited for.
            if (ends.Reason.Rule == Rule.StopDrainOverdue || steps.Values.Any(step => step is Step.Evict && step.After.Contains(stop))) return;
            if (replica.Turning) steps.Remove(drain);
            after = replica.Turning ? [] : ends.After;
        }
        else if (why is null || Held(replica)) return;
        else
        {
            steps[drain] = new Step.Drain(replica.Id, replica.Model, DrainDeadline(replica.Model)) { Reason = why };
            after = [drain];
        }

        var sleep = new Step.Sleep(replica.Id, replica.Model)
        {
            Reason = new Reason(Rule.SleepUntilAsked,
            [
                Fact.Of("weights", outlook.Model.Footprint.Weights), Fact.Of("node", replica.Placement.Node.Value),
                Fact.Of("wake", (outlook.Wake ?? outlook.Load).P90), Fact.Of("load", outlook.LoadFromDisk.P90),
            ]),
            After = after,
        };
        steps[sleep.Id] = sleep;
        foreach (var (id, step) in steps.Where(one => one.Value.After.Contains(stop)).ToArray())
            steps[id] = step with { After = [.. step.After.Select(other => other == stop ? sleep.Id : other).Order()] };
        if (ReachableStates.FindViolation(_observed, _knowledge, [.. steps.Values]) is not null) return;
        _steps.Clear();
        foreach (var (id, step) in steps) _steps[id] = step;
        if (!_going.Add(replica.Id)) return;
        _floors.LetGo(replica);
        _verdicts[replica.Model] = why!;
    }

    // Those whose devices have room for them as they are, or once what is let go anyway has gone.
    private void Wake(ModelOutlook outlook, int missing, List<InferenceReplica> back)
    {
        if (!_observed.Can.HasFlag(Capabilities.Sleep)) return;
        foreach (var replica in Asleep(outlook).ToArray())
        {
            if (back.Count == missing) return;
            if (!_ledgers.TryGetValue(replica.Placement.Node, out var ledger)) continue;
            var more = Weighing.ToWake(replica, _knowledge.Of(replica.Model));
            if (ledger.TryReserveOn(more, replica.Placement.Devices) is not { } after) continue;
            Wake(outlook, replica, after);
            back.Add(replica);
        }
    }

    // Whether the last that waited to wake will have lost enough before it could have loaded anew.
    private bool _wakesSoon;

    // Others let go of their devices for it, or sleep themselves, rather than that it loads anew. Where that will pay once it has waited for
    // a little longer it waits: nobody goes for a load that takes many times as long.
    private bool WakeInstead(ModelOutlook outlook, Func<NodeLedger, bool> mayPay, out Reason? waits)
    {
        (waits, _wakesSoon) = (null, false);
        if (!_observed.Can.HasFlag(Capabilities.Sleep) || outlook.Wake is not { } wake) return false;
        var waking = Asleep(outlook).Where(replica => !_steps.ContainsKey(StepId.Of($"wake/{replica.Id}"))).ToArray();
        foreach (var replica in waking)
        {
            if (!_ledgers.TryGetValue(replica.Placement.Node, out var ledger)) continue;
            var needs = Sleeping.NeedsToWake(replica, _knowledge.Of(replica.Model));
            var claimant = outlook with { Needs = needs, Load = wake, LoadAnew = wake, LoadFromDisk = wake, Fetch = new LoadEstimate(TimeSpan.Zero, TimeSpan.Zero, 0) };
            if (_eviction.Choose(claimant, [ledger], _ => [], _going, mayPay, out var verdict, replica.Placement.Devices) is not { } choice)
            {
                if (verdict.Rule != Rule.HoldScarceEqual) continue;
                waits ??= verdict;

                // Who waits loses as many request-seconds a second as requests are held.
                _wakesSoon |= _eviction.Refused <= outlook.Held * outlook.LoadAnew.P90.TotalSeconds;
                continue;
            }

            foreach (var (victim, reason) in choice.Victims) LetGo(victim, reason);
            var after = ledger.TryReserveOn(needs.PerDevice!.Highest, replica.Placement.Devices)
                ?? throw new InvalidOperationException($"evicting to wake {replica.Id} on {choice.Node} did not make the room it promised");
            Wake(outlook, replica, after);
            return true;
        }

        return false;
    }

    private void Wake(ModelOutlook outlook, InferenceReplica replica, ImmutableArray<StepId> after)
    {
        outlook.Forecast.TryGetLast(out var forecast);
        var wake = new Step.Wake(replica.Id, replica.Model)
        {
            Reason = new Reason(Rule.WakeForDemand,
            [
                Fact.Rate("demand", forecast), Fact.Of("load", (outlook.Wake ?? outlook.Load).P90),
                .. outlook.Event?.Shown(outlook.At) is { } known ? [Fact.Of("basis", "; " + known)] : Array.Empty<Fact>(),
            ]),
            After = after,
        };
        _steps[wake.Id] = wake;
        Uses(replica);
        _verdicts[outlook.Model.Id] = wake.Reason;
    }
}
