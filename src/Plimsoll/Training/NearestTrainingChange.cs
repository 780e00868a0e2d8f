using System.Collections.Immutable;
using System.Globalization;

namespace Plimsoll;

/// <summary>Single changes that make a run fit, the nearest first: what costs time before what changes the result, and that
/// before what costs devices.</summary>
internal static class NearestTrainingChange
{
    private const int SequenceStep = 256;
    private const int DataParallelMax = 4096;

    public static ImmutableArray<TrainChange> Of(Footprint footprint, TrainingRun run, IReadOnlyList<Accelerator> others) =>
        [.. Candidates(footprint, run, others).OfType<TrainChange>().Where(change => Fits(footprint, change.Run))];

    private static bool Fits(Footprint footprint, TrainingRun run) => TrainFit.Evaluate(footprint, run).Fits;

    private static IEnumerable<TrainChange?> Candidates(Footprint footprint, TrainingRun run, IReadOnlyList<Accelerator> others)
    {
        if (!run.FusedAttention) yield return new("fused attention", run with { FusedAttention = true });
        if (run.Loss.BytesPerLogit > 0) yield return new("a fused loss", run with { Loss = LossMemory.Fused });
        if (run.TensorParallel > 1 && !run.SequenceParallel) yield return new("sequence parallelism", run with { SequenceParallel = true });
        if (run is { Recomputation: Recomputation.None, FusedAttention: false })
            yield return new("selective recomputation", run with { Recomputation = Recomputation.Selective });
        if (run.Recomputation != Recomputation.Full) yield return new("full recomputation", run with { Recomputation = Recomputation.Full });
        if (run.Shards > 1)
            for (var stage = run.ZeroStage + 1; stage <= 3; stage++) yield return new($"ZeRO stage {stage}", run with { ZeroStage = stage });
        // More of them, their gradients summed, learn the same.
        yield return Smaller(footprint, run);
        if (run.Offload == TrainingOffload.None) yield return new("the optimizer in host memory", run with { Offload = TrainingOffload.Optimizer });

        if (run.Optimizer == TrainingOptimizer.AdamW) yield return new("8-bit Adam", run with { Optimizer = TrainingOptimizer.Adam8Bit });
        yield return Shorter(footprint, run);
        if (run.Method == TrainingMethod.Full) yield return new("LoRA", run with { Method = TrainingMethod.Lora });
        if (run.Method != TrainingMethod.Qlora) yield return new("QLoRA", run with { Method = TrainingMethod.Qlora });

        yield return Wider(footprint, run);
        yield return Other(footprint, run, others);
    }

    /// <summary>The largest micro-batch that fits, by bisection: a larger one never needs less.</summary>
    private static TrainChange? Smaller(Footprint footprint, TrainingRun run)
    {
        var most = Bisection.Most(run.MicroBatch - 1, batch => Fits(footprint, run with { MicroBatch = (int)batch }));
        return most > 0 ? new($"a micro-batch of {most} instead of {run.MicroBatch}", run with { MicroBatch = (int)most }) : null;
    }

    private static TrainChange? Shorter(Footprint footprint, TrainingRun run)
    {
        var most = Bisection.Most((run.Sequence - 1) / SequenceStep, steps => Fits(footprint, run with { Sequence = steps * SequenceStep })) * SequenceStep;
        return most > 0
            ? new(string.Create(CultureInfo.InvariantCulture, $"sequences of {most:N0} instead of {run.Sequence:N0}"), run with { Sequence = most }) : null;
    }

    /// <summary>The next larger number of data-parallel ranks that shards enough.</summary>
    private static TrainChange? Wider(Footprint footprint, TrainingRun run)
    {
        var stage = Math.Max(run.ZeroStage, 1);
        for (var ranks = run.DataParallel * 2; ranks <= DataParallelMax; ranks *= 2)
        {
            foreach (var zero in Enumerable.Range(stage, 4 - stage))
            {
                var changed = run with { DataParallel = ranks, ZeroStage = zero };
                if (Fits(footprint, changed)) return new($"{changed.Devices} devices and ZeRO stage {zero}", changed);
            }
        }

        return null;
    }

    private static TrainChange? Other(Footprint footprint, TrainingRun run, IReadOnlyList<Accelerator> others) => others
        .Where(device => device.Memory > run.Device.Memory)
        .OrderBy(device => device.Memory).ThenBy(device => device.Name, StringComparer.Ordinal)
        .Select(device => new TrainChange($"{device.Name} instead of {run.Device.Name}", run with { Device = device }))
        .FirstOrDefault(change => Fits(footprint, change.Run));
}
