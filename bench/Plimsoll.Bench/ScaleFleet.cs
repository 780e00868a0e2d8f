using System.Collections.Immutable;

namespace Plimsoll.Bench;

/// <summary>
/// A cluster whose scheduler places: pools of nodes with eight devices each, models that ask of one or two pools, replicas
/// bound all over, other people's pods among them. Same numbers, same fleet.
/// </summary>
internal sealed record ScaleFleet(FleetSpec Spec, FleetSnapshot Snapshot, Knowledge Before)
{
    public const string Gpu = "nvidia.com/gpu";
    private const int Buckets = 720;
    private static readonly DateTimeOffset Noon = new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
    private static readonly (string Kind, int GiB, int HostGiB)[] Pools =
        [("l4-24gb", 24, 384), ("a10-24gb", 24, 512), ("l40s-48gb", 48, 768), ("a100-80gb", 80, 1152), ("h100-80gb", 80, 2048), ("h200-141gb", 141, 2048)];

    /// <param name="nodes">Nodes, spread over the pools.</param>
    /// <param name="models">Models.</param>
    /// <param name="pods">Bound pods; one in five is somebody else's.</param>
    /// <param name="starts">Models that want one replica more than they have.</param>
    /// <param name="scarce">Every device is taken, and victims may be chosen.</param>
    public static ScaleFleet Of(int nodes, int models, int pods, int starts, bool scarce)
    {
        var specs = Enumerable.Range(0, models).Select(Model).ToArray();
        var used = new int[nodes];
        var (hostUsed, coresUsed, podCount) = (new Bytes[nodes], new long[nodes], new int[nodes]);
        var replicas = new List<InferenceReplica>();
        var foreign = new Dictionary<int, Bytes>();
        var foreignDevices = new List<ForeignUse>();
        var have = new int[models];
        for (var pod = 0; pod < pods; pod++)
        {
            var m = (int)((pod * 7919L) % models);
            var model = specs[m];
            var node = Find(pod, model.Requests!.Devices, at => Others(pod) || model.Requests.Pools.Contains(PoolOf(at)));
            if (node is not { } at) continue;
            podCount[at]++;
            if (Others(pod))
            {
                foreignDevices.Add(new ForeignUse { Node = NodeOf(at), Device = Device(used[at]), Memory = Signal.Known(Bytes.GiB(24), Noon), What = $"others/pod-{pod}" });
                used[at]++;
                hostUsed[at] += Bytes.GiB(16);
                foreign[at] = foreign.GetValueOrDefault(at) + Bytes.GiB(16);
                coresUsed[at] += 4000;
                continue;
            }

            replicas.Add(Replica(model, ++have[m], at, used[at]));
            used[at] += model.Requests.Devices;
            hostUsed[at] += model.Requests.Memory;
            coresUsed[at] += model.Requests.Cores.Milli;
        }

        for (var at = 0; scarce && at < nodes; at++)
        {
            for (; used[at] < 8; used[at]++)
                foreignDevices.Add(new ForeignUse { Node = NodeOf(at), Device = Device(used[at]), Memory = Signal.Known(Bytes.GiB(24), Noon), What = "others/batch" });
        }

        var every = models / Math.Max(1, Math.Min(starts, models));
        specs = [.. specs.Select((model, m) => model with
        {
            MinReplicas = m % every == 0 && m / every < starts ? have[m] + 1 : Math.Min(1, have[m]),
            MaxReplicas = have[m] + 4,
        })];
        var snapshot = new FleetSnapshot
        {
            At = Noon,
            Can = scarce ? Capabilities.ChooseVictim : Capabilities.None,
            Nodes = [.. Enumerable.Range(0, nodes).Select(at => Node(at, hostUsed[at], coresUsed[at], used[at], podCount[at]))],
            Replicas = [.. replicas.OrderBy(replica => replica.Id)],
            Foreign = [.. foreign.Select(one => new ForeignUse { Node = NodeOf(one.Key), Memory = Signal.Known(one.Value, Noon), What = "other pods" }).Concat(foreignDevices).OrderBy(use => use.Node)],
            Traffic = [.. specs.Select((model, m) => Traffic(model, m))],
        };
        var before = Knowledge.Empty with
        {
            FoldedAt = Noon.AddSeconds(-5),
            Models = ImmutableSortedDictionary.CreateRange(specs.Select((model, m) => KeyValuePair.Create(model.Id, Known(model, m, have[m])))),
        };
        var spec = new FleetSpec
        {
            Models = [.. specs],
            Settings = PlannerSettings.Latest with { Review = TimeSpan.FromSeconds(5), DemandBucket = TimeSpan.FromSeconds(5), DemandBuckets = Buckets },
        };
        return new ScaleFleet(spec, snapshot, before);

        int? Find(int pod, int devices, Func<int, bool> may)
        {
            for (var i = 0; i < nodes; i++)
            {
                var at = (int)((pod * 104_729L + i) % nodes);
                if (may(at) && used[at] + devices <= 8) return at;
            }

            return null;
        }
    }

    private static bool Others(int pod) => (pod * 2_654_435_761L >> 16) % 5 == 4;

    private static string PoolOf(int node) => $"pool{node % Pools.Length}";

