namespace Plimsoll;

// What drains may serve again where that is wanted before it has gone: its weights are there, and nothing loads faster.
internal sealed partial class PlanDraft
{
    /// <summary>
    /// Keeps replicas that drain, as many as are missing, unless another start waits for their room: it was promised to that.
    /// A body sees in the plan that they are no longer let go.
    /// </summary>
    private void TakeBack(ModelOutlook outlook, int missing, List<InferenceReplica> back)
    {
        if (missing <= 0 || !_observed.Can.HasFlag(Capabilities.TakeBack)) return;
        var draining = _replicas[outlook.Model.Id]
            .Where(replica => replica is { State: ReplicaState.Draining or ReplicaState.Drained, Turning: false } && replica.Version == outlook.Model.Version && _going.Contains(replica.Id))
            .OrderBy(replica => replica.State == ReplicaState.Draining ? 0 : 1).ThenBy(replica => replica.EndsInOrder ?? 0).ThenBy(replica => replica.Id).ToArray();
        foreach (var replica in draining)
        {
            var stop = StepId.Of($"stop/{replica.Id}");
            if (missing == 0 || _steps.Values.Any(step => step.Id != stop && step.After.Contains(stop))) continue;
            Keep(replica, stop);
            back.Add(replica);
            missing--;
        }
    }

    // What their controller ends in an order of its own is stopped in it, and not at all while one that comes first stays.
    private void OrderStops()
    {
        foreach (var replica in _observed.Replicas.Where(replica => replica.EndsInOrder is not null && _going.Contains(replica.Id)).OrderBy(replica => replica.Id))
        {
            var id = StepId.Of($"stop/{replica.Id}");
            if (replica.State == ReplicaState.Stopping || !_steps.TryGetValue(id, out var stop)) continue;
            var first = _replicas[replica.Model].Where(other => other.EndsInOrder > replica.EndsInOrder && AreTogether(replica, other) && other.State != ReplicaState.Stopping).ToArray();
            if (first.All(other => _going.Contains(other.Id)))
                _steps[id] = stop with { After = [.. stop.After.Concat(first.Select(other => StepId.Of($"stop/{other.Id}"))).Distinct().Order()] };
            else
                Keep(replica, id);
        }
    }

    private void Keep(InferenceReplica replica, StepId stop)
    {
        _steps.Remove(StepId.Of($"drain/{replica.Id}"));
        _steps.Remove(stop);
        _going.Remove(replica.Id);
        _eviction.Kept();
        _floors.Keep(replica);
        Uses(replica);
        NotCounted(stop, replica);
    }

    // Whether one controller ends both: of several targets each has an order of its own.
    private bool AreTogether(InferenceReplica one, InferenceReplica other) =>
        !_outlookOf.TryGetValue(one.Model, out var outlook) || Parts.Rank(outlook.Model, one.Variant) == Parts.Rank(outlook.Model, other.Variant);

    // Of replicas that their controller ends in an order of its own only the next can be let go by itself.
    private bool IsNext(InferenceReplica replica) => replica.EndsInOrder is not { } order
        || !_replicas[replica.Model].Any(other => other.EndsInOrder > order && AreTogether(replica, other) && !_going.Contains(other.Id) && other.State != ReplicaState.Stopping);
}
