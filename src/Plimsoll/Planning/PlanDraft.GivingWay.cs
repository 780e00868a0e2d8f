using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

// Gangs give way to models and to jobs that come before them, and models' replicas to jobs. What a gang loses is told in device-seconds, and
// weighed against request-seconds one for one: a request that waits for a second is worth as much as a device that does.
internal sealed partial class PlanDraft
{
    // Of thousands of replicas a waiting job looks at the cheapest.
    private const int VictimsMost = 512;

    private readonly Dictionary<JobId, Reason> _givingWay = [];

    // On each node those gangs that hold something of it.
    private readonly Lazy<Dictionary<NodeId, TrainingGang[]>> _gangsOn;

    /// <param name="Node">Where.</param>
    /// <param name="Gangs">Who gives way.</param>
    /// <param name="Price">Device-seconds that they lose together.</param>
    /// <param name="Highest">The highest of their priorities.</param>
    private readonly record struct Yielding(NodeId Node, ImmutableArray<TrainingGang> Gangs, double Price, int Highest);

    /// <summary>What a gang did since it last could go on from there.</summary>
    private TimeSpan Unsaved(TrainingGang gang)
    {
        var since = gang.LastCheckpoint is { } saved && saved > gang.StartedAt ? saved : gang.StartedAt;
        return _observed.At > since ? _observed.At - since : TimeSpan.Zero;
    }

    // Who saved a moment ago, or since it was told to give way, is as well off without writing again.
    private bool Writes(TrainingGang gang, TrainingSpec job) => gang.State is GangState.Running or GangState.Checkpointing
        && job.CheckpointSize > Bytes.Zero && Unsaved(gang) > _training.Write(job, _spec.Settings).P90
        && !(_training.Of(job.Id).GivesWaySince is { } since && gang.LastCheckpoint >= since);

    // One that does not come, as its store is full or hangs, holds nobody up for ever: as a load is overdue, so is a checkpoint.
    private bool IsOverdue(TrainingSpec job) => _training.Of(job.Id).GivesWaySince is { } since
        && _observed.At - since > (_spec.Settings.OverdueFactor * _training.Write(job, _spec.Settings).P90) + (10 * _spec.Settings.Review);

    /// <summary>Device-seconds that giving way costs: a checkpoint is written, or what was done since the last one is lost, and it starts again.</summary>
    private double PriceOf(TrainingGang gang, TrainingSpec job)
    {
        var lost = Writes(gang, job) ? _training.Write(job, _spec.Settings).P90 : Unsaved(gang);
        return job.Devices * (lost + _training.Start(job, _spec.Settings).P90).TotalSeconds;
    }

    private void GiveWay(TrainingGang gang, Reason why, params ImmutableArray<StepId> after)
    {
        _timesChanged++;
        ImmutableArray<StepId> first = gang.State == GangState.Stopping ? [] : after;
        var writes = _jobs.TryGetValue(gang.Job, out var job) && !job.SavesOnStop && Writes(gang, job);
        if (writes && IsOverdue(job!))
            why = why with { Instead = new Rejected("waiting on for its checkpoint", [Fact.Of("waited", _observed.At - _training.Of(gang.Job).GivesWaySince!.Value), Fact.Of("lost", Unsaved(gang))]) };
        else if (writes)
        {
            var checkpoint = new Step.Checkpoint(gang.Job)
            {
                Reason = new Reason(Rule.CheckpointToGiveWay, [Fact.Of("lost", Unsaved(gang)), Fact.Of("size", job!.CheckpointSize), Fact.Of("write", _training.Write(job, _spec.Settings).P90)]),
                After = [.. after.Order()],
            };
            _steps[checkpoint.Id] = checkpoint;
            first = [checkpoint.Id];
        }

        var suspend = new Step.Suspend(gang.Job) { Reason = why, After = [.. first.Order()] };
        _steps[suspend.Id] = suspend;
        _givingWay[gang.Job] = why;
        if (Pending(gang) > 0)
        {
            _scheduler.Forgo(gang.Job);
            _forgone.Add(suspend.Id);
        }

        _roomFor.Clear();
        _unsureFor.Clear();
        if (_jobVerdicts.ContainsKey(gang.Job)) _jobVerdicts[gang.Job] = why;
        foreach (var (node, frees) in Goes(gang).Frees)
        {
            if (!_ledgers.TryGetValue(node, out var ledger)) continue;
            ledger.WillStop(suspend.Id, frees);
            ledger.UsesNoMore(AsUser(gang.Job));
        }
    }

