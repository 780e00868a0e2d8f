using System.Collections.Immutable;
using Plimsoll.Simulation.Plans;

namespace Plimsoll.Cli.Plans;

/// <summary>A plan of a described fleet as it is printed: JSON's names and units.</summary>
public sealed record PlanListing
{
    public required string Fleet { get; init; }

    /// <summary>"scenario", "fleet" or "journal".</summary>
    public string? Of { get; init; }

    /// <summary>The same in words: which file, and what was known from where.</summary>
    public string? OfWhat { get; init; }

    /// <summary>Whether every model with demand is planned to be held in its objective.</summary>
    public required bool AllHeld { get; init; }

    public required int Plans { get; init; }

    public string? Unsettled { get; init; }

    public double? UsdPerHour { get; init; }

    /// <summary>What replicas hold of it.</summary>
    public double? HeldUsdPerHour { get; init; }

    public required ImmutableArray<PlannedModel> Models { get; init; }

    public required ImmutableArray<PlannedNode> Nodes { get; init; }

    /// <summary>Training jobs, ordered by name; left out where there are none.</summary>
    public ImmutableArray<PlannedJob>? Training { get; init; }

    public required PlannedBottleneck Bottleneck { get; init; }

    /// <summary>Why headroom and rejected variants of single models are not told; left out where they are.</summary>
    public string? LeftOut { get; init; }

    // Each model's limit takes a dozen plans of the whole fleet.
    private const int ModelsMax = 60;

    public static PlanListing From(SettledFleet fleet, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var few = fleet.Models.Length <= ModelsMax;
        var standings = fleet.Models.ToDictionary(model => model.Model.Id);
        var models = ImmutableArray.CreateBuilder<PlannedModel>();
        foreach (var model in fleet.Fleet.Models)
        {
            cancellationToken.ThrowIfCancellationRequested();
            models.Add(standings.TryGetValue(model.Id, out var standing) ? PlannedModel.Of(fleet, standing, few) : PlannedModel.Unfit(model));
        }

        var nodes = fleet.Snapshot.Nodes.Select(node => PlannedNode.Of(NodeUse.Of(fleet, node))).ToImmutableArray();
        return new PlanListing
        {
            Fleet = fleet.Fleet.Name,
            AllHeld = fleet.AllHeld && fleet.Unsettled is null,
            Plans = fleet.Rounds,
            Unsettled = fleet.Unsettled,
            UsdPerHour = FleetCost.OfNodes(fleet)?.Dollars,
            HeldUsdPerHour = FleetCost.OfReplicas(fleet, fleet.Snapshot.Replicas)?.Dollars,
            Models = models.ToImmutable(),
            Nodes = nodes,
            Training = fleet.Jobs.IsEmpty ? null : [.. fleet.Fleet.Training.OrderBy(job => job.Id).Zip(fleet.Jobs, (job, verdict) => PlannedJob.Of(fleet, job, verdict))],
            Bottleneck = PlannedBottleneck.Of(FleetLimits.OfAll(fleet)),
            LeftOut = few ? null : $"headroom and rejected variants of each, as there are more than {ModelsMax} models",
        };
    }
}

public sealed record PlannedModel
{
    public required string Model { get; init; }

    public required long WeightBytes { get; init; }

    public required bool Held { get; init; }

    /// <summary>Why it is not held.</summary>
    public string? Problem { get; init; }

    public required double DemandPerSecond { get; init; }

    public required double PeakPerSecond { get; init; }

    public string? Variant { get; init; }

    public string? DeviceKind { get; init; }

    public int? DevicesPerReplica { get; init; }

    public required int Replicas { get; init; }

    public int? Wanted { get; init; }

    public double? CapacityEachPerSecond { get; init; }

    public double? CapacityPerSecond { get; init; }

    public double? SloLatencySeconds { get; init; }

    public double? SloTimeToFirstTokenSeconds { get; init; }

    public double? SloTimePerOutputTokenSeconds { get; init; }

    public double? SloAttainment { get; init; }

    public long? DeviceBytesEach { get; init; }

    public long? HostBytesEach { get; init; }

    public long? HostLoadPeakBytesEach { get; init; }

    public double? LoadSeconds { get; init; }

    public double? UsdPerHour { get; init; }

    public ImmutableArray<PlannedPlace> Places { get; init; } = [];

    public string? Rule { get; init; }

    public string? Reason { get; init; }

    /// <summary>More requests a second at the peak before one more replica is wanted.</summary>
    public double? BeforeOneMorePerSecond { get; init; }

