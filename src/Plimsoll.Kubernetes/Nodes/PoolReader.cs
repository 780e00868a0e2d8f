using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Kubernetes.Body;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Nodes;

/// <summary>
/// What a Fleet's node pools come to: as stated, or else as Karpenter's NodePool, the nodes that are there and the
/// catalogue's machine types tell. A pool of which it is not known what a node has, or how to select it, is left out, with a
/// sentence that says what would do.
/// </summary>
/// <param name="nodes">All nodes.</param>
/// <param name="karpenter">Karpenter's NodePools by name.</param>
/// <param name="pods">All pods: what daemons take of each node is not free on a new one.</param>
/// <param name="prices">What devices cost; null for the catalogue's list prices.</param>
internal sealed class PoolReader(
    IReadOnlyCollection<NodeView> nodes, IReadOnlyDictionary<string, KarpenterPool> karpenter, IReadOnlyCollection<PodView> pods, Prices? prices)
{
    // What kubelets and the system keep of a machine differs by cloud and size; a node that is there tells exactly.
    private const double MemoryLeft = 0.9;
    private const double CoresLeft = 0.95;

    private static readonly string[] OfOneNode = ["kubernetes.io/hostname", "topology.kubernetes.io/zone", "topology.kubernetes.io/region", "node.kubernetes.io/exclude-from-external-load-balancers"];

    // What kubelets, cluster-autoscaler and Karpenter put on nodes of any pool, never on a pool.
    private static readonly string[] Passing = ["node.kubernetes.io/", "node.cloudprovider.kubernetes.io/", "ToBeDeletedByClusterAutoscaler", "DeletionCandidateOfClusterAutoscaler", "karpenter.sh/"];

    // Static pods are the node's own.
    private static readonly string[] Daemons = ["DaemonSet/", "Node/"];

    private readonly List<string> _problems = [];

    /// <summary>What is wrong with pools that were left out, a sentence each.</summary>
    public IReadOnlyList<string> Problems => _problems;

    /// <summary>Ordered by name.</summary>
    public ImmutableArray<OfferedPool> Read(FleetSettings fleet)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        return [.. fleet.NodePools.Select(Read).OfType<OfferedPool>()];
    }

    private OfferedPool? Read(NodePoolSettings settings)
    {
        var maker = karpenter.GetValueOrDefault(settings.NodeLabels.GetValueOrDefault(KarpenterPool.Label) ?? (settings.NodeLabels.IsEmpty ? settings.Name : ""));
        var selector = settings.NodeLabels;
        if (maker is not null) selector = selector.SetItem(KarpenterPool.Label, maker.Name);
        var type = settings.InstanceType ?? selector.GetValueOrDefault(KarpenterPool.InstanceTypeLabel) ?? Cheapest(maker);
        if (type is not null) selector = selector.SetItem(KarpenterPool.InstanceTypeLabel, type);
        if (selector.IsEmpty) return No(settings, "nothing says which nodes are its own; nodeLabels would do, or a Karpenter NodePool of its name");

        var pool = new OfferedPool { Name = settings.Name, Selector = selector, Node = Blank(settings.Name) };
        var mine = nodes.Where(pool.Has).ToArray();

        // A node that just came has no devices yet, and one that is not ready for a moment is still what a node of it is like.
        var seen = mine.Where(node => settings.Devices == 0 || !node.Devices.Groups.IsEmpty)
            .OrderBy(node => node.Devices.Groups.IsEmpty).ThenByDescending(TakesPods).ThenByDescending(node => node.Ready)
            .ThenBy(node => node.Memory).ThenBy(node => node.Name, StringComparer.Ordinal).FirstOrDefault();
        var machine = type is null ? null : DeviceCatalogue.BuiltIn.Instance(type);
        if ((settings.Memory is null || settings.Cores is null) && seen is null && machine is not { Memory.Value: > 0 })
            return No(settings, "what one of its nodes has is not known; memory and cores would do, or an instanceType that plimsoll devices lists");
        var devices = DevicesOf(settings, seen, machine);
        if (devices is null) return No(settings, $"the catalogue has no device {settings.Device}; a name that plimsoll devices lists would do");
        var daemons = seen is null ? [] : pods.Where(pod => pod.Node == seen.Name && !pod.IsOver && pod.Workload is { } owner && Daemons.Any(kind => owner.StartsWith(kind, StringComparison.Ordinal))).ToArray();
        pool = pool with
        {
            Node = NodeOf(settings, selector, maker, seen, machine, devices, daemons) with { Taints = settings.Taints ?? maker?.Taints ?? SharedTaints(mine, seen) },
            PricePerHour = settings.PricePerHour ?? machine?.Price ?? PriceOf(devices),
            BootTime = settings.BootTime,
        };
        return pool with { Limit = LimitOf(settings, maker, mine.Length, pool.Node, machine) };
    }

    private static bool TakesPods(NodeView node) => node is { Ready: true, Unschedulable: false };

    // What one node alone has passes: it is new, maintained or about to be removed.
    private static ImmutableArray<Taint> SharedTaints(NodeView[] mine, NodeView? seen)
    {
        NodeView[] telling = mine.Any(TakesPods) ? [.. mine.Where(TakesPods)] : seen is null ? [] : [seen];
        return telling.Length == 0 ? [] : [.. telling[0].Taints.Where(taint =>
            !Passing.Any(key => taint.Key.StartsWith(key, StringComparison.Ordinal)) && telling.All(node => node.Taints.Contains(taint)))];
    }

    private static NodeView NodeOf(
        NodePoolSettings settings, ImmutableSortedDictionary<string, string> selector, KarpenterPool? maker, NodeView? seen, CloudInstance? machine,
        NodeDevices devices, PodView[] daemons)
    {
        var capacity = settings.Memory ?? seen?.MemoryCapacity ?? machine!.Memory;
        var memory = settings.Memory ?? seen?.Memory ?? machine!.Memory.Scale(MemoryLeft);
        var cores = settings.Cores is { } stated ? Cores.Of(stated) : seen?.Cores ?? Cores.Of(machine!.Cores.Count * CoresLeft);
        return Blank(settings.Name) with
        {
            Labels = LabelsOf(selector, maker, seen),
            Memory = Bytes.Max(Bytes.Zero, memory - new Bytes(daemons.Sum(pod => pod.Requests.MemoryBytes))),
            MemoryCapacity = capacity,
            Cores = new Cores(Math.Max(0, cores.Milli - daemons.Sum(pod => pod.Requests.CpuMilli))),
            EphemeralStorage = settings.Disk ?? seen?.EphemeralStorage ?? machine?.LocalDisk ?? Bytes.Zero,
            Pods = Math.Max(1, (seen?.Pods ?? 110) - daemons.Length),
            Extended = [.. devices.Groups.Select(group => new ResourceCount(group.Resource, (long)group.Devices * group.ReplicasPerDevice)).OrderBy(one => one.Resource, StringComparer.Ordinal)],
            Devices = devices,
        };
    }

    // Those of a node that is there tell what models may select; not those by which it is told apart from its siblings.
    private static ImmutableSortedDictionary<string, string> LabelsOf(ImmutableSortedDictionary<string, string> selector, KarpenterPool? maker, NodeView? seen)
    {
        var labels = seen is not null ? seen.Labels.RemoveRange(OfOneNode)
            : ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal).Add("kubernetes.io/os", "linux").Add("kubernetes.io/arch", "amd64");
        return (maker is null ? labels : labels.SetItems(maker.Labels)).SetItems(selector);
    }

    private static NodeDevices? DevicesOf(NodePoolSettings settings, NodeView? seen, CloudInstance? machine)
    {
        if (settings.Device is null) return seen?.Devices ?? (machine is null ? new NodeDevices([], []) : GroupOf(DeviceCatalogue.BuiltIn.Find(machine.Accelerator), machine.Devices));
        if (seen?.Devices.Groups.Any(group => group.Accelerator.Name == settings.Device && group.Devices == settings.Devices) == true) return seen.Devices;
        return GroupOf(DeviceCatalogue.BuiltIn.Find(settings.Device), settings.Devices);
    }

    private static NodeDevices? GroupOf(Accelerator? device, int count) => device is null ? null : new NodeDevices(
        [new DeviceGroup { Accelerator = device, Resource = ResourceOf(device), Devices = count }], []);

    private static string ResourceOf(Accelerator device) => device.Vendor switch
    {
        "amd" => "amd.com/gpu",
        "aws" => "aws.amazon.com/neuron",
        "google" => "google.com/tpu",
        "intel" => "habana.ai/gaudi",
        _ => ProfileOf(device) is { } profile ? "nvidia.com/mig-" + profile : "nvidia.com/gpu",
    };

    // A MIG profile is named by its slices and memory (1g.10gb); a part of a device that a cloud sells by memory alone (an eighth
    // of an L4, 3gb) is a device to its node.
    private static string? ProfileOf(Accelerator device) =>
        device.SliceOf is { } whole && device.Name[(whole.Length + 1)..] is var profile && profile.Contains("g.", StringComparison.Ordinal) ? profile : null;

    private UsdPerHour? PriceOf(NodeDevices devices)
    {
        var sum = 0L;
        foreach (var group in devices.Groups)
        {
            var price = prices is null ? ListPrices.Cheapest(group.Accelerator) : prices.Devices.FirstOrDefault(one => one.Kind == group.Accelerator.Name)?.PerDevice;
            if (price is not { } each) return null;
            sum += each.Micro * group.Devices;
        }

        return sum > 0 ? new UsdPerHour(sum) : null;
    }

    // Karpenter makes nothing beyond its limits, which are on what its machines have, and not on what pods may take of them.
    private NodeLimit? LimitOf(NodePoolSettings settings, KarpenterPool? maker, int there, NodeView node, CloudInstance? machine)
    {
        var limit = settings.MaxNodes is { } most ? new NodeLimit(most, $"maxNodes of the pool {settings.Name}") : null;
        if (maker is null) return limit;
        var made = nodes.Where(one => one.Labels.GetValueOrDefault(KarpenterPool.Label) == maker.Name).ToArray();
        foreach (var (resource, bound) in maker.Limits)
        {
            var each = resource == "nodes" ? 1 : Capacity(resource, node, machine);
            if (each <= 0) continue;
            var used = made.Aggregate(0L, (sum, one) => Math.Min(sum + (resource == "nodes" ? 1 : Capacity(resource, one, null)), long.MaxValue / 2));
            var nodesMax = (int)Math.Clamp(there + (Math.Max(0, bound - used) / each), 0, int.MaxValue);
            if (limit is null || nodesMax < limit.Nodes)
            {
                limit = new NodeLimit(nodesMax, string.Create(CultureInfo.InvariantCulture,
                    $"Karpenter's NodePool {maker.Name} is limited to {Shown(resource, bound)} of {resource}, of which {Shown(resource, used)} are there"));
            }
        }

        return limit;
    }

    private static long Capacity(string resource, NodeView node, CloudInstance? machine) => resource switch
    {
        "cpu" => machine is { Cores.Milli: > 0 } ? machine.Cores.Milli : (node.Cores.Milli + 999) / 1000 * 1000,
        "memory" => machine is { Memory.Value: > 0 } ? machine.Memory.Value : node.MemoryCapacity.Value,
        _ => node.Extended.FirstOrDefault(one => one.Resource == resource)?.Count ?? 0,
    };

    private static string Shown(string resource, long amount) =>
        resource == "cpu" ? new Cores(amount).ToString() : resource == "memory" ? new Bytes(amount).ToString() : amount.ToString(CultureInfo.InvariantCulture);

    private static string? Cheapest(KarpenterPool? maker) => maker?.InstanceTypes
        .Select(type => (Type: type, Machine: DeviceCatalogue.BuiltIn.Instance(type))).Where(one => one.Machine is not null)
        .OrderBy(one => one.Machine!.Price?.Micro ?? long.MaxValue).ThenBy(one => one.Type, StringComparer.Ordinal).FirstOrDefault().Type
        ?? (maker?.InstanceTypes is [var only] ? only : null);

    private static NodeView Blank(string pool) => new()
    {
        Name = $"a node of {pool}",
        Labels = ImmutableSortedDictionary<string, string>.Empty,
        Taints = [],
        Ready = true,
        Unschedulable = false,
        CreatedAt = DateTimeOffset.UnixEpoch,
        Cores = Cores.Zero,
        MemoryCapacity = Bytes.Zero,
        Memory = Bytes.Zero,
        EphemeralStorage = Bytes.Zero,
        Pods = 0,
        Extended = [],
        Devices = new NodeDevices([], []),
    };

    private OfferedPool? No(NodePoolSettings settings, string why)
    {
        _problems.Add($"node pool {settings.Name}: {why}");
        return null;
    }
}
