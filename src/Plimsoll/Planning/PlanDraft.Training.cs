using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

// Training beside inference: gangs of fixed size that run whole or not at all, wait for room as long as they must, and give way at the
// price of their checkpoints.
internal sealed partial class PlanDraft
{
    private readonly TrainingKnowledge _training;
    private readonly Dictionary<JobId, TrainingSpec> _jobs;
    private readonly Dictionary<JobId, TrainingGang> _gangs;
    private readonly Dictionary<JobId, Reason> _jobVerdicts = [];

    // Those that are to have their turn yet, in order, what is only shown after all that is done; and of those that had it the ones that find
    // room as things are.
    private readonly Queue<TrainingSpec> _waitingJobs;
    private readonly Queue<TrainingSpec> _shownJobs;
    private readonly HashSet<JobId> _findRoom = [];
    private readonly HashSet<JobId> _roomIsMadeFor = [];

    // Members of a kind that there was room for when a gang of more found too little; nothing makes it more but what gives way.
    private readonly Dictionary<Alike, int> _roomFor = [];

    // Who else could go is looked through for the first of those that wait: for all of a thousand, over thousands of nodes, it would take seconds.
    private const int MakeRoomMost = 16;
    private int _lookedThrough;

    // By kind of member the smallest gang that nobody goes for: who comes after it, and is no smaller, need not be looked at.
    private readonly Dictionary<Alike, int> _nobodyGoesFor = [];

    // Those for which it is unsafe, or not sure, whoever asks next.
    private readonly Dictionary<Alike, Reason> _refusedAlike = [];
    private readonly Dictionary<Alike, int> _unsureFor = [];

    // Members that find room alike.
    private readonly record struct Alike(ReplicaNeeds Needs, string? Kind, string Pools, SchedulerRequests? Requests)
    {
        public static Alike Of(TrainingSpec job) => new(
            job.NeedsPerMember, job.DeviceKind, Joined(job.Pools) + "|" + Joined(job.Requests?.Pools ?? []), job.Requests is null ? null : job.Requests with { Pools = [] });

        private static string Joined(ImmutableArray<string> pools) => pools.IsDefaultOrEmpty ? "" : string.Join(' ', pools);
    }

    private bool Trains => _observed.Can.HasFlag(Capabilities.Train);

    // Kubernetes gives a Deployment ten minutes to make progress; nodes that come, and images, may take them.
    private static readonly TimeSpan PlacingMost = TimeSpan.FromMinutes(10);

    // Where a scheduler chooses, each gang is weighed against all that may come to any node: so many are looked at in a plan, and so many launched.
    private const int ScheduledMost = 64;
    private const int LaunchedMost = 16;
    private int _scheduledJobs;
    private int _launched;
    private JobId? _lastLookedAt;
    private bool _leftOver;

    private bool PlacesGangs => _observed.Can.HasFlag(Capabilities.ChooseNode);

    /// <summary>Goes on with what gives way, and ends what is no longer in the fleet or on a node that goes.</summary>
    public void RetireTraining()
    {
        foreach (var gang in _gangs.Values.Where(gang => gang.Holds).OrderBy(gang => gang.Job))
        {
            // Nobody tells one to go of which all is only shown; where it is about to, somebody else had it go.
            if (_jobs.TryGetValue(gang.Job, out var job) && job.OnlyShown && gang.State != GangState.Stopping) continue;
            if (gang.State == GangState.Stopping)
                GiveWay(gang, new Reason(Rule.SuspendUnderway, [Fact.Of("since", _observed.At - gang.StateSince)]));
            else if (IsRefused(gang.Job))
                continue;
            else if (!_jobs.ContainsKey(gang.Job))
                GiveWay(gang, new Reason(Rule.SuspendRemovedJob, []));
            else if (Leaving(gang) is { } node)
                GiveWay(gang, new Reason(Rule.SuspendLeavingNode, [Fact.Of("node", node.Value)]));
            else if (IsHalfPlaced(gang, job!))
                GiveWay(gang, new Reason(Rule.SuspendUnplaced,
                    [Fact.Of("pending", Pending(gang)), Fact.Of("members", job!.GangSize), Fact.Of("waited", _observed.At - gang.StateSince)]));
        }
    }