    // It could not be told a moment ago; whoever counts on its place would wait for ever.
    private bool IsRefused(JobId job) => _training.Of(job).Refused?.HoldsUntil(_observed.At, _spec.Settings) is not null;

    private bool MayGiveWay(TrainingGang gang, out TrainingSpec job)
    {
        job = null!;
        return gang.Holds && gang.State != GangState.Stopping && !IsRefused(gang.Job) && !_givingWay.ContainsKey(gang.Job) && _jobs.TryGetValue(gang.Job, out job!) && job is { Preemptible: true, OnlyShown: false };
    }

    /// <summary>
    /// The gangs on one node that make room for a replica by giving way, at the least price; null where none do. Those of lower priority
    /// simply go; equals once the model has lost as much by waiting as they would lose.
    /// </summary>
    /// <param name="claimant">The model.</param>
    /// <param name="nodes">Where it could run.</param>
    /// <param name="mayPay">Of a node, false where a model of higher priority was refused it.</param>
    /// <param name="refused">The cheapest that it has not lost enough for; null where there is none.</param>
    private Yielding? Yield(ModelOutlook claimant, IEnumerable<NodeLedger> nodes, Func<NodeLedger, bool> mayPay, out Yielding? refused)
    {
        refused = null;
        if (!MayHaveYield(claimant)) return null;
        var debt = _knowledge.Of(claimant.Model.Id).HeldDebt;
        Yielding? best = null;
        foreach (var ledger in nodes)
        {
            if (!_gangsOn.Value.TryGetValue(ledger.Node.Id, out var here)) continue;
            var candidates = new List<(TrainingGang Gang, TrainingSpec Job, double Price, NodeLedger.Release[] Frees)>();
            foreach (var gang in here)
            {
                if (MayGiveWay(gang, out var job) && job.Priority <= claimant.Model.Priority)
                    candidates.Add((gang, job, PriceOf(gang, job), [.. gang.Members.Where(member => member.Node == ledger.Node.Id).Select(member => NodeLedger.Release.Of(gang, member))]));
            }

            var chosen = new List<(TrainingGang Gang, TrainingSpec Job, double Price, NodeLedger.Release[] Frees)>();
            bool Fits() => ledger.FitsAfter(claimant.Needs, claimant.Variant.DeviceKind, [.. chosen.SelectMany(one => one.Frees)], PlacesGangs ? null : claimant.Model.Requests);
            foreach (var one in candidates.OrderBy(one => one.Job.Priority).ThenBy(one => one.Price).ThenBy(one => one.Gang.Job))
            {
                chosen.Add(one);
                if (Fits()) break;
            }

            if (chosen.Count == 0 || !Fits()) continue;
            for (var i = chosen.Count - 2; i >= 0; i--)
            {
                var kept = chosen[i];
                chosen.RemoveAt(i);
                if (!Fits()) chosen.Insert(i, kept);
            }

            var yields = new Yielding(ledger.Node.Id, [.. chosen.Select(one => one.Gang)], chosen.Sum(one => one.Price), chosen.Max(one => one.Job.Priority));
            var paid = chosen.Where(one => one.Job.Priority == claimant.Model.Priority).Sum(one => one.Price);
            if (paid > 0 && (paid > debt || !mayPay(ledger)))
            {
                if (refused is null || yields.Price < refused.Value.Price) refused = yields;
                continue;
            }

            if (best is null || (yields.Highest, yields.Price).CompareTo((best.Value.Highest, best.Value.Price)) < 0) best = yields;
        }

        return best;
    }

