using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Plimsoll;

/// <summary>What is known of training jobs: how long they take to give way and to go on, and what became of them.</summary>
public sealed record TrainingKnowledge
{
    internal static readonly TrainingKnowledge Nothing = new();

    // A gang that has trained this long does not die of how it starts.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(30);

    /// <summary>Checkpoints that were written, of all jobs; sizes are of one rank's part.</summary>
    public LoadStatistics Checkpoints { get; init; } = LoadStatistics.None;

    /// <summary>Starts of gangs, of all jobs; sizes are of what one rank read to go on from.</summary>
    public LoadStatistics Starts { get; init; } = LoadStatistics.None;

    /// <summary>By job; one that left the fleet is forgotten once it holds nothing.</summary>
    public ImmutableSortedDictionary<JobId, JobKnowledge> Jobs { get; init; } = ImmutableSortedDictionary<JobId, JobKnowledge>.Empty;

    /// <summary>Where more wait than a plan looks at, the last that was; the next goes on behind it. Null, and not in JSON, where all are.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public JobId? LookedAt { get; init; }

    internal JobKnowledge Of(JobId job) => Jobs.GetValueOrDefault(job, JobKnowledge.Nothing);

    /// <summary>From being told to write a checkpoint until it is whole: as the job's own took, else by its size as all did.</summary>
    internal LoadEstimate Write(TrainingSpec job, PlannerSettings settings) => Expected(Of(job.Id).Checkpoints, Checkpoints, job, settings);

    /// <summary>From being told to go on until it trains.</summary>
    internal LoadEstimate Start(TrainingSpec job, PlannerSettings settings) => Expected(Of(job.Id).Starts, Starts, job, settings);

    private static LoadEstimate Expected(LoadStatistics own, LoadStatistics all, TrainingSpec job, PlannerSettings settings) =>
        own.Estimate() ?? LoadLine.Of(all.Samples, settings).Estimate(EachOf(job.CheckpointSize, job));

    // Ranks move their parts side by side, so that jobs are alike in what each of them moves.
    private static Bytes EachOf(Bytes size, TrainingSpec job) => new(size.Value / Math.Max(1, job.Devices));

    /// <summary>What is known once a snapshot has been seen; null while there is nothing to know.</summary>
    internal static TrainingKnowledge? Fold(TrainingKnowledge? before, FleetSpec spec, FleetSnapshot snapshot)
    {
        if (before is null && spec.Training.IsEmpty && snapshot.Training.IsEmpty) return null;
        var known = before ?? Nothing;
        var jobs = known.Jobs.ToBuilder();
        var specs = spec.Training.ToDictionary(job => job.Id);
        var (checkpoints, starts) = (known.Checkpoints, known.Starts);

        // Several members that die at once are one failure.
        var (failed, refused) = (new HashSet<JobId>(), new HashSet<JobId>());
        foreach (var outcome in snapshot.Outcomes)
        {
            switch (outcome)
            {
                case Outcome.CheckpointWritten { Job: var job } written when specs.ContainsKey(job):
                    var write = new LoadSample(EachOf(written.Size, specs[job]), written.Took);
                    checkpoints = checkpoints.Add(write);
                    jobs[job] = Job(job) with { Checkpoints = Job(job).Checkpoints.Add(write) };
                    break;
                case Outcome.GangStarted { Job: var job } started when specs.ContainsKey(job):
                    var start = new LoadSample(EachOf(started.Size, specs[job]), started.Took);
                    starts = starts.Add(start);

                    // A first start reads nothing, and says little of one that goes on.
                    if (started.Size > Bytes.Zero) jobs[job] = Job(job) with { Starts = Job(job).Starts.Add(start) };
                    break;
                case Outcome.GangFailed { Job: var job } ended when failed.Add(job):
                    jobs[job] = Job(job) with { Failures = Next(Job(job).Failures, ended.At, ended.Why, spec.Settings) };
                    break;
                case Outcome.StepFailed { Model: null } step when JobOf(step.Step, "launch", "resume", "checkpoint") is { } job && failed.Add(job):
                    jobs[job] = Job(job) with { Failures = Next(Job(job).Failures, step.At, step.Why, spec.Settings) };
                    break;
                case Outcome.StepFailed { Model: null } step when spec.Settings.HeedsStuckGangs && JobOf(step.Step, "suspend") is { } job && refused.Add(job):
                    jobs[job] = Job(job) with { Refused = Next(Job(job).Refused ?? FailureRecord.None, step.At, step.Why, spec.Settings) };
                    break;
            }
        }

        foreach (var gang in snapshot.Training)
        {
            var now = Job(gang.Job);
            if (now.Failures.Count > 0 && !failed.Contains(gang.Job) && gang.State is GangState.Running && snapshot.At - gang.StateSince >= Settled) now = now with { Failures = FailureRecord.None };
            if (now.Refused is not null && !gang.Holds) now = now with { Refused = null };
            if (!ReferenceEquals(now, Job(gang.Job))) jobs[gang.Job] = now;
        }

        var there = spec.Training.Select(job => job.Id).Concat(snapshot.Training.Where(gang => gang.Holds).Select(gang => gang.Job))
            .Concat(spec.UnplannedJobs.IsDefault ? [] : spec.UnplannedJobs).ToHashSet();
        foreach (var gone in jobs.Keys.Where(job => !there.Contains(job)).ToArray()) jobs.Remove(gone);
        return known with { Checkpoints = checkpoints, Starts = starts, Jobs = jobs.ToImmutable() };

        JobKnowledge Job(JobId job) => jobs.GetValueOrDefault(job, JobKnowledge.Nothing);
    }

    private static JobId? JobOf(StepId step, params ReadOnlySpan<string> kinds) => step.Value.Split('/', 2) is [var kind, var job] && kinds.Contains(kind) ? JobId.Of(job) : null;

    internal static FailureRecord Next(FailureRecord before, DateTimeOffset at, string why, PlannerSettings settings)
    {
        var count = Math.Min(before.Count + 1, 1000);
        return new FailureRecord(count, at + FailureRecord.Wait(count, settings), why);
    }
}

/// <summary>What is known of one training job.</summary>
public sealed record JobKnowledge
{
    internal static readonly JobKnowledge Nothing = new();

    public LoadStatistics Checkpoints { get; init; } = LoadStatistics.None;

    /// <summary>Starts that went on from a checkpoint.</summary>
    public LoadStatistics Starts { get; init; } = LoadStatistics.None;

    public FailureRecord Failures { get; init; } = FailureRecord.None;

    /// <summary>How often it could not be told to go, in a row, while it holds its place; null, and not in JSON, where it never was.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public FailureRecord? Refused { get; init; }

    /// <summary>Since when it is told to give way; null while it is not.</summary>
    public DateTimeOffset? GivesWaySince { get; init; }

    /// <summary>Whether it last ended because a model asked for its place.</summary>
    public bool GaveWay { get; init; }

    /// <summary>Since when there has been room for all of it, free of others, while it waits; null while there is none, or while it holds its own.</summary>
    public DateTimeOffset? RoomSince { get; init; }

    /// <summary>Whether the room that it waits for is made for it: then it takes that as soon as it is there.</summary>
    public bool RoomMade { get; init; }
}