    private static int Pending(TrainingGang gang) => gang.Members.Count(member => member == Placement.Pending);

    // Members that no scheduler finds a place for, while others hold theirs: nothing of it trains.
    private bool IsHalfPlaced(TrainingGang gang, TrainingSpec job) => gang.State == GangState.Starting && (job.Preemptible || _spec.Settings.HeedsStuckGangs) && Pending(gang) > 0
        && _observed.At - gang.StateSince is var waited && waited > PlacingMost && waited > _spec.Settings.OverdueFactor * _training.Start(job, _spec.Settings).P90;

    // One node that goes takes the whole gang with it. Where another scheduler places, one that takes no more pods is not told to go: who wants it
    // empty evicts what is there, which saves as well.
    private NodeId? Leaving(TrainingGang gang)
    {
        if (!PlacesGangs) return null;
        foreach (var member in gang.Members)
            if (_ledgers.TryGetValue(member.Node, out var ledger) && ledger.Node.Condition == NodeCondition.Draining) return member.Node;
        return null;
    }

    /// <summary>Launches what waits and finds room or may make it, in order: higher priority first, of equals who waits for longest.</summary>
    /// <param name="above">Those of higher priority alone; null for all that had no turn yet.</param>
    public void Train(int? above = null)
    {
        var waiting = _showing ? _shownJobs : _waitingJobs;
        while (waiting.TryPeek(out var job) && (above is null || job.Priority > above))
            _jobVerdicts[job.Id] = TurnOf(waiting.Dequeue());
    }

    private Reason TurnOf(TrainingSpec job)
    {
        var gang = _gangs.GetValueOrDefault(job.Id);
        if (gang is { State: not GangState.Suspended }) return Standing(gang, job);
        if (job.SubmittedAt > _observed.At) return new Reason(Rule.JobLater, [Fact.Of("left", job.SubmittedAt - _observed.At)]);
        if (!Trains || !PlacesGangs && job.Requests is null) return new Reason(Rule.JobUnmanaged, []);
        var known = _training.Of(job.Id);
        if (known.Failures.HoldsUntil(_observed.At, _spec.Settings) is { } notBefore)
        {
            return new Reason(Rule.HoldBackoff,
                [Fact.Of("failures", known.Failures.Count), Fact.Of("wait", notBefore - _observed.At), Fact.Of("why", known.Failures.Why)]);
        }

        NodeLedger[] nodes =
        [
            .. _order.Fitting(job.NeedsPerMember, job.DeviceKind)
                .Where(ledger => job.MayRunIn(ledger.Node.Pool) && ledger.Node.Condition == NodeCondition.Ready),
        ];
        if (GangRoom.Places(_observed.Nodes, job) is var most && most < job.GangSize && !MayCome(job))
            return new Reason(Rule.RefusedJob, [.. Asked(job), Fact.Of("most", most)]);
        var alike = Alike.Of(job);
        if (!PlacesGangs && HasRoom(job))
        {
            _findRoom.Add(job.Id);
            if (!known.RoomMade && Awaits(job, gang, known.RoomSince ?? _observed.At) is { } returns) return returns;
        }

        if (!_roomFor.TryGetValue(alike, out var places) || places >= job.GangSize)
        {
            if (_refusedAlike.TryGetValue(alike, out var unsafely)) return unsafely;
            if (!known.RoomMade && _unsureFor.TryGetValue(alike, out var unsure) && job.GangSize >= unsure) return new Reason(Rule.HoldJobUnsure, [.. Asked(job)]);
            if (!PlacesGangs && !MayBeLookedAt(job)) return new Reason(Rule.HoldJobTurn, []);
            if (Reserve(job, nodes, out places, out var danger) is { } room)
            {
                if (room.After.IsEmpty) _findRoom.Add(job.Id);
                else if (known.RoomMade) _roomIsMadeFor.Add(job.Id);
                return room.After.IsEmpty && !known.RoomMade && Awaits(job, gang, known.RoomSince ?? _observed.At) is { } awaits ? awaits : Begin(job, gang, room);
            }

            if (danger is not null) return _refusedAlike[alike] = danger;

            // All of it would find room, were there not others that wait for theirs: nobody goes for that, and what was made for it stays its own.
            if (!PlacesGangs && _findRoom.Contains(job.Id))
            {
                if (known.RoomMade) _scheduler.KeepFor(job);
                else _unsureFor[alike] = job.GangSize;
                return new Reason(Rule.HoldJobUnsure, [.. Asked(job)]);
            }

            _roomFor[alike] = PlacesGangs ? places : job.GangSize - 1;
        }

        // Nobody goes for one that fails again and again, nor for one that gave way until that has paid, nor for what is only shown.
        var mayAsk = known.Failures.Count == 0 && !job.OnlyShown && (!_nobodyGoesFor.TryGetValue(alike, out var size) || job.GangSize < size);
        if (mayAsk && Awaits(job, gang, gang?.StateSince ?? _observed.At) is null && _lookedThrough < MakeRoomMost)
        {
            if (MakeRoom(job, gang, nodes) is { } made)
            {
                _roomIsMadeFor.Add(job.Id);
                return made;
            }

            _lookedThrough++;
            _nobodyGoesFor[alike] = job.GangSize;
        }

        return new Reason(Rule.HoldJobScarce,
        [
            .. Asked(job), Fact.Of("free", places),
            .. WaitedFor(job, gang) is var waited && waited >= TimeSpan.FromSeconds(1) ? [Fact.Of("waited", $"; it has waited {Durations.Show(waited)}")] : Array.Empty<Fact>(),
        ]);
    }

