using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Resources;

/// <summary>A kind of node that can be added, in the brain's own types.</summary>
public sealed record NodePoolSettings
{
    public required string Name { get; init; }

    /// <summary>Labels that its nodes have, ordered by name; a pool without any is known by nobody.</summary>
    public required ImmutableSortedDictionary<string, string> NodeLabels { get; init; }

    /// <summary>As the cloud names it; null where it was not stated.</summary>
    public string? InstanceType { get; init; }

    /// <summary>Null where they were not stated.</summary>
    public ImmutableArray<Taint>? Taints { get; init; }

    public string? Device { get; init; }

    public int Devices { get; init; }

    public Bytes? Memory { get; init; }

    public double? Cores { get; init; }

    public Bytes? Disk { get; init; }

    /// <summary>Null to go by what was observed, or five minutes before anything was.</summary>
    public TimeSpan? BootTime { get; init; }

    public UsdPerHour? PricePerHour { get; init; }

    public int MinNodes { get; init; }

    /// <summary>Null for as many as the cluster's own machinery gives.</summary>
    public int? MaxNodes { get; init; }
}

/// <summary>A Fleet's spec in the brain's own types, defaults filled in.</summary>
public sealed record FleetSettings
{
    /// <summary>The most that may be done for any model.</summary>
    public FleetMode Mode { get; init; } = FleetMode.Act;

    public Prices Prices { get; init; } = new();

    /// <summary>Ordered by name.</summary>
    public ImmutableArray<NodePoolSettings> NodePools { get; init; } = [];

    /// <summary>Of the pods that hold a place on a node that is asked for.</summary>
    public string PlaceholderImage { get; init; } = "registry.k8s.io/pause:3.10";

    /// <summary>Most devices by kind.</summary>
    public ImmutableArray<DeviceQuota> DeviceQuotas { get; init; }

    /// <summary>
    /// A cluster's time scales: pods take minutes to start and metrics are seconds old, so that a plan every five seconds
    /// on buckets as wide loses nothing.
    /// </summary>
    public PlannerSettings Planner { get; init; } = ClusterDefaults;

    public static readonly PlannerSettings ClusterDefaults = PlannerSettings.Latest with
    {
        Review = TimeSpan.FromSeconds(5),
        DemandBucket = TimeSpan.FromSeconds(5),
        DemandBuckets = 720,
    };

    /// <summary>A model's mode under the fleet's: the one that does less.</summary>
    public FleetMode Cap(FleetMode mode) => mode < Mode ? mode : Mode;

    /// <summary>What is wrong with a Fleet; none when it can be read.</summary>
    public static ImmutableArray<FieldProblem> Check(FleetResource fleet)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        var check = new FieldCheck();
        if (fleet.Spec is not { } spec) return [];
        check.Group(spec, "spec");
        for (var i = 0; i < spec.NodePools?.Count && check.Problems.Length < FieldCheck.ProblemsMax; i++)
        {
            if (spec.NodePools[i] is not { } pool) continue;
            if (pool.MinNodes > pool.MaxNodes)
                check.Add($"spec.nodePools[{i}].minNodes", $"found {pool.MinNodes}, above maxNodes ({pool.MaxNodes}); at most that would do");
            if (pool is { Device: not null, Devices: null or 0 })
                check.Add($"spec.nodePools[{i}].devices", "missing; how many of the device one node has would do");
            else if (pool is { Device: null, Devices: > 0 })
                check.Add($"spec.nodePools[{i}].device", "missing; the kind of the devices would do, such as l4-24gb");
        }

        if (spec.Planner is not null)
        {
            var planner = PlannerOf(spec.Planner);
            if (planner.DemandBuckets is < 1 or > 100_000)
                check.Add("spec.planner.demandHistory", $"{Durations.Show(planner.DemandBucket)} go into it {planner.DemandBuckets} times; 1 to 100000 would do");
            if (planner.CrashBackoffMax < planner.CrashBackoff)
                check.Add("spec.planner.crashBackoffMax", "it is below crashBackoff; at least that would do");
        }

