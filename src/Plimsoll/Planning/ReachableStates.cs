using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// Checks a plan against every state it can reach: each step not started, in progress (at its peak), done or failed, in
/// any order its After allows. Used at run time on every plan, and by the tests with seeded bugs.
/// </summary>
public static class ReachableStates
{
    /// <summary>
    /// The first node whose host memory, cores, model cache or a device's memory some reachable state overfills; null when
    /// none does. A node that is over already (foreign use grew) is violated only by a state that makes it worse.
    /// </summary>
    /// <remarks>
    /// A state is worst when every start it allows is at its peak and only those stops are done that those starts wait
    /// for. With waiting sets that contain one another (as the planner makes them) those states are one per start;
    /// where they do not, every union of two or more is bounded from above by charging all starts against the stops
    /// that each of them waits for.
    /// </remarks>
    public static string? FindViolation(FleetSnapshot observed, Knowledge knowledge, ImmutableArray<Step> steps)
    {
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(knowledge);
        var fetched = steps.OfType<Step.Prefetch>().Select(fetch => fetch.Node).ToHashSet();
        foreach (var node in observed.Nodes)
        {
            if (fetched.Contains(node.Id) && Disk(node, observed, steps) is { } overfull) return overfull;
        }

        var starts = steps.OfType<Step.Start>().ToArray();
        var turns = Turns(observed, knowledge, steps);
        var gangs = steps.Where(step => Step.GangOf(step) is not null).ToArray();
        if (starts.Length == 0 && turns.Count == 0 && gangs.Length == 0) return null;
        var releases = Releases(observed, knowledge, steps);
        var foreign = observed.Foreign.ToLookup(use => use.Node);
        Step.Start[] chosen = [.. starts.Where(start => start is { Placement: null, Requests: not null }), .. gangs.Select(ByScheduler).OfType<Step.Start>()];
        var byScheduler = new SchedulerStates(chosen, releases);
        starts = [.. starts.Where(start => start is not { Placement: null, Requests: not null })];
        var placed = starts.Where(start => start.Placement is not null).ToLookup(start => start.Placement!.Node);
        var anywhere = starts.Where(start => start.Placement is null).ToArray();
        var everywhere = anywhere.Length + chosen.Length > 0;
        var touched = turns.Values.Select(turn => turn.Node).Concat(gangs.SelectMany(step => Step.GangOf(step)!.Value.Members).Select(member => member.Node)).ToHashSet();
        var replicas = Parts.ByNode(observed.Replicas, node => everywhere || placed.Contains(node) || touched.Contains(node));
        foreach (var node in observed.Nodes)
        {
            // Without a placement a scheduler chooses, and it never chooses a node that is too small when empty.
            Step[] here =
            [
                .. placed[node.Id], .. anywhere.Where(start => Admission.Fits(node, start.Needs, null)),
                .. turns.Values.Where(turn => turn.Node == node.Id).Select(turn => turn.Step),
                .. gangs.Where(step => Step.GangOf(step)!.Value.Members.Any(member => member.Node == node.Id)),
            ];
            if (here.Length + chosen.Length == 0) continue;
            var (limit, used) = NodeUse.HostOf(node, observed, knowledge, replicas.GetValueOrDefault(node.Id, []), foreign[node.Id]);
            if (byScheduler.FindViolation(node, limit, used) is { } overfilled) return overfilled;
            if (here.Length == 0) continue;
            var use = NodeUse.Of(node, observed, knowledge, replicas.GetValueOrDefault(node.Id, []), foreign[node.Id]);
            foreach (var (what, most, now, takes, frees) in use.Resources(releases, turns))
            {
                var worst = WorstCase(now, here, takes, frees);
                if (worst > Math.Max(most, now)) return $"{what} of {node.Id}: {worst} against {most}";
            }
        }

        return null;
    }

