namespace Plimsoll;

/// <summary>Whether a run can be at all.</summary>
internal static class ValidRun
{
    private const int RanksMax = 1 << 20;
    private const long TokensMax = 1L << 32;

    /// <summary>A sentence when it can't; null when it can.</summary>
    public static string? Problem(ModelShape? shape, TrainingRun run)
    {
        if (shape is not { LayerCount: > 0 }) return "the architecture is not known, so what its training keeps is not either; a config.json would do";
        foreach (var (what, value) in new[]
                 {
                     ("data parallel", run.DataParallel), ("tensor parallel", run.TensorParallel), ("pipeline parallel", run.PipelineParallel),
                     ("context parallel", run.ContextParallel), ("interleave", run.Interleave), ("LoRA rank", run.LoraRank),
                 })
        {
            if (value is < 1 or > RanksMax) return $"{what} is {value}; expected 1 to {RanksMax}";
        }

        if (run.MemoryFraction is not (> 0 and <= 1)) return $"a memory fraction of {run.MemoryFraction} is not within 0 and 1";
        if (run.ZeroStage is < 0 or > 3) return $"the ZeRO stage is {run.ZeroStage}; expected 0 to 3";
        if (run.MicroBatch < 1 || run.MicroBatches < 1 || run.Sequence < 1 || (Int128)run.MicroBatch * run.Sequence > TokensMax)
            return $"a micro-batch of {run.MicroBatch} × {run.Sequence} tokens is none; expected 1 to {TokensMax} tokens";
        if (run.PipelineParallel > shape.LayerCount) return $"{run.PipelineParallel} pipeline stages for {shape.LayerCount} layers; expected at most one a layer";
        if (run.TensorParallel > 1 && shape.AttentionHeads > 0 && shape.AttentionHeads % run.TensorParallel != 0)
            return $"{shape.AttentionHeads} attention heads can't be shared by {run.TensorParallel} tensor-parallel ranks; expected a divisor";
        if (run.Method != TrainingMethod.Full && run.LoraTargets.FirstOrDefault(target => !LoraAdapters.Targets.Contains(target)) is { } unknown)
            return $"'{unknown}' is no LoRA target; expected {string.Join(", ", LoraAdapters.Targets)}";
        if (run.Method != TrainingMethod.Full && run.LoraTargets.IsEmpty) return "no LoRA target is named, so nothing learns";
        return null;
    }
}
