using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Scenarios;

/// <summary>All of a simulated run but who controls it: what there is, who asks for what, and what truly happens.</summary>
public sealed record World
{
    public required string Name { get; init; }

    /// <summary>What is to be served, as the planner knows it.</summary>
    public required FleetSpec Spec { get; init; }

    /// <summary>Kinds of node, ordered by name.</summary>
    public required ImmutableArray<NodeGroup> Nodes { get; init; }

    /// <summary>One for each model of the spec, in its order.</summary>
    public required ImmutableArray<SimulatedModel> Models { get; init; }

    /// <summary>How long traffic comes.</summary>
    public required TimeSpan Length { get; init; }

    /// <summary>Whether requests go in groups through replicas taken together, which is faster, and not one by one.</summary>
    public bool IsFluid { get; init; }

    /// <summary>Whether kube-scheduler chooses the nodes of Plimsoll's replicas too (<see cref="ScheduledWorlds"/>); those of others it always does.</summary>
    public bool IsScheduled { get; init; }

    /// <summary>What the gateway bounds.</summary>
    public GatewayBounds Gateway { get; init; } = new();

    public ImmutableArray<Fault> Faults { get; init; } = [];

    /// <summary>Others who use the same nodes, in the order in which they come.</summary>
    public ImmutableArray<OtherJob> Others { get; init; } = [];

    /// <summary>When runs begin where nothing else is said: a Monday at midnight.</summary>
    public static readonly DateTimeOffset Beginning = new(2026, 1, 5, 0, 0, 0, TimeSpan.Zero);

    /// <summary>When the run begins, on its own clock.</summary>
    public DateTimeOffset Start { get; init; } = Beginning;

    /// <summary>How long a turn of Plimsoll's loop takes: its next regular one comes so much later. Nothing unless it is said.</summary>
    public TimeSpan TurnTakes { get; init; }

    /// <summary>The same world, of whose models something else is said; what happens in it stays.</summary>
    public World WithSpecs(Func<ModelSpec, ModelSpec> of)
    {
        ArgumentNullException.ThrowIfNull(of);
        return this with
        {
            Spec = Spec with { Models = [.. Spec.Models.Select(of)] },
            Models = [.. Models.Select(model => model with { Spec = of(model.Spec) })],
        };
    }
}

/// <summary>Nodes that are alike.</summary>
public sealed record NodeGroup
{
    public required string Name { get; init; }

    /// <summary>How many there are from the beginning; fewer there never are, but for faults.</summary>
    public required int Count { get; init; }

    /// <summary>The most there may be, where more can be asked for; <see cref="Count"/> or less where none can.</summary>
    public int Most { get; init; }

    /// <summary>Whether nodes come and go.</summary>
    public bool IsElastic => Most > Count;

    /// <summary>From asking for a node until it is ready, at the median.</summary>
    public TimeSpan Boot { get; init; } = TimeSpan.FromMinutes(3);

    /// <summary>An empty node beyond <see cref="Count"/> goes after this long; cluster-autoscaler's scale-down-unneeded-time.</summary>
    public TimeSpan EmptyFor { get; init; } = TimeSpan.FromMinutes(10);

    /// <summary>Where they can be taken away at any time; null where they can't.</summary>
    public SpotTerms? Spot { get; init; }

    /// <summary>The kind of device, as variants name it; null for nodes without.</summary>
    public string? DeviceKind { get; init; }

    public int Devices { get; init; }

    /// <summary>Of each device.</summary>
    public Bytes DeviceMemory { get; init; }

    public required Bytes HostMemory { get; init; }

    public required Cores Cores { get; init; }

    /// <summary>Room for models on its disk; null where it keeps none.</summary>
    public Bytes? CacheSize { get; init; }

    /// <summary>Whether an empty cache of it has room for the model; true of one that is not cached. As by a label of the nodes that its pods select.</summary>
    public bool CouldCache(ModelSpec model)
    {
        ArgumentNullException.ThrowIfNull(model);
        return !model.Cached || CacheSize >= model.Footprint.OnDisk;
    }

    /// <summary>What its disk gives all loads together.</summary>
    public required BytesPerSecond DiskBandwidth { get; init; }