    // To a scheduler a gang's members are what the pods of a group are.
    private static Step.Start? ByScheduler(Step step)
    {
        var (members, needs, requests) = Step.GangOf(step)!.Value;
        if (requests is null || members.IsEmpty) return null;
        return new Step.Start(new ReplicaId(step.Id.Value), new ModelId(step.Id.Value), "", new VariantId(""), null, needs, TimeSpan.Zero)
        {
            Reason = step.Reason,
            After = step.After,
            Requests = requests,
            Workers = members.Length > 1 ? new WorkerPods(members.Length - 1, needs, requests) : null,
        };
    }

    // A fetch takes what is missing of its artefact, and goes on taking it while it is under way.
    private static string? Disk(NodeState node, FleetSnapshot observed, ImmutableArray<Step> steps)
    {
        var fetches = steps.OfType<Step.Prefetch>().Where(fetch => fetch.Node == node.Id).ToArray();
        if (fetches.Length == 0) return null;
        var cached = observed.Cache.Where(artifact => artifact.Node == node.Id)
            .ToDictionary(artifact => (artifact.Model, artifact.Version), artifact => artifact.Size.Value);
        var used = cached.Values.Sum();
        var limit = !node.CacheFileSystemFree.TryGetLast(out var free) ? used
            : Math.Min(node.CacheBudget?.Value ?? 0, used + free.Value);
        var frees = steps.OfType<Step.Evict>().Where(evict => evict.Node == node.Id).ToDictionary(
            evict => evict.Id, evict => cached.GetValueOrDefault((evict.Model, evict.Version)));
        foreach (var work in observed.InFlight.Where(work => work.Node == node.Id && work.Kind == WorkKind.Fetching))
        {
            // What is there of it is in use already, whatever the fetch has said so far.
            if (work.Total is { } total) used += Math.Max(0, total.Value - There(work));
            else limit = used;
        }

        var begun = observed.InFlight.Select(work => work.Step).ToHashSet();
        var fresh = fetches.Where(fetch => !begun.Contains(fetch.Id)).ToArray();
        var worst = WorstCase(
            used, fresh, fetch => fetch.Size.Value - cached.GetValueOrDefault((fetch.Model, fetch.Version)),
            step => frees.GetValueOrDefault(step));
        return worst > Math.Max(limit, used) ? $"the model cache of {node.Id}: {worst} against {limit}" : null;

        long There(WorkInFlight work)
        {
            foreach (var ((model, version), size) in cached)
            {
                if (model == work.Model && work.Step == DiskDraft.Fetch(node.Id, model, version)) return size;
            }

            return work.Done?.Value ?? 0;
        }
    }

    /// <summary>The largest use of one resource over the reachable states, or an upper bound of it.</summary>
    private static long WorstCase<TStep>(long used, TStep[] starts, Func<TStep, long> takes, Func<StepId, long> frees)
        where TStep : Step
    {
        var waits = starts.Select(start => (Set: start.After.Where(after => frees(after) > 0).ToHashSet(), Takes: takes(start)))
            .OrderBy(start => start.Set.Count).ToArray();
        var chain = true;
        for (var i = 1; i < waits.Length && chain; i++) chain = waits[i - 1].Set.IsSubsetOf(waits[i].Set);
        var worst = used;
        if (chain)
        {
            var sum = 0L;
            for (var i = 0; i < waits.Length; i++)
            {
                sum += waits[i].Takes;
                if (i + 1 < waits.Length && waits[i + 1].Set.Count == waits[i].Set.Count) continue;
                worst = Math.Max(worst, used + sum - waits[i].Set.Sum(frees));
            }

            return worst;
        }

        if (waits.Length <= 12) return Exhaustive(used, waits, frees);
        var shared = new HashSet<StepId>(waits[0].Set);
        foreach (var wait in waits) shared.IntersectWith(wait.Set);
        return used + waits.Sum(wait => wait.Takes) - shared.Sum(frees);
    }

