using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Artifacts;
using Plimsoll.Cli.Commands;
using Plimsoll.Cli.Fleets;
using Plimsoll.Cli.Load;
using Plimsoll.Cli.Scenarios;
using Plimsoll.Simulation.Requests;
using Plimsoll.Simulation.Runs;
using Plimsoll.Simulation.Scenarios;
using Plimsoll.Simulation.Traces;

namespace Plimsoll.Cli.Demo;

/// <summary>
/// The demo on a virtual clock: the same models, budget, requests and rules, with loads and answers that take what they are
/// reckoned to take. Seconds instead of minutes, so that many seeds can be run, and nothing on the machine disturbs it.
/// </summary>
public sealed class DemoSimulation(DemoArguments arguments, int seeds, TextWriter output, TextWriter error, TimeProvider time)
{
    public const int SeedsMax = 100;

    // From the command to the first byte of weights, and from the last to ready, of the model server on one core.
    private static readonly TimeSpan StartUp = TimeSpan.FromSeconds(0.45);

    // What a core of the machine of docs/benchmarks/demo.md reached; what traffic is thinned by is well below it.
    private static readonly MachineSpeed Reached = MachineSpeed.Assumed with { GigaflopsPerCore = 60 };

    // Of a request that computes next to nothing: the gateway, HTTP on loopback, JSON.
    private const double OverheadSeconds = 0.004;

    // Models are weighed with as many requests at once as a replica may hold, which traffic seldom brings.
    private const double LessThanWeighed = 0.97;

    private static readonly VariantId OnProcessor = VariantId.Of("onnx-cpu");

    /// <summary>Both policies on the same requests, seed by seed.</summary>
    /// <param name="traces">The trace of each model, when traces are played.</param>
    /// <param name="cancellationToken">Ends it between two looks at the progress.</param>
    public Task<int> RunAsync(ImmutableSortedDictionary<ModelId, string> traces, CancellationToken cancellationToken)
    {
        var began = time.GetTimestamp();
        var runs = new List<RunResult>();
        var (needs, measured) = Needs();
        var budget = DemoBudget.Of([.. DemoModel.All.Select(model => needs[model.Id])]) ?? throw new CommandException(
            ExitCode.Failed, "no budget holds the largest model and one other but not all three");
        SimulationProgress.Show(error, seeds * 2, tell =>
        {
            for (var n = 0; n < seeds; n++)
            {
                var seeded = arguments with { Seed = arguments.Seed + (ulong)n };
                var world = Of(seeded, traces, needs, budget);
                foreach (var policy in new[] { Policies.Own, Policies.SizeBlind })
                {
                    var allocator = Policies.Named(policy == Policies.SizeBlind ? Policies.SizeBlindAt(arguments.SpeedUp) : policy);
                    void Tell(double share)
                    {
                        cancellationToken.ThrowIfCancellationRequested();
                        tell(runs.Count + share);
                    }

                    runs.Add(SimulationRun.Plimsoll(world, (int)(seeded.Seed % int.MaxValue), new Planner(allocator), progress: Tell) with { Controller = policy });
                }
            }
        });
        var listing = SimulationListing.Of("demo", About(budget, measured), arguments.Duration, nodesComeAndGo: false, DemoFleetSpec.Review, runs, [], time.GetElapsedTime(began));
        if (arguments.Json) output.WriteLine(JsonSerializer.Serialize(listing, CommandJson.Default.SimulationListing));
        else foreach (var line in SimulationTable.Lines(listing)) output.WriteLine(line);
        return Task.FromResult(ExitCode.Ok);
    }