    // Whether gangs are the ones to go, and not the replicas that were chosen: the lower ones, of equals those that lose less.
    private bool GoBefore(Yielding gangs, Eviction.Choice? choice, ModelOutlook claimant) => choice is null
        || (gangs.Highest, gangs.Price).CompareTo((choice.Victims.Select(one => Math.Min(_outlookOf[one.Replica.Model].Model.Priority, claimant.Model.Priority)).DefaultIfEmpty(int.MinValue).Max(), choice.Loss)) <= 0;

    private Reason WhyNot(ModelOutlook outlook, Yielding gangs) => new(Rule.HoldScarceTraining,
    [
        Fact.Of("needed", outlook.Needs.PerDevice?.Highest ?? outlook.Needs.Host.Highest), Fact.Of("job", string.Join(" and ", gangs.Gangs.Select(gang => gang.Job))),
        Fact.Of("held", outlook.Held), Fact.Quantity("debt", Math.Round(_knowledge.Of(outlook.Model.Id).HeldDebt, 1)), Fact.Quantity("price", Math.Round(gangs.Price, 1)),
    ]);

    /// <summary>Gangs of lower priority and replicas of one node together, where neither alone make room; null where both don't either.</summary>
    private (Eviction.Choice Choice, ImmutableArray<TrainingGang> Gangs)? YieldBeside(
        ModelOutlook claimant, IReadOnlyList<NodeLedger> nodes, Func<NodeId, ImmutableArray<InferenceReplica>> mustGo, Func<NodeLedger, bool> mayPay)
    {
        if (!MayHaveYield(claimant)) return null;
        var lower = new Dictionary<NodeId, TrainingGang[]>();
        foreach (var ledger in nodes)
        {
            TrainingGang[] here = [.. _gangsOn.Value.GetValueOrDefault(ledger.Node.Id, []).Where(gang => MayGiveWay(gang, out var job) && job.Priority < claimant.Model.Priority)];
            if (here.Length > 0) lower[ledger.Node.Id] = here;
        }

        NodeLedger[] after = [.. nodes.Where(ledger => lower.ContainsKey(ledger.Node.Id)).Select(ledger => After(ledger, lower[ledger.Node.Id].Select(Goes)))];
        if (after.Length == 0 || _eviction.Choose(claimant, after, mustGo, _going, mayPay, out _) is not { } choice) return null;
        var gangs = lower[choice.Node].OrderByDescending(gang => PriceOf(gang, _jobs[gang.Job])).ThenBy(gang => gang.Job).ToList();
        foreach (var gang in gangs.ToArray())
        {
            var others = gangs.Where(one => one != gang).Select(Goes).Concat(choice.Victims.Select(one => Goes(one.Replica)));
            if (After(_ledgers[choice.Node], others).FitsAfter(claimant.Needs, claimant.Variant.DeviceKind, [])) gangs.Remove(gang);
        }

        return (choice, [.. gangs]);
    }

    // A node as it would be once some have stopped.
    private static NodeLedger After(NodeLedger ledger, IEnumerable<Victim> gone)
    {
        var copy = ledger.Copy();
        foreach (var victim in gone)
            foreach (var (node, frees) in victim.Frees)
                if (node == ledger.Node.Id) copy.WillStop(victim.Stop, frees);
        return copy;
    }

    private bool MayHaveYield(ModelOutlook claimant) =>
        Trains && _gangsOn.Value.Count > 0 && _allocations[claimant.Model.Id].MayClaim && claimant.Model.Acts && _eviction.IsLasting(claimant);