    private static NodeId NodeOf(int node) => new($"node-{node:00000}");

    private static DeviceId Device(int index) => new($"gpu{index:00}");

    private static ModelSpec Model(int m)
    {
        var first = m % Pools.Length;
        var second = m % 3 == 0 ? (first + 1) % Pools.Length : first;
        var devices = (m % 10) switch { < 6 => 1, < 9 => 2, _ => 4 };
        var perDevice = Bytes.GiB(Math.Min(Pools[first].GiB, Pools[second].GiB) - 4 - (m % 7));
        var host = Bytes.GiB(8 + (m % 23));
        var id = new ModelId($"team{m % 40:00}/m{m:0000}");
        return new ModelSpec
        {
            Id = id,
            Version = "v1",
            Source = $"hf://org/m{m:0000}",
            Footprint = new Footprint { Format = ArtifactFormat.Safetensors, Source = FootprintSource.Header, Digest = "v1", OnDisk = perDevice, Weights = perDevice },
            Slo = new Slo(TimeSpan.FromSeconds(10), 0.99),
            Priority = m % 3,
            Variants = [.. new[] { first, second }.Distinct().Select(pool => new VariantSpec
            {
                Id = new VariantId(Pools[pool].Kind),
                Engine = "vllm",
                DeviceKind = Pools[pool].Kind,
                TensorParallel = devices,
                Needs = new ReplicaNeeds
                {
                    Host = new MemoryNeed(host, host.Scale(0.5)),
                    PerDevice = new MemoryNeed(perDevice, perDevice),
                    Devices = devices,
                    Cores = Cores.Of(2),
                    Disk = Bytes.Zero,
                },
            })],
            Requests = new SchedulerRequests
            {
                Memory = host,
                Cores = Cores.Of(4),
                Resource = Gpu,
                Devices = devices,
                Pools = [.. new[] { first, second }.Distinct().Select(pool => $"pool{pool}").Order(StringComparer.Ordinal)],
            },
        };
    }

    private static InferenceReplica Replica(ModelSpec model, int ordinal, int node, int firstDevice) => new()
    {
        Id = new ReplicaId($"{model.Id}-7d9f6c5b4-{ordinal:00000}@{ordinal:x8}"),
        Model = model.Id,
        Version = model.Version,
        Variant = (model.Variants.FirstOrDefault(variant => variant.DeviceKind == Pools[node % Pools.Length].Kind) ?? model.Variants[0]).Id,
        Placement = new Placement(NodeOf(node), [.. Enumerable.Range(firstDevice, model.Requests!.Devices).Select(Device)]),
        State = ReplicaState.Ready,
        StateSince = Noon.AddHours(-1),
        StartedAt = Noon.AddHours(-1),
        Reserved = model.Variants[0].Needs,
        Requests = model.Requests,
        HostMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
        DeviceMemory = Signal.Missing<Bytes>("Kubernetes does not tell"),
        Outstanding = 1,
        Concurrency = 8,
    };

    private static NodeState Node(int at, Bytes hostUsed, long coresUsed, int devicesUsed, int pods)
    {
        var (kind, gib, hostGib) = Pools[at % Pools.Length];
        return new NodeState
        {
            Id = NodeOf(at),
            Pool = PoolOf(at),
            HostMemory = Bytes.GiB(hostGib),
            HostMemoryBudget = Bytes.GiB(hostGib),
            Cores = Cores.Of(192),
            Devices = [.. Enumerable.Range(0, 8).Select(i => new DeviceState
            {
                Id = Device(i), Kind = kind, Memory = Bytes.GiB(gib), MemoryBudget = Bytes.GiB(gib), Resource = Gpu,
            })],
            Scheduler = new SchedulerRoom
            {
                Memory = Bytes.GiB(hostGib) - hostUsed,
                Cores = new Cores(192_000 - coresUsed),
                EphemeralStorage = Bytes.GiB(1000),
                Pods = 110 - pods,
                Resources = [new ResourceCount(Gpu, 8 - devicesUsed)],
            },
        };
    }

    private static ModelTraffic Traffic(ModelSpec model, int m) => new()
    {
        Model = model.Id,
        From = Noon.AddSeconds(-5.3),
        To = Noon.AddSeconds(-0.3),
        Arrivals = m % 4 == 0 ? 0 : 10 + (m % 13),
        Completed = m % 4 == 0 ? 0 : 10 + (m % 13),
        Service = m % 4 == 0 ? null : new ServiceSample(10, 20, 30, 45, 62, 4, 5),
    };

    private static ModelKnowledge Known(ModelSpec model, int m, int have) => ModelKnowledge.Nothing with
    {
        NextOrdinal = have + 1,
        Version = model.Version,
        Demand = new DemandHistory(
            Noon.AddSeconds(-5), [.. Enumerable.Range(0, Buckets).Select(at => m % 4 == 0 ? 0.0 : 8 + ((((at * 7) + m) % 50) / 10.0))]),
        LastArrival = m % 4 == 0 ? Noon.AddMinutes(-70) : Noon.AddSeconds(-5),
        ActiveRate = 1 + (m % 5),
        LastWanted = [.. Enumerable.Repeat(Noon.AddSeconds(-5), have)],
    };
}
