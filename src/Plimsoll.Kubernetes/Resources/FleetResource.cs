using k8s;
using k8s.Models;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>
/// The kind Fleet: what holds for all models of a cluster. It is not namespaced, and an operator reads one of them,
/// by name ("default" unless told otherwise); without it the defaults hold.
/// </summary>
[Means("What holds for all models of a cluster: prices, node pools, quotas and the time scales of planning. One operator reads one Fleet.")]
[Names("fleets", "fleet", "plf", Namespaced = false)]
[Column("Mode", "string", ".spec.mode", "The most that Plimsoll may do.")]
[Column("Models", "integer", ".status.models", "ScaledModels that are planned for.")]
[Column("Nodes", "integer", ".status.nodes", "Nodes that are planned with.")]
[Column("Reason", "string", ".status.reason", "How things are.")]
[Column("Age", "date", ".metadata.creationTimestamp", "Since it was made.", Wide = true)]
[KubernetesEntity(Group = ResourceGroup.Group, ApiVersion = ResourceGroup.Version, Kind = KubeKind, PluralName = KubePluralName)]
public sealed record FleetResource : IKubernetesObject<V1ObjectMeta>
{
    public const string KubeKind = "Fleet";
    public const string KubePluralName = "fleets";

    /// <summary>The Fleet that an operator reads when no other is named.</summary>
    public const string DefaultName = "default";

    public string ApiVersion { get; set; } = ResourceGroup.ApiVersion;

    public string Kind { get; set; } = KubeKind;

    public V1ObjectMeta Metadata { get; set; } = new();

    [Means("What is asked for.")]
    public FleetResourceSpec? Spec { get; set; }

    [Means("What Plimsoll sees; written by the operator alone.")]
    public FleetResourceStatus? Status { get; set; }
}

[Means("What holds for all models.")]
public sealed record FleetResourceSpec
{
    [Means("The most that Plimsoll may do for any model: observe, recommend or act.")]
    [Words("observe", "recommend", "act")]
    [FilledIn("act")]
    public string? Mode { get; init; }

    [Means("What hardware costs. Default: the catalogue's list prices of the machine types and devices that the nodes have; given and empty, it is owned, and idle devices cost nothing until another model claims them.")]
    public FleetPrices? Prices { get; init; }

    [Means("Kinds of node that can be asked for ahead of need, through the cluster's own autoscaler of nodes.")]
    [Holds(64, Key = "name")]
    public IReadOnlyList<FleetNodePool>? NodePools { get; init; }

    [Means("The image of the pods that hold a place on a node that is asked for; any that does nothing. Default: registry.k8s.io/pause:3.10.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._:/@-]*$", 512, "an image such as registry.k8s.io/pause:3.10")]
    public string? PlaceholderImage { get; init; }

    [Means("Most that all models together may take. Nothing starts beyond it; what runs already stays.")]
    public FleetQuotas? Quotas { get; init; }

    [Means("Time scales of planning. The defaults suit most clusters.")]
    public FleetPlanner? Planner { get; init; }
}

[Means("Prices in US dollars per hour.")]
public sealed record FleetPrices
{
    [Means("A GiB of host memory held for an hour, on nodes without devices.")]
    [Bounds(0, 1e6)]
    public double? HostMemoryPerGiB { get; init; }

    [Means("One device for an hour, by its kind (l4-24gb).")]
    [Bounds(0, 1e6)]
    [Holds(64)]
    public IReadOnlyDictionary<string, double>? Devices { get; init; }
}

[Means("A taint of nodes.")]
public sealed record FleetTaint
{
    [Means("The taint's key.")]
    [Needed("a key such as nvidia.com/gpu")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._/-]*$", 317, "a key such as nvidia.com/gpu")]
    public string? Key { get; init; }

    [Means("The taint's value. Default: none.")]
    [Looks("^[A-Za-z0-9._-]*$", 63, "letters, digits, dots, hyphens and underscores")]
    public string? Value { get; init; }

    [Means("NoSchedule or NoExecute.")]
    [Words("NoSchedule", "NoExecute")]
    [FilledIn("NoSchedule")]
    public string? Effect { get; init; }
}

[Means("A kind of node that can be added.")]
[Rule("!has(self.minNodes) || !has(self.maxNodes) || self.minNodes <= self.maxNodes", "minNodes must not be above maxNodes")]
public sealed record FleetNodePool
{
    [Means("The pool's name.")]
    [Needed("a name")]
    [Looks("^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$", 253, "a name such as l4-pool")]
    public string? Name { get; init; }

    [Means("Labels by which its nodes are known, and which a request selects. Default: karpenter.sh/nodepool and the pool's name, where Karpenter has a NodePool of that name.")]
    [Holds(16)]
    public IReadOnlyDictionary<string, string>? NodeLabels { get; init; }

