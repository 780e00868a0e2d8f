using static Plimsoll.Tests.Planning.Fleets;

namespace Plimsoll.Tests.Planning;

/// <summary>Clusters whose scheduler places, with pools that nodes can be asked of.</summary>
internal static class NodeScenes
{
    public const string Gpu = "nvidia.com/gpu";

    public const Capabilities Cluster = Capabilities.AddNodes | Capabilities.ProtectReplicas;

    /// <summary>A model whose pods ask for its devices and so much memory.</summary>
    public static ModelSpec Asking(ModelSpec model, double memoryMiB, params string[] groups) => model with
    {
        Requests = new SchedulerRequests
        {
            Memory = Bytes.MiB(memoryMiB),
            Cores = Cores.Of(0.25),
            Resource = model.Variants[0].Needs.Devices > 0 ? Gpu : null,
            Devices = model.Variants[0].Needs.Devices,
            Pools = [.. groups],
        },
    };

    public static NodeState Gpus(string id, int devices, int? free = null, double deviceMiB = 80_000, double memoryMiB = 200_000, string kind = "gpu") => new()
    {
        Id = new NodeId(id),
        HostMemory = Bytes.MiB(memoryMiB),
        HostMemoryBudget = Bytes.MiB(memoryMiB),
        Cores = Cores.Of(64),
        Devices =
        [
            .. Enumerable.Range(0, devices).Select(i => new DeviceState
            {
                Id = new DeviceId($"gpu{i:00}"), Kind = kind, Memory = Bytes.MiB(deviceMiB), MemoryBudget = Bytes.MiB(deviceMiB), Resource = Gpu,
            }),
        ],
        Scheduler = new SchedulerRoom { Memory = Bytes.MiB(memoryMiB), Cores = Cores.Of(64), Pods = 110, Resources = [new ResourceCount(Gpu, free ?? devices)] },
    };

    public static NodePool Pool(string name, double dollars, int devices, NodeLimit? limit = null, double deviceMiB = 80_000, double memoryMiB = 200_000) => new()
    {
        Name = name,
        Node = Gpus($"a node of {name}", devices, deviceMiB: deviceMiB, memoryMiB: memoryMiB),
        PricePerHour = UsdPerHour.Of(dollars),
        BootTime = TimeSpan.FromMinutes(4),
        Limit = limit,
    };

    public static FleetSpec With(this FleetSpec spec, params NodePool[] pools) => spec with { NodePools = [.. pools.OrderBy(pool => pool.Name, StringComparer.Ordinal)] };

    public static FleetSnapshot Seen(FleetSpec spec, params NodeState[] nodes) => new()
    {
        At = Noon,
        Can = Cluster,
        Nodes = [.. nodes.OrderBy(node => node.Id)],
        Traffic = [.. spec.Models.Select(model => Traffic(model.Id, Noon, 0))],
    };

    public static WorkInFlight Asked(string pool, int ordinal, TimeSpan ago, params ModelCount[] models) => new()
    {
        Step = Step.AddNode.IdOf(pool, ordinal),
        Kind = WorkKind.AddingNode,
        StartedAt = Noon - ago,
        ExpectedEnd = Noon - ago + TimeSpan.FromMinutes(4),
        Adding = new NodeRequest(pool, ordinal, [.. models]) { At = Noon - ago },
    };

    /// <summary>What the plan asked for is asked for, and nothing else has changed but the time.</summary>
    public static FleetSnapshot Applied(this FleetSnapshot snapshot, Plan plan, TimeSpan later) => snapshot with
    {
        At = snapshot.At + later,
        Traffic = [.. snapshot.Traffic.Select(row => row with { From = snapshot.At, To = snapshot.At + later, Arrivals = 0 })],
        InFlight =
        [
            .. snapshot.InFlight
                .Where(work => work.Adding is null || !plan.Steps.Any(step => step is Step.WithdrawNode gone && gone.Pool == work.Adding.Pool && gone.Ordinal == work.Adding.Ordinal))
                .Concat(plan.Steps.OfType<Step.AddNode>().Select(add => new WorkInFlight
                {
                    Step = add.Id,
                    Kind = WorkKind.AddingNode,
                    StartedAt = snapshot.At,
                    Adding = new NodeRequest(add.Pool, add.Ordinal, add.For) { At = snapshot.At },
                })).OrderBy(work => work.Step),
        ],
    };
}