    private void GiveWayTo(ModelOutlook claimant, TrainingGang gang, ImmutableArray<StepId> after) => GiveWay(gang, new Reason(Rule.SuspendForClaimant,
    [
        Fact.Of("claimant", claimant.Model.Id.Value), Fact.Of("needed", claimant.Needs.PerDevice?.Highest ?? claimant.Needs.Host.Highest),
        Fact.Quantity("price", Math.Round(PriceOf(gang, _jobs[gang.Job]), 1)), Fact.Of("held", claimant.Held),
    ]), after);

    /// <summary>Who goes, and what that gives back where.</summary>
    private sealed record Victim(ImmutableArray<(NodeId Node, NodeLedger.Release Frees)> Frees)
    {
        public int Priority { get; init; }

        public double Loss { get; init; }

        /// <summary>Whether the job must have lost as much; else its priority is enough.</summary>
        public bool IsPaidFor { get; init; }

        public InferenceReplica? Replica { get; init; }

        public TrainingGang? Gang { get; init; }

        /// <summary>The model that has it to spare; null of one that goes for its priority.</summary>
        public ModelId? SpareOf { get; init; }

        public StepId Stop => Gang is { } gang ? Step.Suspend.IdOf(gang.Job) : StepId.Of($"stop/{Replica!.Id}");
    }

    private static Victim Goes(TrainingGang gang) => new([.. gang.Members.Select(member => (member.Node, NodeLedger.Release.Of(gang, member)))]) { Gang = gang };

    private Victim Goes(InferenceReplica replica) =>
        new([.. Parts.Pods(replica).Select(pod => (pod.Placement.Node, NodeLedger.Release.Of(pod, _knowledge.Of(pod.Model))))]) { Replica = replica };

    /// <summary>
    /// Has those go that come after a job: gangs, replicas of lower priority, and others that their models have to spare, once their next
    /// requests would lose no more by it than the job has lost by waiting. Null where that does not make room for all of it.
    /// </summary>
    private Reason? MakeRoom(TrainingSpec job, TrainingGang? gang, NodeLedger[] nodes)
    {
        var after = nodes.ToDictionary(ledger => ledger.Node.Id, ledger => ledger.Copy());
        var rooms = nodes.ToDictionary(ledger => ledger.Node.Id, ledger => GangRoom.Takes(ledger, job));
        var (debt, spent, places) = (job.Devices * WaitedFor(job, gang).TotalSeconds, 0.0, rooms.Values.Sum());
        var going = new List<Victim>();
        var spare = new Dictionary<ModelId, int>();
        foreach (var victim in Victims(job, after))
        {
            if (places >= job.GangSize) break;
            if (victim.IsPaidFor && spent + victim.Loss > debt || victim.SpareOf is { } owner && !MaySpare(owner, victim.Replica!.Variant)
                || victim.Replica is { } replica && _floors.Holds(replica, going.Select(one => one.Replica).OfType<InferenceReplica>()) is not null) continue;
            going.Add(victim);
            spent += victim.IsPaidFor ? victim.Loss : 0;
            foreach (var (node, frees) in victim.Frees)
                if (after.TryGetValue(node, out var ledger)) ledger.WillStop(victim.Stop, frees);
            places += Recount(victim, after);
        }

        if (places < job.GangSize) return null;

        // Whoever proved unnecessary stays, the dearest first.
        for (var i = going.Count - 1; i >= 0 && going.Count > 1; i--)
        {
            var stays = going[i];
            var without = stays.Frees.Select(one => one.Node).Distinct().Where(after.ContainsKey).ToDictionary(node => node, node => After(_ledgers[node], going.Where(one => one != stays)));
            if (places + without.Sum(one => GangRoom.Takes(one.Value, job) - rooms[one.Key]) < job.GangSize) continue;
            foreach (var (node, ledger) in without) after[node] = ledger;
            places += Recount(stays, after);
            going.RemoveAt(i);
        }

        foreach (var victim in going) LetGoFor(job, victim, debt);
        if (!PlacesGangs)
        {
            Room? made = null;
            return AreEnough(going, () => (made = Reserve(job, nodes, out _, out _)) is not null) ? Begin(job, gang, made!.Value) : null;
        }

        var on = GangRoom.Over([.. nodes.Where(ledger => rooms[ledger.Node.Id] > 0)], job, out _)
            ?? throw new InvalidOperationException($"what goes for {job.Id} did not make the room it promised");
        return Begin(job, gang, Reserve(job, on));

        bool MaySpare(ModelId model, VariantId variant)
        {
            var outlook = _outlookOf[model];
            if (!spare.TryGetValue(model, out var most)) spare[model] = most = _eviction.Spare(outlook, Again(job), _going);
            if (going.Count(one => one.SpareOf == model) >= most) return false;

            // Of a model that runs in several ways only those beyond what is wanted of its own: others carry more, or less.
            return outlook.Mix is null || outlook.IndexOf(variant) is not (var at and >= 0)
                || going.Count(one => one.SpareOf == model && outlook.IndexOf(one.Replica!.Variant) == at)
                    < outlook.There[at] - _allocations[model].Mix.Where(part => outlook.IndexOf(part.Variant) == at).Sum(part => part.Replicas);
        }

        int Recount(Victim of, Dictionary<NodeId, NodeLedger> ledgers)
        {
            var more = 0;
            foreach (var node in of.Frees.Select(one => one.Node).Distinct())
            {
                if (!ledgers.TryGetValue(node, out var ledger)) continue;
                var takes = GangRoom.Takes(ledger, job);
                more += takes - rooms[node];
                rooms[node] = takes;
            }

            return more;
        }
    }

