using System.Collections.Immutable;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Requests.Fluid;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>
/// What truly is and happens: nodes, replicas, loads and requests, on a virtual clock. Whoever controls it starts things
/// and looks; time passes by <see cref="AdvanceTo"/> alone. The same world and seed give the same run.
/// </summary>
internal sealed partial class SimulatedCluster
{
    // Seconds over which it is counted who has work on a device that several have; without single requests they are longer.
    private const double Window = 1;
    private const double FluidWindow = 10;

    private readonly World _world;
    private readonly Random _loads;
    private readonly EventQueue _events = new();
    private readonly SortedDictionary<NodeId, SimulatedNode> _nodes = [];
    private readonly SortedDictionary<ReplicaId, FleetReplica> _replicas = [];
    private readonly Dictionary<ModelId, IModelRequests> _requests = [];
    private readonly Dictionary<ModelId, SimulatedModel> _models = [];
    private readonly List<FleetReplica> _leaving = [];
    private readonly HashSet<ModelId> _failingLoads = [];
    private readonly HashSet<ModelId> _unmeasured = [];
    private readonly Dictionary<NodeId, int> _lives = [];
    private readonly int _seed;
    private readonly DeviceTurns _turns;
    private List<Outcome> _outcomes = [];

    public SimulatedCluster(World world, int seed)
    {
        (_world, _seed, _loads) = (world, seed, Seeds.Of(seed, "loads"));
        Use = new FleetUse(world);
        _turns = new DeviceTurns(_events, world.IsFluid ? FluidWindow : Window, () => _replicas.Values);
        foreach (var group in world.Nodes)
        {
            for (var i = 0; i < group.Count; i++)
            {
                var node = new SimulatedNode(NodeOf(group, i), group, _events);
                _nodes.Add(node.Id, node);
            }
        }

        foreach (var model in world.Models)
        {
            _models.Add(model.Spec.Id, model);
            _requests.Add(model.Spec.Id, world.IsFluid ? new FluidRequests(model, world.Gateway) : new ModelRequests(model.Spec, model.Trace, world.Gateway));
        }

        foreach (var node in _nodes.Values) Begins(node, 0);
        foreach (var job in world.Others) _events.At(job.At.TotalSeconds, now => Arrive(job, now));
        foreach (var fault in world.Faults) _events.At(fault.At.TotalSeconds, now => Strike(fault, now));
    }

    public double Now { get; private set; }

    public DateTimeOffset Clock => At(Now);

    public World World => _world;

    /// <summary>What was taken of devices and nodes so far.</summary>
    public FleetUse Use { get; }

    public IReadOnlyDictionary<ModelId, IModelRequests> Requests => _requests;

    public IReadOnlyCollection<FleetReplica> Replicas => _replicas.Values;

    public IReadOnlyCollection<SimulatedNode> Nodes => _nodes.Values;

    /// <summary>Where a scheduler chooses: pods that have a node and have not begun.</summary>
    public BoundPods Bound { get; } = new();

    /// <summary>Something happened since this was last cleared that is worth a look before the next regular turn.</summary>
    public bool Changed { get; set; }

    public DateTimeOffset At(double seconds) => _world.Start + TimeSpan.FromSeconds(seconds);

    /// <summary>Whether what is asked of a model is seen.</summary>
    public bool IsMeasured(ModelId model) => !_unmeasured.Contains(model);

    public FleetReplica? Find(ReplicaId id) => _replicas.GetValueOrDefault(id);

    public ImmutableArray<Outcome> TakeOutcomes()
    {
        var taken = _outcomes.ToImmutableArray();
        _outcomes = [];
        return taken;
    }

    // A gateway on the same machine wakes the loop for each request that finds no replica, one of a cluster for the first that waits.
    private bool WakesForEach => !_world.IsScheduled;

    /// <summary>Lets time pass; ends early, where that is asked for, at the first thing worth a look.</summary>
    /// <returns>The time it is then.</returns>
    public double AdvanceTo(double time, bool untilChanged)
    {
        while (true)
        {
            var unserved = double.PositiveInfinity;
            foreach (var model in _requests.Values)
            {
                if (model.HeldNow == 0 || WakesForEach) unserved = Math.Min(unserved, model.NextUnserved);
            }

            var next = Math.Min(time, Math.Min(_events.Next, unserved));
            foreach (var model in _requests.Values) model.AdvanceTo(next);
            AdvanceLeaving(next);
            Now = next;
            if (_events.Next <= next)
            {
                _events.RunNext();

                // What happens at the same moment is seen by the same look.
                if (untilChanged && Changed && _events.Next > next) return next;
                continue;
            }

            if (unserved <= next) Changed = true;
            if (next >= time || (untilChanged && Changed)) return next;
        }
    }