    /// <summary>More requests a second at the peak before this fleet can't hold it, the others' demand as it is.</summary>
    public double? HeadroomPerSecond { get; init; }

    /// <summary>What it lacks then.</summary>
    public string? HeadroomResource { get; init; }

    /// <summary>Its replicas by the way they run, in the model's order of preference.</summary>
    public ImmutableArray<PlannedRun> Runs { get; init; } = [];

    public ImmutableArray<PlannedVariant> Rejected { get; init; } = [];

    internal static PlannedModel Of(SettledFleet fleet, ModelStanding model, bool further)
    {
        var (spec, demand) = (model.Model.Spec!, model.Model.Demand);
        var limit = further && fleet.AllHeld && demand.PeakPerSecond > 0 ? FleetLimits.OfOne(fleet, model.Model.Id) : null;
        return new PlannedModel
        {
            Model = model.Model.Id.Value,
            WeightBytes = model.Model.Weights.Value,
            Held = model.Held,
            Problem = model.WhyNot,
            DemandPerSecond = demand.PerSecond,
            PeakPerSecond = demand.PeakPerSecond,
            Variant = model.Variant.Id.Value,
            DeviceKind = model.Variant.DeviceKind,
            DevicesPerReplica = model.Needs.Devices,
            Replicas = model.Replicas.Length,
            Runs = [.. spec.Variants.Select(variant => (Variant: variant, Replicas: model.Replicas.Count(replica => replica.Variant == variant.Id))).Where(run => run.Replicas > 0)
                .Select(run => new PlannedRun(run.Variant.Id.Value, run.Variant.DeviceKind, run.Variant.Needs.Devices, run.Replicas))],
            Wanted = model.Wanted,
            CapacityEachPerSecond = model.CapacityEachPerSecond,
            CapacityPerSecond = model.CapacityEachPerSecond is null || model.Replicas.IsEmpty ? null : model.CapacityPerSecond,
            SloLatencySeconds = spec.Slo.Latency.TotalSeconds,
            SloTimeToFirstTokenSeconds = spec.Slo.TimeToFirstToken?.TotalSeconds,
            SloTimePerOutputTokenSeconds = spec.Slo.TimePerOutputToken?.TotalSeconds,
            SloAttainment = spec.Slo.Attainment,
            DeviceBytesEach = model.Needs.PerDevice?.Highest.Value,
            HostBytesEach = model.Needs.Host.Steady.Value,
            HostLoadPeakBytesEach = model.Needs.Host.LoadPeak.Value,
            LoadSeconds = model.Load.TotalSeconds,
            UsdPerHour = FleetCost.OfReplicas(fleet, model.Replicas)?.Dollars,
            Places = [.. model.Replicas.GroupBy(replica => replica.Placement.Node).OrderBy(node => node.Key).Select(node => new PlannedPlace(node.Key.Value, node.Count()))],
            Rule = model.Verdict.Rule.ToString(),
            Reason = ((model.Held ? model.Started : null) ?? model.Verdict).ToString(),
            BeforeOneMorePerSecond = model.BeforeOneMorePerSecond,
            HeadroomPerSecond = limit is { Model: not null } ? (limit.Factor - 1) * demand.PeakPerSecond : null,
            HeadroomResource = limit?.Resource,
            Rejected = further ? [.. RejectedVariant.Of(fleet, model).Select(one => new PlannedVariant(one.Variant, one.Why, one.Replicas, one.Cost?.Dollars, one.IsCheaper))] : [],
        };
    }

    internal static PlannedModel Unfit(DescribedModel model) => new()
    {
        Model = model.Id.Value,
        WeightBytes = model.Weights.Value,
        Held = model.Demand.PeakPerSecond <= 0,
        Problem = "no way to run it fits: " + string.Join("; ", model.Unfit.Select(one => $"{one.Variant}: {one.Why}")),
        DemandPerSecond = model.Demand.PerSecond,
        PeakPerSecond = model.Demand.PeakPerSecond,
        Replicas = 0,
        Rejected = [.. model.Unfit.Select(one => new PlannedVariant(one.Variant, one.Why, null, null, false))],
    };
}

/// <param name="Variant">The way to run it.</param>
/// <param name="DeviceKind">What it runs on; null for the processor.</param>
/// <param name="DevicesPerReplica">Devices of each.</param>
/// <param name="Replicas">How many run so.</param>
public sealed record PlannedRun(string Variant, string? DeviceKind, int DevicesPerReplica, int Replicas);

/// <param name="Node">Its name.</param>
/// <param name="Replicas">How many of the model it has.</param>
public sealed record PlannedPlace(string Node, int Replicas);

