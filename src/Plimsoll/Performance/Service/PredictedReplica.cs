namespace Plimsoll;

/// <summary>A replica as a queue sees it: what its scheduler and memory allow, and how long its steps take.</summary>
/// <param name="Limits">By how it fits, and by its engine's arguments.</param>
/// <param name="Steps">Predicted.</param>
public sealed record PredictedReplica(ReplicaLimits Limits, PredictedSteps Steps)
{
    private const int BlockTokens = 16;

    /// <summary>What a replica is asked for in one step where its engine's arguments do not say: vLLM's defaults.</summary>
    private const int StepTokensDefault = 2048;
    private const int SequencesDefault = 256;

    /// <summary>Times of its steps, so many times as long as predicted.</summary>
    public StepTimes Times(double pace = 1) => new(batch => pace * Steps.Of(batch).Seconds, Limits.Sequences);

    /// <summary>
    /// A problem is named where it does not fit, or nothing tells its pace: its layers are not known, or the device's FLOP/s or
    /// bandwidth, or it keeps no keys and values, so that nothing is generated token by token.
    /// </summary>
    /// <param name="footprint">What it weighs.</param>
    /// <param name="fit">How it fits the device, split as it is.</param>
    public static (PredictedReplica? Replica, string? Problem) Of(Footprint footprint, FitReport fit)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(fit);
        var variant = fit.Variant;
        if (!fit.Fits) return (null, $"it does not fit: {fit.Reason}");
        var split = new StepSplit { Tensor = variant.TensorParallel, Pipeline = variant.PipelineParallel, Expert = variant.ExpertParallel };
        var (steps, problem) = PredictedSteps.Of(footprint, variant.Engine.Name, variant.Device, split, footprint.Shape is { } shape ? ElementWidth.Cache(shape, variant) : 2);
        if (steps is null) return (null, $"no step times for it on {variant.Device.Name}: {problem}");
        if (fit.KvTokens < BlockTokens) return (null, "it keeps no keys and values, so nothing is generated token by token");
        var stepTokens = Math.Max(1, variant.MaxBatchedTokens ?? StepTokensDefault);
        return (new PredictedReplica(
            new ReplicaLimits
            {
                Blocks = fit.KvTokens / BlockTokens,
                BlockTokens = BlockTokens,
                StepTokens = stepTokens,
                Sequences = Math.Clamp(variant.MaxSequences ?? SequencesDefault, 1, stepTokens),
            }, steps), null);
    }
}