    /// <summary>No traffic comes any more; what is under way counts as it is.</summary>
    public void Close()
    {
        foreach (var model in _requests.Values) model.Close();
        Use.Close(Now);
    }

    /// <summary>A replica gets no more and finishes what it has.</summary>
    public bool Drain(ReplicaId id)
    {
        if (Find(id) is not { State: ReplicaState.Ready } replica) return false;
        replica.Enter(ReplicaState.Draining, Now);
        _requests[replica.Model.Id].Detach(replica);
        _leaving.Add(replica);
        AdvanceLeaving(Now);
        return true;
    }

    /// <summary>A replica is told to end; what it still has is lost.</summary>
    public bool Stop(ReplicaId id)
    {
        if (Find(id) is not { } replica || replica.State == ReplicaState.Stopping) return false;
        var was = replica.State;
        BreakOff(replica);
        replica.EndsUnready = was == ReplicaState.Loading;
        replica.Enter(ReplicaState.Stopping, Now);
        var unload = _models[replica.Model.Id].Truth[replica.Variant.Id].Unload;
        _events.At(Now + (unload.Seconds() * _loads.Factor(unload.Spread / 2)), _ => Gone(replica, was, asked: true, "it was told to end"));
        return true;
    }

    private void Gone(FleetReplica replica, ReplicaState was, bool asked, string why)
    {
        if (replica.IsGone) return;
        replica.IsGone = true;
        _replicas.Remove(replica.Id);
        _turns.Changed(Now);
        Use.Ended(replica, Now);
        _outcomes.Add(new Outcome.Exited { At = Clock, Replica = replica.Id, Model = replica.Model.Id, Version = replica.Version, Was = was, Asked = asked, Why = why });
        Changed = true;
        LetOthersIn(Now);
        WatchEmpty(replica.Node, Now);
    }

    // It serves no more, and nothing of it goes on.
    private void BreakOff(FleetReplica replica)
    {
        if (replica.Reading is { } reading) replica.Node.Disk.End(reading, Now);
        replica.Reading = null;
        _leaving.Remove(replica);
        if (replica.State is ReplicaState.Ready or ReplicaState.Draining or ReplicaState.Drained) _requests[replica.Model.Id].Lost(replica, Now);
    }

    private void AdvanceLeaving(double time)
    {
        for (var i = _leaving.Count - 1; i >= 0; i--)
        {
            var replica = _leaving[i];
            _requests[replica.Model.Id].Advance(replica, time);
            if (replica.Engine.Outstanding > 0) continue;
            replica.Enter(ReplicaState.Drained, time);
            _leaving.RemoveAt(i);
            Changed = true;
        }
    }

    private void Dies(FleetReplica replica, string why)
    {
        var was = replica.State;
        BreakOff(replica);
        Gone(replica, was, asked: false, why);
    }

    private void Strike(Fault fault, double now)
    {
        switch (fault.What)
        {
            case FaultKind.NodeLost when _nodes.GetValueOrDefault(NodeId.Of(fault.Node)) is { IsLost: false } node:
                Lose(node, now);
                break;
            case FaultKind.NodeBack when _nodes.GetValueOrDefault(NodeId.Of(fault.Node)) is { IsLost: true } node:
                Return(node, now);
                break;
            case FaultKind.NodeReclaimed when _nodes.GetValueOrDefault(NodeId.Of(fault.Node)) is { IsLost: false } node:
                Reclaim(node, node.Group.Spot?.Notice.TotalSeconds ?? ReclaimNotice, now);
                break;
            case FaultKind.DiskSlow or FaultKind.DiskBack when _nodes.GetValueOrDefault(NodeId.Of(fault.Node)) is { IsLost: false } node:
                node.Disk.Limit(fault.What == FaultKind.DiskSlow ? SlowDisk : 1, now);
                break;
            case FaultKind.MetricsLost:
                _unmeasured.Add(ModelId.Of(fault.Node));
                break;
            case FaultKind.MetricsBack:
                _unmeasured.Remove(ModelId.Of(fault.Node));
                break;
            case FaultKind.ReplicaDies when _replicas.Values.FirstOrDefault(one => one.Model.Id.Value == fault.Node && one.State == ReplicaState.Ready) is { } replica:
                Dies(replica, "it died");
                break;
            case FaultKind.LoadFails:
                _failingLoads.Add(ModelId.Of(fault.Node));
                break;
        }

        Changed = true;
    }
}
