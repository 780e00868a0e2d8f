namespace Plimsoll;

/// <summary>
/// One node as another scheduler sees it, and what starts of a plan may bring there. Sums are kept, not lists: a cluster has
/// thousands of nodes, and each start may land on most of them.
/// </summary>
internal sealed class SchedulerNode(NodeLedger ledger)
{
    // What starts of this plan ask for here.
    private readonly List<(string Resource, long Devices)> _devices = [];
    private long _pods;
    private Bytes _memory;
    private Cores _cores;
    private Bytes _storage;
    private (string? Resource, DevicesHere Here)? _known;

    public NodeLedger Ledger { get; } = ledger;

    public NodeState State { get; } = ledger.Node;

    /// <summary>Host memory that starts of this plan whose requests cover it may take here.</summary>
    public Bytes Covered { get; private set; }

    /// <summary>Host memory that the other starts of this plan may take here.</summary>
    public Bytes Others { get; private set; }

    /// <summary>More may come than there is room for now.</summary>
    public bool IsOverfull { get; private set; } = ledger.Node.Scheduler is { IsOverfull: true };

    /// <summary>What the devices of a resource are here.</summary>
    /// <param name="Kind">Of the first; null where there is none.</param>
    /// <param name="Smallest">The least memory that one may be used of; zero where there is none.</param>
    /// <param name="Shared">Whether any is handed out more than once.</param>
    public readonly record struct DevicesHere(string? Kind, Bytes Smallest, bool Shared);

    public bool MayRun(SchedulerRequests requests) => State is { Condition: NodeCondition.Ready, Scheduler: not null }
        && (requests.Pools.IsEmpty || requests.Pools.Contains(State.Pool));

    /// <summary>Counts what a start may ask for here, or takes it back.</summary>
    public void Ask(SchedulerRequests requests, int sign)
    {
        _pods += sign;
        _memory += requests.Memory * sign;
        _cores = new Cores(_cores.Milli + (requests.Cores.Milli * sign));
        _storage += requests.EphemeralStorage * sign;
        if (requests is { Resource: { } resource, Devices: not 0 })
        {
            var at = 0;
            while (at < _devices.Count && _devices[at].Resource != resource) at++;
            if (at == _devices.Count) _devices.Add((resource, 0));
            _devices[at] = (resource, _devices[at].Devices + (requests.Devices * sign));
        }

        IsOverfull = Overfills(State.Scheduler!);
    }

    /// <summary>What is left of a room once all came that may.</summary>
    public SchedulerRoom Left(SchedulerRoom room) => room with
    {
        Pods = (int)Math.Clamp(room.Pods - _pods, int.MinValue, int.MaxValue),
        Memory = room.Memory - _memory,
        Cores = room.Cores - _cores,
        EphemeralStorage = room.EphemeralStorage - _storage,
        Resources = [.. room.Resources.Select(one => one with { Count = one.Count - _devices.Where(asked => asked.Resource == one.Resource).Sum(asked => asked.Devices) })],
    };

    /// <summary>Whether what may come is more than a room has.</summary>
    public bool Overfills(SchedulerRoom room)
    {
        if (room.Pods < _pods || room.Memory < _memory || room.Cores < _cores || room.EphemeralStorage < _storage) return true;
        foreach (var one in room.Resources)
        {
            var left = one.Count;
            foreach (var (resource, devices) in _devices)
            {
                if (resource == one.Resource) left -= devices;
            }

            if (left < 0) return true;
        }

        return false;
    }

    /// <summary>Counts host memory that a start may take here, or takes it back.</summary>
    public void Charge(ReplicaNeeds takes, SchedulerRequests requests, int sign = 1)
    {
        if (requests.Cover(takes)) Covered += takes.Host.Highest * sign;
        else Others += takes.Host.Highest * sign;
    }

    /// <summary>Counts host memory that pods of a group may take here.</summary>
    public void Charge(Bytes covered, Bytes others) => (Covered, Others) = (Covered + covered, Others + others);

    public DevicesHere DevicesOf(string? resource)
    {
        if (_known is { } known && known.Resource == resource) return known.Here;
        DeviceState? first = null;
        var (smallest, shared) = (Bytes.Zero, false);
        foreach (var device in State.Devices)
        {
            if (device.Resource != resource) continue;
            smallest = first is null ? device.MemoryBudget : Bytes.Min(smallest, device.MemoryBudget);
            shared |= device.Shared;
            first ??= device;
        }

        var here = new DevicesHere(first?.Kind, smallest, shared);
        _known = (resource, here);
        return here;
    }
}

/// <summary>What a pod would run as and take, by the kind of device where it lands.</summary>
/// <param name="requests">What it asks.</param>
/// <param name="at">By the kind of the resource's devices, null where it asks for none: the variant, of a model's, and its needs; null where nobody knows.</param>
internal sealed class ReplicaWays(SchedulerRequests requests, Func<string?, (VariantId? Variant, ReplicaNeeds Takes)?> at)
{
    private readonly List<(string? Kind, Way? Way)> _known = [];

    public SchedulerRequests Requests { get; } = requests;

    /// <param name="Variant">What it runs as; null of a member of a gang.</param>
    /// <param name="DeviceKind">On what kind of device; null on none.</param>
    /// <param name="Takes">What it takes then.</param>
    /// <param name="Covered">Whether its requests cover that.</param>
    public sealed record Way(VariantId? Variant, string? DeviceKind, ReplicaNeeds Takes, bool Covered);

    /// <summary>A replica of a model.</summary>
    /// <param name="model">As one of its targets has it.</param>
    /// <param name="needs">What a replica takes as one of its variants.</param>
    public static ReplicaWays Of(ModelSpec model, Func<ModelSpec, VariantSpec, ReplicaNeeds> needs) => new(model.Requests!, kind =>
        model.Variants.FirstOrDefault(variant => model.Requests!.Resource is null ? variant.Needs.Devices == 0 : variant.DeviceKind == kind) is { } variant
            ? (variant.Id, needs(model, variant)) : null);

    /// <summary>A member of a gang: the same wherever it lands, on the one kind of device where it needs one.</summary>
    public static ReplicaWays OfMember(SchedulerRequests requests, ReplicaNeeds needs, string? deviceKind) => new(requests, kind =>
        requests.Resource is not null && (kind is null || deviceKind is not null && kind != deviceKind) ? null : (null, needs));

    /// <summary>Whether anybody knows of one of these nodes.</summary>
    public bool IsKnown(IEnumerable<SchedulerNode> nodes) => nodes.Any(node => At(node) is not null);

    /// <summary>Null where nobody knows.</summary>
    public Way? At(SchedulerNode node)
    {
        var kind = Requests.Resource is null ? null : node.DevicesOf(Requests.Resource).Kind;
        foreach (var (known, way) in _known)
        {
            if (known == kind) return way;
        }

        var found = at(kind) is var (variant, takes) ? new Way(variant, kind, takes, Requests.Cover(takes)) : null;
        _known.Add((kind, found));
        return found;
    }
}

/// <summary>Requests that ask the same are the same.</summary>
internal static class SameRequests
{
    public static readonly IEqualityComparer<SchedulerRequests> Comparer = EqualityComparer<SchedulerRequests>.Create(
        (a, b) => ReferenceEquals(a, b) || a is not null && b is not null && a with { Pools = b.Pools } == b && a.Pools.SequenceEqual(b.Pools),
        one => HashCode.Combine(one.Memory, one.Cores, one.EphemeralStorage, one.Resource, one.Devices, one.Pools.Length));
}
