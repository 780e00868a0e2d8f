using System.Collections.Immutable;

namespace Plimsoll;

// Where another scheduler chooses nodes: starts that are safe wherever it puts them, and who goes for those.
internal sealed partial class PlanDraft
{
    // Gangs that are tried one by one, in pairs, and then all the cheapest together, before a replica does without their room.
    private const int GangsTried = 8;

    /// <param name="Step">A start, or a gang's launch.</param>
    /// <param name="Model">Whose start it is.</param>
    /// <param name="Job">Whose launch it is.</param>
    private readonly record struct ScheduledStart(StepId Step, ModelId? Model, JobId? Job);

    // What has yet to be placed, whole or in part, once it is known what stops.
    private void AwaitPending()
    {
        foreach (var waiting in _observed.Replicas.Where(replica => replica.Members.IsDefaultOrEmpty && replica.Placement == Placement.Pending))
        {
            if (_outlookOf.TryGetValue(waiting.Model, out var outlook)) _scheduler.Await(Parts.Target(outlook.Model, waiting.Variant));
        }

        foreach (var waiting in _observed.Replicas.Where(replica => !replica.Members.IsDefaultOrEmpty && Parts.Pods(replica).Any(pod => pod.Placement == Placement.Pending)))
        {
            if (_outlookOf.TryGetValue(waiting.Model, out var outlook)) _scheduler.AwaitGroup(Parts.Target(outlook.Model, waiting.Variant), waiting);
        }

        foreach (var gang in _observed.Training)
        {
            if (Pending(gang) is > 0 and var members) _scheduler.AwaitGang(gang, members, goes: _givingWay.ContainsKey(gang.Job));
        }
    }

    // The user's order of preference: the first target whose nodes are safe and have room, then the first that room is made for.
    private bool StartByRequests(ModelOutlook outlook, ReplicaId replica, Reason why, bool makesRoom)
    {
        ModelOutlook[] ways = [.. Ways(outlook).Where(way => _quotas.Refuse(way) is null)];
        var answers = new List<SchedulerChoice.Answer>(ways.Length);
        foreach (var way in ways)
        {
            answers.Add(_scheduler.Place(way));
            if (answers[^1].After is not null) return Emit(way, replica, answers[^1], why);
        }

        if (!makesRoom) return false;
        var (no, mayPay, mayChoose) = (answers[0].Why!, MayPay(outlook), _observed.Can.HasFlag(Capabilities.ChooseVictim));
        foreach (var (way, answer) in ways.Zip(answers))
        {
            if (answer.Why!.Rule == Rule.HoldUnsafeNode) continue;

            // Room for a group is on several nodes: gangs may leave it, and no replica is let go for a part of it.
            if (way.Variant.Workers is not null)
            {
                if (StartAfterGangs(way, replica, why, mayPay)) return true;
                continue;
            }

            var eligible = _scheduler.Eligible(way);
            Reason? verdict = null, then = null;
            var choice = mayChoose ? _eviction.Choose(way, eligible, _ => [], _going, mayPay, out verdict, queue: Queued(way)) : null;
            if (Yield(way, eligible, mayPay, out var dear) is { } gangs && GoBefore(gangs, choice, way) && StartAfter(way, replica, why, [], gangs.Gangs, ref then)) return true;
            if (choice is not null && StartAfter(way, replica, why, choice.Victims, [], ref then))
            {
                _paid.UnionWith(choice.Sharing);
                return true;
            }

            if (choice is null && mayChoose && YieldBeside(way, eligible, _ => [], mayPay) is { } both && StartAfter(way, replica, why, both.Choice.Victims, both.Gangs, ref then)) return true;
            if (StartAfterGangs(way, replica, why, mayPay)) return true;
            if (way != ways[0]) continue;
            no = verdict?.Rule == Rule.HoldScarceEqual ? verdict : then ?? (dear is { } training ? WhyNot(way, training) : no);
        }

        _verdicts[outlook.Model.Id] = no;
        Refused(outlook);
        return false;
    }

    // Gangs of lower priority, or equals that it has paid for, that leave room on several nodes, or that only wait for theirs: one that is enough by
    // itself, two, else the cheapest together.
    private bool StartAfterGangs(ModelOutlook way, ReplicaId replica, Reason why, Func<NodeLedger, bool> mayPay)
    {
        if (!MayHaveYield(way)) return false;
        SchedulerRequests[] asked = way.Variant.Workers is { } workers ? [way.Model.Requests!, workers.Requests] : [way.Model.Requests!];
        var candidates = new List<(TrainingGang Gang, TrainingSpec Job, double Price)>();
        foreach (var gang in _observed.Training)
        {
            if (!MayGiveWay(gang, out var job) || job.Priority > way.Model.Priority) continue;
            NodeLedger[] on = [.. gang.Members.Where(member => _ledgers.ContainsKey(member.Node)).Select(member => _ledgers[member.Node]).Distinct()];
            if (job.Priority == way.Model.Priority && !on.All(mayPay) || Pending(gang) == 0 && !on.Any(ledger => asked.Any(one => CouldTake(ledger, one, way.Model.Priority)))) continue;
            candidates.Add((gang, job, PriceOf(gang, job)));
        }

        (TrainingGang Gang, TrainingSpec Job, double Price)[] cheapest = [.. candidates.OrderBy(one => one.Job.Priority).ThenBy(one => one.Price).ThenBy(one => one.Gang.Job).Take(GangsTried)];
        var sets = cheapest.Select(one => new[] { one }).ToList();
        for (var second = 1; second < cheapest.Length; second++)
            for (var first = 0; first < second; first++) sets.Add([cheapest[first], cheapest[second]]);
        for (var count = 3; count <= cheapest.Length; count++) sets.Add(cheapest[..count]);
        var debt = _knowledge.Of(way.Model.Id).HeldDebt;
        Reason? no = null;
        foreach (var gangs in sets)
        {
            if (gangs.Where(one => one.Job.Priority == way.Model.Priority).Sum(one => one.Price) > debt) continue;
            if (StartAfter(way, replica, why, [], [.. gangs.Select(one => one.Gang)], ref no)) return true;
        }

        return false;
    }

