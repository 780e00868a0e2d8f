using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Fleet;

/// <summary>Jobs of others on the same nodes. They take what is free and displace nobody.</summary>
internal sealed partial class SimulatedCluster
{
    private readonly List<RunningJob> _others = [];

    /// <summary>What others' jobs came to, in the order in which they came.</summary>
    public IReadOnlyList<RunningJob> Others => _others;

    /// <summary>What others hold of a node.</summary>
    public IEnumerable<OtherMember> OthersOn(SimulatedNode node) => _others.SelectMany(job => job.Members).Where(member => member.Node == node);

    private void Arrive(OtherJob job, double now)
    {
        _others.Add(new RunningJob(job, now) { Gang = PlansTraining && job.Training is not null ? new Gang() : null });
        Changed |= PlansTraining;
        LetOthersIn(now);
    }

    private void LetOthersIn(double now)
    {
        foreach (var waiting in _others.Where(one => one is { EndedAt: null, Members.IsEmpty: true, Gang: null }))
        {
            if (Room(waiting.Job) is not { } members) continue;
            waiting.Began(members, now);
            foreach (var member in members) member.Node.EmptySince = null;
            var run = waiting.Runs;
            _events.At(now + waiting.Job.For.TotalSeconds, ended =>
            {
                if (waiting.Runs == run && !waiting.Members.IsEmpty) Ended(waiting, ended);
            });
            Changed = true;
        }
    }

    private void Ended(RunningJob job, double now)
    {
        var left = job.Members;
        job.Ended(now);
        Changed = true;
        foreach (var node in left.Select(member => member.Node).Distinct()) WatchEmpty(node, now);
        LetOthersIn(now);
    }

    private void LoseOthers(SimulatedNode node, double now)
    {
        foreach (var job in _others.Where(job => job.Members.Any(member => member.Node == node)))
        {
            var left = job.Members;
            if (job.Gang is { } gang) Broken(job, gang, $"its node {node.Id} is lost", now);
            job.Lost(now);
            foreach (var other in left.Select(member => member.Node).Where(one => one != node).Distinct()) WatchEmpty(other, now);
        }

        LetOthersIn(now);
    }

    // All members or none.
    private ImmutableArray<OtherMember>? Room(OtherJob job)
    {
        var members = ImmutableArray.CreateBuilder<OtherMember>();
        foreach (var node in _nodes.Values.Where(node => node.Group.Name == job.Group && node.IsOpen))
        {
            var free = new Queue<DeviceId>(Enumerable.Range(0, node.Group.Devices).Select(SimulatedNode.Device).Except(Taken(node)));
            var memory = node.Group.HostMemory.Value - OthersOn(node).Sum(member => member.Memory.Value)
                - _replicas.Values.Where(replica => replica.Node == node).Sum(replica => (_world.IsScheduled ? replica.Variant.Needs : replica.Needs).Host.Highest.Value)
                - Bound.Waiting.Where(pod => pod.Placement.Node == node.Id).Sum(pod => pod.Variant.Needs.Host.Highest.Value);
            while (members.Count < job.Members && free.Count >= job.Devices && memory >= job.Memory.Value)
            {
                members.Add(new OtherMember(node, [.. Enumerable.Range(0, job.Devices).Select(_ => free.Dequeue())], job.Memory));
                memory -= job.Memory.Value;
                if (job is { Devices: 0, Memory.Value: 0 }) break;
            }
        }

        return members.Count == job.Members ? members.ToImmutable() : null;
    }

    private IEnumerable<DeviceId> Taken(SimulatedNode node) => OthersOn(node).SelectMany(member => member.Devices)
        .Concat(_replicas.Values.Where(replica => replica.Node == node).SelectMany(replica => replica.Placement.Devices))
        .Concat(Bound.Waiting.Where(pod => pod.Placement.Node == node.Id).SelectMany(pod => pod.Placement.Devices));

    private ImmutableArray<ForeignUse> Foreign()
    {
        var now = Clock;
        return
        [
            .. from job in _others
               where job.Gang is null
               from member in job.Members
               from device in member.Devices.Select(one => (DeviceId?)one).Prepend(null)
               orderby member.Node.Id, device
               select new ForeignUse
               {
                   Node = member.Node.Id,
                   Device = device,
                   Memory = Signal.Known(device is null ? member.Memory : member.Node.Group.DeviceMemory, now),
                   What = job.Job.Name,
               },
        ];
    }
}

/// <summary>A member of somebody else's job, and what it holds.</summary>
internal sealed record OtherMember(SimulatedNode Node, ImmutableArray<DeviceId> Devices, Bytes Memory);

/// <summary>Somebody else's job that came.</summary>
internal sealed class RunningJob(OtherJob job, double cameAt)
{
    private double _waitsSince = cameAt;

    public OtherJob Job => job;

    /// <summary>How far it is, where the planner launches it; null where it comes in by itself.</summary>
    public Gang? Gang { get; init; }

    /// <summary>Empty while it waits, and when it is over.</summary>
    public ImmutableArray<OtherMember> Members { get; private set; } = [];

    /// <summary>Seconds that it waited for room, all together, up to its last beginning.</summary>
    public double Waited { get; private set; }

    /// <summary>How often it began.</summary>
    public int Runs { get; private set; }

    public double? EndedAt { get; private set; }

    /// <summary>Seconds that it waited up to a moment.</summary>
    public double WaitedUntil(double now) => Waited + (EndedAt is null && Members.IsEmpty ? now - _waitsSince : 0);

    public void Began(ImmutableArray<OtherMember> members, double now)
    {
        (Members, Waited) = (members, Waited + (now - _waitsSince));
        Runs++;
    }

    public void Ended(double now) => (Members, EndedAt) = ([], now);

    public void Lost(double now) => (Members, _waitsSince) = ([], now);
}
