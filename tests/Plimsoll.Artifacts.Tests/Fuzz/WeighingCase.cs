namespace Plimsoll.Artifacts.Tests;

/// <summary>Carries a damaged artefact through the whole of weighing: its footprint, then fits and training on it.</summary>
internal static class WeighingCase
{
    /// <summary>Bytes that weighing, four fits and a training run may allocate: no artefact here has more than 4,096 layers
    /// (a configuration's most), of which each costs some kilobytes.</summary>
    public const long AllocatedMax = 256 << 20;

    private static readonly Accelerator H100 = Device("h100", Bytes.GiB(79), 8);
    private static readonly Accelerator Tiny = Device("tiny", new Bytes(1), 1);
    private static readonly Accelerator Huge = Device("huge", Bytes.GiB(1 << 20), 72);
    private static readonly Accelerator[] Devices = [H100, Tiny, Huge, Device("slice", Bytes.GiB(9), 1) with { SliceOf = "h100" }];

    private static readonly ServingEngine[] Engines =
    [
        ServingEngine.Vllm(new Version(0, 19)), ServingEngine.Vllm(new Version(0, 6)), ServingEngine.SgLang(new Version(0, 5)),
        ServingEngine.TextGenerationInference(new Version(3, 0)), ServingEngine.LlamaCpp(new Version(1, 0)), ServingEngine.OnnxRuntime(new Version(1, 20)),
    ];

    /// <exception cref="InvalidOperationException">A number contradicts another.</exception>
    public static void Run(ArtifactHeader header, SplitMix random)
    {
        var footprint = Architecture.FootprintOf(header, ContentDigest.Of(header.Files, header.Tensors, null));
        Check(footprint, parts: !header.Parts.IsEmpty);
        var variant = Variant(random);
        Check(Fit.Of(footprint, variant, random.Below(4) == 0 ? Devices : null));
        Check(Fit.Of(footprint, new ServingVariant { Device = H100 }));
        var run = TrainingOf(random);
        Check(TrainFit.Of(footprint, run, random.Below(4) == 0 ? Devices : null));
        if (random.Below(16) != 0) return;
        foreach (var shape in SmallestShapes.Of(footprint, variant, Devices))
        {
            if (shape.Report is not null) Check(shape.Report);
        }

        if (SmallestCluster.Of(footprint, run) is { } cluster) Check(cluster);
    }

    private static ServingVariant Variant(SplitMix random) => new()
    {
        Device = Devices[random.Below(Devices.Length)],
        TensorParallel = Pick(random, 1, 1, 2, 3, 8, 64, 4096, 0, -1, int.MaxValue),
        PipelineParallel = Pick(random, 1, 1, 1, 2, 4, 100, 0, int.MaxValue),
        ExpertParallel = Pick(random, 1, 1, 1, 2, 8, 0, int.MinValue, int.MaxValue),
        Engine = Engines[random.Below(Engines.Length)],
        WeightDtype = Pick(random, "auto", "auto", "float32", "no such"),
        QuantizeOnLoad = Pick(random, null, null, "fp8", "bitsandbytes", "nf4-dq", "no such"),
        KvDtype = Pick(random, "auto", "auto", "fp8", "q4_0", "no such"),
        Context = Pick(random, 0, 1, 4096, 1L << 31, 1L << 40, long.MaxValue, -1),
        Concurrency = Pick(random, 1, 16, 1000, int.MaxValue, 0, -5),
        MemoryFraction = Pick<double?>(random, null, 0.9, 1, 0, 1e-12, double.NaN, 2),
        MemoryShare = Pick(random, 1, 1, 0.5, 1e-12, double.NaN, -1),
        MaxBatchedTokens = Pick<int?>(random, null, null, 1, int.MaxValue, 0, -1),
        MaxSequences = Pick<int?>(random, null, null, 1, int.MaxValue, 0, -1),
        Graphs = random.Below(2) == 0,
        DataParallel = Pick(random, 1, 1, 1, 2, 8, 0, int.MaxValue),
        AttentionGroups = Pick(random, 1, 1, 1, 2, 8, 0, int.MinValue, int.MaxValue),
    };

    private static TrainingRun TrainingOf(SplitMix random) => new()
    {
        Device = Devices[random.Below(Devices.Length)],
        DataParallel = Pick(random, 1, 2, 8, 1 << 20, int.MaxValue, 0),
        ZeroStage = random.Below(5),
        TensorParallel = Pick(random, 1, 1, 2, 3, 8, 1 << 20, -1),
        SequenceParallel = random.Below(2) == 0,
        PipelineParallel = Pick(random, 1, 1, 2, 4, 1 << 20),
        Interleave = Pick(random, 1, 1, 2, 1 << 20),
        ContextParallel = Pick(random, 1, 1, 2, 1 << 20, int.MaxValue),
        MicroBatch = Pick(random, 1, 4, int.MaxValue, 0),
        MicroBatches = Pick(random, int.MaxValue, 1, 8, 0),
        Sequence = Pick(random, 2048, 1, 1L << 32, 1L << 62, long.MaxValue, -1),
        Method = (TrainingMethod)random.Below(3),
        LoraRank = Pick(random, 8, 1, 1 << 20, 0),
        LoraTargets = random.Below(2) == 0 ? ["q", "v"] : ["q", "k", "v", "o", "gate", "up", "down"],
        Optimizer = (TrainingOptimizer)random.Below(5),
        Precision = (TrainingPrecision)random.Below(3),
        OptimizerInBackward = random.Below(4) == 0,
        Recomputation = (Recomputation)random.Below(4),
        FusedAttention = random.Below(2) == 0,
        Dropout = random.Below(4) == 0,
        Offload = (TrainingOffload)random.Below(3),
        MemoryFraction = Pick(random, 1, 0.9, 0, double.NaN, 1e300),
    };

