using System.Collections.Immutable;
using Plimsoll.Local;

namespace Plimsoll.Cli.FleetFiles;

/// <summary>What a fleet file says of the machine, of prices and of the planner; defaults where it says nothing.</summary>
internal static class FleetSettings
{
    /// <summary>A kind of device by the catalogue's name; as written where the catalogue has none.</summary>
    public static string KindOf(string device) => DeviceCatalogue.BuiltIn.Find(device)?.Name ?? device;

    /// <summary>What of this machine the fleet may use.</summary>
    public static LocalNodeOptions Node(MachineDocument machine, string folder)
    {
        var defaults = new LocalNodeOptions();
        return new LocalNodeOptions
        {
            MemoryBudget = machine.Memory,
            Cores = machine.Cores,
            DeviceMemoryBudget = machine.GpuMemory,
            CacheFolder = machine.Cache?.Folder is { } cache ? Path.GetFullPath(cache, folder) : null,
            CacheBudget = machine.Cache?.Size,
            FetchBandwidth = machine.Cache?.Bandwidth,
            StopGrace = machine.StopGrace ?? defaults.StopGrace,
            EnforceMemoryBudget = machine.EnforceMemory ?? false,
        };
    }

    public static Prices Prices(PricesDocument? prices) => prices is null ? new Prices() : new Prices
    {
        HostMemoryPerGiB = prices.HostMemoryPerGiB,
        Devices = [.. (prices.Devices ?? ImmutableSortedDictionary<string, UsdPerHour>.Empty)
            .OrderBy(price => price.Key, StringComparer.Ordinal).Select(price => new DevicePrice(KindOf(price.Key), price.Value))],
    };

    public static PlannerSettings Planner(PlannerDocument planner)
    {
        var defaults = new PlannerSettings();
        var bucket = planner.DemandBucket ?? defaults.DemandBucket;
        return PlannerSettings.Latest with
        {
            Review = planner.Review ?? defaults.Review,
            DemandBucket = bucket,
            DemandBuckets = planner.DemandHistory is { } history ? (int)Math.Ceiling(history / bucket) : defaults.DemandBuckets,
            DrainDeadline = planner.DrainDeadline ?? defaults.DrainDeadline,
            DrainAsLongAsSeen = planner.DrainDeadline is null,
            CrashBackoff = planner.CrashBackoff ?? defaults.CrashBackoff,
            CrashBackoffMax = planner.CrashBackoffMax ?? defaults.CrashBackoffMax,
            OverdueFactor = planner.OverdueFactor ?? defaults.OverdueFactor,
            AssumedLoadBandwidth = planner.AssumedLoadBandwidth ?? defaults.AssumedLoadBandwidth,
            AssumedLoadFixed = planner.AssumedLoadFixed ?? defaults.AssumedLoadFixed,
        };
    }
}