    [Means("The machine type as the cloud names it (g6.xlarge); it is selected too, and known ones need no more fields. Default: of Karpenter's NodePool the cheapest that is known.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]*$", 63, "a type such as g6.xlarge")]
    public string? InstanceType { get; init; }

    [Means("Taints of its nodes. Default: those of Karpenter's NodePool, or of its nodes.")]
    [Holds(16)]
    public IReadOnlyList<FleetTaint>? Taints { get; init; }

    [Means("The kind of device, as plimsoll devices lists it (l4-24gb). Default: what its nodes or its machine type have.")]
    [Looks("^[A-Za-z0-9][A-Za-z0-9._-]*$", 128, "a name such as l4-24gb")]
    public string? Device { get; init; }

    [Means("Devices of one node.")]
    [Bounds(0, 1024)]
    public int? Devices { get; init; }

    [Means("Memory of one node that pods may take. Default: the least of its nodes, or nine tenths of the machine type's.")]
    [Size(1_048_576, 1_000_000_000_000_000)]
    public string? Memory { get; init; }

    [Means("Cores of one node that pods may take. Default: as for memory.")]
    [Bounds(0.01, 4096)]
    public double? Cores { get; init; }

    [Means("Disk of one node that pods may take. Default: as for memory; unknown, it takes no pod that asks for some.")]
    [Size(1_048_576, 10_000_000_000_000_000)]
    public string? Disk { get; init; }

    [Means("From asking for a node to its being ready. Default: as observed, or 5min.")]
    [Duration(0.1, 86_400)]
    public string? BootTime { get; init; }

    [Means("What one node costs in US dollars an hour, devices included. Default: the machine type's list price, or by the prices of its devices.")]
    [Bounds(0, 1e6)]
    public double? PricePerHour { get; init; }

    [Means("Nodes kept whatever the demand. Checked, and not used yet: the autoscaler's own minimum would do.")]
    [Bounds(0, 5000)]
    public int? MinNodes { get; init; }

    [Means("Most nodes, those that are there counted. Karpenter's limits hold too.")]
    [Bounds(0, 5000)]
    public int? MaxNodes { get; init; }
}

[Means("Most that all models together may take.")]
public sealed record FleetQuotas
{
    [Means("Devices by their kind (h100-80gb); a kind that is left out has no quota.")]
    [Bounds(0, 1_000_000)]
    [Holds(64)]
    public IReadOnlyDictionary<string, int>? Devices { get; init; }
}

[Means("Time scales of planning.")]
public sealed record FleetPlanner
{
    [Means("Time between two regular plans. Default: 5s.")]
    [Duration(0.1, 3600)]
    public string? Review { get; init; }

    [Means("How much past demand is remembered. Default: 1h.")]
    [Duration(1, 604_800)]
    public string? DemandHistory { get; init; }

    [Means("How finely it is remembered. Default: 5s.")]
    [Duration(0.1, 3600)]
    public string? DemandBucket { get; init; }

    [Means("How long a draining replica may finish what it holds. Default: 30s, or a quarter over the longest request seen where that is more.")]
    [Duration(0.1, 86_400)]
    public string? DrainDeadline { get; init; }

    [Means("Wait after a replica's first failure; doubles with each further one. Default: 1s.")]
    [Duration(0.1, 3600)]
    public string? CrashBackoff { get; init; }

    [Means("Longest such wait. Default: 5min.")]
    [Duration(0.1, 86_400)]
    public string? CrashBackoffMax { get; init; }

    [Means("A load that takes this many times its expected time no longer counts as supply. Default: 3.")]
    [Bounds(1, 100)]
    public double? OverdueFactor { get; init; }

    [Means("Bandwidth assumed for loading before any load was seen. Default: 200MiB/s.")]
    [Size(1024, 10_000_000_000_000, PerSecond = true)]
    public string? AssumedLoadBandwidth { get; init; }

    [Means("Fixed part of a load assumed before any was seen. Default: 2s.")]
    [Duration(0, 3600)]
    public string? AssumedLoadFixed { get; init; }
}

[Means("What Plimsoll sees of the whole.")]
public sealed record FleetResourceStatus
{
    [Means("The generation of the spec that this status is about.")]
    public long? ObservedGeneration { get; init; }

    [Means("Ready: whether the spec could be read and the cluster seen.")]
    [Holds(32, Key = "type")]
    public IReadOnlyList<V1Condition>? Conditions { get; init; }

    [Means("ScaledModels that are planned for.")]
    public int? Models { get; init; }

    [Means("Nodes that are planned with.")]
    public int? Nodes { get; init; }

    [Means("How things are.")]
    public string? Reason { get; init; }

    /// <summary>A copy that every API server takes and every terminal shows.</summary>
    public FleetResourceStatus Writable() => this with { Conditions = StatusText.Conditions(Conditions), Reason = StatusText.Of(Reason) };
}
