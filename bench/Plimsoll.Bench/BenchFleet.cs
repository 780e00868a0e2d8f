using System.Collections.Immutable;

namespace Plimsoll.Bench;

/// <summary>A fleet of four nodes, its demand of the last ten minutes, and one tick's snapshot. Same size, same fleet.</summary>
internal sealed record BenchFleet(FleetSpec Spec, FleetSnapshot Snapshot, Knowledge Before)
{
    private const int Nodes = 4;
    private const int Buckets = 600;
    private static readonly DateTimeOffset Noon = new(2026, 11, 24, 12, 0, 0, TimeSpan.Zero);

    /// <summary>Three of four models are loaded and in use; the nodes hold them with 2 % to spare.</summary>
    /// <param name="count">Models.</param>
    /// <param name="waitingOneIn">One model in this many is not loaded and has requests waiting; null for none.</param>
    /// <param name="cached">Weights come through model caches, which hold those of the loaded models and one idle in three.</param>
    /// <param name="forecasts">Whether demand is forecast, from the same ten minutes of it.</param>
    public static BenchFleet Of(int count, int? waitingOneIn, bool cached = false, bool forecasts = false)
    {
        var models = Enumerable.Range(0, count).Select(i => Model(i, cached)).ToImmutableArray();
        bool Waits(int i) => waitingOneIn is { } one && i % one == 1;
        bool Loaded(int i) => i % 4 != 3 && !Waits(i);
        var replicas = models.Where((_, i) => Loaded(i)).Select((model, at) => Replica(model, at % Nodes)).OrderBy(replica => replica.Id)
            .ToImmutableArray();
        var onDisk = cached ? Cache(models, replicas) : [];
        var nodes = Enumerable.Range(0, Nodes).Select(n => Node(n, replicas, onDisk)).ToImmutableArray();
        var snapshot = new FleetSnapshot
        {
            At = Noon,
            Can = Capabilities.ChooseNode | Capabilities.ChooseDevice | Capabilities.ChooseVictim | Capabilities.HoldRequests
                | Capabilities.PrefetchWeights | Capabilities.EvictWeights,
            Nodes = nodes,
            Replicas = replicas,
            Cache = onDisk,
            Traffic = [.. models.Select((model, i) => Traffic(model, Loaded(i) ? 1 + i % 3 : 0, Waits(i) ? 1 + i % 7 : 0))],
        };
        var known = models.Select((model, i) => KeyValuePair.Create(model.Id, Known(model, i, Loaded(i), Waits(i), forecasts)));
        var before = Knowledge.Empty with
        {
            FoldedAt = Noon.AddSeconds(-1),
            Models = ImmutableSortedDictionary.CreateRange(known),
        };
        var spec = new FleetSpec
        {
            Models = models,
            Prices = new Prices { HostMemoryPerGiB = UsdPerHour.Of(0.02) },
            Settings = new PlannerSettings { DemandBuckets = Buckets, ForecastDemand = forecasts },
        };
        return new BenchFleet(spec, snapshot, before);
    }

    // 50 MiB to 4 GiB, so that one large model competes with many small ones.
    private static ModelSpec Model(int i, bool cached)
    {
        var weights = Bytes.MiB(i % 16 == 5 ? 4096 : 50 + (i * 37 % 97 * 10));
        return new ModelSpec
        {
            Id = new ModelId($"m{i:0000}"),
            Version = "v1",
            Source = $"/models/m{i:0000}",
            Cached = cached,
            Footprint = new Footprint
            {
                Format = ArtifactFormat.Onnx,
                Source = FootprintSource.Header,
                Digest = "v1",
                OnDisk = weights,
                Weights = weights,
            },
            Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
            Priority = i % 3,
            MaxReplicas = 1,
            Variants =
            [
                new VariantSpec
                {
                    Id = new VariantId("cpu"),
                    Engine = "plimsoll-model-server",
                    Needs = new ReplicaNeeds
                    {
                        Host = new MemoryNeed(weights.Scale(1.3), weights),
                        Cores = Cores.Of(0.25),
                        Disk = cached ? weights : Bytes.Zero,
                    },
                },
            ],
        };
    }

