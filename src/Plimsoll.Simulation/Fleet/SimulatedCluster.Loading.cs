using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

internal sealed partial class SimulatedCluster
{
    // What of a stage's spread is between one load and the next; the rest is of what is not known of the stage at all.
    private const double SpreadOfOneLoad = 0.25;

    /// <summary>Begins a replica. A sentence says why it could not be; null where it was.</summary>
    public string? Start(ReplicaId id, ModelId model, string version, VariantId variant, Placement placement, ReplicaNeeds needs, TimeSpan expected)
    {
        if (_models.GetValueOrDefault(model) is not { } known || known.Spec.Variants.FirstOrDefault(one => one.Id == variant) is not { } way) return $"no variant {variant} of {model} is known";
        if (_nodes.GetValueOrDefault(placement.Node) is not { IsOpen: true } node) return $"there is no node {placement.Node}";
        if (OthersOn(node).Any(member => member.Devices.Intersect(placement.Devices).Any())) return $"somebody else has a device of {placement}";
        if (known.Spec.Cached && !(node.Cache.GetValueOrDefault(model) is { CompleteAt: not null } there && there.Version == version)) return $"{model} is not in the cache of {node.Id} yet";
        if (placement.Devices.Length != needs.Devices || placement.Devices.Any(device => !Enumerable.Range(0, node.Group.Devices).Any(index => SimulatedNode.Device(index) == device)))
            return $"{node.Id} has not the devices {string.Join(',', placement.Devices)}";
        var truth = known.Truth[variant];
        var replica = new FleetReplica
        {
            Id = id,
            Model = known.Spec,
            Version = version,
            Variant = way,
            Node = node,
            Placement = placement,
            Needs = needs,
            Takes = way.Needs with { Host = Truly(way.Needs.Host, truth), PerDevice = way.Needs.PerDevice is { } each ? Truly(each, truth) : null },
            Engine = _requests[model].Engine(way, truth),
            RoomTokens = truth.Limits is { } limits ? limits.Blocks * limits.BlockTokens : null,
            StartedAt = Now,
            StateSince = Now,
            ExpectedLoad = expected.TotalSeconds,
        };
        if (node.Cache.GetValueOrDefault(model) is { } cached) cached.LastUsed = Now;
        _replicas.Add(id, replica);
        _turns.Changed(Now);
        Use.Began(replica, Now);
        node.EmptySince = null;
        var loading = _replicas.Values.Where(other => other.Node == node && other.State == ReplicaState.Loading).ToList();
        foreach (var other in loading) other.ConcurrentLoads = Math.Max(other.ConcurrentLoads, loading.Count);
        Stage(replica, truth, 0, Now);
        return null;
    }

    private void Stage(FleetReplica replica, ReplicaTruth truth, int index, double now)
    {
        if (replica.State != ReplicaState.Loading || replica.IsGone) return;
        if (index == truth.Load.Stages.Length)
        {
            Loaded(replica, truth, now);
            return;
        }

        var stage = truth.Load.Stages[index];
        var slow = _loads.Factor(stage.Spread * SpreadOfOneLoad);
        var bytes = stage.Bytes.Value;
        void Read(double began)
        {
            if (replica.State != ReplicaState.Loading || replica.IsGone) return;
            replica.Reading = replica.Node.Disk.Begin(bytes, (stage.Alone?.Value ?? 1e12) / slow, began, ended =>
            {
                replica.Reading = null;
                replica.ReadSeconds += ended - began;
                Stage(replica, truth, index + 1, ended);
            });
        }

        var fixedSeconds = stage.Fixed.TotalSeconds * slow;
        if (bytes > 0) _events.At(now + fixedSeconds, Read);
        else _events.At(now + fixedSeconds, ended => Stage(replica, truth, index + 1, ended));
    }

    private void Loaded(FleetReplica replica, ReplicaTruth truth, double now)
    {
        if (_failingLoads.Remove(replica.Model.Id))
        {
            Dies(replica, "its load failed");
            return;
        }

        if (DiesOfMemory(replica)) return;

        replica.Enter(ReplicaState.Ready, now);
        _outcomes.Add(new Outcome.Loaded
        {
            At = At(now),
            Replica = replica.Id,
            Model = replica.Model.Id,
            Version = replica.Version,
            Variant = replica.Variant.Id,
            Size = replica.Model.Footprint.Weights,
            Took = TimeSpan.FromSeconds(now - replica.StartedAt),
            Stages = replica.ReadSeconds > 0 ? [new StageTime("read", TimeSpan.FromSeconds(replica.ReadSeconds))] : [],
            Concurrent = replica.ConcurrentLoads,
        });
        if (!_world.IsScheduled) _outcomes.Add(new Outcome.MemoryMeasured
        {
            At = At(now),
            Replica = replica.Id,
            Model = replica.Model.Id,
            Version = replica.Version,
            Variant = replica.Variant.Id,
            LoadPeak = replica.Takes.Host.LoadPeak,
            Steady = replica.Takes.Host.Steady,
        });
        _requests[replica.Model.Id].Attach(replica, now);
        Changed = true;
    }

    private bool DiesOfMemory(FleetReplica replica)
    {
        if (OutOfMemory(replica) is not { } why) return false;
        Use.OutOfMemory++;
        Dies(replica, why);
        return true;
    }

    /// <summary>Who loads last where there is too much is the one that the kernel or the driver ends.</summary>
    private string? OutOfMemory(FleetReplica replica)
    {
        var beside = _replicas.Values.Where(other => other.Node == replica.Node).ToList();
        double Host(FleetReplica one) => (one == replica && one.State == ReplicaState.Loading ? one.Takes.Host.LoadPeak : one.HostNow).Value;
        if (beside.Sum(Host) + OthersOn(replica.Node).Sum(member => member.Memory.Value) > replica.Node.Group.HostMemory.Value) return $"{replica.Node.Id} ran out of memory";
        foreach (var device in replica.Placement.Devices)
        {
            var held = beside.Where(other => other.Placement.Devices.Contains(device)).Sum(other => (double)other.PerDeviceNow.Value);
            if (held > replica.Node.Group.DeviceMemory.Value) return $"{device} of {replica.Node.Id} ran out of memory";
        }

        return null;
    }

    private static MemoryNeed Truly(MemoryNeed known, ReplicaTruth truth) => new(known.LoadPeak.Scale(truth.MemoryFactor), known.Steady.Scale(truth.MemoryFactor));
}
