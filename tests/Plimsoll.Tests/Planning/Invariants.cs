using System.Collections.Immutable;
using System.Text;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

/// <summary>The invariants of the design's section 7, each a check that says what broke, or null.</summary>
internal static class Invariants
{
    /// <summary>No reachable state puts more into a node's memory, cores, devices or model cache than it has.</summary>
    public static string? NoReachableStateOverfills(Situation situation, Plan plan)
    {
        foreach (var node in situation.Snapshot.Nodes)
        {
            var here = situation.Snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id).ToDictionary(replica => replica.Id);
            var runs = plan.Steps.Where(step => step is Step.Start start && start.Placement!.Node == node.Id
                || step is Step.Stop or Step.Sleep or Step.Wake && here.ContainsKey(step.Subject!.Value)
                || Step.GangOf(step) is { } gang && gang.Members.Any(member => member.Node == node.Id)
                || step is Step.Suspend suspend && Ended(situation, suspend).Members.Any(member => member.Node == node.Id)).ToArray();
            var disk = plan.Steps.Where(step => step is Step.Prefetch fetch && fetch.Node == node.Id
                || step is Step.Evict evict && evict.Node == node.Id).ToArray();
            if (ReachableWalk.FindOverfull(runs, Memory(situation, node, here)) is { } overfull) return $"{node.Id}, {overfull}";
            if (ReachableWalk.FindOverfull(disk, [Disk(situation, node)]) is { } full) return $"{node.Id}, {full}";
        }

