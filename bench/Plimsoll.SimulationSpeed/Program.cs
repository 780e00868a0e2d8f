// How fast fleets are simulated, and how that grows: dotnet run -c Release --project bench/Plimsoll.SimulationSpeed
// writes the section of docs/benchmarks/simulation-speed.md. One core: a run uses no other.
using System.Collections.Immutable;
using System.Globalization;
using Plimsoll;
using Plimsoll.Artifacts;
using Plimsoll.Footprints.Memory;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Runs.Rules;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

var root = Path.GetFullPath(args.FirstOrDefault() ?? ".");
var weighed = ArtifactWeigher.Weigh(Path.Combine(root, "examples/scenarios/models/llama-3.1-8b")).Footprint;
var lines = new List<string>
{
    string.Create(CultureInfo.InvariantCulture, $"{TimeProvider.System.GetUtcNow():yyyy-MM-dd}, {Environment.ProcessorCount} cores, of which a run uses one. Written by `dotnet run -c Release --project bench/Plimsoll.SimulationSpeed`. Each figure is the median of three runs after one that does not count (a week: of one), *seconds* of the processor, as others used the machine; drawing the traffic is in it only where it is fluid. *Memory* is what the heap holds after a run, traffic and outcomes of every request included."),
    "",
    "| what | requests | simulated | turns | in SLO | device-hours | seconds | requests/s | memory |",
    "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
};
_ = Batches(1, 4, 50_000, 600);
foreach (var requests in (int[])[250_000, 500_000, 1_000_000, 2_000_000]) Measure("a batch model, four fixed replicas", Batches(1, 4, requests, 3600), fixedReplicas: true);
foreach (var requests in (int[])[250_000, 500_000, 1_000_000, 2_000_000]) Measure("the same under Plimsoll", Batches(1, 4, requests, 3600), fixedReplicas: false);
foreach (var requests in (int[])[10_000, 20_000, 40_000]) Measure("an 8B model, iteration by iteration, fixed", Texts(requests, 3600), fixedReplicas: true);
foreach (var models in (int[])[10, 40, 160, 640]) Measure($"{models} models, Plimsoll", Batches(models, 8 + (models / 10), 200_000, 1800), fixedReplicas: false);
foreach (var nodes in (int[])[4, 16, 64, 256]) Measure($"40 models, {nodes} nodes, Plimsoll", Batches(40, nodes, 200_000, 1800), fixedReplicas: false);
Measure("40 models, a week, Plimsoll every 15 s", Batches(40, 12, 2_000_000, 7 * 86400, TimeSpan.FromSeconds(15)), fixedReplicas: false, runs: 1);
foreach (var requests in (int[])[2_000_000, 10_000_000, 20_000_000]) Measure("fluid: a batch model, four fixed replicas", Batches(1, 4, requests, 3600, fluid: true), fixedReplicas: true);
foreach (var requests in (int[])[2_000_000, 10_000_000, 20_000_000]) Measure("fluid: the same under Plimsoll", Batches(1, 4, requests, 3600, fluid: true), fixedReplicas: false);
foreach (var requests in (int[])[40_000, 400_000]) Measure($"an 8B model, {requests / 10_000} fixed replicas", Texts(requests, 3600, requests / 10_000), fixedReplicas: true);
foreach (var requests in (int[])[40_000, 400_000, 4_000_000]) Measure($"fluid: an 8B model, {requests / 10_000} fixed replicas", Texts(requests, 3600, requests / 10_000, fluid: true), fixedReplicas: true);
foreach (var requests in (int[])[2_000_000, 20_000_000, 100_000_000])
    Measure("fluid: 40 models, a week, Plimsoll every 15 s", Batches(40, 12, requests, 7 * 86400, TimeSpan.FromSeconds(15), fluid: true), fixedReplicas: false, runs: 1);
MarkdownSection.Write(Path.Combine(root, "docs/benchmarks/simulation-speed.md"), "simulation speed", string.Join('\n', lines));

void Measure(string what, World world, bool fixedReplicas, int runs = 3)
{
    RunResult Run() => fixedReplicas ? SimulationRun.Rival(world, 1, "fixed", RivalTuning.Same(new RivalKnobs { Target = 1 })) : SimulationRun.Plimsoll(world, 1);
    var result = runs > 1 ? Run() : null!;
    var seconds = new List<double>();
    for (var i = 0; i < runs; i++)
    {
        var began = Environment.CpuUsage.TotalTime;
        result = Run();
        seconds.Add((Environment.CpuUsage.TotalTime - began).TotalSeconds);
    }

    seconds.Sort();
    var memory = GC.GetTotalMemory(forceFullCollection: true) / (1024.0 * 1024);
    GC.KeepAlive(world);
    var line = string.Create(CultureInfo.InvariantCulture,
        $"| {what} | {result.Requests:N0} | {Durations.Show(world.Length)} | {result.Turns:N0} | {100 * result.Attainment:0.0} % | {result.DeviceHours:0.00} | {seconds[runs / 2]:0.00} | {result.Requests / seconds[runs / 2]:N0} | {memory:0} MiB |");
    lines.Add(line);
    Console.Error.WriteLine(line);
}

