using System.Collections.Immutable;
using Plimsoll.Simulation.Fleet;

namespace Plimsoll.Simulation.Runs;

/// <summary>
/// A cluster as others scale it: a rule for each model says how many replicas, a Deployment makes and ends them, and
/// kube-scheduler places them, and by their models' priorities, as PriorityClasses, has pods of lower ones go for them. They get the same requests, gateway, loads and disks that Plimsoll gets.
/// </summary>
/// <param name="name">Who scales.</param>
/// <param name="world">What there is.</param>
/// <param name="rule">Makes a model's rule.</param>
internal sealed class DeploymentController(string name, Scenarios.World world, Func<Scenarios.SimulatedModel, IScalingRule> rule) : IController
{
    // In the order in which the scheduler's queue has their pods.
    private readonly List<Workload> _workloads = [.. world.Models.OrderByDescending(model => model.Spec.Priority).Select(model => new Workload(model.Spec, rule(model)))];
    private readonly NodeScaler _nodes = new();
    private readonly Nominations _nominated = new();

    public string Name => name;

    /// <summary>Controllers and scheduler act within a second; rules at their own periods.</summary>
    public TimeSpan Period => TimeSpan.FromSeconds(1);

    public bool WakesOnChange => false;

    public DecisionLog Decisions { get; } = new();

    public void Turn(SimulatedCluster cluster)
    {
        cluster.Bound.Begin(cluster);
        var pending = new List<ModelSpec>();
        foreach (var workload in _workloads)
        {
            var mine = cluster.Replicas.Where(replica => replica.Model.Id == workload.Model.Id).ToList();
            var kept = mine.Where(replica => replica is { State: ReplicaState.Loading or ReplicaState.Ready, Node.IsLeaving: false }).ToList();
            var before = workload.Desired;
            workload.Look(cluster, kept, [.. cluster.Bound.Waiting.Where(pod => pod.Model.Id == workload.Model.Id)]);
            if (workload.Desired != before)
                Decisions.Add(new Decision(cluster.Now, workload.Model.Id, $"{before} to {workload.Desired} replicas", $"{name} says so at {workload.InFlight} requests in flight"));
            End(cluster, mine, workload.GraceSeconds);
            if (workload.ByVariant.IsDefault) Scale(cluster, workload, kept, null, workload.Desired, pending);
            else
                for (var i = 0; i < workload.ByVariant.Length; i++)
                {
                    var variant = workload.Model.Variants[i];
                    Scale(cluster, workload, [.. kept.Where(replica => replica.Variant.Id == variant.Id)], variant, workload.ByVariant[i], pending);
                }
        }

        _nodes.Turn(cluster, pending);
        cluster.TakeOutcomes();
    }

    /// <param name="kept">Of that variant, where one is named; of all otherwise.</param>
    private void Scale(SimulatedCluster cluster, Workload workload, List<FleetReplica> kept, VariantSpec? variant, int desired, List<ModelSpec> pending)
    {
        var bound = cluster.Bound.Waiting.Where(pod => pod.Model.Id == workload.Model.Id && (variant is null || pod.Variant.Id == variant.Id)).ToList();
        for (var count = kept.Count + bound.Count; count < desired; count++)
        {
            if (cluster.Bound.Bind(cluster, ReplicaId.Of(workload.Model.Id, workload.Ordinal + 1), workload.Model, variant, nominated: _nominated.Before(workload.Model, fellows: false)))
            {
                workload.Ordinal++;
                _nominated.TakeOne(workload.Model, variant);
                continue;
            }

            // Who waits for others to end asks for no node.
            var waiting = Preempt(cluster, workload.Model, variant, desired - count);
            pending.AddRange(Enumerable.Repeat(variant is null ? workload.Model : workload.Model with { Variants = [variant] }, desired - count - waiting));
            return;
        }

        while (_nominated.Of(workload.Model, variant) > 0) _nominated.TakeOne(workload.Model, variant);

        // As ReplicaSet's controller chooses: not ready before ready, then the newest.
        var excess = kept.Count + bound.Count - desired;
        foreach (var pod in bound.AsEnumerable().Reverse().Take(Math.Max(0, excess))) cluster.Bound.Remove(cluster, pod);
        excess -= bound.Count;
        foreach (var replica in kept.OrderBy(replica => replica.State == ReplicaState.Ready).ThenByDescending(replica => replica.StateSince).Take(Math.Max(0, excess)))
        {
            if (replica.State == ReplicaState.Loading) cluster.Stop(replica.Id);
            else cluster.Drain(replica.Id);
        }
    }

    // How many of those that find no place wait for others to end.
    private int Preempt(SimulatedCluster cluster, ModelSpec model, VariantSpec? variant, int pods)
    {
        _nominated.Review(cluster, model, variant);
        while (_nominated.Of(model, variant) > pods) _nominated.TakeOne(model, variant);
        while (_nominated.Of(model, variant) < pods)
        {
            if (new PodScheduler(cluster, [.. cluster.Bound.Waiting, .. _nominated.Before(model, fellows: true)]).Preempt(model, variant) is not { } preemption) break;
            _nominated.Add(cluster, model, preemption);
            Decisions.Add(new Decision(
                cluster.Now, model.Id, $"preempts {preemption.Victims.Length} {(preemption.Victims.Length == 1 ? "pod" : "pods")} on {preemption.Placement.Node}", $"no node has room for it, and their priority is lower than {model.Priority}"));
        }

        return _nominated.Of(model, variant);
    }

