using Plimsoll.Cli.Fleets;

namespace Plimsoll.Cli.Commands;

/// <summary>One training job in the reports of status and explain; what is not known is left out.</summary>
public sealed record JobStatus
{
    public required string Job { get; init; }

    /// <summary>waiting, before it was first launched; then as the gang's.</summary>
    public required string State { get; init; }

    /// <summary>Since when it is in that state, or waits.</summary>
    public required DateTimeOffset Since { get; init; }

    public DateTimeOffset? LastCheckpoint { get; init; }

    public required int Priority { get; init; }

    public required long MemoryBytes { get; init; }

    /// <summary>Left out where it takes none.</summary>
    public int? Devices { get; init; }

    public long? PerDeviceBytes { get; init; }

    public long? CheckpointBytes { get; init; }

    public required string Rule { get; init; }

    public required string Reason { get; init; }

    public static JobStatus Of(TrainingSpec job, FleetSnapshot seen, Plan plan)
    {
        ArgumentNullException.ThrowIfNull(job);
        ArgumentNullException.ThrowIfNull(seen);
        ArgumentNullException.ThrowIfNull(plan);
        var (gang, needs) = (seen.Training.FirstOrDefault(one => one.Job == job.Id), job.NeedsPerMember);
        var verdict = JobTable.Verdicts(plan).First(one => one.Job == job.Id);
        return new JobStatus
        {
            Job = job.Id.Value,
            State = JobTable.State(gang),
            Since = gang?.StateSince ?? job.SubmittedAt,
            LastCheckpoint = gang?.LastCheckpoint,
            Priority = job.Priority,
            MemoryBytes = needs.Host.Highest.Value,
            Devices = needs.Devices > 0 ? needs.Devices : null,
            PerDeviceBytes = needs.PerDevice?.Highest.Value,
            CheckpointBytes = job.CheckpointSize > Bytes.Zero ? job.CheckpointSize.Value : null,
            Rule = verdict.Reason.Rule.ToString(),
            Reason = verdict.Reason.ToString(),
        };
    }
}