    private static InferenceReplica Replica(ModelSpec model, int node) => new()
    {
        Id = ReplicaId.Of(model.Id, 1),
        Model = model.Id,
        Version = model.Version,
        Variant = model.Variants[0].Id,
        Placement = new Placement(new NodeId($"n{node}"), []),
        State = ReplicaState.Ready,
        StateSince = Noon.AddMinutes(-10),
        StartedAt = Noon.AddMinutes(-10),
        Reserved = model.Variants[0].Needs,
        Outstanding = 0,
        Concurrency = model.Variants[0].Concurrency,
    };

    private static ImmutableArray<CachedArtifact> Cache(ImmutableArray<ModelSpec> models, ImmutableArray<InferenceReplica> replicas)
    {
        var used = replicas.Select(replica => On(replica.Placement.Node, replica.Model, pinned: true));
        var loaded = replicas.Select(replica => replica.Model).ToHashSet();
        var idle = models.Where((model, i) => i % 3 == 0 && !loaded.Contains(model.Id))
            .Select((model, at) => On(new NodeId($"n{at % Nodes}"), model.Id, pinned: false));
        return [.. used.Concat(idle).OrderBy(one => one.Node).ThenBy(one => one.Model)];

        CachedArtifact On(NodeId node, ModelId model, bool pinned) => new()
        {
            Node = node,
            Model = model,
            Version = "v1",
            Size = models.First(one => one.Id == model).Footprint.OnDisk,
            Complete = true,
            Pinned = pinned,
        };
    }

    private static NodeState Node(int n, ImmutableArray<InferenceReplica> replicas, ImmutableArray<CachedArtifact> cache)
    {
        var here = replicas.Where(replica => replica.Placement.Node == new NodeId($"n{n}")).ToArray();
        var used = here.Aggregate(Bytes.Zero, (sum, replica) => sum + replica.Reserved.Host.Steady);
        var budget = Bytes.Max(used.Scale(1.02), Bytes.GiB(6));
        return new NodeState
        {
            Id = new NodeId($"n{n}"),
            HostMemory = budget.Scale(1.5),
            HostMemoryBudget = budget,
            Cores = Cores.Of(here.Length + 8),
            CacheBudget = cache.IsEmpty ? null : Bytes.Max(cache.Where(one => one.Node == new NodeId($"n{n}"))
                .Aggregate(Bytes.Zero, (sum, one) => sum + one.Size).Scale(1.02), Bytes.GiB(6)),
            CacheFileSystemFree = Signal.Known(Bytes.GiB(100), Noon),
        };
    }

    private static ModelTraffic Traffic(ModelSpec model, long arrivals, int held) => new()
    {
        Model = model.Id,
        From = Noon.AddSeconds(-1),
        To = Noon,
        Arrivals = arrivals + held,
        Completed = arrivals,
        WithinSlo = arrivals,
        HeldNow = held,
        HeldRequestSeconds = held,
        Service = arrivals == 0 ? null : new ServiceSample(arrivals, arrivals, 0.02 * arrivals, arrivals, 0.02 * arrivals, 1, 0.03),
    };

    private static ModelKnowledge Known(ModelSpec model, int i, bool inUse, bool waits, bool forecasts) => ModelKnowledge.Nothing with
    {
        NextOrdinal = 2,
        Version = model.Version,
        Demand = new DemandHistory(
            Noon.AddSeconds(-1), [.. Enumerable.Range(0, Buckets).Select(at => inUse ? 1.0 + ((at * 7) + i) % 5 : 0.0)]),
        LastArrival = inUse ? Noon.AddSeconds(-1) : Noon.AddMinutes(-11),
        ActiveRate = 1 + i % 5,
        LastWanted = inUse ? [Noon.AddSeconds(-1)] : [],
        HeldDebt = waits ? 20 * (i % 11) : 0,
        Forecast = forecasts ? Forecast(at => inUse ? 1.0 + ((at * 7) + i) % 5 : 0.0) : null,
    };

    private static DemandForecast Forecast(Func<int, double> arrivals)
    {
        var forecast = DemandForecast.Start(DemandForecastSettings.ForPlanner(TimeSpan.FromSeconds(1)));
        for (var at = 0; at < Buckets; at++)
            forecast = forecast.Add(Noon.AddSeconds(at - Buckets - 1), Noon.AddSeconds(at - Buckets), arrivals(at));
        return forecast;
    }
}