    // By what its scheduler counts now, and beside what else may come; nodes whose place is held for others are none.
    private bool HasRoom(TrainingSpec job)
    {
        var places = 0L;
        foreach (var ledger in _ledgers.Values)
        {
            if (ledger.Node is not { Condition: NodeCondition.Ready, Scheduler: { } room, Held.IsDefaultOrEmpty: true } || !job.MayRunIn(ledger.Node.Pool)) continue;
            if ((places += room.Slots(job.Requests!)) >= job.GangSize) return true;
        }

        return false;
    }

    // The first in rank in every plan, and of the others so many from where the plan before left off.
    private bool MayBeLookedAt(TrainingSpec job)
    {
        if (_launched >= LaunchedMost) return false;
        if (_scheduledJobs >= ScheduledMost / 2)
        {
            if (_scheduledJobs >= ScheduledMost || _training.LookedAt is { } last && _jobs.TryGetValue(last, out var before) && GangRoom.ByRank.Compare(job, before) <= 0)
            {
                _leftOver = true;
                return false;
            }

            _lastLookedAt = job.Id;
        }

        _scheduledJobs++;
        return true;
    }

    // Nodes that others may yet ask for.
    private bool MayCome(TrainingSpec job) => !_spec.NodePools.IsDefaultOrEmpty
        && _spec.NodePools.Any(pool => job.MayRunIn(pool.Node.Pool) && Admission.Fits(pool.Node, job.NeedsPerMember, job.DeviceKind));

    // Who gave way to a model goes on once there was room for as long as doing so again would cost (ski rental): at the most as much is lost twice.
    private Reason? Awaits(TrainingSpec job, TrainingGang? gang, DateTimeOffset from)
    {
        if (gang is null || !_training.Of(job.Id).GaveWay || !MayBeAskedAgain(job)) return null;
        var (cost, since) = (Again(job), _observed.At - from);
        return since < cost ? new Reason(Rule.HoldJobRoom, [Fact.Of("since", since), Fact.Of("cost", cost)]) : null;
    }