    /// <summary>What its network gives all fetches together.</summary>
    public required BytesPerSecond NetworkBandwidth { get; init; }

    /// <summary>Of a whole node; null where it is owned.</summary>
    public UsdPerHour? PricePerHour { get; init; }
}

/// <summary>Groups of nodes as the planner knows them.</summary>
public static class NodeGroups
{
    /// <summary>The kinds of node that can be asked for; default where there are none.</summary>
    public static ImmutableArray<NodePool> Pools(this ImmutableArray<NodeGroup> groups)
    {
        var pools = groups.Where(group => group.IsElastic).Select(group => new NodePool
        {
            Name = group.Name,
            Node = Fleet.SimulatedNode.Empty(group),
            PricePerHour = group.PricePerHour,
            BootTime = group.Boot,
            Limit = new NodeLimit(group.Most, string.Create(CultureInfo.InvariantCulture, $"most {group.Most}")),
        }).OrderBy(pool => pool.Name, StringComparer.Ordinal).ToImmutableArray();
        return pools.IsEmpty ? default : pools;
    }
}

/// <summary>Nodes that their owner takes back.</summary>
/// <param name="MeanLife">How long one lasts; lives are exponential, drawn for each node from the seed.</param>
/// <param name="Notice">How long before it goes one is told.</param>
public sealed record SpotTerms(TimeSpan MeanLife, TimeSpan Notice);

/// <summary>
/// Somebody else's job, a training gang for instance: it waits until all its members find room at once, holds that for its
/// time, and begins anew where a node of it is lost.
/// </summary>
public sealed record OtherJob
{
    public required string Name { get; init; }

    /// <summary>When it comes, from the run's beginning.</summary>
    public required TimeSpan At { get; init; }

    /// <summary>How long it runs once it has room.</summary>
    public required TimeSpan For { get; init; }

    /// <summary>The group of nodes that it runs on.</summary>
    public required string Group { get; init; }

    /// <summary>Members, each on a node; several may share one.</summary>
    public int Members { get; init; } = 1;

    /// <summary>Devices of each member.</summary>
    public int Devices { get; init; }

    /// <summary>Host memory of each member.</summary>
    public Bytes Memory { get; init; }

    /// <summary>Cores of each member, as the planner counts them; others' jobs ask for none.</summary>
    public Cores Cores { get; init; }

    /// <summary>What it is to a controller that plans training too; null where it is somebody else's whoever controls the fleet.</summary>
    public TrainingTerms? Training { get; init; }

    /// <summary>The same as the planner knows it: its members have their devices to themselves.</summary>
    internal TrainingSpec SpecOf(NodeGroup group, DateTimeOffset start) => new()
    {
        Id = JobId.Of(Name),
        GangSize = Members,
        NeedsPerMember = new ReplicaNeeds
        {
            Host = new MemoryNeed(Memory, Memory),
            Devices = Devices,
            PerDevice = Devices > 0 ? new MemoryNeed(group.DeviceMemory, group.DeviceMemory) : null,
            Cores = Cores,
            Disk = Bytes.Zero,
        },
        DeviceKind = Devices > 0 ? group.DeviceKind : null,
        Pools = [Group],
        Priority = Training!.Priority,
        Preemptible = Training.Preemptible,
        CheckpointSize = Training.Checkpoint,
        SubmittedAt = start + At,
    };
}

/// <summary>A job that the planner launches, and has give way.</summary>
/// <param name="Priority">On one scale with models'.</param>
/// <param name="Preemptible">Whether it may be told to give way.</param>
/// <param name="Checkpoint">What it writes before it does, all members together; none where it begins anew each time.</param>
public sealed record TrainingTerms(int Priority, bool Preemptible, Bytes Checkpoint)
{
    /// <summary>From its members' start until it trains, beside what it reads of its checkpoint.</summary>
    public TimeSpan Start { get; init; } = TimeSpan.FromSeconds(30);
}

