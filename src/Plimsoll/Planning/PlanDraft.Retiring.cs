using System.Collections.Immutable;

namespace Plimsoll;

// What must go.
internal sealed partial class PlanDraft
{
    /// <summary>Ends what is drained, overdue, surplus, outdated or no longer in the fleet file.</summary>
    public void Retire()
    {
        foreach (var replica in _byId)
        {
            if (Stays(replica)) continue;
            if (replica.State is ReplicaState.Drained or ReplicaState.Stopping)
                Stop(replica, new Reason(Rule.StopDrained, []), []);
            else if (replica.State == ReplicaState.Draining)
                RetireDraining(replica);
            else if (!_outlookOf.ContainsKey(replica.Model))
                LetGo(replica, new Reason(Rule.DrainRemovedModel, []));
            else if (_loads.Overdue(replica))
                RetireOverdue(replica);
            else if (replica.State == ReplicaState.Asleep)
                RetireAsleep(replica);
        }

        // Most models have neither too many nor one of another version.
        var retires = new bool[_outlooks.Length];
        OfEach.Do(retires.Length, i => retires[i] = _outlooks[i].Supply > _allocations[_outlooks[i].Model.Id].Keep
            || _replicas[_outlooks[i].Model.Id].Any(replica => replica.Version != _outlooks[i].Model.Version));
        for (var i = 0; i < retires.Length; i++)
        {
            if (retires[i]) RetireSurplus(_outlooks[i], _allocations[_outlooks[i].Model.Id]);
        }

        OrderStops();
    }

    private void RetireDraining(InferenceReplica replica)
    {
        var waited = _observed.At - replica.StateSince;
        var deadline = DrainDeadline(replica.Model);
        if (waited > deadline)
            Stop(replica, new Reason(Rule.StopDrainOverdue,
            [
                Fact.Of("waited", waited), Fact.Of("deadline", deadline),
                Fact.Of("outstanding", replica.Outstanding),
            ]), []);
        else
            LetGo(replica, new Reason(
                Rule.DrainUnderway, [Fact.Of("since", waited), Fact.Of("outstanding", replica.Outstanding)]));
    }

    private TimeSpan DrainDeadline(ModelId model)
    {
        var stated = _spec.Settings.DrainDeadline;
        if (!_spec.Settings.DrainAsLongAsSeen) return stated;
        var seen = TimeSpan.FromSeconds(Math.Ceiling(1.25 * _knowledge.Of(model).Service.LongestSeconds));
        return seen > stated ? seen : stated;
    }

    private void RetireOverdue(InferenceReplica replica)
    {
        var expected = _loads.Expected(replica);
        var (waited, wakes) = (_loads.Waited(replica), LoadsInFlight.IsWaking(replica));
        if (IsNext(replica)) Stop(replica, new Reason(wakes ? Rule.StopWakeOverdue : Rule.StopLoadOverdue,
        [
            Fact.Of("waited", waited), Fact.Quantity("factor", Math.Round(waited / expected, 1)), Fact.Of("expected", expected),
        ]), []);
        _overdue[replica.Model] = $"{replica.Id} was still {(wakes ? "waking" : "loading")} after {Durations.Show(_loads.Allowed(replica))}";
    }