    private static void Check(Footprint footprint, bool parts)
    {
        var sizes = new[]
        {
            footprint.OnDisk, footprint.Weights, footprint.LargestTensor, footprint.KvPerToken, footprint.StatePerSequence, footprint.HostLoadPeak, footprint.HostSteady,
            footprint.TrainingCheckpoint,
        };
        Holds(Array.TrueForAll(sizes, size => size.Value >= 0), "bytes below zero");
        Holds(footprint is { Parameters: >= 0, ActiveParameters: >= 0 }, "parameters below zero");
        Holds(footprint.ActiveParameters <= footprint.Parameters, $"{footprint.ActiveParameters} active of {footprint.Parameters} parameters");
        Holds(footprint.LargestTensor <= footprint.Weights, "a tensor larger than all");
        Holds(footprint.Components.All(part => part.Parameters >= 0 && part.Weights.Value >= 0), "a component below zero");
        Holds(footprint.Components.Sum(part => part.Weights.Value) == footprint.Weights.Value, "components are not the whole");
        var dtypes = footprint.ByDtype.Sum(part => part.Weights.Value);
        // Of a file of which only the bytes are known no dtype is, be it a part of several.
        Holds(dtypes == footprint.Weights.Value || (dtypes < footprint.Weights.Value && (parts || dtypes == 0)), "dtypes are not the whole");
        if (footprint.Shape is { } shape) Check(shape, footprint);
    }

    private static void Check(ModelShape shape, Footprint footprint)
    {
        var outside = shape.Before.Concat(shape.After).Concat(shape.NotServed).ToList();
        Holds(outside.Concat(shape.Layers.SelectMany(run => run.Weights)).All(group => group.Parameters >= 0 && group.Weights.Value >= 0), "a group below zero");
        var all = outside.Sum(group => group.Weights.Value) + shape.Layers.Sum(run => run.Count * run.Weights.Sum(group => group.Weights.Value));
        Holds(all == footprint.Weights.Value, $"the shape's {all} bytes are not the weights' {footprint.Weights.Value}");
        Holds(shape.Layers.All(run => run is { Count: > 0, ActiveWidth: >= 0, Experts: >= 0, ExpertWidth: >= 0 } && run.Cache is { KvHeads: >= 0, KeyWidth: >= 0, ValueWidth: >= 0, StateElements: >= 0 }),
            "a layer below zero");
        Holds(shape is { HiddenSize: > 0, VocabularySize: >= 0, MaxPositions: >= 0, RotaryRows: >= 0, RotaryWidth: >= 0 }, "a width below zero");
    }

    private static void Check(FitReport report)
    {
        foreach (var stage in report.Stages)
        {
            Holds(Array.TrueForAll([stage.Weights, stage.Kv, stage.Activation, stage.Overhead, stage.Outside], term => term.Bytes.Value >= 0), "a term below zero");
            Holds(stage is { KvTokens: >= 0, Sequences: >= 0, Budget.Value: >= 0 }, "a count below zero");
            Holds(!report.Fits || stage.Total <= stage.Budget, "a fit over its budget");
        }

        Holds(report.Fits == (report.Failure is null), "a failure that fits");
        Holds(report.Fits || report.Failure!.Term is "shape" or "context" || report.PerDevice.Total > report.PerDevice.Budget, "no fit within its budget");
        Holds(report is { KvTokens: >= 0, MaxConcurrency: >= 0, KvBytesPerToken.Value: >= 0 } && report.Host.LoadPeak.Value >= 0, "a sum below zero");
        Holds(report.Reason.Length > 0 && !report.Reason.Contains('\n', StringComparison.Ordinal), "no reason");
    }

    private static void Check(TrainReport report)
    {
        foreach (var stage in report.Stages)
        {
            Holds(Array.TrueForAll([stage.Weights, stage.Gradients, stage.Optimizer, stage.Activations, stage.Logits, stage.Buffers, stage.Outside], term => term.Bytes.Value >= 0), "a term below zero");
            Holds(!report.Fits || stage.Total <= stage.Budget, "a run that fits over its budget");
        }

        Holds(report.Fits == (report.Failure is null), "a failure that fits");
        Holds(report.Fits || report.Failure!.Term is "shape" or "architecture" || report.PerDevice.Total > report.PerDevice.Budget, "no fit within its budget");
        Holds(report is { TrainedParameters: >= 0, Checkpoint.Value: >= 0 } && report.Reason.Length > 0, "a sum below zero");
    }

    private static void Holds(bool condition, string what)
    {
        if (!condition) throw new InvalidOperationException(what);
    }

    private static T Pick<T>(SplitMix random, params ReadOnlySpan<T> values) => values[random.Below(values.Length)];

    private static Accelerator Device(string name, Bytes memory, int domain) =>
        new() { Name = name, Vendor = "none", Memory = memory, LinkDomainDevices = domain, Source = "made up" };
}