        return null;
    }

    private static TrainingGang Ended(Situation situation, Step.Suspend suspend) => situation.Snapshot.Training.Single(gang => gang.Job == suspend.Job);

    // What the members of gangs change of one resource of a node, of which one takes so much there.
    private static long Gangs(Situation situation, Step step, int state, Func<Placement, ReplicaNeeds, long> takes) => (step, state) switch
    {
        (Step.Launch or Step.Resume, ReachableWalk.InProgress or ReachableWalk.Done) when Step.GangOf(step) is { } gang => gang.Members.Sum(member => takes(member, gang.Needs)),
        (Step.Suspend suspend, ReachableWalk.Done) when Ended(situation, suspend) is var gang => -gang.Members.Sum(member => takes(member, gang.ReservedPerMember)),
        _ => 0,
    };

    private static List<ReachableWalk.Resource> Memory(
        Situation situation, NodeState node, Dictionary<ReplicaId, InferenceReplica> here)
    {
        var (snapshot, knowledge) = (situation.Snapshot, situation.Knowledge);
        var foreign = snapshot.Foreign.Where(use => use.Node == node.Id).Sum(use => use.Memory.Value.Value);
        long Held(Func<Placement, ReplicaNeeds, long> takes) => snapshot.Training.Sum(gang => gang.Members.Sum(member => takes(member, gang.ReservedPerMember)));
        long HostOf(Placement member, ReplicaNeeds needs) => member.Node == node.Id ? needs.Host.Highest.Value : 0;
        long CoresOf(Placement member, ReplicaNeeds needs) => member.Node == node.Id ? needs.Cores.Milli : 0;
        long Host(InferenceReplica replica) => Weighing.HostCharge(replica, knowledge.Of(replica.Model)).Value;
        var resources = new List<ReachableWalk.Resource>
        {
            new("host memory", Math.Min(node.HostMemoryBudget.Value, node.HostMemory.Value - foreign), here.Values.Sum(Host) + Held(HostOf),
                (step, state) => (step, state) switch
                {
                    (Step.Start start, ReachableWalk.InProgress) => start.Needs.Host.Highest.Value,
                    (Step.Start start, ReachableWalk.Done) => start.Needs.Host.Steady.Value,
                    (Step.Stop stop, ReachableWalk.Done) => -Host(here[stop.Replica]),
                    (Step.Sleep sleep, ReachableWalk.InProgress or ReachableWalk.Done) =>
                        Math.Max(0, here[sleep.Replica].Reserved.Asleep!.Host.Value - Host(here[sleep.Replica])),
                    _ => Gangs(situation, step, state, HostOf),
                }),
            new("cores", node.Cores.Milli, here.Values.Sum(replica => replica.Reserved.Cores.Milli) + Held(CoresOf), (step, state) => (step, state) switch
            {
                (Step.Start start, ReachableWalk.InProgress or ReachableWalk.Done) => start.Needs.Cores.Milli,
                (Step.Stop stop, ReachableWalk.Done) => -here[stop.Replica].Reserved.Cores.Milli,
                _ => Gangs(situation, step, state, CoresOf),
            }),
        };
        foreach (var device in node.Devices)
        {
            long Awake(InferenceReplica replica) => replica.Placement.Devices.Contains(device.Id) ? replica.Reserved.PerDevice!.Highest.Value : 0;
            long Asleep(InferenceReplica replica) => replica.Placement.Devices.Contains(device.Id) ? replica.Reserved.Asleep?.PerDevice.Value ?? Awake(replica) : 0;
            long On(InferenceReplica replica) => replica is { State: ReplicaState.Asleep, Turning: false } ? Asleep(replica) : Awake(replica);
            long OnDevice(Placement member, ReplicaNeeds needs) => member.Node == node.Id && member.Devices.Contains(device.Id) ? needs.PerDevice!.Highest.Value : 0;
            resources.Add(new(device.Id.Value, device.MemoryBudget.Value, here.Values.Sum(On) + Held(OnDevice), (step, state) => (step, state) switch
            {
                (Step.Start start, ReachableWalk.InProgress or ReachableWalk.Done) =>
                    start.Placement!.Devices.Contains(device.Id) ? start.Needs.PerDevice!.Highest.Value : 0,
                (Step.Stop stop, ReachableWalk.Done) => -On(here[stop.Replica]),
                (Step.Sleep sleep, ReachableWalk.Done) => Asleep(here[sleep.Replica]) - On(here[sleep.Replica]),
                (Step.Wake wake, ReachableWalk.InProgress or ReachableWalk.Done) => Awake(here[wake.Replica]) - On(here[wake.Replica]),
                _ => Gangs(situation, step, state, OnDevice),
            }));
        }

        return resources;
    }

    // A fetch that is under way has its whole size promised already; another one takes what is missing of its artefact.
    private static ReachableWalk.Resource Disk(Situation situation, NodeState node)
    {
        var snapshot = situation.Snapshot;
        var cached = snapshot.Cache.Where(artifact => artifact.Node == node.Id)
            .ToDictionary(artifact => (artifact.Model, artifact.Version), artifact => artifact.Size.Value);
        var flying = snapshot.InFlight.Where(work => work.Node == node.Id && work.Kind == WorkKind.Fetching).ToArray();
        var promised = flying.Sum(work => work.Total!.Value.Value - cached.Single(one => work.Step == StepId.Of($"prefetch/{one.Key.Model}@{one.Key.Version}/{node.Id}")).Value);
        return new("model cache", Math.Min(node.CacheBudget!.Value.Value, cached.Values.Sum() + node.CacheFileSystemFree.Value.Value),
            cached.Values.Sum() + promised, (step, state) => (step, state) switch
            {
                (Step.Prefetch fetch, ReachableWalk.InProgress or ReachableWalk.Done) when flying.All(work => work.Step != fetch.Id) =>
                    fetch.Size.Value - cached.GetValueOrDefault((fetch.Model, fetch.Version)),
                (Step.Evict evict, ReachableWalk.Done) => -cached[(evict.Model, evict.Version)],
                _ => 0,
            });
    }

    /// <summary>No copy is removed that a replica uses or is about to, and none starts without its weights.</summary>
    public static string? NothingInUseIsEvicted(Situation situation, Plan plan)
    {
        var snapshot = situation.Snapshot;
        foreach (var evict in plan.Steps.OfType<Step.Evict>())
        {
            foreach (var user in snapshot.Replicas.Where(replica => replica.Placement.Node == evict.Node
                && replica.Model == evict.Model && replica.Version == evict.Version))
            {
                if (!evict.After.Contains(StepId.Of($"stop/{user.Id}"))) return $"{evict.Id} while {user.Id} uses it";
            }

            if (plan.Steps.OfType<Step.Start>().Any(start => start.Placement!.Node == evict.Node
                && start.Model == evict.Model && start.Version == evict.Version)) return $"{evict.Id} while a replica of it is started";
        }

        foreach (var start in plan.Steps.OfType<Step.Start>().Where(start => situation.Spec.Find(start.Model)!.Cached))
        {
            var there = snapshot.Cache.Any(artifact => artifact.Node == start.Placement!.Node && artifact.Complete
                && artifact.Model == start.Model && artifact.Version == start.Version);
            if (!there && !start.After.Contains(StepId.Of($"prefetch/{start.Model}@{start.Version}/{start.Placement!.Node}")))
                return $"{start.Id} without its weights";
        }

        return null;
    }

    public static string? IsClosedAndAcyclic(Situation situation, Plan plan)
    {
        var byId = plan.Steps.ToDictionary(step => step.Id);
        var open = plan.Steps.SelectMany(step => step.After).FirstOrDefault(after => !byId.ContainsKey(after));
        if (open.Value is not null) return $"{open} is waited for and not in the plan";
        var done = new HashSet<StepId>();
        while (plan.Steps.FirstOrDefault(step => !done.Contains(step.Id) && step.After.All(done.Contains)) is { } next) done.Add(next.Id);
        return done.Count == plan.Steps.Length ? null : "steps wait for one another";
    }

    public static string? NothingServingIsStoppedBeforeItDrained(Situation situation, Plan plan)
    {
        foreach (var stop in plan.Steps.OfType<Step.Stop>())
        {
            var replica = situation.Snapshot.Replicas.Single(replica => replica.Id == stop.Replica);
            var waits = stop.After.Contains(StepId.Of($"drain/{replica.Id}"));
            var overdue = situation.Snapshot.At - replica.StateSince > situation.Spec.Settings.DrainDeadline;
            if (replica.State == ReplicaState.Ready && !waits) return $"{replica.Id} serves and is stopped at once";
            if (replica.State == ReplicaState.Draining && !waits && !overdue) return $"{replica.Id} is stopped while it drains";
        }

        foreach (var sleep in plan.Steps.OfType<Step.Sleep>())
        {
            var replica = situation.Snapshot.Replicas.Single(replica => replica.Id == sleep.Replica);
            if (replica is { State: not ReplicaState.Drained, Turning: false } && !sleep.After.Contains(StepId.Of($"drain/{replica.Id}")))
                return $"{replica.Id} is put to sleep before it drained";
        }

        return null;
    }

    public static string? NothingIsRemovedOnMissingData(Situation situation, Plan plan)
    {
        foreach (var drain in plan.Steps.OfType<Step.Drain>())
        {
            var replica = situation.Snapshot.Replicas.Single(replica => replica.Id == drain.Replica);
            var seen = situation.Snapshot.Traffic.Any(row => row.Model == drain.Model);
            var idleRule = drain.Reason.Rule is Rule.DrainIdleAtBreakEven or Rule.DrainIdleLimit or Rule.DrainSurplus or Rule.HoldMissingData;
            var spareRule = drain.Reason.Rule == Rule.DrainForJob
                && situation.Spec.Find(drain.Model)!.Priority >= situation.Spec.Training.Single(job => job.Id.Value == drain.Reason.Facts.Single(fact => fact.Name == "job").Text).Priority;
            if (!seen && (idleRule || spareRule) && replica.State == ReplicaState.Ready) return $"{replica.Id} is let go although nobody counted its requests";
        }

        return null;
    }

    /// <summary>A model whose requests wait gets room if taking away everything of lower priority would make it.</summary>
    public static string? HigherPriorityIsNotRefusedWhatLowerHolds(Situation situation, Plan plan)
    {
        var (spec, snapshot, knowledge) = (situation.Spec, situation.Snapshot, situation.Knowledge);
        var started = plan.Steps.OfType<Step.Start>().ToArray();
        foreach (var verdict in plan.Models)
        {
            var model = spec.Find(verdict.Model)!;
            var waits = snapshot.Traffic.Any(row => row.Model == model.Id && row.HeldNow > 0);
            if (!waits || !model.Acts || verdict.Refused || verdict.Reason.Rule == Rule.HoldBackoff || model.Cached) continue;

            // Devices and disks have packings of their own, which this sum over host memory says nothing of.
            if (verdict.Needs.Devices > 0 || plan.Steps.Any(step => step is Step.Wake wake && wake.Model == model.Id)) continue;
            if (started.Any(start => start.Model == model.Id)) continue;

            // Room that is kept for a moment for a job that comes first.
            if (!plan.Jobs.IsDefault && plan.Jobs.Any(job => job.Reason.Rule == Rule.HoldJobRoom && spec.Training.Single(one => one.Id == job.Job).Priority > model.Priority)) continue;
            if (snapshot.Replicas.Any(replica => replica.Model == model.Id && replica.Version == model.Version
                && replica.State is ReplicaState.Ready or ReplicaState.Loading)) continue;
            foreach (var node in snapshot.Nodes)
            {
                var foreign = snapshot.Foreign.Where(use => use.Node == node.Id).Sum(use => use.Memory.Value.Value);
                var usable = Math.Min(node.HostMemoryBudget.Value, node.HostMemory.Value - foreign);
                var mustStay = snapshot.Replicas
                    .Where(replica => replica.Placement.Node == node.Id && (spec.Find(replica.Model) is { Acts: false }
                        || (spec.Find(replica.Model)?.Priority ?? 0) >= model.Priority && !Retired(plan, replica.Id)))
                    .Sum(replica => Weighing.HostCharge(replica, knowledge.Of(replica.Model)).Value)
                    + snapshot.Training.Where(gang => MustStay(spec, plan, gang, model.Priority))
                        .Sum(gang => gang.Members.Count(member => member.Node == node.Id) * gang.ReservedPerMember.Host.Highest.Value);
                var promised = plan.Steps.Where(step => !IsShown(spec, step)).Select(Step.GangOf).OfType<(ImmutableArray<Placement> Members, ReplicaNeeds Needs, SchedulerRequests? Requests)>()
                    .Sum(gang => gang.Members.Count(member => member.Node == node.Id) * gang.Needs.Host.Highest.Value) + started
                    .Where(start => (start.Placement!.Node == node.Id || MayBeSpread(spec, start)) && spec.Find(start.Model)!.Priority >= model.Priority)
                    .Sum(start => start.Needs.Host.Highest.Value);
                if (mustStay + promised + verdict.Needs.Host.Highest.Value <= usable)
                    return $"{model.Id} waits although {node.Id} could make room for it: {verdict.Reason}";
            }
        }

        return null;
    }

    // A start that was spread to another node after all had claimed leaves its first place to the next tick.
    private static bool MayBeSpread(FleetSpec spec, Step.Start start) => start.After.IsEmpty && spec.Find(start.Model)!.MaxReplicas > 1;

    private static bool IsShown(FleetSpec spec, Step step) => spec.Training.Any(job => job.OnlyShown && step.Id.Value is var id && (id == $"launch/{job.Id}" || id == $"resume/{job.Id}"));

    // One that goes for somebody makes room for that one; what it leaves over is offered next tick.
    private static bool MustStay(FleetSpec spec, Plan plan, TrainingGang gang, int priority) =>
        (spec.Training.FirstOrDefault(job => job.Id == gang.Job) is { } job && (job.Priority >= priority || !job.Preemptible || job.OnlyShown))
        && plan.Steps.OfType<Step.Suspend>().All(suspend => suspend.Job != gang.Job || suspend.Reason.Rule is Rule.SuspendForJob or Rule.SuspendForClaimant);

    /// <summary>A gang starts with all its members, each on devices of its own kind that are one another's, or not at all.</summary>
    public static string? GangsRunWholeOrNotAtAll(Situation situation, Plan plan)
    {
        foreach (var step in plan.Steps)
        {
            if (Step.GangOf(step) is not { } gang) continue;
            var job = situation.Spec.Training.Single(job => job.Id.Value == step.Id.Value.Split('/')[1]);
            if (gang.Members.Length != job.GangSize) return $"{step.Id} starts {gang.Members.Length} of {job.GangSize} members";
            if (gang.Members.Any(member => member.Devices.Distinct().Count() != job.NeedsPerMember.Devices)) return $"{step.Id} has a member without its devices";
            if (situation.Snapshot.Training.Any(one => one.Job == job.Id && one.State is not GangState.Suspended)) return $"{step.Id} of a gang that is there, or done";
            if (job.SubmittedAt > situation.Snapshot.At) return $"{step.Id} before it was submitted";
        }

        return null;
    }

    /// <summary>A gang gives way to nobody of lower priority, not at all where it may not, and not with more unsaved than a checkpoint takes to write.</summary>
    public static string? TrainingGivesWayAsItMay(Situation situation, Plan plan)
    {
        foreach (var suspend in plan.Steps.OfType<Step.Suspend>())
        {
            if (situation.Spec.Training.FirstOrDefault(job => job.Id == suspend.Job) is not { } job) continue;
            var gang = situation.Snapshot.Training.Single(gang => gang.Job == job.Id);
            if (gang.State == GangState.Stopping) continue;
            if (!job.Preemptible || job.OnlyShown) return $"{job.Id} gives way and may not: {suspend.Reason}";
            var to = suspend.Reason.Facts.First(fact => fact.Name is "claimant" or "job").Text!;
            var priority = suspend.Reason.Rule == Rule.SuspendForClaimant ? situation.Spec.Find(new ModelId(to))!.Priority
                : situation.Spec.Training.Single(other => other.Id.Value == to).Priority;
            if (priority < job.Priority) return $"{job.Id} gives way to {to} of lower priority";
            var saved = gang.LastCheckpoint is { } last && last > gang.StartedAt ? last : gang.StartedAt;
            var write = situation.Knowledge.Training!.Write(job, situation.Spec.Settings).P90;
            var loses = !job.SavesOnStop && gang.State is GangState.Running or GangState.Checkpointing && job.CheckpointSize > Plimsoll.Bytes.Zero && situation.Snapshot.At - saved > write;
            if (loses && !suspend.After.Contains(StepId.Of($"checkpoint/{job.Id}"))) return $"{job.Id} loses {situation.Snapshot.At - saved} of training";
        }

        return null;
    }

    // Leaves by itself. What leaves for a claimant, its memory or its disk, makes room for that one; what it leaves over is offered next
    // tick. One that loads is stopped without a drain, and its stop says for whom.
    private static bool Retired(Plan plan, ReplicaId replica)
    {
        Step[] ends = [.. plan.Steps.Where(step => step.Subject == replica && (step is Step.Drain or Step.Stop))];
        return ends.Any(step => step is Step.Stop) && !ends.Any(step => step.Reason.Rule is Rule.DrainForClaimant or Rule.DrainForClaimantsDisk or Rule.DrainForClaimantsTime or Rule.DrainForJob);
    }

    public static string? SamePlanForSameInputs(Situation situation, Func<IAllocator> allocator)
    {
        var one = allocator();
        var first = Bytes(situation.Decide(one));
        var second = Bytes(situation.Decide(one));
        return first == second ? null : "two plans for one input";
    }

    public static string? ARestartLosesNothing(Situation situation, Func<Knowledge, Knowledge> restart)
    {
        var before = situation.Decide();
        var after = (situation with { Knowledge = restart(situation.Knowledge) }).Decide();
        return Bytes(before) == Bytes(after) ? null : "the plan after a restart differs";
    }

    public static string Bytes(Plan plan) => Encoding.UTF8.GetString(PlimsollJson.ToBytes(plan, PlimsollJson.Default.Plan));
}
