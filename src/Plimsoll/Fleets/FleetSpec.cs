using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What the controller may do with its plans.</summary>
public enum FleetMode
{
    /// <summary>Learn and plan, show nothing but what is.</summary>
    Observe,

    /// <summary>Show the plan, apply nothing.</summary>
    Recommend,

    Act,
}

/// <summary>What a fleet is asked to do: the resolved form of fleet.yaml or of the cluster's objects.</summary>
public sealed record FleetSpec
{
    /// <summary>Inference models, ordered by <see cref="ModelSpec.Id"/>, ids unique.</summary>
    public required ImmutableArray<ModelSpec> Models { get; init; }

    /// <summary>Training jobs, ordered by id, ids unique; planned where the body can train (<see cref="Capabilities.Train"/>).</summary>
    public ImmutableArray<TrainingSpec> Training { get; init; } = [];

    public PlannerSettings Settings { get; init; } = new();

    /// <summary>What hardware costs; none means that it is owned and idle memory costs nothing until claimed.</summary>
    public Prices Prices { get; init; } = new();

    public FleetMode Mode { get; init; } = FleetMode.Act;

    /// <summary>
    /// Kinds of node that can be asked for, ordered by name, names unique; default where there are none. Left out of JSON
    /// then, so that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<NodePool> NodePools { get; init; }

    /// <summary>
    /// Most devices of a kind that all models together may take, ordered by kind, kinds unique; default where there are none, and
    /// left out of JSON then.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<DeviceQuota> Quotas { get; init; }

    /// <summary>
    /// Models that are named and not planned for now, as nobody knows their weight yet or their target is being replaced: what was learned of
    /// them stays. Default where there are none, and left out of JSON then.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<ModelId> Unplanned { get; init; }

    /// <summary>The same of training jobs.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<JobId> UnplannedJobs { get; init; }

    public ModelSpec? Find(ModelId id)
    {
        var (from, to) = (0, Models.Length - 1);
        while (from <= to)
        {
            var at = (from + to) / 2;
            var order = Models[at].Id.CompareTo(id);
            if (order == 0) return Models[at];
            if (order < 0) from = at + 1;
            else to = at - 1;
        }

        // What is not there is rarely asked for; and who lists models in another order gets them too.
        foreach (var model in Models)
        {
            if (model.Id == id) return model;
        }

        return null;
    }
}

/// <param name="Kind">The kind of device, as variants name it.</param>
/// <param name="Devices">How many all models together may take.</param>
public readonly record struct DeviceQuota(string Kind, int Devices);

/// <summary>One model to be served.</summary>
public sealed record ModelSpec
{
    public required ModelId Id { get; init; }

    /// <summary>Version of the artefact: its digest. A change makes new replicas beside the old ones.</summary>
    public required string Version { get; init; }

    /// <summary>Where the artefact comes from: a path or an http(s) URL.</summary>
    public required string Source { get; init; }

    /// <summary>True when the artefact must be fetched into the node's model cache before a replica can start.</summary>
    public bool Cached { get; init; }

    public required Footprint Footprint { get; init; }

    public required Slo Slo { get; init; }

    /// <summary>Higher goes first. Equal priorities share by break-even.</summary>
    public int Priority { get; init; }

    public int MinReplicas { get; init; }

    public int MaxReplicas { get; init; } = 1;

    /// <summary>Release an idle replica after this long whatever the break-even says; null leaves it to break-even.</summary>
    public TimeSpan? IdleLimit { get; init; }

    /// <summary>
    /// Ways to run it, at least one, in order of preference. Where another scheduler chooses the node, they are the ways one and
    /// the same replica would run on the device kinds it could land on.
    /// </summary>
    public required ImmutableArray<VariantSpec> Variants { get; init; }

    /// <summary>
    /// Whether the order of <see cref="Variants"/> decides which way it runs, whatever they cost
    /// (<see cref="PlannerSettings.CheapestVariant"/>). Left out of JSON when false.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public bool InOrder { get; init; }

    /// <summary>
    /// Times at which its demand is known beforehand to differ, in any order; default where there are none, and left out of JSON then,
    /// so that older journals read and hash as they did.
    /// </summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingDefault)]
    public ImmutableArray<DemandEvent> Events { get; init; }

    /// <summary>
    /// What a replica asks of the scheduler that places it; null where the body places. Of several targets, the first one's.
    /// </summary>
    public SchedulerRequests? Requests { get; init; }

