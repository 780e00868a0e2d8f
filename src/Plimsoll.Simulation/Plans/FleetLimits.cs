using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Plans;

/// <summary>How far demand can grow before the plan can't hold it, found by planning again.</summary>
public static class FleetLimits
{
    // A thousandfold is as good as no limit; beyond it a plan is of another fleet.
    private const double FactorMax = 1024;
    private const double Precision = 1.01;

    /// <summary>Where all demand grows in proportion.</summary>
    public static Bottleneck OfAll(SettledFleet fleet)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        return Of(factor => fleet.AllHeld && factor >= 1
            ? fleet.With(model => model.Demand.Times(factor))
            : SettledFleet.Of(fleet.Fleet with { Models = [.. fleet.Fleet.Models.Select(model => model with { Demand = model.Demand.Times(factor) })] }), fleet.AllHeld);
    }

    /// <summary>Where one model's demand grows and the others' stays; only of a fleet in which all are held.</summary>
    public static Bottleneck OfOne(SettledFleet fleet, ModelId model)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        return Of(factor => fleet.With(one => one.Id == model ? one.Demand.Times(factor) : one.Demand), held: true);
    }

    // Bisection between what is held and what isn't. A plan for more need not be short wherever one for less is, as models are
    // placed anew each time; what is told is a factor that is held, with one next to it that isn't.
    private static Bottleneck Of(Func<double, SettledFleet> at, bool held)
    {
        var (low, high) = (held ? 1.0 : 0.0, held ? 2.0 : 1.0);
        var failed = at(high);
        while (failed.AllHeld && high < FactorMax)
        {
            (low, high) = (high, high * 2);
            failed = at(high);
        }

        if (failed.AllHeld) return new Bottleneck(high, null, null, null);
        while (low > 0 ? high / low > Precision : high > 0.001)
        {
            var middle = low > 0 ? Math.Sqrt(low * high) : high / 2;
            var tried = at(middle);
            if (tried.AllHeld) low = middle;
            else (high, failed) = (middle, tried);
        }

        var first = failed.Models.FirstOrDefault(model => !model.Held);
        return first is null
            ? new Bottleneck(low, failed.Fleet.Models.First(model => model.Spec is null).Id, Bottleneck.NoWay, null)
            : new Bottleneck(low, first.Model.Id, Shortage.Of(failed, first), first.WhyNot);
    }
}

/// <summary>What runs out first.</summary>
/// <param name="Factor">So many times the demand are held; 0 where not even a thousandth is.</param>
/// <param name="Model">The model that is not held beyond that; null where nothing runs out.</param>
/// <param name="Resource">What it lacks ("devices l4-24gb", "host memory").</param>
/// <param name="Why">The plan's own reason.</param>
public sealed record Bottleneck(double Factor, ModelId? Model, string? Resource, string? Why)
{
    /// <summary>The resource of a model of which nobody knows what a replica carries, so that no number of them is enough.</summary>
    public const string CapacityUnknown = "a known capacity of a replica";

    /// <summary>The resource of a model that fits nowhere in any of its ways.</summary>
    public const string NoWay = "a way to run that fits";
}