    // The lowest first, then who loses least.
    private IEnumerable<Victim> Victims(TrainingSpec job, Dictionary<NodeId, NodeLedger> nodes)
    {
        var victims = new List<Victim>();
        foreach (var gang in _gangs.Values)
        {
            if (MayGiveWay(gang, out var other) && GangRoom.ByRank.Compare(job, other) < 0)
                victims.Add(Goes(gang) with { Priority = other.Priority, Loss = PriceOf(gang, other) });
        }

        if (!_observed.Can.HasFlag(Capabilities.ChooseVictim)) return Ranked(victims, job, nodes);
        foreach (var (replica, priority, loss, isSpare) in _eviction.ForJob(job.Priority, _training.Write(job, _spec.Settings).P90, Again(job), _going))
        {
            // One that its controller ends in an order of its own cannot be named.
            if (nodes.ContainsKey(replica.Placement.Node) && replica.EndsInOrder is null)
                victims.Add(Goes(replica) with { Priority = priority, Loss = loss, IsPaidFor = priority >= job.Priority, SpareOf = isSpare ? replica.Model : null });
        }

        return Ranked(victims, job, nodes);
    }

    private static IEnumerable<Victim> Ranked(List<Victim> victims, TrainingSpec job, Dictionary<NodeId, NodeLedger> nodes) =>
        victims.Where(victim => victim.Frees.Any(one => nodes.ContainsKey(one.Node)))
            .OrderBy(victim => Math.Min(victim.Priority, job.Priority)).ThenBy(victim => victim.Loss).ThenBy(victim => victim.Stop).Take(VictimsMost);

    private void LetGoFor(TrainingSpec job, Victim victim, double debt)
    {
        if (victim.Gang is { } gang)
        {
            GiveWay(gang, new Reason(Rule.SuspendForJob,
                [Fact.Of("job", job.Id.Value), .. Asked(job), Fact.Quantity("price", Math.Round(victim.Loss, 1))]));
            return;
        }

        // What loads is stopped without a drain, as for a model.
        LetGo(victim.Replica!, new Reason(Rule.DrainForJob,
        [
            Fact.Of("job", job.Id.Value), .. Asked(job), Fact.Quantity("loss", Math.Round(victim.Loss, 1)),
            Fact.Of("paid", victim.IsPaidFor ? string.Create(CultureInfo.InvariantCulture, $", and the job has waited {Math.Round(debt)} device-seconds") : "; its priority is lower"),
        ]));
    }
}