    /// <summary>False when its plan is only shown: then nothing of it is counted on to go for another model.</summary>
    public bool Acts { get; init; } = true;

    /// <summary>Whether it may run as the variant.</summary>
    internal bool Has(VariantId variant)
    {
        foreach (var one in Variants)
        {
            if (one.Id == variant) return true;
        }

        return false;
    }
}

/// <summary>A latency objective on a share of requests, held time in the gateway included.</summary>
/// <param name="Latency">From the request's arrival to its response's last byte.</param>
/// <param name="Attainment">The share of requests that must meet it, above 0 and below 1.</param>
public sealed record Slo(TimeSpan Latency, double Attainment)
{
    /// <summary>
    /// With what was not stated filled in: a request may take two seconds, or a minute with a model that generates text, as nobody
    /// waits two seconds for a thousand tokens; where a limit on tokens says what is asked, an hour, which is none.
    /// </summary>
    /// <param name="latency">As stated.</param>
    /// <param name="attainment">The share of requests.</param>
    /// <param name="first">Time to the first token, as stated.</param>
    /// <param name="between">Time per token after it, as stated.</param>
    /// <param name="generates">Whether the model generates text.</param>
    public static Slo Of(TimeSpan? latency, double attainment, TimeSpan? first, TimeSpan? between, bool generates) => new(
        latency ?? (first is not null || between is not null ? TimeSpan.FromHours(1) : generates ? TimeSpan.FromMinutes(1) : TimeSpan.FromSeconds(2)), attainment)
    {
        TimeToFirstToken = first,
        TimePerOutputToken = between,
    };

    /// <summary>Time to first token, for models that stream; planned with where a variant's pace is known
    /// (<see cref="VariantSpec.Service"/>).</summary>
    public TimeSpan? TimeToFirstToken { get; init; }

    /// <summary>Time per output token after the first; as the time to the first.</summary>
    public TimeSpan? TimePerOutputToken { get; init; }

    /// <summary>How long a request may wait for the first of its answer: the time to the first token where that is the shorter.</summary>
    internal TimeSpan MayWait => TimeToFirstToken is { } first && first < Latency ? first : Latency;
}

/// <summary>One way to run a model: engine × device kind × parallelism × dtype.</summary>
public sealed record VariantSpec
{
    public required VariantId Id { get; init; }

    /// <summary>Which engine's overheads apply (<see cref="EngineProfile"/>).</summary>
    public required string Engine { get; init; }

    /// <summary>The device kind it needs ("gpu", "l4-24gb"); null runs on the processor.</summary>
    public string? DeviceKind { get; init; }

    public int TensorParallel { get; init; } = 1;

    public int PipelineParallel { get; init; } = 1;

    public int ExpertParallel { get; init; } = 1;

    /// <summary>The prior of what one replica needs, before measurement corrects it.</summary>
    public required ReplicaNeeds Needs { get; init; }

    /// <summary>Requests a replica works on at once at the most; the gateway keeps to it.</summary>
    public int Concurrency { get; init; } = 8;

    /// <summary>
    /// What size and hardware say of its pace; null where nothing tells, and left out of JSON then, so that older journals read
    /// and hash as they did.
    /// </summary>
    public ServicePrior? Service { get; init; }

    /// <summary>The rate at which this replica reads its weights, when it is limited; null when the disk sets it.</summary>
    public BytesPerSecond? LoadBandwidth { get; init; }

    /// <summary>
    /// Of several things that are scaled side by side, the one whose replicas run this way; null where there is one. Variants of
    /// one target are the ways that one and the same replica would run on the device kinds it could land on.
    /// </summary>
    public string? Target { get; init; }

    /// <summary>What a replica of its target asks of the scheduler; null for what the model's does.</summary>
    public SchedulerRequests? Requests { get; init; }

    /// <summary>The other pods of a replica that is a group; null where it is one. Needs and requests are then its leader's.</summary>
    public WorkerPods? Workers { get; init; }
}

/// <summary>Prices; a null one says that the hardware is owned.</summary>
public sealed record Prices
{
    /// <summary>What a GiB of host memory held for an hour costs on nodes without devices.</summary>
    public UsdPerHour? HostMemoryPerGiB { get; init; }

    /// <summary>By device kind, ordered by kind.</summary>
    public ImmutableArray<DevicePrice> Devices { get; init; } = [];
}

public sealed record DevicePrice(string Kind, UsdPerHour PerDevice);
