using System.Collections.Immutable;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Plans;

/// <summary>A fleet that was seen at one moment, made ready to be planned for with a demand that is taken as known.</summary>
public static class ObservedFleet
{
    // Loads take no time in a plan of known demand, so nobody asks how fast a disk is.
    private static readonly BytesPerSecond Unasked = new(1);

    /// <summary>The fleet with what runs: what loads is taken as loaded, and what goes as gone.</summary>
    /// <param name="name">What it is called.</param>
    /// <param name="spec">What is to be served.</param>
    /// <param name="seen">What was seen.</param>
    /// <param name="learned">What was known then.</param>
    /// <param name="demand">Of each model.</param>
    public static DescribedFleet Of(string name, FleetSpec spec, FleetSnapshot seen, Knowledge learned, Func<ModelId, KnownDemand> demand)
    {
        ArgumentNullException.ThrowIfNull(spec);
        ArgumentNullException.ThrowIfNull(seen);
        ArgumentNullException.ThrowIfNull(learned);
        ArgumentNullException.ThrowIfNull(demand);
        var groups = seen.Nodes.Select(node => GroupOf(node, spec.Prices)).OrderBy(group => group.Name, StringComparer.Ordinal).ToImmutableArray();
        return new DescribedFleet
        {
            Name = name,
            Nodes = groups,
            Models = [.. spec.Models.Select(model => new DescribedModel { Id = model.Id, Weights = model.Footprint.Weights, Spec = model, Demand = demand(model.Id) })],
            Training = spec.Training,
            // The demand is known; a forecast would add what it could miss.
            Settings = spec.Settings with { ForecastDemand = false },
            Prices = spec.Prices,
            Observed = Still(seen, spec),
            // What was measured is of one version; another starts afresh.
            Learned = learned with
            {
                Models = learned.Models.Where(pair => spec.Find(pair.Key) is { } model && (pair.Value.Version ?? model.Version) == model.Version)
                    .ToImmutableSortedDictionary(pair => pair.Key, pair => Calm(pair.Value)),
            },
        };
    }

    // Steps that end at once would otherwise meet work that never does: no clock goes here.
    private static FleetSnapshot Still(FleetSnapshot seen, FleetSpec spec) => seen with
    {
        Can = seen.Can & (Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim | Capabilities.PrefetchWeights | Capabilities.EvictWeights | Capabilities.Train),
        Nodes = [.. seen.Nodes.Select(node => node with { Pool = node.Id.Value })],
        Replicas =
        [
            .. seen.Replicas.Where(replica => replica.State is ReplicaState.Loading or ReplicaState.Ready)
                .Select(replica => replica with { State = ReplicaState.Ready, Outstanding = 0 }),
        ],
        Training =
        [
            .. seen.Training.Select(gang => gang.State switch
            {
                GangState.Starting or GangState.Checkpointing => gang with { State = GangState.Running },
                GangState.Stopping => gang with { State = GangState.Suspended, Members = [] },
                _ => gang,
            }),
        ],
        InFlight = [],
        Cache = [.. seen.Cache.Where(copy => copy.Complete)],
        Traffic = [.. spec.Models.Select(model => new ModelTraffic { Model = model.Id, From = seen.At, To = seen.At, Arrivals = 0 })],
        Outcomes = [],
    };

    // What waits, and what failed and is tried again later, is of that moment and not of the fleet.
    private static ModelKnowledge Calm(ModelKnowledge known) => known with { Failures = FailureRecord.None, HeldDebt = 0, RateBeforeCensored = null };

    private static NodeGroup GroupOf(NodeState node, Prices prices) => new()
    {
        Name = node.Id.Value,
        Count = 1,
        DeviceKind = node.Devices.IsEmpty ? null : node.Devices[0].Kind,
        Devices = node.Devices.Length,
        DeviceMemory = node.Devices.IsEmpty ? Bytes.Zero : node.Devices[0].MemoryBudget,
        HostMemory = node.HostMemory,
        Cores = node.Cores,
        CacheSize = node.CacheBudget,
        DiskBandwidth = Unasked,
        NetworkBandwidth = Unasked,
        PricePerHour = PriceOf(node, prices),
    };

    // Of its devices, or of its memory where it has none: what replicas are charged by.
    private static UsdPerHour? PriceOf(NodeState node, Prices prices)
    {
        if (node.Devices.IsEmpty)
            return prices.HostMemoryPerGiB is { } each ? UsdPerHour.Of(each.Dollars * node.HostMemoryBudget.Value / (1L << 30)) : null;
        var priced = node.Devices.Select(device => prices.Devices.FirstOrDefault(price => price.Kind == device.Kind)).OfType<DevicePrice>().ToList();
        return priced.Count < node.Devices.Length ? null : new UsdPerHour(priced.Sum(price => price.PerDevice.Micro));
    }
}