        return check.Problems;
    }

    /// <summary>Reads a Fleet; null for the defaults.</summary>
    public static FleetSettings Of(FleetResource? fleet)
    {
        if (fleet?.Spec is not { } spec) return new FleetSettings();
        return new FleetSettings
        {
            Mode = ScaledModelSettings.ModeOf(spec.Mode, FleetMode.Act),
            Prices = new Prices
            {
                HostMemoryPerGiB = spec.Prices?.HostMemoryPerGiB is { } host ? UsdPerHour.Of(host) : null,
                Devices =
                [
                    .. (spec.Prices?.Devices ?? new Dictionary<string, double>())
                        .OrderBy(price => price.Key, StringComparer.Ordinal).Select(price => new DevicePrice(price.Key, UsdPerHour.Of(price.Value))),
                ],
            },
            NodePools = [.. (spec.NodePools ?? []).Where(pool => pool is not null).Select(PoolOf).OrderBy(pool => pool.Name, StringComparer.Ordinal)],
            PlaceholderImage = spec.PlaceholderImage ?? new FleetSettings().PlaceholderImage,
            DeviceQuotas = spec.Quotas?.Devices is { Count: > 0 } quotas
                ? [.. quotas.OrderBy(quota => quota.Key, StringComparer.Ordinal).Select(quota => new DeviceQuota(quota.Key, quota.Value))] : default,
            Planner = PlannerOf(spec.Planner ?? new FleetPlanner()),
        };
    }

    private static NodePoolSettings PoolOf(FleetNodePool pool) => new()
    {
        Name = pool.Name ?? "",
        NodeLabels = (pool.NodeLabels ?? new Dictionary<string, string>()).ToImmutableSortedDictionary(StringComparer.Ordinal),
        InstanceType = pool.InstanceType,
        Taints = pool.Taints is { } taints
            ? [.. taints.Where(taint => taint is not null).Select(taint => new Taint(taint.Key ?? "", taint.Value ?? "", taint.Effect ?? "NoSchedule"))] : null,
        Device = pool.Device,
        Devices = pool.Devices ?? 0,
        Memory = Bytes.TryParse(pool.Memory, out var memory) ? memory : null,
        Cores = pool.Cores,
        Disk = Bytes.TryParse(pool.Disk, out var disk) ? disk : null,
        BootTime = ScaledModelSettings.Time(pool.BootTime),
        PricePerHour = pool.PricePerHour is { } price ? UsdPerHour.Of(price) : null,
        MinNodes = pool.MinNodes ?? 0,
        MaxNodes = pool.MaxNodes,
    };

    private static PlannerSettings PlannerOf(FleetPlanner planner)
    {
        var usual = ClusterDefaults;
        var bucket = ScaledModelSettings.Time(planner.DemandBucket) ?? usual.DemandBucket;
        var history = ScaledModelSettings.Time(planner.DemandHistory) ?? usual.DemandBucket * usual.DemandBuckets;
        return usual with
        {
            Review = ScaledModelSettings.Time(planner.Review) ?? usual.Review,
            DemandBucket = bucket,
            DemandBuckets = (int)Math.Clamp(Math.Ceiling(history / bucket), 0, 1_000_000),
            DrainDeadline = ScaledModelSettings.Time(planner.DrainDeadline) ?? usual.DrainDeadline,
            DrainAsLongAsSeen = ScaledModelSettings.Time(planner.DrainDeadline) is null,
            CrashBackoff = ScaledModelSettings.Time(planner.CrashBackoff) ?? usual.CrashBackoff,
            CrashBackoffMax = ScaledModelSettings.Time(planner.CrashBackoffMax) ?? usual.CrashBackoffMax,
            OverdueFactor = planner.OverdueFactor ?? usual.OverdueFactor,
            AssumedLoadBandwidth = BytesPerSecond.TryParse(planner.AssumedLoadBandwidth, out var bandwidth) ? bandwidth : usual.AssumedLoadBandwidth,
            AssumedLoadFixed = ScaledModelSettings.Time(planner.AssumedLoadFixed) ?? usual.AssumedLoadFixed,
        };
    }
}
