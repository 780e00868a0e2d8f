using System.Collections.Immutable;

namespace Plimsoll.Tests.Planning;

/// <summary>Builds small fleets for tests, in words.</summary>
internal static class Fleets
{
    public static readonly DateTimeOffset Noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    public const Capabilities Local = Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim
        | Capabilities.HoldRequests | Capabilities.PrefetchWeights | Capabilities.EvictWeights;

    public static ModelSpec Model(
        string id, double weightMiB, int priority = 0, int min = 0, int max = 1, double peakMiB = 0, double cores = 0.25,
        double sloSeconds = 1, bool cached = false, string version = "v1", int devices = 0)
    {
        var weights = Bytes.MiB(weightMiB);
        return new ModelSpec
        {
            Id = new ModelId(id),
            Version = version,
            Source = $"/models/{id}",
            Cached = cached,
            Footprint = new Footprint
            {
                Format = ArtifactFormat.Onnx,
                Source = FootprintSource.Header,
                Digest = version,
                OnDisk = weights,
                Weights = weights,
            },
            Slo = new Slo(TimeSpan.FromSeconds(sloSeconds), 0.99),
            Priority = priority,
            MinReplicas = min,
            MaxReplicas = max,
            Variants =
            [
                new VariantSpec
                {
                    Id = new VariantId("cpu"),
                    Engine = "plimsoll-model-server",
                    DeviceKind = devices > 0 ? "gpu" : null,
                    TensorParallel = Math.Max(1, devices),
                    Needs = new ReplicaNeeds
                    {
                        Host = new MemoryNeed(Bytes.MiB(peakMiB > 0 ? peakMiB : weightMiB), weights),
                        Devices = devices,
                        PerDevice = devices > 0 ? new MemoryNeed(weights.Scale(1.1 / devices), weights.Scale(1.1 / devices)) : null,
                        Cores = Cores.Of(cores),
                        Disk = cached ? weights : Bytes.Zero,
                    },
                },
            ],
        };
    }

    public static FleetSpec Spec(params ModelSpec[] models) =>
        new() { Models = [.. models.OrderBy(model => model.Id)] };

    public static NodeState Node(double memoryMiB, double cores = 8, string id = "here", double? cacheMiB = null,
        params ReadOnlySpan<double> deviceMiB) => new()
        {
            Devices = Devices(deviceMiB),
            Id = new NodeId(id),
            HostMemory = Bytes.MiB(memoryMiB * 2),
            HostMemoryBudget = Bytes.MiB(memoryMiB),
            Cores = Cores.Of(cores),
            CacheBudget = cacheMiB is { } cache ? Bytes.MiB(cache) : null,
            CacheFileSystemFree = Signal.Known(Bytes.GiB(100), Noon),
        };

    private static ImmutableArray<DeviceState> Devices(ReadOnlySpan<double> deviceMiB)
    {
        var devices = ImmutableArray.CreateBuilder<DeviceState>();
        foreach (var memory in deviceMiB)
            devices.Add(new DeviceState
            {
                Id = new DeviceId($"gpu{devices.Count}"),
                Kind = "gpu",
                Memory = Bytes.MiB(memory),
                MemoryBudget = Bytes.MiB(memory),
            });
        return devices.ToImmutable();
    }

    public static FleetSnapshot Snapshot(FleetSpec spec, NodeState node, DateTimeOffset at, params InferenceReplica[] replicas) =>
        new()
        {
            At = at,
            Can = Local,
            Nodes = [node],
            Replicas = [.. replicas.OrderBy(replica => replica.Id)],
            Traffic = [.. spec.Models.Select(model => Traffic(model.Id, at, 0))],
        };

    /// <summary>The way of running on one device of a kind, of which it takes so much ("on-large").</summary>
    public static VariantSpec OnDevice(string kind, double mib) => new()
    {
        Id = new VariantId($"on-{kind}"),
        Engine = "plimsoll-model-server",
        DeviceKind = kind,
        Needs = new ReplicaNeeds
        {
            Host = new MemoryNeed(Bytes.MiB(10), Bytes.MiB(10)),
            Devices = 1,
            PerDevice = new MemoryNeed(Bytes.MiB(mib), Bytes.MiB(mib)),
            Cores = Cores.Of(0.1),
            Disk = Bytes.Zero,
        },
    };

    public static InferenceReplica Replica(
        ModelSpec model, int ordinal, ReplicaState state, DateTimeOffset since, int outstanding = 0, string node = "here") => new()
        {
            Id = ReplicaId.Of(model.Id, ordinal),
            Model = model.Id,
            Version = model.Version,
            Variant = model.Variants[0].Id,
            Placement = new Placement(new NodeId(node), []),
            State = state,
            StateSince = since,
            StartedAt = since,
            Reserved = model.Variants[0].Needs,
            Outstanding = outstanding,
            Concurrency = model.Variants[0].Concurrency,
        };

    public static ModelTraffic Traffic(ModelId model, DateTimeOffset to, long arrivals, int held = 0, double heldSeconds = 0) =>
        new()
        {
            Model = model,
            From = to - TimeSpan.FromSeconds(1),
            To = to,
            Arrivals = arrivals,
            HeldNow = held,
            HeldRequestSeconds = heldSeconds,
        };

    public static FleetSnapshot With(this FleetSnapshot snapshot, ModelTraffic traffic) => snapshot with
    {
        Traffic = [.. snapshot.Traffic.Where(row => row.Model != traffic.Model).Append(traffic).OrderBy(row => row.Model)],
    };

    public static Plan Decide(FleetSpec spec, FleetSnapshot snapshot, Knowledge? knowledge = null) =>
        new Planner(new WeightAllocator()).Decide(spec, snapshot, (knowledge ?? Knowledge.Empty).Fold(spec, snapshot));

    public static string[] StepIds(this Plan plan) => [.. plan.Steps.Select(step => step.Id.Value)];
}
