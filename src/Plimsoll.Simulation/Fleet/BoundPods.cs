namespace Plimsoll.Simulation.Fleet;

/// <summary>A pod that has its node and waits for its model to be on the disk there.</summary>
/// <param name="Id">The replica that it will be.</param>
/// <param name="Model">Its model.</param>
/// <param name="Variant">How it will run.</param>
/// <param name="Placement">Where.</param>
/// <param name="Needs">What is set aside for it.</param>
/// <param name="At">Since when it is bound, in seconds of the run.</param>
/// <param name="ExpectedLoad">What whoever wants it expects its start to take; nothing where nobody does.</param>
internal sealed record BoundPod(ReplicaId Id, ModelSpec Model, VariantSpec Variant, Placement Placement, ReplicaNeeds Needs, double At, TimeSpan ExpectedLoad) : IHolder
{
    /// <summary>It is not bound yet: its place is kept for it until those that are there have ended.</summary>
    public bool IsNominated { get; init; }

    public bool HasLeftDevices => false;

    public Bytes? HeldOfEach => Needs.PerDevice?.Highest;

    public Bytes HeldOfHost => Needs.Host.Highest;
}

/// <summary>Pods that kube-scheduler has bound: each begins once its model is on its node's disk, which it is brought to as a kubelet pulls what it is to run.</summary>
internal sealed class BoundPods
{
    private readonly List<BoundPod> _waiting = [];

    /// <summary>Those that have not begun.</summary>
    public IReadOnlyList<BoundPod> Waiting => _waiting;

    /// <summary>Binds a replica to the node that the scheduler chooses.</summary>
    /// <param name="cluster">The nodes.</param>
    /// <param name="id">The replica.</param>
    /// <param name="model">Its model.</param>
    /// <param name="only">The variant that it must be; null for the first that fits somewhere.</param>
    /// <param name="needs">What is set aside for it; null for what it asks for.</param>
    /// <param name="expected">What its start is expected to take.</param>
    /// <param name="nominated">Pods whose places are kept for them.</param>
    /// <returns>Whether a node had room.</returns>
    public bool Bind(
        SimulatedCluster cluster, ReplicaId id, ModelSpec model, VariantSpec? only, ReplicaNeeds? needs = null, TimeSpan expected = default, IEnumerable<BoundPod>? nominated = null)
    {
        if (new PodScheduler(cluster, nominated is null ? _waiting : [.. _waiting, .. nominated]).Choose(model, only) is not { } chosen) return false;
        var pod = new BoundPod(id, model, chosen.Variant, chosen.Placement, needs ?? chosen.Variant.Needs, cluster.Now, expected);
        _waiting.Add(pod);
        // Nobody else can have what it waits on.
        cluster.Use.Holds(pod, cluster.Nodes.First(node => node.Id == pod.Placement.Node), cluster.Now);
        Begin(cluster);
        return true;
    }

    /// <summary>Begins those that can; those whose node is gone are given up.</summary>
    public void Begin(SimulatedCluster cluster)
    {
        foreach (var pod in _waiting.ToList())
        {
            if (cluster.Nodes.FirstOrDefault(one => one.Id == pod.Placement.Node) is not { IsOpen: true } node)
            {
                Remove(cluster, pod);
                continue;
            }

            if (pod.Model.Cached && node.Cache.GetValueOrDefault(pod.Model.Id) is not { CompleteAt: not null })
            {
                Fetch(cluster, node, pod.Model);
                continue;
            }

            _waiting.Remove(pod);
            if (cluster.Start(pod.Id, pod.Model.Id, pod.Model.Version, pod.Variant.Id, pod.Placement, pod.Needs, pod.ExpectedLoad) is not null) cluster.Use.Ended(pod, cluster.Now);
        }
    }

    /// <summary>Gives one up that has not begun.</summary>
    public bool Remove(SimulatedCluster cluster, BoundPod pod)
    {
        if (!_waiting.Remove(pod)) return false;
        cluster.Use.Ended(pod, cluster.Now);
        return true;
    }

    // What was used least recently makes room.
    private static void Fetch(SimulatedCluster cluster, SimulatedNode node, ModelSpec model)
    {
        // Nothing goes where all of it that may go would not do.
        var stays = node.Cache.Where(one => one.Key != model.Id && (one.Value.Fetching is not null || cluster.Replicas.Any(replica => replica.Node == node && replica.Model.Id == one.Key)))
            .Sum(one => one.Value.Size.Value);
        if (stays + model.Footprint.OnDisk.Value > (node.Group.CacheSize?.Value ?? 0)) return;
        while (cluster.Prefetch(model.Id, model.Version, node.Id, model.Footprint.OnDisk) is not null)
        {
            var oldest = node.Cache.Where(one => one.Value.Fetching is null && cluster.Replicas.All(replica => replica.Node != node || replica.Model.Id != one.Key))
                .OrderBy(one => one.Value.LastUsed).Select(one => (ModelId?)one.Key).FirstOrDefault();
            if (oldest is not { } gone || cluster.Evict(gone, node.Id) is not null) return;
        }
    }
}