    private Reason Standing(TrainingGang gang, TrainingSpec job) => gang.State switch
    {
        GangState.Ended => new Reason(Rule.JobEnded, [Fact.Of("since", _observed.At - gang.StateSince)]),
        _ when _givingWay.GetValueOrDefault(gang.Job) is { } why => why,
        GangState.Starting => new Reason(Rule.JobStarting, [Fact.Of("since", _observed.At - gang.StateSince), Fact.Of("expected", _training.Start(job, _spec.Settings).P90)]),
        _ => new Reason(Rule.JobRuns,
        [
            Fact.Of("since", _observed.At - gang.StartedAt), Fact.Of("lost", Unsaved(gang)),
            Fact.Of("way", IsRefused(job.Id) ? $"it could not be told to go: {_training.Of(job.Id).Refused!.Why}" : job.Preemptible ? string.Create(CultureInfo.InvariantCulture, $"giving way would cost {Math.Round(PriceOf(gang, job))} device-seconds") : "it gives way to nobody"),
        ]),
    };

    private static Fact[] Asked(TrainingSpec job) =>
    [
        Fact.Of("members", job.GangSize),
        Fact.Of("each", job.NeedsPerMember.Devices == 0 ? $"{job.NeedsPerMember.Host.Highest} of host memory"
            : $"{job.NeedsPerMember.Devices} {job.DeviceKind ?? job.Requests?.Resource ?? "devices"}{(job.NeedsPerMember.PerDevice is { } each ? $" of {each.Highest}" : "")}"),
    ];

    private TimeSpan WaitedFor(TrainingSpec job, TrainingGang? gang) =>
        _observed.At - (gang is { State: GangState.Suspended } ? gang.StateSince : job.SubmittedAt);

    // Who would have it give way once more; between jobs it is settled who comes first.
    private bool MayBeAskedAgain(TrainingSpec job) => job.Preemptible && _spec.Models.Any(model => model.Acts && model.Priority >= job.Priority);

    // To give way once more and to go on again.
    private TimeSpan Again(TrainingSpec job) => _training.Write(job, _spec.Settings).P90 + _training.Start(job, _spec.Settings).P90;

    private Reason Began(TrainingSpec job, TrainingGang? gang, ImmutableArray<StepId> after) => new(gang is null ? Rule.LaunchJob : Rule.ResumeJob,
    [
        .. Asked(job), .. after.IsEmpty ? Array.Empty<Fact>() : [Fact.Of("once", " once others have gone")], Fact.Of("waited", WaitedFor(job, gang)),
        .. gang is null ? Array.Empty<Fact>() : [Fact.Of("start", _training.Start(job, _spec.Settings).P90)],
    ]);

    /// <param name="Members">Where; pending where a scheduler chooses.</param>
    /// <param name="After">The stops to wait for.</param>
    private readonly record struct Room(ImmutableArray<Placement> Members, ImmutableArray<StepId> After);

    // Room for all of it, which is taken then; null where there is none, or where what a scheduler could do with it is a danger.
    private Room? Reserve(TrainingSpec job, NodeLedger[] nodes, out int places, out Reason? danger)
    {
        danger = null;
        if (PlacesGangs) return GangRoom.Over(nodes, job, out places) is { } free ? Reserve(job, free) : null;
        var answer = _scheduler.PlaceGang(job);
        places = answer.After is null ? Math.Min(answer.Places, job.GangSize - 1) : job.GangSize;
        if (answer.After is { } after) return new Room([.. Enumerable.Repeat(Placement.Pending, job.GangSize)], Once(after));
        if (answer.Why!.Rule == Rule.HoldUnsafeNode) danger = answer.Why;
        return null;
    }

    // On the ledgers themselves; what was found on copies of them is there.
    private Room Reserve(TrainingSpec job, IEnumerable<(NodeLedger Ledger, int Members)> on)
    {
        var members = ImmutableArray.CreateBuilder<Placement>(job.GangSize);
        var after = new SortedSet<StepId>();
        foreach (var (ledger, count) in on)
        {
            foreach (var room in ReserveMembers(ledger, job, count))
            {
                members.Add(new Placement(ledger.Node.Id, room.Devices));
                after.UnionWith(room.After);
            }

            _order.Taken(ledger);
        }

        return new Room([.. members.OrderBy(member => member.Node).ThenBy(member => member.Devices.FirstOrDefault())], [.. after]);
    }

