using System.Text;
using Plimsoll.Json;

namespace Plimsoll.Tests.Planning;

/// <summary>The invariants of the design's section 7, each a check that says what broke, or null.</summary>
internal static class Invariants
{
    /// <summary>
    /// No reachable state puts more into a node's memory than it has. Independent of the planner's own check: every step
    /// is in one of four states, and all combinations its After allows are tried (4^8 at the most).
    /// </summary>
    public static string? NoReachableStateOverfills(Situation situation, Plan plan)
    {
        var (snapshot, knowledge) = (situation.Snapshot, situation.Knowledge);
        foreach (var node in snapshot.Nodes)
        {
            var here = snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id).ToDictionary(replica => replica.Id);
            var foreign = snapshot.Foreign.Where(use => use.Node == node.Id).Sum(use => use.Memory.Value.Value);
            var limit = Math.Min(node.HostMemoryBudget.Value, node.HostMemory.Value - foreign);
            var steps = plan.Steps.Where(step => step switch
            {
                Step.Start start => start.Placement!.Node == node.Id,
                Step.Stop stop => here.ContainsKey(stop.Replica),
                _ => false,
            }).ToArray();
            if (steps.Length > 8) continue;
            var charge = here.Values.Sum(replica => Weighing.HostCharge(replica, knowledge.Of(replica.Model)).Value);
            var states = new int[steps.Length];
            if (Worst(0) is { } worst) return worst;

            string? Worst(int at)
            {
                if (at == steps.Length)
                {
                    var used = charge;
                    for (var i = 0; i < steps.Length; i++)
                    {
                        used += (steps[i], states[i]) switch
                        {
                            (Step.Start start, InProgress) => start.Needs.Host.Highest.Value,
                            (Step.Start start, Done) => start.Needs.Host.Steady.Value,
                            (Step.Stop stop, Done) => -Weighing.HostCharge(here[stop.Replica], knowledge.Of(stop.Model)).Value,
                            _ => 0,
                        };
                    }

                    return used <= limit ? null : $"{node.Id}: {used} of {limit}";
                }

                // A step that is blocked by another one of this node is not started; others may be in any state.
                for (var state = NotStarted; state <= Failed; state++)
                {
                    states[at] = state;
                    if (Consistent(at) && Worst(at + 1) is { } found) return found;
                }

                return null;
            }

            // Checked once both ends of an edge are assigned.
            bool Consistent(int at)
            {
                for (var i = 0; i <= at; i++)
                {
                    for (var j = 0; j <= at; j++)
                    {
                        if (states[i] != NotStarted && steps[i].After.Contains(steps[j].Id) && states[j] != Done) return false;
                    }
                }

                return true;
            }
        }

        return null;
    }

    private const int NotStarted = 0;
    private const int InProgress = 1;
    private const int Done = 2;
    private const int Failed = 3;

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

        return null;
    }

    public static string? NothingIsRemovedOnMissingData(Situation situation, Plan plan)
    {
        foreach (var drain in plan.Steps.OfType<Step.Drain>())
        {
            var replica = situation.Snapshot.Replicas.Single(replica => replica.Id == drain.Replica);
            var seen = situation.Snapshot.Traffic.Any(row => row.Model == drain.Model);
            var idleRule = drain.Reason.Rule is Rule.DrainIdleAtBreakEven or Rule.DrainIdleLimit or Rule.DrainSurplus or Rule.HoldMissingData;
            if (!seen && idleRule && replica.State == ReplicaState.Ready) return $"{replica.Id} is let go although nobody counted its requests";
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
            if (!waits || verdict.Refused || verdict.Reason.Rule == Rule.HoldBackoff || model.Cached) continue;
            if (started.Any(start => start.Model == model.Id)) continue;
            if (snapshot.Replicas.Any(replica => replica.Model == model.Id && replica.Version == model.Version
                && replica.State is ReplicaState.Ready or ReplicaState.Loading)) continue;
            foreach (var node in snapshot.Nodes)
            {
                var foreign = snapshot.Foreign.Where(use => use.Node == node.Id).Sum(use => use.Memory.Value.Value);
                var usable = Math.Min(node.HostMemoryBudget.Value, node.HostMemory.Value - foreign);
                var mustStay = snapshot.Replicas
                    .Where(replica => replica.Placement.Node == node.Id && (spec.Find(replica.Model)?.Priority ?? 0) >= model.Priority
                        && !Retired(plan, replica.Id))
                    .Sum(replica => Weighing.HostCharge(replica, knowledge.Of(replica.Model)).Value);
                var promised = started
                    .Where(start => start.Placement!.Node == node.Id && spec.Find(start.Model)!.Priority >= model.Priority)
                    .Sum(start => start.Needs.Host.Highest.Value);
                if (mustStay + promised + verdict.Needs.Host.Highest.Value <= usable)
                    return $"{model.Id} waits although {node.Id} could make room for it: {verdict.Reason}";
            }
        }

        return null;
    }

    // Leaves by itself. What leaves for another claimant makes room for that one; what it leaves over is offered next tick.
    private static bool Retired(Plan plan, ReplicaId replica) =>
        plan.Steps.Any(step => step is Step.Stop && step.Subject == replica)
        && !plan.Steps.Any(step => step is Step.Drain && step.Subject == replica && step.Reason.Rule == Rule.DrainForClaimant);

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
