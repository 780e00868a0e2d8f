namespace Plimsoll;

// What is only shown: nothing of it comes to pass unless somebody does it.
internal sealed partial class PlanDraft
{
    // Stops that are only shown, of which nothing is counted on until what is shown as well is planned.
    private readonly List<(StepId Stop, InferenceReplica Replica)> _shownStops = [];
    private readonly bool _apart;
    private bool _showing;

    /// <summary>
    /// Plans for those models whose plans are only shown, as if all that is shown would be done: after what is done, nodes that are asked for
    /// too, and without a change to it.
    /// </summary>
    public void Show()
    {
        if (!_apart && _shownJobs.Count == 0) return;
        _showing = true;
        CountSleepers();
        if (!_apart)
        {
            Train();
            WithdrawUnsafe();
            return;
        }

        CountOnShown();
        Claim();
        StartForUses();
        Train();
        MoveWhereCheaper();
        Spread();
        WithdrawUnsafe();
    }

    // Who sleeps in place of its stop, which was counted on, gives its devices back and not the host's memory.
    private void CountSleepers()
    {
        var sleeps = _steps.Values.OfType<Step.Sleep>().ToDictionary(sleep => sleep.Replica, sleep => sleep.Id);
        foreach (var replica in _observed.Replicas)
        {
            if (!sleeps.TryGetValue(replica.Id, out var sleep) || !_ledgers.TryGetValue(replica.Placement.Node, out var ledger)) continue;
            var known = _knowledge.Of(replica.Model);
            ledger.Sleeps(StepId.Of($"stop/{replica.Id}"), sleep, NodeLedger.Release.OfSleep(replica, known), Weighing.ToSleep(replica, known));
        }
    }

    // Whether it is a model's turn: of those that act first, then of those that are shown.
    private bool IsTurnOf(ModelOutlook outlook) => !_apart || outlook.Model.Acts != _showing;

    private bool IsOnlyShown(ModelId model) => _apart && !_showing && _outlookOf.TryGetValue(model, out var outlook) && !outlook.Model.Acts;

    // Where a scheduler places, more room is more that it could do: where that would be a danger nothing is shown in it.
    private void CountOnShown()
    {
        var stops = _shownStops.Where(one => _steps.ContainsKey(one.Stop)).ToArray();
        foreach (var (stop, replica) in stops)
        {
            Counted(stop, replica);
            UsesNoMore(replica);
        }

        if (stops.Length == 0 || _observed.Can.HasFlag(Capabilities.ChooseNode)) return;
        if (_scheduler.Reopen(stops.SelectMany(one => Parts.Pods(one.Replica)).Select(pod => pod.Placement.Node).ToHashSet())) return;
        _scheduler.Close();
        foreach (var (stop, replica) in stops) NotCounted(stop, replica);
    }

    private void Counted(StepId stop, InferenceReplica replica)
    {
        _roomFor.Clear();
        foreach (var pod in Parts.Pods(replica))
        {
            if (_ledgers.TryGetValue(pod.Placement.Node, out var ledger))
                ledger.WillStop(stop, NodeLedger.Release.Of(pod, _knowledge.Of(pod.Model)));
        }
    }

    private void NotCounted(StepId stop, InferenceReplica replica)
    {
        foreach (var pod in Parts.Pods(replica))
        {
            if (_ledgers.TryGetValue(pod.Placement.Node, out var ledger)) ledger.WillNotStop(stop);
        }
    }
}