/// <summary>A training job: where its members are, or why it waits.</summary>
public sealed record PlannedJob
{
    public required string Job { get; init; }

    public required int Priority { get; init; }

    public required int Members { get; init; }

    public string? DeviceKind { get; init; }

    public required int DevicesPerMember { get; init; }

    public long? DeviceBytesEach { get; init; }

    public required long HostBytesEach { get; init; }

    public required long CheckpointBytes { get; init; }

    /// <summary>How long nine in ten of its checkpoints take to write.</summary>
    public required double CheckpointSeconds { get; init; }

    public required bool Runs { get; init; }

    /// <summary>By node, with members where replicas are counted for models.</summary>
    public ImmutableArray<PlannedPlace> Places { get; init; } = [];

    /// <summary>Why it waits; left out where it runs.</summary>
    public string? Problem { get; init; }

    internal static PlannedJob Of(SettledFleet fleet, TrainingSpec job, JobVerdict verdict)
    {
        var gang = fleet.Snapshot.Training.FirstOrDefault(gang => gang.Job == job.Id && gang.Holds);
        return new PlannedJob
        {
            Job = job.Id.Value,
            Priority = job.Priority,
            Members = job.GangSize,
            DeviceKind = job.DeviceKind,
            DevicesPerMember = job.NeedsPerMember.Devices,
            DeviceBytesEach = job.NeedsPerMember.PerDevice?.Highest.Value,
            HostBytesEach = job.NeedsPerMember.Host.Highest.Value,
            CheckpointBytes = job.CheckpointSize.Value,
            CheckpointSeconds = Math.Round(verdict.Checkpoint.TotalSeconds, 3),
            Runs = gang is not null,
            Places = gang is null ? [] : [.. gang.Members.GroupBy(member => member.Node).OrderBy(here => here.Key).Select(here => new PlannedPlace(here.Key.Value, here.Count()))],
            Problem = gang is null ? verdict.Reason.ToString() : null,
        };
    }
}

/// <param name="Variant">Its name.</param>
/// <param name="Why">Why it was not chosen.</param>
/// <param name="Replicas">How many it would take.</param>
/// <param name="UsdPerHour">What they would cost.</param>
/// <param name="Cheaper">Whether it would hold the demand for less than what was chosen.</param>
public sealed record PlannedVariant(string Variant, string Why, int? Replicas, double? UsdPerHour, bool Cheaper);

public sealed record PlannedNode
{
    public required string Node { get; init; }

    public required string Group { get; init; }

    public string? DeviceKind { get; init; }

    public required int Devices { get; init; }

    /// <summary>That have at least one replica.</summary>
    public required int DevicesUsed { get; init; }

    public required long DeviceUsedBytes { get; init; }

    public required long DeviceBytes { get; init; }

    public required long HostUsedBytes { get; init; }

    public required long HostBytes { get; init; }

    public required double CoresUsed { get; init; }

    public required double Cores { get; init; }

    public long? DiskUsedBytes { get; init; }

    public long? DiskBytes { get; init; }

    public double? UsdPerHour { get; init; }

    public required int Replicas { get; init; }

    internal static PlannedNode Of(NodeUse use) => new()
    {
        Node = use.Node.Id.Value,
        Group = use.Group.Name,
        DeviceKind = use.Group.DeviceKind,
        Devices = use.Node.Devices.Length,
        DevicesUsed = use.DeviceUsed.Count,
        DeviceUsedBytes = use.DeviceUsed.Values.Sum(bytes => bytes.Value),
        DeviceBytes = use.Node.Devices.Sum(device => device.MemoryBudget.Value),
        HostUsedBytes = use.HostUsed.Value,
        HostBytes = use.Node.HostMemoryBudget.Value,
        CoresUsed = use.CoresUsed.Milli / 1000.0,
        Cores = use.Node.Cores.Milli / 1000.0,
        DiskUsedBytes = use.Node.CacheBudget is null ? null : use.DiskUsed.Value,
        DiskBytes = use.Node.CacheBudget?.Value,
        UsdPerHour = use.Group.PricePerHour?.Dollars,
        Replicas = use.Replicas.Length,
    };
}

/// <param name="Factor">So many times the demand are held.</param>
/// <param name="Model">That is not held beyond it.</param>
/// <param name="Resource">What it lacks.</param>
/// <param name="Why">The plan's own reason.</param>
public sealed record PlannedBottleneck(double Factor, string? Model, string? Resource, string? Why)
{
    internal static PlannedBottleneck Of(Bottleneck found) => new(found.Factor, found.Model?.Value, found.Resource, found.Why);
}
