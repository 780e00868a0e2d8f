using System.Collections.Immutable;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Simulation.Tests.Runs;

/// <summary>Small worlds for tests.</summary>
internal static class Worlds
{
    public static readonly TokenLengths Short = new TokenLengths.Fixed(1, 1);

    /// <summary>A model on the processor whose requests take a tenth of a second and a hundredth for each beside.</summary>
    public static ModelRecipe Small(string id, RequestTrace trace, double weightMiB = 100, int min = 0, int max = 8, bool cached = false, int priority = 0) => new()
    {
        Id = ModelId.Of(id),
        Footprint = Footprint.Declared(Bytes.MiB(weightMiB), id),
        Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
        Trace = trace,
        Priority = priority,
        MinReplicas = min,
        MaxReplicas = max,
        Cached = cached,
        Variants = [new VariantRecipe { Engine = "plimsoll-model-server", Batch = new BatchTimes(0.1, 0.01), Cores = Cores.Of(0.5) }],
    };

    public static NodeGroup Processors(int count, double memoryGiB, double? cacheGiB = null) => new()
    {
        Name = "cpu",
        Count = count,
        HostMemory = Bytes.GiB(memoryGiB),
        Cores = Cores.Of(16),
        CacheSize = cacheGiB is { } size ? Bytes.GiB(size) : null,
        DiskBandwidth = BytesPerSecond.MiB(500),
        NetworkBandwidth = BytesPerSecond.MiB(200),
        PricePerHour = UsdPerHour.Of(1),
    };

    public static World Of(IReadOnlyList<ModelRecipe> recipes, IReadOnlyList<NodeGroup> nodes, double seconds, int seed = 1, params Fault[] faults)
    {
        ImmutableArray<SimulatedModel> models = [.. recipes.Select(recipe => recipe.Resolve(new TruthSpread(), seed)).OrderBy(model => model.Spec.Id)];
        return new World
        {
            Name = "test",
            Spec = new FleetSpec { Models = [.. models.Select(model => model.Spec)] },
            Nodes = [.. nodes],
            Models = models,
            Length = TimeSpan.FromSeconds(seconds),
            Faults = [.. faults],
        };
    }

    /// <summary>The same with loads that take what they take at the median.</summary>
    public static World WithoutScatter(this World world) => world with
    {
        Models = [.. world.Models.Select(model => model with
        {
            Truth = model.Truth.ToImmutableSortedDictionary(pair => pair.Key, pair => pair.Value with
            {
                Load = new LoadPath([.. pair.Value.Load.Stages.Select(stage => stage with { Spread = 0 })]),
                Unload = pair.Value.Unload with { Spread = 0 },
            }),
        })],
    };

    public static OtherJob Job(string name, double at, double seconds, int members, double memoryGiB, int devices = 0) => new()
    {
        Name = name,
        At = TimeSpan.FromSeconds(at),
        For = TimeSpan.FromSeconds(seconds),
        Group = "cpu",
        Members = members,
        Devices = devices,
        Memory = Bytes.GiB(memoryGiB),
    };

    public static RequestTrace Poisson(double perSecond, double seconds, int seed = 1) =>
        SyntheticTraffic.Of(RateCurve.Constant(perSecond, seconds), Short, 1, new Random(seed));
}
