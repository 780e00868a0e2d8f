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

    // Of the model server on the machine of docs/benchmarks/demo.md, by the eight loads of the demo of 2026-11-28: the process before the
    // first byte of weights with what passes until somebody sees that it is ready, 0.27 to 0.50 s; the session after the last byte,
    // 0.10 to 0.21 s.
    private static readonly TimeSpan StartUp = TimeSpan.FromSeconds(0.33);

    private static readonly TimeSpan Initialise = TimeSpan.FromSeconds(0.14);

    // Then, before it says that it is ready, it runs 8 and 64 tokens (WarmUp in the model server).
    private const double WarmUpRuns = 2;

    private const double WarmUpTokens = 72;

    // What a core of that machine reached; what traffic is thinned by is well below it.
    private static readonly MachineSpeed Reached = MachineSpeed.Assumed with { GigaflopsPerCore = 60 };

    // Of a request that computes next to nothing: the gateway, HTTP on loopback, JSON.
    private const double OverheadSeconds = 0.004;

    // Each run packs the matrices anew, as no packed copy is kept (--prepack): a request that was alone took 0.225, 0.042 and 0.0076 s
    // of the three models (medians), of which what it computes is 0.13, 0.022 and 0.002 s.
    private const double PackedBytesPerSecond = 2.4e9;

    // From being told to end to gone, longer with more memory to give back: 0.20 to 0.29 s of the large, 0.11 to 0.19 s of the medium model.
    private static readonly TimeSpan Exit = TimeSpan.FromSeconds(0.1);

    private static readonly BytesPerSecond GivenBack = new(9_000_000_000);

    // A turn and two timers: from one regular turn to the next it was 508.8 ms, of which 500 are waited, on average of 429.
    private static readonly TimeSpan Turn = TimeSpan.FromMilliseconds(8.8);

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
            TurnTakes = Turn,
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

            // The model server rounds its cores up to threads, and nothing keeps those to a part of a core.
            var threads = model with { Cores = Cores.Of(Math.Ceiling(model.Cores.Count)) };
            var packed = MachineSpeed.ComputedBytes(model) / PackedBytesPerSecond;
            return new SimulatedModel
            {
                Spec = one,
                Trace = new RequestTrace(
                    [.. its.Select(request => request.At.TotalSeconds)], [.. its.Select(request => Math.Max(1, request.SequenceLength))],
                    [.. its.Select(_ => 1)], arguments.Duration.TotalSeconds),
                Truth = ImmutableSortedDictionary<VariantId, ReplicaTruth>.Empty.Add(OnProcessor, new ReplicaTruth
                {
                    Batch = new BatchTimes(OverheadSeconds + packed, Reached.Seconds(threads, tokens)),
                    Load = new LoadPath(
                    [
                        new LoadStage { Name = "start", Fixed = StartUp, Spread = 0.2 },
                        new LoadStage { Name = "read", Bytes = one.Footprint.Weights, Alone = arguments.LoadBandwidth, Spread = 0.05 },
                        new LoadStage { Name = "initialise", Fixed = Initialise + TimeSpan.FromSeconds((WarmUpRuns * packed) + Reached.Seconds(threads, WarmUpTokens)), Spread = 0.2 },
                    ]),
                    Unload = new LoadStage { Name = "exit", Fixed = Exit, Bytes = one.Footprint.Weights, Alone = GivenBack, Spread = 0.2 },
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
