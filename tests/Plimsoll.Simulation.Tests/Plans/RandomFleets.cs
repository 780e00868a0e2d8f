using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Plans;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Tests.Plans;

/// <summary>
/// Small random fleets for a solver to end with: nodes of up to three kinds of device, and up to seven models of 0.5 to 150 GB that may
/// each run in one to three ways, on devices of their own where they generate text, on shared ones where they do not.
/// </summary>
internal static class RandomFleets
{
    // Kind, device memory in GB, dollars an hour, how fast. Roughly those of an L4, an A10G and an H100.
    private static readonly (string Kind, double Memory, double Price, double Speed)[] Kinds =
        [("small", 24, 0.8, 1), ("middle", 24, 1.3, 1.8), ("large", 80, 6.9, 9)];

    public static DescribedFleet Of(int seed)
    {
        var random = Seeds.Of(seed, "a random fleet");
        var groups = Kinds.Where(_ => random.NextDouble() < 0.75).ToList();
        if (groups.Count == 0) groups.Add(Kinds[2]);
        var nodes = groups.Select(kind =>
        {
            var devices = 1 << random.Next(1, 4);
            return new NodeGroup
            {
                Name = kind.Kind,
                Count = random.Next(1, 4),
                DeviceKind = kind.Kind,
                Devices = devices,
                DeviceMemory = Gb(kind.Memory),
                HostMemory = Gb(48 * devices),
                Cores = Cores.Of(8 * devices),
                DiskBandwidth = BytesPerSecond.MiB(2000),
                NetworkBandwidth = BytesPerSecond.MiB(1000),
                PricePerHour = UsdPerHour.Of(kind.Price * devices * (0.8 + (0.4 * random.NextDouble()))),
            };
        }).OrderBy(group => group.Name, StringComparer.Ordinal).ToImmutableArray();
        var models = Enumerable.Range(0, random.Next(2, 8)).Select(i => Model(i, nodes, random)).OfType<DescribedModel>().OrderBy(model => model.Id).ToImmutableArray();
        return new DescribedFleet
        {
            Name = string.Create(CultureInfo.InvariantCulture, $"random {seed}"),
            Nodes = nodes,
            Models = models,
            // The exact fleet counts memory alone, so that it is a bound where the planner finds no time on devices that several share.
            Settings = PlannerSettings.Latest,
            Prices = new Prices
            {
                Devices = [.. nodes.Select(group => new DevicePrice(group.DeviceKind!, new UsdPerHour(group.PricePerHour!.Value.Micro / group.Devices))).OrderBy(price => price.Kind, StringComparer.Ordinal)],
            },
        };
    }

    private static DescribedModel? Model(int index, ImmutableArray<NodeGroup> nodes, Random random)
    {
        var weights = 0.5 * Math.Pow(300, random.NextDouble());
        var generates = weights > 3;
        var work = Math.Exp(0.3 * ((random.NextDouble() * 2) - 1));
        var variants = ImmutableArray.CreateBuilder<VariantSpec>();
        foreach (var group in nodes.Where(_ => random.NextDouble() < 0.8))
        {
            var memory = group.DeviceMemory.Value / 1e9;
            var devices = 1;
            while (weights * 1.15 / devices > 0.9 * memory) devices *= 2;
            if (devices > group.Devices) continue;
            var speed = Kinds.First(kind => kind.Kind == group.DeviceKind).Speed * Math.Pow(devices, 0.8) * Math.Exp(0.2 * ((random.NextDouble() * 2) - 1));
            variants.Add(Variant(group.DeviceKind!, devices, generates ? 0.9 * memory : weights * 1.2, 10 * speed / (weights * work)));
        }

        if (variants.Count == 0) return null;
        var id = string.Create(CultureInfo.InvariantCulture, $"m{index}");
        var one = variants[random.Next(variants.Count)].Service!.CapacityPerSecond(1, 1, 1);
        var demand = one * (0.2 + (3 * random.NextDouble() * random.NextDouble()));
        return new DescribedModel
        {
            Id = ModelId.Of(id),
            Weights = Gb(weights),
            Demand = new KnownDemand(demand, demand),
            Spec = new ModelSpec
            {
                Id = ModelId.Of(id),
                Version = "1",
                Source = "random:" + id,
                Footprint = Footprint.Declared(Gb(weights), id),
                Slo = new Slo(TimeSpan.FromSeconds(60), 0.99) { TimeToFirstToken = TimeSpan.FromSeconds(2) },
                MaxReplicas = 12,
                Variants = variants.ToImmutable(),
            },
        };
    }

    private static VariantSpec Variant(string kind, int devices, double gbEach, double capacity) => new()
    {
        Id = VariantId.Of(string.Create(CultureInfo.InvariantCulture, $"{devices}x{kind}")),
        Engine = "vllm",
        DeviceKind = kind,
        TensorParallel = devices,
        Concurrency = 64,
        Needs = new ReplicaNeeds
        {
            Host = new MemoryNeed(Gb(6 * devices), Gb(4 * devices)),
            Devices = devices,
            PerDevice = new MemoryNeed(Gb(gbEach), Gb(gbEach)),
            Cores = Cores.Of(devices),
            Disk = Bytes.Zero,
        },
        Service = new ServicePrior
        {
            Terms = [new TermCapacity(LatencyMetric.Ttft, [capacity * 2.5, capacity * 1.6, capacity, capacity * 0.5, capacity * 0.2])],
            Pooled = [1, 1.12, 1.2, 1.25, 1.28],
            MostPerSecond = capacity * 2,
            PromptTokens = 1,
            AnswerTokens = 1,
            PromptTokenSeconds = 1e-3,
            StepSeconds = 1e-2,
            SequenceSeconds = 1e-4,
            Places = 64,
            LogSpread = 0.1,
            From = "a random fleet",
        },
    };

    private static Bytes Gb(double gb) => new((long)(gb * 1e9));
}