    private static void End(SimulatedCluster cluster, List<FleetReplica> mine, double grace)
    {
        foreach (var replica in mine)
        {
            // A node that is told to go is cordoned and its pods are evicted, as Karpenter's interruption controller does.
            if (replica is { Node.IsLeaving: true, State: ReplicaState.Ready }) cluster.Drain(replica.Id);
            else if (replica is { Node.IsLeaving: true, State: ReplicaState.Loading }) cluster.Stop(replica.Id);
            if (replica.State == ReplicaState.Drained || (replica.State == ReplicaState.Draining && cluster.Now - replica.StateSince >= grace)) cluster.Stop(replica.Id);
        }
    }

    private sealed class Workload(ModelSpec model, IScalingRule rule)
    {
        private double _nextLook;
        private long _arrived;
        private List<(double At, int Prompt, int Answer)>? _answered;

        public ModelSpec Model => model;

        /// <summary>
        /// Its pods' terminationGracePeriodSeconds, after which what one still answers is lost: what Plimsoll's own documents recommend
        /// (docs/kubernetes-requests.md), as Plimsoll's replicas too may drain for as long as requests take.
        /// </summary>
        public double GraceSeconds { get; } = Math.Clamp(Math.Ceiling((2 * model.Slo.Latency.TotalSeconds) + 10), 30, 3600);

        public int Desired { get; private set; } = model.MinReplicas;

        /// <summary>Default where the rule does not choose among variants.</summary>
        public ImmutableArray<int> ByVariant { get; private set; }

        /// <summary>As it last looked.</summary>
        public int InFlight { get; private set; }

        public int Ordinal { get; set; }

        public void Look(SimulatedCluster cluster, List<FleetReplica> kept, List<BoundPod> bound)
        {
            var requests = cluster.Requests[model.Id];
            if (rule.ReadsRequests) requests.Answered = _answered ??= [];
            _arrived += requests.Counts.Arrivals;
            requests.Counts.Arrivals = 0;
            // Without metrics autoscalers leave everything as it is.
            if (cluster.Now < _nextLook || !cluster.IsMeasured(model.Id)) return;
            var seen = new ModelView
            {
                Now = cluster.Clock,
                Spec = Desired,
                SpecByVariant = ByVariant,
                Held = requests.HeldNow,
                Arrived = _arrived,
                Served = requests.Counts.Answered,
                Answered = _answered is null ? [] : [.. _answered.Select(one => (cluster.At(one.At), one.Prompt, one.Answer))],
                Pods = [.. kept.Select(replica => Of(cluster, replica)), .. Pending(cluster, kept, bound)],
            };
            _answered?.Clear();
            InFlight = seen.InFlight;
            var wish = rule.Desired(seen).Within(model.MinReplicas, model.MaxReplicas);
            (Desired, ByVariant) = (wish.Total, wish.ByVariant);
            _nextLook = cluster.Now + rule.Period.TotalSeconds;
        }

        private PodView Of(SimulatedCluster cluster, FleetReplica replica)
        {
            var pod = new PodView(
                replica.Id.Value, replica.State == ReplicaState.Ready, cluster.At(replica.StartedAt),
                replica.Engine.Outstanding - replica.Engine.Waiting, replica.Engine.Waiting, replica.Engine.CacheUse)
            {
                Variant = IndexOf(replica.Variant),
            };
            return replica.Engine is Requests.ITokenGauges engine
                ? pod with { TokenRoom = engine.TokenRoom, TokensHeld = engine.TokensHeld, LastPrompt = engine.LastPrompt, LastDecode = engine.LastDecode }
                : pod;
        }

        // Pods that wait for their model's weights or for a place.
        private IEnumerable<PodView> Pending(SimulatedCluster cluster, List<FleetReplica> kept, List<BoundPod> bound)
        {
            for (var variant = 0; variant < (ByVariant.IsDefault ? 1 : ByVariant.Length); variant++)
            {
                var (wanted, there, on) = ByVariant.IsDefault
                    ? (Desired, kept.Count, bound.Count)
                    : (ByVariant[variant], kept.Count(replica => IndexOf(replica.Variant) == variant), bound.Count(pod => IndexOf(pod.Variant) == variant));
                for (var i = 0; i < Math.Max(on, wanted - there); i++)
                    yield return new PodView($"{model.Id}-pending-{variant}-{i}", false, cluster.Clock, 0, 0, 0) { Variant = variant };
            }
        }

        private int IndexOf(VariantSpec variant)
        {
            for (var i = 0; i < model.Variants.Length; i++)
                if (model.Variants[i].Id == variant.Id) return i;
            return 0;
        }
    }
}
