using Plimsoll.Simulation.Fleet;

namespace Plimsoll.Simulation.Runs;

/// <summary>
/// A cluster as others scale it: a rule for each model says how many replicas, a Deployment makes and ends them, and
/// kube-scheduler places them. They get the same requests, gateway, loads and disks that Plimsoll gets.
/// </summary>
/// <param name="name">Who scales.</param>
/// <param name="world">What there is.</param>
/// <param name="rule">Makes a model's rule.</param>
internal sealed class DeploymentController(string name, Scenarios.World world, Func<ModelSpec, IScalingRule> rule) : IController
{
    // Kubernetes' terminationGracePeriodSeconds: what a pod still answers by then is lost.
    private const double GraceSeconds = 30;

    private readonly List<Workload> _workloads = [.. world.Spec.Models.Select(model => new Workload(model, rule(model)))];
    private readonly List<BoundPod> _bound = [];
    private readonly NodeScaler _nodes = new();

    public string Name => name;

    /// <summary>Controllers and scheduler act within a second; rules at their own periods.</summary>
    public TimeSpan Period => TimeSpan.FromSeconds(1);

    public bool WakesOnChange => false;

    public DecisionLog Decisions { get; } = new();

    public void Turn(SimulatedCluster cluster)
    {
        StartBound(cluster);
        var pending = new List<ModelSpec>();
        foreach (var workload in _workloads)
        {
            var mine = cluster.Replicas.Where(replica => replica.Model.Id == workload.Model.Id).ToList();
            var kept = mine.Where(replica => replica is { State: ReplicaState.Loading or ReplicaState.Ready, Node.IsLeaving: false }).ToList();
            var before = workload.Desired;
            workload.Look(cluster, kept, _bound.Count(pod => pod.Model.Id == workload.Model.Id));
            if (workload.Desired != before)
                Decisions.Add(new Decision(cluster.Now, workload.Model.Id, $"{before} to {workload.Desired} replicas", $"{name} says so at {workload.InFlight} requests in flight"));
            End(cluster, mine);
            Scale(cluster, workload, kept, pending);
        }

        _nodes.Turn(cluster, pending);
        cluster.TakeOutcomes();
    }

    private void Scale(SimulatedCluster cluster, Workload workload, List<FleetReplica> kept, List<ModelSpec> pending)
    {
        var bound = _bound.Where(pod => pod.Model.Id == workload.Model.Id).ToList();
        for (var count = kept.Count + bound.Count; count < workload.Desired; count++)
        {
            if (new PodScheduler(cluster, _bound).Choose(workload.Model) is not { } chosen)
            {
                pending.AddRange(Enumerable.Repeat(workload.Model, workload.Desired - count));
                return;
            }

            _bound.Add(new BoundPod(ReplicaId.Of(workload.Model.Id, ++workload.Ordinal), workload.Model, chosen.Variant, chosen.Placement));
            StartBound(cluster);
        }

        // As ReplicaSet's controller chooses: not ready before ready, then the newest.
        var excess = kept.Count + bound.Count - workload.Desired;
        foreach (var pod in bound.AsEnumerable().Reverse().Take(Math.Max(0, excess))) _bound.Remove(pod);
        excess -= bound.Count;
        foreach (var replica in kept.OrderBy(replica => replica.State == ReplicaState.Ready).ThenByDescending(replica => replica.StateSince).Take(Math.Max(0, excess)))
        {
            if (replica.State == ReplicaState.Loading) cluster.Stop(replica.Id);
            else cluster.Drain(replica.Id);
        }
    }

    private static void End(SimulatedCluster cluster, List<FleetReplica> mine)
    {
        foreach (var replica in mine)
        {
            // A node that is told to go is cordoned and its pods are evicted, as Karpenter's interruption controller does.
            if (replica is { Node.IsLeaving: true, State: ReplicaState.Ready }) cluster.Drain(replica.Id);
            else if (replica is { Node.IsLeaving: true, State: ReplicaState.Loading }) cluster.Stop(replica.Id);
            if (replica.State == ReplicaState.Drained || (replica.State == ReplicaState.Draining && cluster.Now - replica.StateSince >= GraceSeconds)) cluster.Stop(replica.Id);
        }
    }

    // A pod whose model is not on its node's disk brings it first, as a kubelet pulls what it is to run.
    private void StartBound(SimulatedCluster cluster)
    {
        foreach (var pod in _bound.ToList())
        {
            if (cluster.Nodes.FirstOrDefault(one => one.Id == pod.Placement.Node) is not { IsOpen: true } node)
            {
                _bound.Remove(pod);
                continue;
            }

            if (pod.Model.Cached && node.Cache.GetValueOrDefault(pod.Model.Id) is not { CompleteAt: not null })
            {
                Fetch(cluster, node, pod.Model);
                continue;
            }

            _bound.Remove(pod);
            cluster.Start(pod.Id, pod.Model.Id, pod.Model.Version, pod.Variant.Id, pod.Placement, pod.Variant.Needs, TimeSpan.Zero);
        }
    }

    // What was used least recently makes room.
    private static void Fetch(SimulatedCluster cluster, SimulatedNode node, ModelSpec model)
    {
        while (cluster.Prefetch(model.Id, model.Version, node.Id, model.Footprint.OnDisk) is not null)
        {
            var oldest = node.Cache.Where(one => one.Value.Fetching is null && cluster.Replicas.All(replica => replica.Node != node || replica.Model.Id != one.Key))
                .OrderBy(one => one.Value.LastUsed).Select(one => (ModelId?)one.Key).FirstOrDefault();
            if (oldest is not { } gone || cluster.Evict(gone, node.Id) is not null) return;
        }
    }

    private sealed class Workload(ModelSpec model, IScalingRule rule)
    {
        private double _nextLook;
        private long _arrived;

        public ModelSpec Model => model;

        public int Desired { get; private set; } = model.MinReplicas;

        /// <summary>As it last looked.</summary>
        public int InFlight { get; private set; }

        public int Ordinal { get; set; }

        public void Look(SimulatedCluster cluster, List<FleetReplica> kept, int bound)
        {
            var requests = cluster.Requests[model.Id];
            _arrived += requests.Counts.Arrivals;
            requests.Counts.Arrivals = 0;
            // Without metrics autoscalers leave everything as it is.
            if (cluster.Now < _nextLook || !cluster.IsMeasured(model.Id)) return;
            _nextLook = cluster.Now + rule.Period.TotalSeconds;
            var seen = new ModelView
            {
                Now = cluster.Clock,
                Spec = Desired,
                Held = requests.HeldNow,
                Arrived = _arrived,
                Pods =
                [
                    .. kept.Select(replica => new PodView(
                        replica.Id.Value, replica.State == ReplicaState.Ready, cluster.At(replica.StartedAt),
                        replica.Engine.Outstanding - replica.Engine.Waiting, replica.Engine.Waiting, replica.Engine.CacheUse)),
                    .. Enumerable.Range(0, Math.Max(bound, Desired - kept.Count)).Select(i => new PodView($"{model.Id}-pending-{i}", false, cluster.Clock, 0, 0, 0)),
                ],
            };
            InFlight = seen.InFlight;
            Desired = Math.Clamp(rule.Desired(seen), model.MinReplicas, model.MaxReplicas);
        }
    }
}
