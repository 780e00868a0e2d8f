namespace Plimsoll;

/// <summary>
/// What all models together have of the devices that there is a quota of. What is being let go counts until it has gone, so that
/// the quota holds at any moment of a plan; what is there already and above it stays.
/// </summary>
internal sealed class DeviceQuotas
{
    private readonly Dictionary<string, long> _most;
    private readonly Dictionary<string, long> _taken;
    private readonly Dictionary<string, long> _asked;
    private readonly bool _bodyPlaces;
    private readonly bool _together;

    public DeviceQuotas(FleetSpec spec, FleetSnapshot observed)
    {
        (_most, _taken, _asked) = ([], [], []);
        _bodyPlaces = observed.Can.HasFlag(Capabilities.ChooseNode);
        _together = spec.Settings.AsksWithinReach;
        if (spec.Quotas.IsDefaultOrEmpty) return;
        foreach (var quota in spec.Quotas) _most[quota.Kind] = quota.Devices;
        var nodes = observed.Nodes.ToDictionary(node => node.Id);
        foreach (var replica in observed.Replicas)
        {
            var model = spec.Find(replica.Model);
            foreach (var pod in Parts.Pods(replica)) Take(KindsOf(pod, nodes.GetValueOrDefault(pod.Placement.Node), model, replica.Variant), DevicesOf(pod));
        }
    }

    private DeviceQuotas(DeviceQuotas other) =>
        (_most, _taken, _asked, _bodyPlaces, _together) = (other._most, new(other._taken), new(other._asked), other._bodyPlaces, other._together);

    /// <summary>The same to try things on.</summary>
    public DeviceQuotas Copy() => new(this);

    /// <summary>Why no more of it may start; null when it may.</summary>
    public Reason? Refuse(ModelOutlook outlook)
    {
        foreach (var (kind, devices) in Asked(outlook))
        {
            if (_taken.GetValueOrDefault(kind) + devices <= _most[kind]) continue;
            return new Reason(Rule.HoldQuota,
                [Fact.Of("devices", devices), Fact.Of("kind", kind), Fact.Of("taken", _taken.GetValueOrDefault(kind)), Fact.Of("quota", _most[kind])]);
        }

        return null;
    }

    /// <summary>How many more replicas may start.</summary>
    public int Room(ModelOutlook outlook) => (int)Math.Clamp(
        Asked(outlook).Where(one => one.Devices > 0)
            .Select(one => (_most[one.Kind] - _taken.GetValueOrDefault(one.Kind) - _asked.GetValueOrDefault(one.Kind)) / one.Devices).DefaultIfEmpty(int.MaxValue).Min(),
        0, int.MaxValue);

    /// <summary>Of so many replicas as many as nodes may be asked for, which counts for whoever asks after it.</summary>
    public int ToAsk(ModelOutlook outlook, int replicas)
    {
        var most = Math.Min(replicas, Room(outlook));
        if (_together && most > 0)
            foreach (var (kind, devices) in Asked(outlook)) _asked[kind] = _asked.GetValueOrDefault(kind) + (devices * most);
        return most;
    }

    /// <summary>Counts a start.</summary>
    public void Take(ModelOutlook outlook)
    {
        foreach (var (kind, devices) in Asked(outlook)) _taken[kind] = _taken.GetValueOrDefault(kind) + devices;
    }

    // Another scheduler may put it on any kind that it runs on.
    private IEnumerable<(string Kind, long Devices)> Asked(ModelOutlook outlook) =>
        _most.Count == 0 ? [] : (_bodyPlaces ? [outlook.Variant] : outlook.Model.Variants.AsEnumerable())
            .Where(variant => variant.DeviceKind is { } kind && _most.ContainsKey(kind))
            .GroupBy(variant => variant.DeviceKind!, (kind, variants) => (kind, variants.Max(DevicesOf)));

    private void Take(IEnumerable<string> kinds, long devices)
    {
        foreach (var kind in kinds.Where(_most.ContainsKey).Distinct()) _taken[kind] = _taken.GetValueOrDefault(kind) + devices;
    }

    private static long DevicesOf(VariantSpec variant) =>
        variant.Needs.Devices + (variant.Workers is { } workers ? (long)workers.Count * workers.Needs.Devices : 0);

    private static long DevicesOf(InferenceReplica pod) =>
        pod.Placement.Devices.IsDefaultOrEmpty ? pod.Reserved.Devices : pod.Placement.Devices.Length;

    // Of the node's devices those that it has; of what has yet to be placed any that it runs on.
    private static IEnumerable<string> KindsOf(InferenceReplica pod, NodeState? node, ModelSpec? model, VariantId variant)
    {
        if (node is not null && !pod.Placement.Devices.IsDefaultOrEmpty)
            return node.Devices.Where(device => pod.Placement.Devices.Contains(device.Id)).Select(device => device.Kind);
        if (node is not null && pod.Requests?.Resource is { } resource)
            return node.Devices.Where(device => device.Resource == resource).Select(device => device.Kind).Take(1);
        var ways = model?.Variants.Where(way => pod.Placement == Placement.Pending || way.Id == variant) ?? [];
        return ways.Select(way => way.DeviceKind).OfType<string>();
    }
}
