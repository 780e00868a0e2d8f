namespace Plimsoll;

/// <summary>The terms of one pipeline stage.</summary>
internal static class TrainingStage
{
    /// <summary>Device context: what a process holds before it allocates anything.</summary>
    private static readonly Bytes Context = Bytes.MiB(512);

    /// <summary>Buffers of collectives, where there is more than one device.</summary>
    private static readonly Bytes Collectives = Bytes.MiB(350);

    public static TrainingNeed Of(ModelShape shape, StageLayers stage, TrainingRun run)
    {
        var weights = StageWeights.Of(shape, stage, run);
        var states = weights.States;
        var (kept, working) = Activations(shape, stage, run);
        var logits = stage.IsLast ? (double)run.Tokens * shape.VocabularySize / run.TensorParallel * run.Loss.BytesPerLogit : 0;
        // The logits are gone before the last layer is recomputed: the larger of the two counts.
        var activations = kept + Math.Max(0, working - logits);
        var onDevice = Offloaded(states, run);
        var buffers = weights.Buffers(run);
        var held = onDevice.Total + activations + logits + buffers;
        var derived = stage.Runs.All(layer => LayerTraits.Of(shape, layer).Derived) ? Certainty.Fitted : Certainty.Assumed;
        var outside = Context + (run.Devices > 1 ? Collectives : Bytes.Zero) + Bytes.Estimate((held - onDevice.Total) * TrainFit.AllocatorShare);
        return new TrainingNeed
        {
            Stage = stage.Stage,
            Weights = new(Bytes.Estimate(onDevice.Weights), Certainty.Exact, weights.From),
            Gradients = new(Bytes.Estimate(onDevice.Gradients), Certainty.Exact, run.OptimizerInBackward ? "of the largest layer, embedding or head" : "of what learns"),
            Optimizer = new(Bytes.Estimate(onDevice.Optimizer), Certainty.Exact, $"{Named(run.Optimizer)}, {Named(run.Precision)}"),
            Activations = new(Bytes.Estimate(activations), derived, "the tensors that automatic differentiation saves"),
            Logits = new(Bytes.Estimate(logits), Certainty.Fitted, run.Loss.From),
            Buffers = new(Bytes.Estimate(buffers), Certainty.Fitted, "weights gathered or dequantised for use"),
            Outside = new(outside, Certainty.Assumed, run.Devices > 1
                ? "context 512 MiB, collectives 350 MiB, 2 % of what comes and goes" : "context 512 MiB, 2 % of what comes and goes"),
            Budget = run.Device.Memory.Scale(run.MemoryFraction),
            Host = Bytes.Estimate(Math.Max(0, states.Total - onDevice.Total)),
        };
    }

    private static string Named(TrainingOptimizer optimizer) => optimizer switch
    {
        TrainingOptimizer.Adam8Bit => "8-bit Adam",
        TrainingOptimizer.Sgd => "SGD",
        TrainingOptimizer.SgdMomentum => "SGD with momentum",
        _ => optimizer.ToString(),
    };

    private static string Named(TrainingPrecision precision) => precision switch
    {
        TrainingPrecision.Mixed => "mixed precision",
        TrainingPrecision.Pure16 => "all in 16 bit",
        _ => "all in 32 bit",
    };

    private static ModelStates Offloaded(ModelStates states, TrainingRun run) => run.Offload switch
    {
        TrainingOffload.Optimizer => states with { Optimizer = 0, Gradients = 0 },
        TrainingOffload.All => new ModelStates(0, 0, 0),
        _ => states,
    };

    /// <summary>
    /// What the stage keeps for all its micro-batches under way, and one layer's working set. One-forward-one-backward
    /// holds as many micro-batches as there are stages from this one on; interleaved schedules
    /// <c>1 + (p − 1)/(p·m)</c> times that (Korthikanti et al. 2022, §4.2.3).
    /// </summary>
    private static (double Kept, double Working) Activations(ModelShape shape, StageLayers stage, TrainingRun run)
    {
        double tokens = run.Tokens;
        var kept = stage.Runs.Sum(layer => layer.Count * LayerActivations.Kept(shape, layer, run).PerToken(run)) * tokens;
        var working = stage.Runs.IsEmpty ? 0 : stage.Runs.Max(layer => LayerActivations.Working(shape, layer, run).PerToken(run)) * tokens;
        double inFlight = stage.Stages - stage.Stage;
        if (run.Interleave > 1) inFlight *= 1 + (stage.Stages - 1.0) / (stage.Stages * (double)run.Interleave);
        // No schedule holds more than there are.
        return (kept * Math.Min(run.MicroBatches, inFlight), working);
    }
}