/// <summary>Jobs as the planner knows them.</summary>
public static class TrainingJobs
{
    /// <summary>Those of them that are planned, ordered by name.</summary>
    public static ImmutableArray<TrainingSpec> Planned(this ImmutableArray<OtherJob> jobs, ImmutableArray<NodeGroup> groups, DateTimeOffset start) =>
    [
        .. jobs.Where(job => job.Training is not null).OrderBy(job => JobId.Of(job.Name))
            .Select(job => job.SpecOf(groups.Single(group => group.Name == job.Group), start)),
    ];
}

/// <summary>One model: who asks for it, and how it truly behaves.</summary>
public sealed record SimulatedModel
{
    public required ModelSpec Spec { get; init; }

    /// <summary>Its requests; none where they are <see cref="Drawn"/>.</summary>
    public required RequestTrace Trace { get; init; }

    /// <summary>Traffic of a fluid run that is drawn as it goes, too much to be kept; empty where <see cref="Trace"/> has it.</summary>
    public ImmutableArray<DrawnTraffic> Drawn { get; init; } = [];

    /// <summary>How replicas truly behave, by variant; ordered by variant.</summary>
    public required ImmutableSortedDictionary<VariantId, ReplicaTruth> Truth { get; init; }

    /// <summary>What is predicted of replicas that generate text, by variant: what others measure offline before they serve.</summary>
    public ImmutableSortedDictionary<VariantId, ReplicaProfile> Profiles { get; init; } = ImmutableSortedDictionary<VariantId, ReplicaProfile>.Empty;
}

/// <summary>A replica's limits and the predicted seconds of its steps.</summary>
public sealed record ReplicaProfile(ReplicaLimits Limits, Func<StepBatch, double> StepSeconds);

/// <summary>How replicas of a variant truly behave, which the planner has to find out.</summary>
public sealed record ReplicaTruth
{
    /// <summary>Of one that generates text; null for others.</summary>
    public ReplicaLimits? Limits { get; init; }

    /// <summary>Seconds of its steps, where it generates text.</summary>
    public Func<StepBatch, double>? StepSeconds { get; init; }

    /// <summary>Of one that does not; where batches are profiled, the line through the means.</summary>
    public BatchTimes Batch { get; init; }

    /// <summary>How long it computes batches, where that is known.</summary>
    public BatchProfile? Profile { get; init; }

    /// <summary>From its start to ready, weights on the node. Stages of bytes share the node's disk.</summary>
    public required LoadPath Load { get; init; }

    /// <summary>From being told to end until its memory is given back.</summary>
    public required LoadStage Unload { get; init; }

    /// <summary>From being told to sleep until its devices are free; null where it cannot.</summary>
    public LoadStage? Sleep { get; init; }

    /// <summary>From being told to wake until it is ready; null where it cannot sleep.</summary>
    public LoadStage? Wake { get; init; }

    /// <summary>What it truly takes, over what it is charged.</summary>
    public double MemoryFactor { get; init; } = 1;
}

/// <summary>Something goes wrong.</summary>
/// <param name="At">When, from the run's beginning.</param>
/// <param name="What">What.</param>
/// <param name="Node">The node it strikes ("gpu-1"), or a replica's model.</param>
public sealed record Fault(TimeSpan At, FaultKind What, string Node)
{
    /// <summary>Whether such a thing strikes nodes; else it strikes models.</summary>
    public static bool StrikesNode(FaultKind what) => what is FaultKind.NodeLost or FaultKind.NodeBack or FaultKind.NodeReclaimed or FaultKind.DiskSlow or FaultKind.DiskBack;
}

public enum FaultKind
{
    /// <summary>The node is gone, with all on it.</summary>
    NodeLost,

    /// <summary>A lost node is back, empty.</summary>
    NodeBack,

    /// <summary>One replica of the model dies.</summary>
    ReplicaDies,

    /// <summary>The next load of the model fails as it ends.</summary>
    LoadFails,

    /// <summary>The node's owner wants it back: it is gone two minutes later, and is told so now.</summary>
    NodeReclaimed,

    /// <summary>The node's disk gives a tenth of what it gave.</summary>
    DiskSlow,

    /// <summary>A slow disk is as it was.</summary>
    DiskBack,

    /// <summary>Nobody can tell what is asked of the model.</summary>
    MetricsLost,

    /// <summary>Lost metrics are back.</summary>
    MetricsBack,
}
