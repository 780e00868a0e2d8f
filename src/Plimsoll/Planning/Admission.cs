using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Whether a model could run on any node at all, were it empty.</summary>
internal static class Admission
{
    /// <summary>Why no node could ever hold it, with what would; null when one could or none is known.</summary>
    public static Reason? Refuse(ModelOutlook outlook, ImmutableArray<NodeState> nodes) =>
        // Of a group every pod must find a node that it fits; that there are enough of them is not for ever.
        RefusePod(outlook, nodes) ?? (outlook.Variant.Workers is { } workers ? RefusePod(outlook with { Needs = workers.Needs }, nodes) : null);

    private static Reason? RefusePod(ModelOutlook outlook, ImmutableArray<NodeState> nodes)
    {
        var (needs, variant) = (outlook.Needs, outlook.Variant);
        if (nodes.IsEmpty) return null;
        var kind = variant.DeviceKind;
        if (nodes.Any(node => Fits(node, needs, kind) && FitsDisk(node, needs))) return null;

        var most = nodes.Max(node => Devices(node, kind).Count());
        if (most < needs.Devices)
            return new Reason(Rule.RefusedNoDevice,
                [Fact.Of("devices", needs.Devices), Fact.Of("device", kind ?? "any"), Fact.Of("have", most)]);
        if (needs.PerDevice is { } perDevice)
        {
            var largest = nodes.SelectMany(node => Devices(node, kind)).Max(device => device.MemoryBudget);
            if (perDevice.Highest > largest) return TooHeavy(perDevice.Highest, largest, outlook);
        }

        // What else is short is short where its devices are.
        ImmutableArray<NodeState> able = [.. nodes.Where(node => DevicesOf(node, kind, needs.PerDevice?.Highest ?? Bytes.Zero) >= needs.Devices)];
        if (able.Length > 0) nodes = able;
        var budget = nodes.Max(node => Bytes.Min(node.HostMemory, node.HostMemoryBudget));
        if (needs.Host.Highest > budget) return TooHeavy(needs.Host.Highest, budget, outlook);
        if (nodes.Where(node => node.CacheBudget is not null).Select(node => node.CacheBudget!.Value)
                .DefaultIfEmpty(Bytes.Zero).Max() is var cache && needs.Disk > cache)
            return new Reason(Rule.RefusedDisk,
                [Fact.Of("needed", needs.Disk), Fact.Of("budget", cache), Fact.Of("missing", needs.Disk - cache)]);
        return new Reason(Rule.RefusedNoCores,
            [Fact.Of("cores", needs.Cores.ToString()), Fact.Of("have", nodes.Max(node => node.Cores).ToString())]);
    }

    /// <summary>
    /// The first node of each shape: what could never run on these could never run on any. A cluster of thousands has few.
    /// </summary>
    public static ImmutableArray<NodeState> Shapes(ImmutableArray<NodeState> nodes) => ShapesOf(nodes).Shapes;

    /// <summary>The same, and which of them each node is like.</summary>
    public static (ImmutableArray<NodeState> Shapes, int[] Of) ShapesOf(ImmutableArray<NodeState> nodes)
    {
        var shapes = new Dictionary<(Bytes, Bytes, Cores, Bytes?, int), List<int>>();
        var first = ImmutableArray.CreateBuilder<NodeState>();
        var of = new int[nodes.Length];
        for (var i = 0; i < nodes.Length; i++)
        {
            var node = nodes[i];
            var key = (node.HostMemory, node.HostMemoryBudget, node.Cores, node.CacheBudget, node.Devices.Length);
            if (!shapes.TryGetValue(key, out var alike)) shapes[key] = alike = [];
            var at = 0;
            while (at < alike.Count && !SameDevices(first[alike[at]], node)) at++;
            if (at == alike.Count)
            {
                alike.Add(first.Count);
                first.Add(node);
            }

            of[i] = alike[at];
        }

        return (first.ToImmutable(), of);
    }

    private static bool SameDevices(NodeState a, NodeState b)
    {
        for (var i = 0; i < a.Devices.Length; i++)
        {
            if (a.Devices[i].MemoryBudget != b.Devices[i].MemoryBudget || a.Devices[i].Kind != b.Devices[i].Kind) return false;
        }

        return true;
    }

    public static bool Fits(NodeState node, ReplicaNeeds needs, string? kind) =>
        needs.Host.Highest <= Bytes.Min(node.HostMemory, node.HostMemoryBudget)
        && needs.Cores <= node.Cores
        && DevicesOf(node, kind, needs.PerDevice?.Highest ?? Bytes.Zero) >= needs.Devices;

    /// <summary>How many devices of a kind, or of any, a node has with a budget of so much.</summary>
    public static int DevicesOf(NodeState node, string? kind, Bytes least)
    {
        var count = 0;
        foreach (var device in node.Devices)
        {
            if ((kind is null || device.Kind == kind) && least <= device.MemoryBudget) count++;
        }

        return count;
    }

    /// <summary>Whether the model could run there in any way, were the node empty.</summary>
    public static bool CouldRun(NodeState node, ModelSpec model)
    {
        foreach (var variant in model.Variants)
        {
            if ((variant.Requests ?? model.Requests) is { Pools.IsEmpty: false } requests && !requests.Pools.Contains(node.Pool)) continue;
            if (Fits(node, variant.Needs, variant.DeviceKind)) return true;
        }

        return false;
    }

    public static bool FitsDisk(NodeState node, ReplicaNeeds needs) =>
        needs.Disk == Bytes.Zero || node.CacheBudget is { } cache && needs.Disk <= cache;

    private static IEnumerable<DeviceState> Devices(NodeState node, string? kind) =>
        node.Devices.Where(device => kind is null || device.Kind == kind);

    // What would fit: the overhead stays, so the weights may grow only into what is left, in proportion.
    private static Reason TooHeavy(Bytes needed, Bytes budget, ModelOutlook outlook)
    {
        var weights = outlook.Model.Footprint.Weights;
        var profile = EngineProfile.Named(outlook.Variant.Engine);
        var overhead = Bytes.Min(profile.HostFixed, needed);
        var factor = weights.Value == 0 ? 1 : (double)(needed - overhead).Value / weights.Value;
        var fits = Bytes.Max(Bytes.Zero, budget - overhead).Scale(1 / Math.Max(factor, 0.01));
        return new Reason(Rule.RefusedTooHeavy,
        [
            Fact.Of("needed", needed), Fact.Of("budget", budget), Fact.Of("missing", needed - budget),
            .. outlook.Needs.Host != outlook.Variant.Needs.Host && needed == outlook.Needs.Host.Highest ? [Fact.Of("measured", " or since, as its replicas were measured,")] : Array.Empty<Fact>(),
            fits > Bytes.Zero ? Fact.Of("fits", fits) : Fact.Of("fits", $"nothing, as the server alone takes {overhead}"),
        ]);
    }
}