static World Batches(int models, int nodes, int requests, double seconds, TimeSpan? review = null, bool fluid = false) => Of(
    [.. Enumerable.Range(0, models).Select(i => new ModelRecipe
    {
        Id = ModelId.Of($"m{i:000}"),
        Footprint = Footprint.Declared(Bytes.MiB(400), "m"),
        Slo = new Slo(TimeSpan.FromSeconds(1), 0.99),
        Trace = fluid ? RequestTrace.Silence(seconds) : SyntheticTraffic.Of(WaveOf(requests / models, seconds, i), new TokenLengths.Fixed(1, 1), 1, new Random(i)),
        MaxReplicas = models == 1 ? 4 : 8,
        Variants = [new VariantRecipe { Engine = "plimsoll-model-server", Batch = new BatchTimes(0.002, 0.0002), Cores = Cores.Of(1), Concurrency = 16 }],
    })], new NodeGroup { Name = "cpu", Count = nodes, HostMemory = Bytes.GiB(64), Cores = Cores.Of(32), DiskBandwidth = BytesPerSecond.MiB(2000), NetworkBandwidth = BytesPerSecond.MiB(1000), PricePerHour = UsdPerHour.Of(1) },
    seconds, review, fluid ? i => new DrawnTraffic(WaveOf(requests / models, seconds, i), _ => new TokenLengths.Fixed(1, 1), 1, i, "traffic") : null);

static RateCurve WaveOf(int requests, double seconds, int i) => RateCurve.Wave(0, 2.0 * requests / seconds, Math.Min(seconds, 86400) / (1 + (i % 3)), seconds, 0);

World Texts(int requests, double seconds, int replicas = 4, bool fluid = false)
{
    var (curve, lengths) = (RateCurve.Constant(requests / seconds, seconds), new TokenLengths.LogNormal(1200, 0.9, 220, 0.9));
    var device = DeviceCatalogue.BuiltIn.Find("h100-80gb")!;
    return Of(
        [new ModelRecipe
        {
            Id = ModelId.Of("llama"),
            Footprint = weighed,
            Slo = Slo.Of(null, 0.99, TimeSpan.FromSeconds(2), TimeSpan.FromMilliseconds(60), generates: true),
            Trace = fluid ? RequestTrace.Silence(seconds) : SyntheticTraffic.Of(curve, lengths, 1, new Random(1)),
            MaxReplicas = replicas,
            Variants = [new VariantRecipe { Engine = "vllm", Device = device, Context = 8192, Concurrency = 64 }],
        }], new NodeGroup { Name = "h100", Count = replicas, DeviceKind = device.Name, Devices = 1, DeviceMemory = device.Memory, HostMemory = Bytes.GiB(200), Cores = Cores.Of(32), DiskBandwidth = BytesPerSecond.MiB(7000), NetworkBandwidth = BytesPerSecond.MiB(1000) },
        seconds, null, fluid ? _ => new DrawnTraffic(curve, _ => lengths, 1, 1, "traffic") : null);
}

static World Of(IReadOnlyList<ModelRecipe> recipes, NodeGroup nodes, double seconds, TimeSpan? review, Func<int, DrawnTraffic>? drawn)
{
    ImmutableArray<SimulatedModel> models = [.. recipes.Select((recipe, i) => recipe.Resolve(new TruthSpread(), 1) with { Drawn = drawn is null ? [] : [drawn(i)] }).OrderBy(model => model.Spec.Id)];
    return new World
    {
        Name = "speed",
        Spec = new FleetSpec
        {
            Models = [.. models.Select(model => model.Spec)],
            Settings = new PlannerSettings { Review = review ?? TimeSpan.FromSeconds(5), DemandBucket = review ?? TimeSpan.FromSeconds(5), ForecastDemand = true, DrainAsLongAsSeen = true },
        },
        Nodes = [nodes],
        Models = models,
        IsFluid = drawn is not null,
        Length = TimeSpan.FromSeconds(seconds),
    };
}
