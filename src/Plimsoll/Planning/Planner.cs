using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>
/// The brain: from what is wanted, what is seen and what is known to a plan. Pure: no clock, no I/O, no randomness; the
/// same inputs give the same plan, byte for byte.
/// </summary>
/// <param name="allocator">How many replicas each model should have; everything else is the planner's.</param>
public sealed class Planner(IAllocator allocator)
{
    public IAllocator Allocator { get; } = allocator;

    /// <summary>What to do now.</summary>
    /// <exception cref="InvalidOperationException">
    /// The plan would break the memory invariant in some reachable state: a mistake of the planner, stopped before it costs.
    /// </exception>
    public Plan Decide(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(knowledge);
        var replicas = observed.Replicas.ToLookup(replica => replica.Model);
        var outlooks = Outlooks.Of(spec, observed, knowledge, replicas);
        var allocations = Allocator.Allocate(spec, observed, knowledge, outlooks);
        var draft = new PlanDraft(spec, observed, knowledge, replicas, outlooks, allocations);
        draft.Retire();
        draft.RetireTraining();
        draft.Claim();
        draft.StartForUses();
        draft.Train();
        draft.MoveWhereCheaper();
        draft.MoveWhereTime();
        draft.Spread();
        draft.PrefetchAhead();
        draft.LieDown();
        draft.WithdrawUnsafe();
        draft.RequestNodes();
        draft.Show();
        var steps = draft.Steps;
        if (ReachableStates.FindViolation(observed, knowledge, steps) is { } violation)
            throw new InvalidOperationException($"a plan was stopped that could overfill {violation}");
        return new Plan(InputHashes.Of(spec, observed, knowledge), steps, draft.Verdicts(), draft.Next())
        {
            Protected = NodeProtection.Of(spec, observed, outlooks),
            Jobs = draft.JobVerdicts(),
            ProtectedJobs = draft.ProtectedJobs(),
        };
    }

    /// <summary>
    /// Which models could run at all on these nodes, before anything starts: one verdict per model that could not.
    /// </summary>
    public static ImmutableArray<ModelVerdict> Admit(FleetSpec spec, FleetSnapshot observed, Knowledge knowledge)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(observed);
        ArgumentNullException.ThrowIfNull(knowledge);
        return
        [
            .. Outlooks.Of(spec, observed, knowledge)
                .Select(outlook => (outlook, Reason: Admission.Refuse(outlook, observed.Nodes)))
                .Where(pair => pair.Reason is not null)
                .Select(pair => PlanDraft.Verdict(pair.outlook, pair.outlook.Model.MinReplicas, pair.Reason!, refused: true)),
        ];
    }
}
