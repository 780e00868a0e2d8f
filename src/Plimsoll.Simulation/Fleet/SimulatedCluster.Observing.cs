using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

internal sealed partial class SimulatedCluster
{
    /// <summary>What a body sees of it, and what happened since it last looked.</summary>
    public FleetSnapshot Observe(Capabilities can)
    {
        Changed = false;
        var now = Clock;
        return new FleetSnapshot
        {
            At = now,
            Can = can,
            Nodes = _world.IsScheduled ? Scheduled(now) : [.. _nodes.Values.Where(node => !node.IsLost).Select(node => node.Row(now))],
            Replicas = Bound.Waiting.Count == 0 ? [.. _replicas.Values.Select(replica => Row(replica, now))]
                : [.. _replicas.Values.Select(replica => Row(replica, now)).Concat(Bound.Waiting.Select(Row)).OrderBy(replica => replica.Id)],
            Training = Gangs(),
            Foreign = Foreign(),
            InFlight = InFlight(),
            Cache = Cached(),
            Traffic = [.. _requests.Values.Where(one => IsMeasured(one.Model.Id)).OrderBy(one => one.Model.Id).Select(one => one.Counts.Read(one, one.Model.Footprint.KvPerToken > Bytes.Zero, Now, _world.Start))],
            Outcomes = TakeOutcomes(),
        };
    }

    private InferenceReplica Row(FleetReplica replica, DateTimeOffset now) => new()
    {
        Id = replica.Id,
        Model = replica.Model.Id,
        Version = replica.Version,
        Variant = replica.Variant.Id,
        Placement = replica.Placement,
        State = replica.State,
        StateSince = At(replica.StateSince),
        StartedAt = At(replica.StartedAt),
        Reserved = replica.Needs,
        Turning = replica.Turning,
        EndsUnready = replica.EndsUnready,
        HostMemory = _world.IsScheduled ? Signal.Missing<Bytes>("Kubernetes does not tell")
            : Signal.Known(replica.HostNow, now),
        DeviceMemory = _world.IsScheduled ? Signal.Missing<Bytes>("Kubernetes does not tell")
            : replica.Takes.PerDevice is { } device ? Signal.Known(replica.State == ReplicaState.Asleep ? replica.PerDeviceNow : device.Steady, now) : Signal.Missing<Bytes>("it runs on no device"),
        Outstanding = replica.Engine.Outstanding,
        Concurrency = replica.Concurrency,
        Requests = _world.IsScheduled ? ScheduledWorlds.Requests(replica.Variant) : null,
    };

    // It loads, as far as anybody can tell.
    private InferenceReplica Row(BoundPod pod) => new()
    {
        Id = pod.Id,
        Model = pod.Model.Id,
        Version = pod.Model.Version,
        Variant = pod.Variant.Id,
        Placement = pod.Placement,
        State = ReplicaState.Loading,
        StateSince = At(pod.At),
        StartedAt = At(pod.At),
        Reserved = pod.Needs,
        HostMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
        DeviceMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
        Outstanding = 0,
        Concurrency = pod.Variant.Concurrency,
        Requests = ScheduledWorlds.Requests(pod.Variant),
    };

    // With what their scheduler counts as left.
    private ImmutableArray<NodeState> Scheduled(DateTimeOffset now)
    {
        var room = new Dictionary<NodeId, SchedulerRoom>();
        var rows = ImmutableArray.CreateBuilder<NodeState>();
        foreach (var node in _nodes.Values)
        {
            if (node.IsLost) continue;
            var row = ScheduledWorlds.Scheduled(node.Row(now));
            room[node.Id] = OthersOn(node).Aggregate(row.Scheduler!, (left, member) => left.With(ScheduledWorlds.Requests(member.Memory, Cores.Zero, member.Devices.Length)));
            rows.Add(row);
        }

        foreach (var replica in _replicas.Values) Take(replica.Node.Id, replica.Variant);
        foreach (var pod in Bound.Waiting) Take(pod.Placement.Node, pod.Variant);
        for (var i = 0; i < rows.Count; i++) rows[i] = rows[i] with { Scheduler = room[rows[i].Id] };
        return rows.ToImmutable();

        void Take(NodeId node, VariantSpec variant)
        {
            if (room.TryGetValue(node, out var left)) room[node] = left.With(ScheduledWorlds.Requests(variant));
        }
    }

    private ImmutableArray<WorkInFlight> InFlight()
    {
        var work = ImmutableArray.CreateBuilder<WorkInFlight>();
        foreach (var replica in _replicas.Values)
        {
            var (step, kind, end) = replica.State switch
            {
                ReplicaState.Asleep when replica.Turning => ("wake", WorkKind.Waking, null),
                ReplicaState.Drained when replica.Turning => ("sleep", WorkKind.Sleeping, null),
                ReplicaState.Loading => ("start", WorkKind.Loading, (double?)(replica.StartedAt + replica.ExpectedLoad)),
                ReplicaState.Draining => ("drain", WorkKind.Draining, null),
                ReplicaState.Stopping => ("stop", WorkKind.Stopping, null),
                _ => ("", default, (double?)null),
            };
            if (step.Length == 0) continue;
            work.Add(new WorkInFlight
            {
                Step = StepId.Of($"{step}/{replica.Id}"),
                Kind = kind,
                StartedAt = At(replica.StateSince),
                ExpectedEnd = end is { } seconds ? At(seconds) : null,
                Model = replica.Model.Id,
                Replica = replica.Id,
                Node = replica.Node.Id,
            });
        }

        foreach (var node in _nodes.Values)
        {
            foreach (var (model, cached) in node.Cache)
            {
                if (cached.Fetching is null) continue;
                work.Add(new WorkInFlight
                {
                    Step = StepId.Of($"prefetch/{model}@{cached.Version}/{node.Id}"),
                    Kind = WorkKind.Fetching,
                    StartedAt = At(cached.BegunAt),
                    Model = model,
                    Node = node.Id,
                    Done = cached.There,
                    Total = cached.Size,
                });
            }
        }

        foreach (var (step, coming) in _coming)
        {
            work.Add(new WorkInFlight
            {
                Step = step,
                Kind = WorkKind.AddingNode,
                StartedAt = At(coming.AskedAt),
                Node = coming.Node,
                Adding = coming.Request,
            });
        }

        work.Sort((a, b) => a.Step.CompareTo(b.Step));
        return work.ToImmutable();
    }
}
