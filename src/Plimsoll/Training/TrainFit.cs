using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>Whether a model can be trained on the devices of a run, and what each of them holds.</summary>
public static class TrainFit
{
    /// <summary>
    /// What the allocator holds beyond what is in use, as a share of activations, logits and buffers. Fitted on torchtitan's
    /// context-parallel runs of the calibration rows (docs/benchmarks/footprint.md).
    /// </summary>
    public const double AllocatorShare = 0.02;

    /// <summary>
    /// Weighs a run: every pipeline stage's terms, the worst stage, and when it doesn't fit, which term fails and the nearest
    /// single change that would fit.
    /// </summary>
    /// <param name="footprint">What the model weighs; its shape must be known.</param>
    /// <param name="run">How it is to be trained.</param>
    /// <param name="others">Devices a change may propose instead, in any order.</param>
    public static TrainReport Of(Footprint footprint, TrainingRun run, IReadOnlyList<Accelerator>? others = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(run);
        var report = Evaluate(footprint, run);
        if (report.Failure is not { } failure || failure.Term is "shape" or "architecture") return report;
        var changes = NearestTrainingChange.Of(footprint, run, others ?? []);
        return report with
        {
            Failure = failure with { Changes = changes },
            Reason = changes.IsEmpty ? report.Reason : $"{report.Reason}; it would with {changes[0].What}",
        };
    }

    /// <summary>The report without a search for changes.</summary>
    internal static TrainReport Evaluate(Footprint footprint, TrainingRun run)
    {
        if (ValidRun.Problem(footprint.Shape, run) is { } problem)
            return Impossible(run, problem, footprint.Shape is { LayerCount: > 0 } ? "shape" : "architecture");
        var shape = footprint.Shape!;
        var stages = StageLayers.Of(shape, run.PipelineParallel).Select(stage => Known(TrainingStage.Of(shape, stage, run), footprint, run)).ToImmutableArray();
        var worst = stages.MinBy(stage => (stage.Headroom.Value, stage.Stage))!;
        var fits = worst.Headroom.Value >= 0;
        var trained = Trained(shape, run);
        var each = ModelStates.PerTrained(run, shape.HiddenSize);
        return new TrainReport
        {
            Run = run,
            Fits = fits,
            PerDevice = worst,
            Stages = stages,
            TrainedParameters = (long)Math.Min(trained, long.MaxValue / 64),
            Checkpoint = Bytes.Estimate(trained * (each.Weights + each.Optimizer)),
            Failure = fits ? null : new TrainFailure(FirstOver(worst), worst.Total - worst.Budget, []),
            Reason = OverBudget.Sentence(run.PipelineParallel, run.Devices, worst.Stage, worst.Total, worst.Budget, FirstOver(worst)),
            Notes = Notes(footprint, shape, run),
        };
    }

    private static double Trained(ModelShape shape, TrainingRun run) => run.Method == TrainingMethod.Full
        ? shape.Before.Concat(shape.After).Sum(group => (double)group.Parameters)
            + shape.Layers.Sum(layer => layer.Count * layer.Weights.Sum(group => (double)group.Parameters))
        : shape.Layers.Sum(layer => layer.Count * LoraAdapters.Parameters(shape, layer, run));

    private static string FirstOver(TrainingNeed need) => OverBudget.First(need.Budget,
        ("weights", need.Weights.Bytes), ("gradients", need.Gradients.Bytes), ("optimizer", need.Optimizer.Bytes),
        ("overhead", need.Overhead), ("activations", need.Activations.Bytes), ("logits", need.Logits.Bytes));

    /// <summary>The same terms, none surer than what of the footprint they follow from: adapters follow the shape.</summary>
    private static TrainingNeed Known(TrainingNeed need, Footprint footprint, TrainingRun run)
    {
        var (weights, shape) = (footprint.CertaintyOf("parameters"), footprint.CertaintyOf("shape"));
        var trained = run.Method == TrainingMethod.Full ? weights : (Certainty)Math.Max((int)weights, (int)shape);
        return need with
        {
            Weights = need.Weights.AtMost(trained),
            Gradients = need.Gradients.AtMost(trained),
            Optimizer = need.Optimizer.AtMost(trained),
            Activations = need.Activations.AtMost(shape),
            Logits = need.Logits.AtMost(shape),
            Buffers = need.Buffers.AtMost(trained),
        };
    }

    private static ImmutableArray<string> Notes(Footprint footprint, ModelShape shape, TrainingRun run)
    {
        var notes = ImmutableArray.CreateBuilder<string>();
        if (footprint.CertaintyOf("shape") == Certainty.Assumed)
            notes.Add($"{shape.Architecture} is not a known architecture: what follows from its layers is assumed");
        if (footprint.Format == ArtifactFormat.Gguf)
            notes.Add("trainers do not start from a GGUF file: this is for the same model in 16 bit");
        if (shape.MaxPositions > 0 && run.Sequence > shape.PositionsMax)
            notes.Add($"sequences of {run.Sequence} are beyond the {shape.PositionsMax} positions the model was made for");
        if (shape.Layers.Any(layer => !LayerTraits.Of(shape, layer).Derived))
            notes.Add("activations of experts, latent attention and state-space layers are assumed: no measured run of such a model was at hand");
        if (shape.Before.Concat(shape.After).Any(group => group.Component is "vision" or "audio" or "encoder"))
            notes.Add("an encoder's activations are not counted");
        if (run.Method != TrainingMethod.Full && shape.Layers.Any(layer => layer.Experts > 0))
            notes.Add("adapters on the feed-forward part are counted once per layer, not per expert");
        return notes.ToImmutable();
    }

    private static TrainReport Impossible(TrainingRun run, string problem, string term) => new()
    {
        Run = run,
        Fits = false,
        PerDevice = Nothing(run),
        Stages = [],
        TrainedParameters = 0,
        Checkpoint = Bytes.Zero,
        Failure = new TrainFailure(term, Bytes.Zero, []),
        Reason = problem,
    };

    private static TrainingNeed Nothing(TrainingRun run) => new()
    {
        Stage = 0,
        Weights = MemoryTerm.None,
        Gradients = MemoryTerm.None,
        Optimizer = MemoryTerm.None,
        Activations = MemoryTerm.None,
        Logits = MemoryTerm.None,
        Buffers = MemoryTerm.None,
        Outside = MemoryTerm.None,
        Budget = run.Device.Memory,
        Host = Bytes.Zero,
    };
}
