using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A PlannedJob's conditions.</summary>
internal static class JobConditions
{
    /// <summary>Whether it is planned and, of one that saves and is, whether its pods have long enough for that.</summary>
    public static ImmutableArray<Finding> Of(ResolvedJob job, JobVerdict? verdict)
    {
        if (verdict is null || job.Spec is not { CheckpointSize.Value: > 0 } spec) return [job.Planned];
        var (takes, has) = (verdict.Checkpoint, job.Grace);
        return
        [
            job.Planned,
            takes > has
                ? new Finding(JobConditionTypes.GraceCoversCheckpoint, false, "GraceTooShort", string.Create(CultureInfo.InvariantCulture,
                    $"one in ten checkpoints of {spec.CheckpointSize} is expected to take longer than {Durations.Show(takes)}, and its pods are killed {Durations.Show(has)} after SIGTERM; terminationGracePeriodSeconds of {Math.Ceiling(takes.TotalSeconds)} or more would do"))
                : new Finding(JobConditionTypes.GraceCoversCheckpoint, true, "GraceCovers", $"its pods have {Durations.Show(has)} from SIGTERM on"),
        ];
    }
}

/// <summary>
/// Writes what is seen and thought into the PlannedJobs' status: at once what changed, and of sentences in which only numbers
/// drifted a few a minute.
/// </summary>
internal sealed class JobStatusWriter(KubernetesFleetParts parts)
{
    private const int WritesAtOnceMax = 50;
    private const int RefreshesAtOnceMax = 5;
    private static readonly TimeSpan Refresh = TimeSpan.FromMinutes(1);

    private readonly Dictionary<ObjectName, (string Essence, string Text, long At)> _written = [];

    private readonly RefusedWrites _refused = new(parts.Time);

    /// <summary>How many had something new to say the last time, were not refused, and are left for the next.</summary>
    public int Left { get; private set; }

    public Task WriteAsync(ToldTurn told, CancellationToken cancellationToken)
    {
        Left = 0;
        if (told.Jobs.IsEmpty && _written.Count == 0) return Task.CompletedTask;
        var verdicts = told.Tick.Plan.Jobs.IsDefault ? [] : told.Tick.Plan.Jobs.ToDictionary(verdict => verdict.Job);
        var gangs = told.Tick.Snapshot.Training.ToDictionary(gang => gang.Job);
        var (due, drifted) = (new List<(ResolvedJob Job, string Essence, PlannedJobStatus Status)>(), new List<(ResolvedJob Job, string Essence, PlannedJobStatus Status)>());
        _refused.Keep(told.Jobs.Select(job => job.View.Name));
        foreach (var job in told.Jobs.Where(job => !_refused.Waits(job.View.Name)))
        {
            var verdict = verdicts.GetValueOrDefault(job.Id);
            var status = Status(job, gangs.GetValueOrDefault(job.Id), verdict);
            var (essence, text) = (Essence(status, verdict), Text(status));
            if (!_written.TryGetValue(job.View.Name, out var last))
            {
                // What a leader before this one wrote, where it reads the same.
                if (job.View.Job?.Status is { } stands && Text(stands.Writable()) == text) _written[job.View.Name] = (essence, text, parts.Time.GetTimestamp());
                else due.Add((job, essence, status));
            }
            else if (last.Essence != essence) due.Add((job, essence, status));
            else if (last.Text != text && status.State != nameof(GangState.Ended) && parts.Time.GetElapsedTime(last.At) >= Refresh) drifted.Add((job, essence, status));
        }

        foreach (var gone in _written.Keys.Except(told.Jobs.Select(job => job.View.Name)).ToArray()) _written.Remove(gone);
        Left = Math.Max(0, due.Count - WritesAtOnceMax);
        return Parallel.ForEachAsync(
            due.OrderBy(one => one.Job.Spec is null).ThenBy(one => _refused.Times(one.Job.View.Name)).Take(WritesAtOnceMax)
                .Concat(drifted.OrderBy(one => _refused.Times(one.Job.View.Name)).ThenBy(one => _written[one.Job.View.Name].At).Take(RefreshesAtOnceMax)),
            new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken },
            async (one, token) =>
            {
                if (!parts.MayWrite()) return;
                var view = one.Job.View;
                try
                {
                    await StatusPatch.ApplyAsync(parts.Cluster.Api, PlannedJob.KubeKind, PlannedJob.KubePluralName, view.Name, view.Uid, one.Status, token).ConfigureAwait(false);
                    _refused.Remove(view.Name);
                    lock (_written) _written[view.Name] = (one.Essence, Text(one.Status), parts.Time.GetTimestamp());
                }
                catch (ApiException refused)
                {
                    if (_refused.Add(view.Name, refused.Message) && refused.Status != System.Net.HttpStatusCode.NotFound) parts.Log($"{one.Job.Id}: its status could not be written: {refused.Message}");
                }
            });
    }

    private PlannedJobStatus Status(ResolvedJob job, TrainingGang? gang, JobVerdict? verdict)
    {
        var (view, before) = (job.View.Job, job.View.Job?.Status);
        var generation = view?.Metadata?.Generation ?? 0;
        return new PlannedJobStatus
        {
            ObservedGeneration = generation,
            Conditions = [.. JobConditions.Of(job, verdict).Select(finding => StatusPatch.Condition(finding, before?.Conditions, generation, parts.Time.GetUtcNow()))],
            // Of one that somebody else let run too: once it is suspended, nothing but this says that it goes on from something.
            LaunchedAt = job.WasLaunched || job.Target is null ? before?.LaunchedAt : gang is null ? null : SuspendWriter.Text(gang.StartedAt),
            TargetUid = job.Target is null ? before?.TargetUid : job.WasLaunched || gang is not null ? job.Target.Uid : null,
            State = job.Spec is null ? null : gang?.State.ToString() ?? "Waiting",
            Members = job.Spec?.GangSize,
            Mode = job.Mode.ToString().ToLowerInvariant(),
            Reason = job.Spec is null ? job.Planned.Message : verdict?.Reason.ToString(),
        }.Writable();
    }

    private static string Text(PlannedJobStatus status) => JsonSerializer.Serialize(status, ResourceJson.Options);

    private static string Essence(PlannedJobStatus status, JobVerdict? verdict) => string.Create(CultureInfo.InvariantCulture,
        $"{status.ObservedGeneration}|{status.LaunchedAt}|{status.TargetUid}|{status.State}|{status.Members}|{status.Mode}|{verdict?.Reason.Rule}|{(verdict is null ? status.Reason : "")}|")
        + string.Join(';', status.Conditions!.Select(one => one.Type + one.Status + one.Reason));
}