    private Reason Begin(TrainingSpec job, TrainingGang? gang, Room room)
    {
        var (why, requests) = (Began(job, gang, room.After), PlacesGangs ? null : job.Requests);
        Step step = gang is null
            ? new Step.Launch(job.Id, room.Members, job.NeedsPerMember) { Reason = why, After = room.After, Requests = requests }
            : new Step.Resume(job.Id, room.Members, job.NeedsPerMember) { Reason = why, After = room.After, Requests = requests };
        _steps[step.Id] = step;
        _launched++;
        if (requests is not null) _byScheduler.Push(new ScheduledStart(step.Id, null, job.Id));
        return why;
    }

    /// <summary>Ordered by job; default where there is no training.</summary>
    public ImmutableArray<JobVerdict> JobVerdicts() => _spec.Training.IsEmpty ? default :
    [
        .. _jobs.Values.OrderBy(job => job.Id).Select(job => new JobVerdict
        {
            Job = job.Id,
            State = _gangs.GetValueOrDefault(job.Id)?.State,
            Checkpoint = _training.Write(job, _spec.Settings).P90,
            Start = _training.Start(job, _spec.Settings).P90,
            Reason = _jobVerdicts[job.Id],
        }),
    ];

    /// <summary>
    /// Gangs that train or are about to: moving one costs what giving way costs, and a node that trains is not idle. What is told to go may be
    /// taken along; what is only shown is somebody else's to keep.
    /// </summary>
    public ImmutableArray<JobProtection> ProtectedJobs()
    {
        if (!_observed.Can.HasFlag(Capabilities.ProtectReplicas)) return default;
        JobProtection[] kept =
        [
            .. _gangs.Values.Where(gang => gang.State is GangState.Starting or GangState.Running or GangState.Checkpointing && !_givingWay.ContainsKey(gang.Job))
                .Where(gang => _jobs.TryGetValue(gang.Job, out var job) && !job.OnlyShown).OrderBy(gang => gang.Job)
                .Select(gang => new JobProtection(gang.Job, new Reason(Rule.ProtectTraining, [Fact.Quantity("price", Math.Round(PriceOf(gang, _jobs[gang.Job]), 1))]))),
        ];
        return kept.Length == 0 ? default : [.. kept];
    }

    private TrainingKnowledge? NextTraining()
    {
        if (_knowledge.Training is null && _jobs.Count == 0) return null;
        var jobs = _training.Jobs;
        foreach (var job in _jobs.Keys)
        {
            var known = _training.Of(job);
            var gang = _gangs.GetValueOrDefault(job);
            var why = _givingWay.GetValueOrDefault(job);
            var next = known with
            {
                GivesWaySince = why is null ? null : known.GivesWaySince ?? _observed.At,
                GaveWay = why is { Rule: not Rule.SuspendUnderway } ? why.Rule == Rule.SuspendForClaimant
                    : known.GaveWay && gang is { State: GangState.Stopping or GangState.Suspended },
                RoomSince = _findRoom.Contains(job) ? known.RoomSince ?? _observed.At : null,
                Failures = why is { Rule: Rule.SuspendUnplaced } && known.GivesWaySince is null
                    ? TrainingKnowledge.Next(known.Failures, _observed.At, "its members found no nodes", _spec.Settings) : known.Failures,
                RoomMade = _roomIsMadeFor.Contains(job) || known.RoomMade && _findRoom.Contains(job),
            };
            if (next != known) jobs = jobs.SetItem(job, next);
        }

        return _training with { Jobs = jobs, LookedAt = _leftOver && _scheduledJobs >= ScheduledMost ? _lastLookedAt : null };
    }
}
