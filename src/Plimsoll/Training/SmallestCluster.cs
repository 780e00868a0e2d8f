namespace Plimsoll;

/// <summary>The fewest devices of a kind that train a model.</summary>
public static class SmallestCluster
{
    public const int DevicesMax = 4096;

    /// <summary>
    /// Doubles the number of devices until the run fits: on each number, plain data parallelism first, then ZeRO 1, 2 and
    /// 3, then tensor parallelism with sequence parallelism inside a link domain under the same stages. The run's micro-batch, sequence, method,
    /// optimiser and recomputation stay as they are.
    /// </summary>
    /// <param name="footprint">What the model weighs; its shape must be known.</param>
    /// <param name="run">What is asked for; its device is used and its parallelism is not.</param>
    /// <returns>The report of the first that fits, or null when <see cref="DevicesMax"/> devices don't.</returns>
    public static TrainReport? Of(Footprint footprint, TrainingRun run)
    {
        ArgumentNullException.ThrowIfNull(footprint);
        ArgumentNullException.ThrowIfNull(run);
        for (var devices = 1; devices <= DevicesMax; devices *= 2)
        {
            for (var tensor = 1; tensor <= Math.Min(devices, run.Device.LinkDomainDevices) && tensor <= 8; tensor *= 2)
            {
                for (var stage = 0; stage <= (devices / tensor > 1 ? 3 : 0); stage++)
                {
                    var report = TrainFit.Evaluate(footprint, run with
                    {
                        DataParallel = devices / tensor,
                        TensorParallel = tensor,
                        SequenceParallel = tensor > 1,
                        PipelineParallel = 1,
                        ContextParallel = 1,
                        ZeroStage = stage,
                    });
                    if (report.Fits) return report;
                }
            }
        }

        return null;
    }
}