    /// <summary>The demo's world for a seed.</summary>
    /// <param name="arguments">What was asked for; its seed draws the requests.</param>
    /// <param name="traces">The trace of each model, when traces are played.</param>
    /// <param name="needs">Memory of each model, as measured or reckoned.</param>
    /// <param name="budget">Memory for all of them.</param>
    internal static World Of(
        DemoArguments arguments, ImmutableSortedDictionary<ModelId, string> traces, ImmutableSortedDictionary<ModelId, MemoryNeed> needs, DemoBudget budget)
    {
        var models = DemoModel.All;
        var traffic = arguments.PlaysTraces
            ? DemoTraffic.Replayed(arguments, models, traces, MachineSpeed.Assumed)
            : DemoTraffic.Synthetic(arguments, models, MachineSpeed.Assumed);
        var requests = traffic.Schedule.Where(request => request.At < arguments.Duration).ToLookup(request => request.Model);
        var spec = DemoFleetSpec.Of(models, Artifacts(models), "", arguments.LoadBandwidth, needs, 0, budget.Budget).Spec;
        return new World
        {
            Name = "demo",
            Spec = spec,
            Length = arguments.Duration,
            Nodes =
            [
                new NodeGroup
                {
                    Name = "machine",
                    Count = 1,
                    HostMemory = budget.Budget,
                    Cores = new Cores(models.Sum(model => model.Cores.Milli)),
                    DiskBandwidth = new BytesPerSecond(arguments.LoadBandwidth.Value * models.Length),
                    NetworkBandwidth = arguments.LoadBandwidth,
                },
            ],
            Models = [.. spec.Models.Select(one => Model(one, models.Single(model => model.Id == one.Id)))],
        };

        SimulatedModel Model(ModelSpec one, DemoModel model)
        {
            ScheduledRequest[] its = [.. requests[model.Id].OrderBy(request => request.At)];
            var tokens = its.Length == 0 ? 1 : its.Average(request => request.SequenceLength);
            return new SimulatedModel
            {
                Spec = one,
                Trace = new RequestTrace(
                    [.. its.Select(request => request.At.TotalSeconds)], [.. its.Select(request => Math.Max(1, request.SequenceLength))],
                    [.. its.Select(_ => 1)], arguments.Duration.TotalSeconds),
                Truth = ImmutableSortedDictionary<VariantId, ReplicaTruth>.Empty.Add(OnProcessor, new ReplicaTruth
                {
                    Batch = new BatchTimes(OverheadSeconds, Reached.Seconds(model, tokens)),
                    Load = new LoadPath(
                    [
                        new LoadStage { Name = "start", Fixed = StartUp, Spread = 0.2 },
                        new LoadStage { Name = "read", Bytes = one.Footprint.Weights, Alone = arguments.LoadBandwidth, Spread = 0.05 },
                    ]),
                    Unload = new LoadStage { Name = "exit", Fixed = TimeSpan.FromSeconds(0.1), Spread = 0.2 },
                    MemoryFactor = LessThanWeighed / DemoBudget.Margin,
                }),
            };
        }
    }

    // What each was weighed at on the machine of docs/benchmarks/demo.md, loads and answers included; the next ones differed by 2 %.
    private static readonly ImmutableSortedDictionary<ModelId, MemoryNeed> Elsewhere = ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty
        .Add(ModelId.Of("large"), new MemoryNeed(new Bytes(1_735_090_176), new Bytes(1_735_090_176)))
        .Add(ModelId.Of("medium"), new MemoryNeed(new Bytes(399_413_248), new Bytes(399_413_248)))
        .Add(ModelId.Of("small"), new MemoryNeed(new Bytes(136_142_848), new Bytes(136_142_848)));

    // As the demo weighed them on this machine; as they were weighed on another where it did not yet.
    private static (ImmutableSortedDictionary<ModelId, MemoryNeed> Needs, bool Measured) Needs()
    {
        var models = DemoModel.All;
        var none = ImmutableSortedDictionary<ModelId, MemoryNeed>.Empty;
        var priors = DemoFleetSpec.Of(models, Artifacts(models), "", null, none, 1, null).Spec;
        if (ModelServerProgram.Find() is { } server
            && WeighedFile.Read(DemoFolders.Open().Models, WeighedFile.KeyOf(priors, server)) is { } known && models.All(model => known.Needs.ContainsKey(model.Id)))
            return (known.Needs, true);
        return (Elsewhere, false);
    }

    // Of their shapes alone: nothing is written to the disk.
    private static ImmutableSortedDictionary<ModelId, SampleModelResult> Artifacts(ImmutableArray<DemoModel> models) =>
        models.ToImmutableSortedDictionary(model => model.Id, model =>
        {
            var shape = SampleModel.OfSize(model.Id.Value, model.WeightBytes);
            return new SampleModelResult("", shape, [new ModelFile(model.Id.Value + ".onnx", shape.WeightBytes)], null);
        });

    private string About(DemoBudget budget, bool measured) => string.Create(CultureInfo.InvariantCulture,
        $"The demo on a virtual clock: {(arguments.PlaysTraces ? "real traces" : "its made-up traffic")}, weights read at {arguments.LoadBandwidth.Value / 1e6:0.##} MB/s, "
        + $"a memory budget of {budget.Budget} ({(measured ? "models weighed on this machine" : "models weighed on another machine; the demo itself weighs them here")}), "
        + $"and answers at {Reached.GigaflopsPerCore:0.##} GFLOP/s a core.");
}
