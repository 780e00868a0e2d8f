using System.Collections.Immutable;

namespace Plimsoll.Simulation.Fleet;

/// <summary>Where a pod could run once others of lower priority have gone.</summary>
/// <param name="Variant">How.</param>
/// <param name="Placement">Where.</param>
/// <param name="Victims">Replicas and bound pods that would go, at least one.</param>
internal sealed record Preemption(VariantSpec Variant, Placement Placement, ImmutableArray<IHolder> Victims);

/// <summary>
/// Pods that wait on a node for those to end that were told to go for them, as <c>nominatedNodeName</c> has it: their places are nobody's of lower or
/// the same priority.
/// </summary>
internal sealed class Nominations
{
    private readonly List<(BoundPod Pod, ImmutableArray<IHolder> Victims)> _all = [];

    /// <summary>What a pod of that model finds taken by those that wait: by its own fellows too, unless it may be one of them.</summary>
    public IEnumerable<BoundPod> Before(ModelSpec model, bool fellows) => _all.Where(one => one.Pod.Model.Priority >= model.Priority && (fellows || one.Pod.Model.Id != model.Id)).Select(one => one.Pod);

    /// <summary>How many of a model's pods wait so.</summary>
    /// <param name="model">The model.</param>
    /// <param name="variant">Of which variant, where it is one of several.</param>
    public int Of(ModelSpec model, VariantSpec? variant) => _all.Count(one => Is(one.Pod, model, variant));

    /// <summary>One of its pods found a place, or is no longer wanted.</summary>
    public void TakeOne(ModelSpec model, VariantSpec? variant)
    {
        var at = _all.FindIndex(one => Is(one.Pod, model, variant));
        if (at >= 0) _all.RemoveAt(at);
    }

    /// <summary>Those whose node is gone, or whose victims went without leaving them room, look anew.</summary>
    public void Review(SimulatedCluster cluster, ModelSpec model, VariantSpec? variant) => _all.RemoveAll(one => Is(one.Pod, model, variant)
        && (cluster.Nodes.All(node => node.Id != one.Pod.Placement.Node || !node.IsOpen)
            || one.Victims.All(victim => victim is not FleetReplica replica || !cluster.Replicas.Contains(replica))));

    /// <summary>Tells the victims to go, with their grace, and keeps the place.</summary>
    public void Add(SimulatedCluster cluster, ModelSpec model, Preemption preemption)
    {
        foreach (var victim in preemption.Victims)
        {
            if (victim is BoundPod pod) cluster.Bound.Remove(cluster, pod);
            else if (victim is FleetReplica { State: ReplicaState.Loading } loading) cluster.Stop(loading.Id);
            else if (victim is FleetReplica replica) cluster.Drain(replica.Id);
        }

        _all.Add((new BoundPod(default, model, preemption.Variant, preemption.Placement, preemption.Variant.Needs, cluster.Now, default) { IsNominated = true }, preemption.Victims));
    }

    private static bool Is(BoundPod pod, ModelSpec model, VariantSpec? variant) => pod.Model.Id == model.Id && (variant is null || pod.Variant.Id == variant.Id);
}