    private static long Exhaustive(long used, (HashSet<StepId> Set, long Takes)[] waits, Func<StepId, long> frees)
    {
        var worst = used;
        for (var mask = 1; mask < 1 << waits.Length; mask++)
        {
            var done = new HashSet<StepId>();
            var sum = 0L;
            for (var i = 0; i < waits.Length; i++)
            {
                if ((mask & (1 << i)) == 0) continue;
                sum += waits[i].Takes;
                done.UnionWith(waits[i].Set);
            }

            worst = Math.Max(worst, used + sum - done.Sum(frees));
        }

        return worst;
    }

    // By stop, what it gives back and where: of a group on several nodes, or twice on one.
    private static ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> Releases(
        FleetSnapshot observed, Knowledge knowledge, ImmutableArray<Step> steps)
    {
        var gangs = observed.Training.ToDictionary(gang => gang.Job);
        var members = steps.OfType<Step.Suspend>().Where(step => gangs.ContainsKey(step.Job)).SelectMany(step => gangs[step.Job].Members
            .Select(member => (step.Id, On: (member.Node, NodeLedger.Release.Of(gangs[step.Job], member)))));
        var ends = steps.Where(step => step is Step.Stop or Step.Sleep).ToArray();
        var ended = ends.Select(step => step.Subject!.Value).ToHashSet();
        var replicas = observed.Replicas.Where(replica => ended.Contains(replica.Id)).ToDictionary(replica => replica.Id);
        return ends.Where(step => replicas.ContainsKey(step.Subject!.Value))
            .SelectMany(step => Parts.Pods(replicas[step.Subject!.Value]).Select(pod => (step, pod)))
            .Select(one => (one.step.Id, On: (one.pod.Placement.Node,
                one.step is Step.Sleep ? NodeLedger.Release.OfSleep(one.pod, knowledge.Of(one.pod.Model)) : NodeLedger.Release.Of(one.pod, knowledge.Of(one.pod.Model)))))
            .Concat(members).ToLookup(one => one.Id, one => one.On);
    }

    // What replicas take that go to sleep or wake, from the moment that they begin to: of their node's memory, or of their devices'.
    private sealed record Turn(Step Step, NodeId Node, Bytes Host, Bytes PerDevice, ImmutableArray<DeviceId> Devices);

    private static SortedDictionary<StepId, Turn> Turns(FleetSnapshot observed, Knowledge knowledge, ImmutableArray<Step> steps)
    {
        var turns = new SortedDictionary<StepId, Turn>();
        foreach (var step in steps)
        {
            if (step is not (Step.Sleep or Step.Wake) || observed.Replicas.FirstOrDefault(one => one.Id == step.Subject) is not { } replica) continue;
            var known = knowledge.Of(replica.Model);
            turns[step.Id] = new Turn(
                step, replica.Placement.Node, step is Step.Sleep ? Weighing.ToSleep(replica, known) : Bytes.Zero,
                step is Step.Wake ? Weighing.ToWake(replica, known) : Bytes.Zero, replica.Placement.Devices);
        }

        return turns;
    }

    private sealed record NodeUse(NodeState Node, long HostLimit, long HostUsed, long CoresUsed, Dictionary<DeviceId, (long Limit, long Used)> Devices)
    {
        /// <summary>Of host memory alone, what may be used and what is.</summary>
        public static (long Limit, long Used) HostOf(
            NodeState node, FleetSnapshot observed, Knowledge knowledge, IEnumerable<InferenceReplica> replicas, IEnumerable<ForeignUse> foreign)
        {
            var used = 0L;
            foreach (var replica in replicas) used += Weighing.HostCharge(replica, knowledge.Of(replica.Model)).Value;
            foreach (var gang in observed.Training)
                used += gang.ReservedPerMember.Host.Highest.Value * gang.Members.Count(member => member.Node == node.Id);
            return (Limit(foreign, null, node.HostMemory, node.HostMemoryBudget), used);
        }

