using System.Collections.Immutable;
using Plimsoll.Control;

namespace Plimsoll.Simulation.Fleet;

/// <summary>The simulated body: the planner's steps done to the cluster, and the cluster as the planner may see it.</summary>
internal sealed class SimulatedFleet(SimulatedCluster cluster) : IFleet
{
    private readonly List<Outcome> _failed = [];

    private Capabilities Can => Capabilities.ChooseVictim | Capabilities.HoldRequests
        | (cluster.World.IsScheduled ? Capabilities.None : Capabilities.ChooseNode | Capabilities.ChooseDevice)
        | (cluster.World.Nodes.Any(group => group.CacheSize is not null) ? Capabilities.PrefetchWeights | Capabilities.EvictWeights : Capabilities.None)
        | (!cluster.World.IsScheduled && cluster.World.Models.Any(model => model.Spec.Variants.Any(way => way.Needs.Asleep is not null)) ? Capabilities.Sleep : Capabilities.None)
        | (cluster.PlansTraining ? Capabilities.Train : Capabilities.None)
        | (cluster.World.Nodes.Any(group => group.IsElastic) ? Capabilities.AddNodes : Capabilities.None);

    public ValueTask<FleetSnapshot> ObserveAsync(CancellationToken cancellationToken)
    {
        cluster.Bound.Begin(cluster);
        var seen = cluster.Observe(Can);
        if (_failed.Count > 0)
        {
            seen = seen with { Outcomes = [.. seen.Outcomes, .. _failed] };
            _failed.Clear();
        }

        return new ValueTask<FleetSnapshot>(seen);
    }

    public ValueTask<ApplyResult> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var started = ImmutableArray.CreateBuilder<StepId>();
        var waiting = ImmutableArray.CreateBuilder<StepId>();
        foreach (var step in plan.Steps)
        {
            if (!step.After.IsEmpty) waiting.Add(step.Id);
            else if (Begin(step)) started.Add(step.Id);
        }

        started.Sort();
        return new ValueTask<ApplyResult>(new ApplyResult(started.ToImmutable(), waiting.ToImmutable()));
    }

    /// <summary>Never of itself: time passes only as the run lets it.</summary>
    public Task WaitForChangeAsync(CancellationToken cancellationToken) => Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, cancellationToken);

    private bool Begin(Step step) => step switch
    {
        Step.Start { Placement: { } placement } start => cluster.Find(start.Replica) is null && Done(step, start.Model, cluster.Start(
            start.Replica, start.Model, start.Version, start.Variant, placement, start.Needs, start.ExpectedLoad)),
        Step.Start start => cluster.Find(start.Replica) is null && Waiting(start.Replica) is null && Done(step, start.Model, Bind(start)),
        Step.Drain drain => cluster.Drain(drain.Replica),
        Step.Stop stop => Waiting(stop.Replica) is { } pod ? cluster.Bound.Remove(cluster, pod) : cluster.Stop(stop.Replica),
        Step.Sleep sleep => cluster.Sleep(sleep.Replica),
        Step.Wake wake => cluster.Wake(wake.Replica),
        Step.Prefetch prefetch => Done(step, prefetch.Model, cluster.Prefetch(prefetch.Model, prefetch.Version, prefetch.Node, prefetch.Size)),
        Step.Evict evict => Done(step, evict.Model, cluster.Evict(evict.Model, evict.Node)),
        Step.AddNode add => Done(step, null, cluster.AddNode(add.Pool, add.Ordinal, add.For)),
        Step.WithdrawNode withdraw => Done(step, null, cluster.WithdrawNode(withdraw.Pool, withdraw.Ordinal)),
        Step.Launch launch => Done(step, null, cluster.Train(launch.Job, launch.Members)),
        Step.Resume resume => Done(step, null, cluster.Train(resume.Job, resume.Members)),
        Step.Checkpoint checkpoint => cluster.SaveTraining(checkpoint.Job),
        Step.Suspend suspend => cluster.SuspendTraining(suspend.Job),
        _ => Done(step, null, "the simulated fleet cannot do such a step"),
    };

    private BoundPod? Waiting(ReplicaId id) => cluster.Bound.Waiting.FirstOrDefault(pod => pod.Id == id);

    private string? Bind(Step.Start start)
    {
        var model = cluster.World.Spec.Find(start.Model);
        if (model?.Variants.FirstOrDefault(variant => variant.Id == start.Variant) is not { } way) return $"no variant {start.Variant} of {start.Model} is known";
        return cluster.Bound.Bind(cluster, start.Replica, model, way, start.Needs, start.ExpectedLoad) ? null : "no node has room for it";
    }

    private bool Done(Step step, ModelId? model, string? why)
    {
        if (why is null) return true;
        _failed.Add(new Outcome.StepFailed { At = cluster.Clock, Step = step.Id, Model = model, Why = why });
        cluster.Changed = true;
        return false;
    }
}
