using System.Collections.Immutable;

namespace Plimsoll.Cli.Weighing;

/// <summary>What <c>plimsoll train-fit --json</c> prints.</summary>
public sealed record TrainListing
{
    public required string Source { get; init; }

    /// <summary>The run in words: devices, split, micro-batch.</summary>
    public required string Run { get; init; }

    /// <summary>True when no split was named and this is the smallest that fits.</summary>
    public required bool Smallest { get; init; }

    public required bool Fits { get; init; }

    public required string Reason { get; init; }

    public required long Devices { get; init; }

    public required int DataParallel { get; init; }

    public required int ZeroStage { get; init; }

    public required int TensorParallel { get; init; }

    public required int PipelineParallel { get; init; }

    public required int ContextParallel { get; init; }

    public required TrainDeviceListing PerDevice { get; init; }

    public required long TrainedParameters { get; init; }

    public required long CheckpointBytes { get; init; }

    public FailureListing? Failure { get; init; }

    public required ImmutableArray<string> Notes { get; init; }

    public static TrainListing Of(string source, TrainReport report, bool smallest)
    {
        ArgumentNullException.ThrowIfNull(report);
        return new TrainListing
        {
            Source = source,
            Run = report.Run.ToString(),
            Smallest = smallest,
            Fits = report.Fits,
            Reason = report.Reason,
            Devices = report.Run.Devices,
            DataParallel = report.Run.DataParallel,
            ZeroStage = report.Run.ZeroStage,
            TensorParallel = report.Run.TensorParallel,
            PipelineParallel = report.Run.PipelineParallel,
            ContextParallel = report.Run.ContextParallel,
            PerDevice = TrainDeviceListing.Of(report.PerDevice),
            TrainedParameters = report.TrainedParameters,
            CheckpointBytes = report.Checkpoint.Value,
            Failure = report.Failure is { } failure
                ? new FailureListing(failure.Term, failure.Excess.Value, [.. failure.Changes.Select(change => change.What)])
                : null,
            Notes = report.Notes,
        };
    }
}

/// <summary>What each device of the fullest stage holds while training.</summary>
public sealed record TrainDeviceListing
{
    public required int Stage { get; init; }

    public required long WeightBytes { get; init; }

    public required long GradientBytes { get; init; }

    public required long OptimizerBytes { get; init; }

    public required long ActivationBytes { get; init; }

    public required long LogitsBytes { get; init; }

    public required long OverheadBytes { get; init; }

    public required long TotalBytes { get; init; }

    public required long BudgetBytes { get; init; }

    /// <summary>Host memory of the rank for what is offloaded.</summary>
    public required long HostBytes { get; init; }

    public required ImmutableArray<TermListing> Terms { get; init; }

    public static TrainDeviceListing Of(TrainingNeed need)
    {
        ArgumentNullException.ThrowIfNull(need);
        return new TrainDeviceListing
        {
            Stage = need.Stage,
            WeightBytes = need.Weights.Bytes.Value,
            GradientBytes = need.Gradients.Bytes.Value,
            OptimizerBytes = need.Optimizer.Bytes.Value,
            ActivationBytes = need.Activations.Bytes.Value,
            LogitsBytes = need.Logits.Bytes.Value,
            OverheadBytes = need.Overhead.Value,
            TotalBytes = need.Total.Value,
            BudgetBytes = need.Budget.Value,
            HostBytes = need.Host.Value,
            Terms =
            [
                TermListing.Of("weights", need.Weights), TermListing.Of("gradients", need.Gradients), TermListing.Of("optimizer", need.Optimizer),
                TermListing.Of("activations", need.Activations), TermListing.Of("logits", need.Logits), TermListing.Of("buffers", need.Buffers),
                TermListing.Of("outside", need.Outside),
            ],
        };
    }
}