    private void RetireSurplus(ModelOutlook outlook, Allocation allocation)
    {
        var surplus = outlook.Supply - allocation.Keep;
        var mine = _replicas[outlook.Model.Id].Where(replica => !_going.Contains(replica.Id)).ToArray();
        var old = mine.Where(replica => replica.Version != outlook.Model.Version).ToArray();
        if (old.Length > 0 && (_spec.Settings.ReplacedByQuarters || outlook.Serving >= Math.Max(1, Math.Min(allocation.Wanted, old.Length)) || allocation.Wanted == 0))
        {
            foreach (var replica in Replaced(outlook, allocation, old).Where(replica => !Held(replica)))
                LetGo(replica, new Reason(Rule.DrainOldVersion, [Fact.Of("version", outlook.Model.Version)]));
        }

        if (surplus <= 0) return;

        // Where money decides, those that are not kept; else what does not serve yet goes first, then the least preferred, then who is slowed most by
        // others on its devices, then what costs most where it is, then one of those that stand together, then what has least to finish, then the newest.
        // Of a successor that came beside as many as may be never itself, whatever slows it for the moment: first who is slowed most.
        var together = Together(outlook.Model.Id);
        var newest = allocation.Why.Rule == Rule.DrainAboveMost ? mine.Max(replica => (int?)replica.Id.Ordinal) : null;
        var victims = mine
            .Where(replica => replica.Version == outlook.Model.Version
                && replica.State is ReplicaState.Ready or ReplicaState.Loading)
            .OrderBy(replica => replica.Id.Ordinal == newest ? 1 : 0).ThenBy(replica => newest is null ? 1 : outlook.LeftOf?.GetValueOrDefault(replica.Id, 1) ?? 1)
            .ThenBy(replica => newest is not null && outlook.LeftOf?.ContainsKey(replica.Id) == true ? 0 : 1)
            .ThenBy(replica => replica is { State: ReplicaState.Loading, EndsInOrder: null } ? 0 : 1)
            .ThenByDescending(replica => outlook.RankOf(replica.Variant))
            .ThenByDescending(replica => replica.EndsInOrder ?? 0).ThenBy(IsLeaving).ThenBy(replica => replica.State == ReplicaState.Loading ? 0 : 1)
            .ThenBy(replica => outlook.LeftOf?.GetValueOrDefault(replica.Id, 1) ?? 1)
            .ThenByDescending(PaidFor).ThenByDescending(replica => together.GetValueOrDefault(replica.Placement.Node))
            .ThenBy(replica => replica.Outstanding).ThenByDescending(replica => replica.Id.Ordinal).ThenBy(replica => replica.Id);
        _verdicts[outlook.Model.Id] = allocation.Why;
        foreach (var replica in NotKept(outlook, allocation, victims))
        {
            if (surplus == 0) break;
            if (!Held(replica)) LetGo(replica, allocation.Why);
            // Those before it in their controller's order cannot go while it stays.
            else if (replica.EndsInOrder is not null) break;
            // Another goes in its place.
            else if (_spec.Settings.ReplacedByQuarters) continue;
            surplus--;
        }
    }

    // So many of the version before as leave those that are wanted, its successors among them; one that does not serve once one of these does.
    private InferenceReplica[] Replaced(ModelOutlook outlook, Allocation allocation, InferenceReplica[] old)
    {
        if (!_spec.Settings.ReplacedByQuarters || allocation.Wanted == 0) return old;
        if (outlook.Serving == 0) return [];
        var serve = old.Where(replica => replica.State == ReplicaState.Ready).ToArray();
        return [.. old.Except(serve), .. serve.Take(outlook.Serving + serve.Length - allocation.Wanted)];
    }

    // Its node is told to go and takes it along anyway: 0, before the others.
    private int IsLeaving(InferenceReplica replica) =>
        _spec.Settings.LeavingNodesFirst && _ledgers.TryGetValue(replica.Placement.Node, out var ledger) && ledger.Node.Condition != NodeCondition.Ready ? 0 : 1;

    private long PaidFor(InferenceReplica replica)
    {
        var sum = 0L;
        foreach (var pod in Parts.Pods(replica))
        {
            if (_ledgers.TryGetValue(pod.Placement.Node, out var ledger)) sum += _prices.Held(ledger.Node, pod.Reserved);
        }

        return sum;
    }

    // What was to go and must stay after all, as a floor of ready replicas would be broken.
    private bool Stays(InferenceReplica replica) =>
        (replica.State is ReplicaState.Draining or ReplicaState.Drained || !_outlookOf.ContainsKey(replica.Model)) && Held(replica);

    private bool Held(InferenceReplica replica)
    {
        if (_floors.Holds(replica) is not { } why) return false;
        _verdicts[replica.Model] = why;
        return true;
    }

    private void LetGo(InferenceReplica replica, Reason reason) => LetGo(replica, reason, []);

    // Drain, then stop; what never served has nothing to drain.
    private void LetGo(InferenceReplica replica, Reason reason, ImmutableArray<StepId> after)
    {
        if (replica.State is ReplicaState.Loading or ReplicaState.Asleep)
        {
            Stop(replica, reason, after);
            return;
        }

        var drain = new Step.Drain(replica.Id, replica.Model, DrainDeadline(replica.Model)) { Reason = reason, After = after };
        _steps[drain.Id] = drain;
        Stop(replica, new Reason(Rule.StopDrained, []), [drain.Id]);
    }

    private void Stop(InferenceReplica replica, Reason reason, ImmutableArray<StepId> after)
    {
        var stop = new Step.Stop(replica.Id, replica.Model) { Reason = reason, After = after };
        _steps[stop.Id] = stop;
        _going.Add(replica.Id);
        if (!IsOnlyShown(replica.Model)) UsesNoMore(replica);
        _floors.LetGo(replica);
        if (IsOnlyShown(replica.Model)) _shownStops.Add((stop.Id, replica));
        else Counted(stop.Id, replica);
    }
}