        public static NodeUse Of(
            NodeState node, FleetSnapshot observed, Knowledge knowledge, IEnumerable<InferenceReplica> replicas, IEnumerable<ForeignUse> foreign)
        {
            var (limit, host) = HostOf(node, observed, knowledge, replicas, foreign);
            var cores = 0L;
            var devices = node.Devices.ToDictionary(
                device => device.Id, device => (Limit: Limit(foreign, device.Id, device.Memory, device.MemoryBudget), Used: 0L));
            foreach (var replica in replicas)
            {
                var holds = NodeLedger.Release.Of(replica, knowledge.Of(replica.Model));
                cores += holds.Cores.Milli;
                foreach (var device in holds.Devices)
                {
                    if (devices.TryGetValue(device, out var entry)) devices[device] = (entry.Limit, entry.Used + holds.PerDevice.Value);
                }
            }

            foreach (var gang in observed.Training)
            {
                foreach (var member in gang.Members.Where(member => member.Node == node.Id))
                {
                    var holds = NodeLedger.Release.Of(gang, member);
                    cores += holds.Cores.Milli;
                    foreach (var device in holds.Devices)
                    {
                        if (devices.TryGetValue(device, out var entry)) devices[device] = (entry.Limit, entry.Used + holds.PerDevice.Value);
                    }
                }
            }

            return new NodeUse(node, limit, host, cores, devices);
        }

        public IEnumerable<(string What, long Limit, long Used, Func<Step, long> Takes, Func<StepId, long> Frees)> Resources(
            ILookup<StepId, (NodeId Node, NodeLedger.Release Frees)> releases, SortedDictionary<StepId, Turn> turns)
        {
            IEnumerable<NodeLedger.Release> Freed(StepId step) => releases[step].Where(release => release.Node == Node.Id).Select(release => release.Frees);
            yield return ("host memory", HostLimit, HostUsed,
                step => step is Step.Start start ? start.Needs.Host.Highest.Value : Step.GangOf(step) is { } gang ? Here(gang) * gang.Needs.Host.Highest.Value : turns[step.Id].Host.Value,
                step => Freed(step).Sum(frees => frees.Host.Value));
            yield return ("cores", Node.Cores.Milli, CoresUsed,
                step => step is Step.Start start ? start.Needs.Cores.Milli : Step.GangOf(step) is { } gang ? Here(gang) * gang.Needs.Cores.Milli : 0,
                step => Freed(step).Sum(frees => frees.Cores.Milli));
            foreach (var (id, (limit, used)) in Devices)
                yield return ($"memory of device {id}", limit, used, step => step switch
                {
                    Step.Start start => start.Placement?.Devices.Contains(id) == true ? start.Needs.PerDevice?.Highest.Value ?? 0 : 0,
                    _ when Step.GangOf(step) is { } gang => gang.Members.Count(member => member.Node == Node.Id && member.Devices.Contains(id)) * (gang.Needs.PerDevice?.Highest.Value ?? 0),
                    _ => turns[step.Id].Devices.Contains(id) ? turns[step.Id].PerDevice.Value : 0,
                }, step => Freed(step).Where(frees => frees.Devices.Contains(id)).Sum(frees => frees.PerDevice.Value));
        }

        private int Here((ImmutableArray<Placement> Members, ReplicaNeeds Needs, SchedulerRequests? Requests) gang) => gang.Members.Count(member => member.Node == Node.Id);

        private static long Limit(IEnumerable<ForeignUse> foreign, DeviceId? device, Bytes memory, Bytes budget)
        {
            var taken = 0L;
            foreach (var use in foreign.Where(use => use.Device == device))
            {
                if (!use.Memory.TryGetLast(out var bytes)) return 0;
                taken += bytes.Value;
            }

            return Math.Min(budget.Value, memory.Value - taken);
        }
    }
}