    // Whether its scheduler would count enough there, were all gangs gone that may.
    private bool CouldTake(NodeLedger ledger, SchedulerRequests requests, int priority)
    {
        if (ledger.SchedulerAfter is not { } room || !requests.Pools.IsEmpty && !requests.Pools.Contains(ledger.Node.Pool)) return false;
        foreach (var gang in _gangsOn.Value.GetValueOrDefault(ledger.Node.Id, []))
        {
            if (!MayGiveWay(gang, out var job) || job.Priority > priority || gang.Requests is not { } gone) continue;
            room = room.With(gone, -gang.Members.Count(member => member.Node == ledger.Node.Id));
        }

        return room.Takes(requests);
    }

    // Has some go and starts after them, where that is sure of a place then; why it is not else.
    private bool StartAfter(
        ModelOutlook way, ReplicaId replica, Reason why, ImmutableArray<(InferenceReplica Replica, Reason Reason)> victims, ImmutableArray<TrainingGang> gangs, ref Reason? no)
    {
        foreach (var gang in gangs) GiveWayTo(way, gang, []);
        foreach (var (victim, reason) in victims) LetGo(victim, reason);
        SchedulerChoice.Answer? answer = null;
        Victim[] going = [.. gangs.Select(Goes), .. victims.Select(one => Goes(one.Replica))];
        if (AreEnough(going, () => (answer = _scheduler.Place(way)).After is not null))
            return Emit(way, replica, answer!, why);
        no = answer?.Why ?? no;
        return false;
    }

    // Members that have no node yet are on none whose stops are waited for, and until they are told to go could take any place: whoever starts
    // once no place is kept for them any more waits for that.
    private readonly SortedSet<StepId> _forgone = [];

    private ImmutableArray<StepId> Once(ImmutableArray<StepId> after) => _forgone.Count == 0 ? after : [.. after.Union(_forgone).Order()];

    // Whether what some are let go for is sure of its places then. Else they stay, as nobody is let go for nothing: others that wait could take the room.
    private bool AreEnough(IReadOnlyCollection<Victim> going, Func<bool> finds)
    {
        if (_scheduler.Reopen(going.SelectMany(one => one.Frees).Select(one => one.Node).ToHashSet()) && finds()) return true;
        _scheduler.Close();
        foreach (var victim in going) Keep(victim);
        return false;
    }

    private void Keep(Victim victim)
    {
        if (victim.Gang is not { } gang)
        {
            Keep(victim.Replica!, victim.Stop);
            return;
        }

        _steps.Remove(victim.Stop);
        _steps.Remove(Step.Checkpoint.IdOf(gang.Job));
        _givingWay.Remove(gang.Job);
        _scheduler.Regain(gang.Job);
        _forgone.Remove(victim.Stop);
        foreach (var (node, _) in victim.Frees)
            if (_ledgers.TryGetValue(node, out var ledger)) ledger.WillNotStop(victim.Stop);
        if (_jobVerdicts.ContainsKey(gang.Job)) _jobVerdicts[gang.Job] = Standing(gang, _jobs[gang.Job]);
    }

    private bool Emit(ModelOutlook way, ReplicaId replica, SchedulerChoice.Answer answer, Reason why)
    {
        Emit(way with { Needs = answer.Needs }, replica, null, Once(answer.After!.Value), why, answer.Workers);
        _byScheduler.Push(new ScheduledStart(StepId.Of($"start/{replica}"), way.Model.Id, null));
        return true;
    }

    /// <summary>
    /// Takes back starts, the last claims first, that what was let go after them made unsafe: room that is made for one model
    /// is room that the scheduler may give to another.
    /// </summary>
    public void WithdrawUnsafe()
    {
        while (_byScheduler.TryPeek(out var last) && ReachableStates.FindViolation(_observed, _knowledge, Steps) is not null)
        {
            _byScheduler.Pop();
            _steps.Remove(last.Step);
            var why = new Reason(Rule.HoldUnsafeNode,
            [
                Fact.Of("node", "a node that others are leaving"), Fact.Of("why", "its room is being made for another model"),
                Fact.Of("would", "a memory request of what it takes, or the next plan,"),
            ]);
            if (last.Model is { } model) _verdicts[model] = why;
            if (last.Job is { } job) _jobVerdicts[job] = why;
        }
    }
}