/// <summary>Names what a model lacks in a settled fleet.</summary>
internal static class Shortage
{
    public static string Of(SettledFleet fleet, ModelStanding model)
    {
        var spec = model.Model.Spec!;
        if (model.Model.Demand.PeakPerSecond > 0 && model.CapacityEachPerSecond is null && model.Replicas.Length >= Math.Max(model.Wanted, 1)) return Bottleneck.CapacityUnknown;
        if (model.Model.Demand.PeakPerSecond > 0 && !model.Keeps) return "speed";
        if (model.Replicas.Length >= spec.MaxReplicas) return string.Create(CultureInfo.InvariantCulture, $"maxReplicas ({spec.MaxReplicas})");
        if (model.Verdict.Rule is Rule.HoldDisk or Rule.RefusedDisk) return "disk";
        var (needs, kind) = (model.Needs, model.Variant.DeviceKind);
        var able = fleet.Snapshot.Nodes.Where(node => Admission.Fits(node, needs, kind)).ToList();
        if (able.Count == 0) return string.Join(", ", Never(fleet.Snapshot.Nodes, needs, kind));
        var short_ = able.SelectMany(node => On(NodeUse.Of(fleet, node), needs, kind)).CountBy(what => what)
            .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Key).ToList();
        var pools = fleet.Fleet.Nodes.Where(group => group.IsElastic && able.Any(node => node.Pool == group.Name)).Select(group => $"{group.Name} has its {group.Most} nodes").ToList();
        return (short_.Count > 0 ? string.Join(", ", short_) : "room on one node at once") + (pools.Count > 0 ? $"; {string.Join(", ", pools)}" : "");
    }

    // What no node has even when it is empty.
    private static IEnumerable<string> Never(ImmutableArray<NodeState> nodes, ReplicaNeeds needs, string? kind)
    {
        bool Any(Func<NodeState, bool> has) => nodes.Any(has);
        bool Is(DeviceState device) => kind is null || device.Kind == kind;
        if (!Any(node => node.Devices.Count(Is) >= needs.Devices)) yield return $"devices {kind} on one node";
        else if (needs.PerDevice is { } each && !Any(node => node.Devices.Count(device => Is(device) && device.MemoryBudget >= each.Highest) >= needs.Devices)) yield return $"device memory of {kind}";
        if (!Any(node => node.HostMemoryBudget >= needs.Host.Highest)) yield return "host memory";
        if (!Any(node => node.Cores >= needs.Cores)) yield return "cores";
    }

    private static IEnumerable<string> On(NodeUse use, ReplicaNeeds needs, string? kind)
    {
        var devices = use.Node.Devices.Where(device => kind is null || device.Kind == kind).ToList();
        if (needs.PerDevice is { } each && devices.Count(device => device.MemoryBudget - use.DeviceUsed.GetValueOrDefault(device.Id, Bytes.Zero) >= each.Highest) < needs.Devices)
            yield return $"device memory of {kind}";
        if (use.Node.HostMemoryBudget - use.HostUsed < needs.Host.Highest) yield return "host memory";
        if (use.Node.Cores < use.CoresUsed + needs.Cores) yield return "cores";
    }
}

/// <summary>What is used of one node, by replicas and by training.</summary>
public sealed record NodeUse
{
    public required NodeState Node { get; init; }

    public required NodeGroup Group { get; init; }

    public required Bytes HostUsed { get; init; }

    public required Cores CoresUsed { get; init; }

    public required Bytes DiskUsed { get; init; }

    public required ImmutableSortedDictionary<DeviceId, Bytes> DeviceUsed { get; init; }

    public required ImmutableArray<InferenceReplica> Replicas { get; init; }

    public static NodeUse Of(SettledFleet fleet, NodeState node)
    {
        ArgumentNullException.ThrowIfNull(fleet);
        ArgumentNullException.ThrowIfNull(node);
        ImmutableArray<InferenceReplica> here = [.. fleet.Snapshot.Replicas.Where(replica => replica.Placement.Node == node.Id)];
        NodeLedger.Release[] training =
        [
            .. fleet.Snapshot.Training.SelectMany(gang => gang.Members.Where(member => member.Node == node.Id).Select(member => NodeLedger.Release.Of(gang, member))),
        ];
        return new NodeUse
        {
            Node = node,
            Group = fleet.Fleet.Nodes.First(group => group.Name == node.Pool),
            HostUsed = new Bytes(here.Sum(replica => Weighing.HostCharge(replica, fleet.Knowledge.Of(replica.Model)).Value) + training.Sum(member => member.Host.Value)),
            CoresUsed = training.Aggregate(here.Aggregate(Cores.Zero, (sum, replica) => sum + replica.Reserved.Cores), (sum, member) => sum + member.Cores),
            DiskUsed = new Bytes(fleet.Snapshot.Cache.Where(copy => copy.Node == node.Id).Sum(copy => copy.Size.Value)),
            DeviceUsed = here.SelectMany(replica => replica.Placement.Devices.Select(device => (device, Used: Weighing.DeviceCharge(replica).Value)))
                .Concat(training.SelectMany(member => member.Devices.Select(device => (device, Used: member.PerDevice.Value))))
                .GroupBy(one => one.device).ToImmutableSortedDictionary(one => one.Key, one => new Bytes(one.Sum(use => use.Used))),
            Replicas = here,
        };
    }
}
