using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Whether a model fits the devices of a variant, by the engine's own memory rules.</summary>
public static class Fit
{
    /// <summary>
    /// Weighs a footprint on a variant: every stage's terms, the worst stage, what is left, and when it doesn't fit,
    /// which term fails and the nearest single change that would fit.
    /// </summary>
    /// <param name="footprint">What the artefact weighs; without a shape, its totals are shared out evenly.</param>
    /// <param name="variant">How it is to be served.</param>
    /// <param name="others">Devices a change may propose instead, in any order.</param>
    /// <param name="fitted">The coefficients; null for the ones in use.</param>
    public static FitReport Of(
        Footprint footprint, ServingVariant variant, IReadOnlyList<Accelerator>? others = null,
        FitCoefficients? fitted = null)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(variant);
        var coefficients = fitted ?? FitCoefficients.Vllm019;
        var report = Evaluate(footprint, variant, coefficients);
        if (report.Failure is not { } failure) return report;
        var changes = NearestChange.Of(footprint, variant, report, others ?? [], coefficients);
        return report with
        {
            Failure = failure with { Changes = changes },
            Reason = changes.IsEmpty ? report.Reason : $"{report.Reason}; it would with {changes[0].What}",
        };
    }

    /// <summary>The report without a search for changes.</summary>
    internal static FitReport Evaluate(Footprint footprint, ServingVariant asked, FitCoefficients fitted)
    {
        var variant = Resolve(footprint, asked);
        var problem = ValidSplit.Problem(footprint.Shape, variant);
        if (problem is not null) variant = ValidSplit.Nearest(Resolve(footprint, ValidSplit.Nearest(asked)));
        var stages = footprint.Shape is { LayerCount: > 0 } shape
            ? Known(Staged(shape, variant, fitted), footprint)
            : [Unstaged(footprint, variant, fitted)];
        var worst = stages.MinBy(stage => (stage.Headroom.Value, stage.Stage))!;
        var refused = problem is null ? FractionProblem(variant, fitted) : null;
        var longer = problem is null ? ContextProblem(footprint.Shape, variant) : null;
        var fits = problem is null && refused is null && longer is null && worst.Headroom.Value >= 0;
        var sequences = Math.Min(stages.Min(stage => stage.Sequences), SequencesMax(asked, variant, stages));
        return new FitReport
        {
            Variant = problem is null ? variant : Resolve(footprint, asked),
            Fits = fits,
            PerDevice = worst,
            Stages = stages,
            KvBytesPerToken = PerToken(footprint, variant, worst.Stage),
            KvTokens = problem is null && refused is null ? stages.Min(stage => stage.KvTokens) : 0,
            MaxConcurrency = problem is null && refused is null ? sequences : 0,
            Host = HostNeed.Of(footprint, variant),
            Failure = fits ? null
                : problem is not null ? new FitFailure("shape", Bytes.Zero, [])
                : worst.Headroom.Value < 0 ? new FitFailure(FirstOver(worst), worst.Total - worst.Budget, [])
                : refused is { } share ? new FitFailure("fraction", share.Excess, [])
                : new FitFailure("context", Bytes.Zero, []),
            Reason = problem ?? (worst.Headroom.Value >= 0 ? refused?.Why ?? longer : null) ?? OverBudget.Sentence(variant.PipelineParallel, variant.Devices, worst.Stage, worst.Total, worst.Budget, FirstOver(worst)),
            Notes = FitNotes.Of(footprint, variant),
        };
    }

    /// <summary>
    /// As many as the engine takes in one step. Where that is as many as were asked for, it bounds nothing, but for models
    /// that keep nothing of a sequence.
    /// </summary>
    private static int SequencesMax(ServingVariant asked, ServingVariant variant, ImmutableArray<DeviceNeed> stages) =>
        asked.MaxSequences is null && !variant.Engine.FillsItsShare && stages.Any(stage => stage.Sequences != int.MaxValue)
            ? int.MaxValue : variant.MaxSequences!.Value;

    /// <summary>Every default filled in; llama.cpp's ranks made the stages that they are.</summary>
    private static ServingVariant Resolve(Footprint footprint, ServingVariant asked)
    {
        var shape = footprint.Shape;
        var engine = asked.Engine;
        var context = asked.Context > 0 ? asked.Context : shape is { MaxPositions: > 0 } ? engine.DefaultContext(shape) : 4096;
        var variant = asked with
        {
            Context = context,
            MemoryFraction = asked.MemoryFraction ?? DefaultFraction(asked),
            MaxBatchedTokens = asked.MaxBatchedTokens ?? engine.DefaultBatchedTokens(asked.Device, context),
            MaxSequences = asked.MaxSequences ?? engine.DefaultSequences(asked.Device, asked.Concurrency, Math.Max(1, asked.TensorParallel)),
        };
        return engine.SplitsByLayer && variant.TensorParallel > 1
            ? variant with { PipelineParallel = variant.DevicesOfCopy, TensorParallel = 1, ExpertParallel = 1, AttentionGroups = 1 }
            : variant;
    }

    private static double DefaultFraction(ServingVariant variant) => variant.Engine.DefaultFraction(
        variant.Device, Math.Max(1, variant.TensorParallel), Math.Max(1, variant.PipelineParallel), Math.Max(1, variant.AttentionGroups));

    /// <summary>The same terms, none surer than what of the footprint they follow from.</summary>
    private static ImmutableArray<DeviceNeed> Known(ImmutableArray<DeviceNeed> stages, Footprint footprint)
    {
        var (weights, shape) = (footprint.CertaintyOf("weightBytes"), footprint.CertaintyOf("shape"));
        if ((weights, shape) is (Certainty.Exact, Certainty.Exact)) return stages;
        return
        [
            .. stages.Select(stage => stage with
            {
                Weights = stage.Weights.AtMost(weights),
                Kv = stage.Kv.AtMost(shape),
                Activation = stage.Activation.AtMost(shape),
            }),
        ];
    }

    private static ImmutableArray<DeviceNeed> Staged(ModelShape shape, ServingVariant variant, FitCoefficients fitted)
    {
        var needs = ImmutableArray.CreateBuilder<DeviceNeed>();
        var tokens = variant.MaxBatchedTokens!.Value;
        foreach (var stage in StageLayers.Of(shape, variant.PipelineParallel))
        {
            var pages = CachePages.Of(shape, variant, stage, tokens);
            var step = StepMemory.Of(shape, variant, stage, fitted, tokens, variant.MaxSequences!.Value);
            needs.Add(Need(
                variant, stage.Stage, stage.Count, pages, LoadedWeights.Of(shape, variant, stage), step,
                EngineOverhead.Inside(variant, stage, fitted), EngineOverhead.Outside(variant, stage, fitted, step)));
        }

        return needs.ToImmutable();
    }

    /// <summary>Without a shape: the artefact's totals over the devices, and assumptions for the rest.</summary>
    private static DeviceNeed Unstaged(Footprint footprint, ServingVariant variant, FitCoefficients fitted)
    {
        var stage = new StageLayers(0, 1, []);
        var weights = new MemoryTerm(
            Bytes.Min(footprint.Weights.Scale(1.0 / variant.DevicesOfCopy), Bytes.EstimateMax),
            variant.DevicesOfCopy == 1 ? footprint.CertaintyOf("weightBytes") : Certainty.Assumed,
            footprint.Format is ArtifactFormat.Unknown or ArtifactFormat.TensorRt
                ? "the bytes on disk, over the devices evenly" : "all tensors, over the devices evenly");
        var token = footprint.KvPerToken.Scale(1.0 / variant.DevicesOfCopy).Value;
        var pages = new CachePages
        {
            BlockTokens = variant.Engine.BlockTokens,
            BlockBytes = Bytes.Estimate((Int128)token * variant.Engine.BlockTokens).Value,
            Groups = token == 0 ? [] : [new CacheGroup(null, false)],
            BytesPerToken = token,
            BytesPerSequence = footprint.StatePerSequence.Scale(1.0 / variant.DevicesOfCopy).Value,
            StepTokens = variant.MaxBatchedTokens!.Value,
        };
        var step = new MemoryTerm(
            weights.Bytes.Scale(0.2), Certainty.Assumed, "a fifth of the weights: the architecture is not known");
        var need = Need(
            variant, 0, 0, pages, weights, step,
            EngineOverhead.Inside(variant, stage, fitted), EngineOverhead.Outside(variant, stage, fitted, step));
        // Where nothing says what a token leaves behind, nothing is not what it leaves.
        return need.Kv.Bytes == Bytes.Zero && MayKeep(footprint)
            ? need with { Kv = new MemoryTerm(Bytes.Zero, Certainty.Assumed, "not counted: what is kept of a token is not known") }
            : need with { Kv = need.Kv.AtMost(footprint.CertaintyOf("kvBytesPerToken")) };
    }

    // An ONNX graph is run as it is, an adapter keeps nothing beside its base model, and a pipeline draws.
    private static bool MayKeep(Footprint footprint) =>
        footprint.Shape is null && footprint.Format is not (ArtifactFormat.Onnx or ArtifactFormat.Lora or ArtifactFormat.Diffusers);

    private static DeviceNeed Need(
        ServingVariant variant, int stage, int layers, CachePages pages, MemoryTerm weights, MemoryTerm step,
        MemoryTerm inside, MemoryTerm outside)
    {
        var memory = variant.Device.Memory.Scale(variant.MemoryShare);
        var fraction = new Bytes((long)(memory.Value * variant.MemoryFraction!.Value));
        var kv = pages.Bytes(variant.Context, variant.Concurrency);
        var need = new DeviceNeed
        {
            Stage = stage,
            Layers = layers,
            Weights = weights,
            Kv = new MemoryTerm(
                new Bytes(kv), Certainty.Exact, string.Create(
                    CultureInfo.InvariantCulture, $"{variant.Concurrency:N0} × {variant.Context:N0} tokens in blocks of {pages.BlockTokens}")
                    + (pages.KeepsApart(variant.Context) ? ", and what each sequence keeps whatever its length" : "")),
            Activation = variant.Engine.ActivationInsideFraction ? step : MemoryTerm.None,
            Overhead = inside,
            Outside = outside,
            Budget = Bytes.Max(Bytes.Zero, Bytes.Min(fraction, memory - outside.Bytes)),
            KvTokens = 0,
            Sequences = 0,
        };
        var room = need.KvRoom.Value;
        return need with { KvTokens = pages.Tokens(room), Sequences = pages.Sequences(room, variant.Context) };
    }

    private static Bytes PerToken(Footprint footprint, ServingVariant variant, int stage)
    {
        if (footprint.Shape is not { LayerCount: > 0 } shape) return footprint.KvPerToken.Scale(1.0 / variant.DevicesOfCopy);
        var layers = StageLayers.Of(shape, variant.PipelineParallel)[stage];
        return new Bytes(CachePages.Of(shape, variant, layers, variant.MaxBatchedTokens!.Value).BytesPerToken);
    }

    /// <summary>
    /// A share that the engine cannot have, whatever it serves. The context of one rank is what surely is not free: what collectives
    /// take beside it was seen over NVLink alone. An engine's own default is not doubted, for the smallest devices' contexts are
    /// smaller than an H100's.
    /// </summary>
    private static (Bytes Excess, string Why)? FractionProblem(ServingVariant variant, FitCoefficients fitted)
    {
        var (engine, fraction) = (variant.Engine, variant.MemoryFraction!.Value);
        if (!engine.NeedsItsShareFree) return null;
        if (fraction <= DefaultFraction(variant)) return null;
        var memory = variant.Device.Memory.Scale(variant.MemoryShare);
        var free = Bytes.Max(Bytes.Zero, memory - Bytes.GiB(fitted.ContextGiB));
        var wanted = new Bytes((long)(memory.Value * fraction));
        return wanted <= free ? null
            : (wanted - free, FormattableString.Invariant($"{engine.Name} cannot have {fraction:0.####} of {memory}: its own context leaves {free} of it"));
    }

    /// <summary>
    /// vLLM and TGI refuse a context beyond the positions a model was made for, scaled ones included; others warn.
    /// </summary>
    private static string? ContextProblem(ModelShape? shape, ServingVariant variant)
    {
        if (shape is not { MaxPositions: > 0 }) return null;
        if (variant.Engine.Kind is not (EngineKind.Vllm or EngineKind.TextGenerationInference)) return null;
        var most = shape.PositionsMax;
        return variant.Context <= most ? null
            : $"{variant.Engine.Name} refuses a context of {variant.Context}: the model was made for {most} positions";
    }

    /// <summary>The term that first goes over when they are added in the order an engine meets them.</summary>
    private static string FirstOver(DeviceNeed need) => OverBudget.First(need.Budget,
        ("weights", need.Weights.Bytes), ("overhead", need.Overhead.Bytes), ("activation", need.Activation.Bytes), ("kv", need.Kv.Bytes));
}
