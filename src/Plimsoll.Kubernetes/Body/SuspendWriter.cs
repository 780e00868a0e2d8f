using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>Whether a job's target is to be suspended, and by which step.</summary>
internal sealed record SuspendRequest(ResolvedJob Job, bool Suspend, StepId Step) : WriteRequest
{
    public override string Key => Job.Target!.Key;

    // A job's status changes with every pod, its generation with its spec alone.
    public override string Over => VersionOf(Job.Target!);

    /// <summary>Of the very object: one that was made anew under its name is another.</summary>
    public static string VersionOf(JobView target) => string.Create(CultureInfo.InvariantCulture, $"{target.Uid}/{target.Generation}");
}

/// <summary>
/// Writes spec.suspend of jobs, beside the turns. After the first time it notes in the PlannedJob's status that it was launched, which
/// the job itself no longer says once it is suspended.
/// </summary>
internal sealed class SuspendWriter
{
    private readonly KubernetesFleetParts _parts;
    private readonly WriteQueue<SuspendRequest> _queue;

    // What was refused last of each job: the plan asks for it again with every turn.
    private readonly Dictionary<JobId, string> _said = [];

    // What was refused since the look before, and what we asked last of each target, by its uid.
    private readonly List<(StepId Step, string Why, DateTimeOffset At)> _refused = [];
    private readonly Dictionary<string, bool> _asked = new(StringComparer.Ordinal);

    public SuspendWriter(KubernetesFleetParts parts)
    {
        _parts = parts;
        _queue = new WriteQueue<SuspendRequest>(parts, WriteAsync);
    }

    /// <summary>Whether the target is suspended, or asked to be: what we ask, until the watch shows it or it should have.</summary>
    public bool IsSuspended(JobView target) => Asked(target)?.Suspend ?? target.Suspended;

    /// <summary>Whether we ask that it be suspended and the watch does not show that yet.</summary>
    public bool IsOnlyAskedToStop(JobView target) => Asked(target) is { Suspend: true };

    /// <inheritdoc cref="WriteQueue{T}.WriteAsync(IReadOnlyList{T}, IReadOnlySet{string}, CancellationToken)"/>
    public async Task<IReadOnlySet<string>> WriteAsync(IReadOnlyList<SuspendRequest> due, IReadOnlySet<string> ours, CancellationToken cancellationToken)
    {
        foreach (var request in due) _asked[request.Job.Target!.Uid] = request.Suspend;
        var taken = await _queue.WriteAsync(due, ours, cancellationToken).ConfigureAwait(false);
        foreach (var (request, why, at) in _queue.TakeRefused())
        {
            if (_said.GetValueOrDefault(request.Job.Id) != why) _parts.Log($"{request.Job.Id}: {why}");
            _said[request.Job.Id] = why;
            _refused.Add((request.Step, why, at));
            _asked.Remove(request.Job.Target!.Uid);
        }

        return taken;
    }

    /// <summary>Whether we asked last that the target run.</summary>
    public bool IsAskedToRun(JobView target) => _asked.TryGetValue(target.Uid, out var suspend) && !suspend;

    /// <summary>Steps that the server refused since the call before; what is kept of jobs that are gone goes.</summary>
    public IReadOnlyList<(StepId Step, string Why, DateTimeOffset At)> TakeRefused(IReadOnlyCollection<ResolvedJob> jobs)
    {
        var refused = _refused.ToArray();
        _refused.Clear();
        var (ids, uids) = (jobs.Select(job => job.Id).ToHashSet(), jobs.Select(job => job.Target?.Uid).ToHashSet());
        foreach (var gone in _said.Keys.Where(job => !ids.Contains(job)).ToArray()) _said.Remove(gone);
        foreach (var gone in _asked.Keys.Where(uid => !uids.Contains(uid)).ToArray()) _asked.Remove(gone);
        return refused;
    }

    /// <inheritdoc cref="WriteQueue{T}.EndAsync"/>
    public Task EndAsync() => _queue.EndAsync();

    private SuspendRequest? Asked(JobView target) => _queue.Asked(target.Key, SuspendRequest.VersionOf(target), _parts.Cluster.ListOfJobs(target.Kind));

    private async Task WriteAsync(SuspendRequest request, CancellationToken cancellationToken)
    {
        var (job, target) = (request.Job, request.Job.Target!);
        var body = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["metadata"] = new JsonObject { ["uid"] = target.Uid },
            ["spec"] = new JsonObject { ["suspend"] = request.Suspend },
        }.ToJsonString());
        using var written = await _parts.Cluster.Api.PatchAsync(job.TargetPath!, body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
        _parts.Log($"{job.Id}: {target.Kind} {target.Name.Name} is {(request.Suspend ? "suspended" : "launched")}");
        if (!job.WasLaunched) await NoteLaunchAsync(job, target, request.Suspend ? target.StartedAt : null, cancellationToken).ConfigureAwait(false);
    }

    private async Task NoteLaunchAsync(ResolvedJob job, JobView target, DateTimeOffset? at, CancellationToken cancellationToken)
    {
        var view = job.View;
        var body = Encoding.UTF8.GetBytes(new JsonObject
        {
            ["metadata"] = new JsonObject { ["uid"] = view.Uid },
            ["status"] = new JsonObject { ["launchedAt"] = Text(at ?? _parts.Time.GetUtcNow()), ["targetUid"] = target.Uid },
        }.ToJsonString());
        try
        {
            using var noted = await _parts.Cluster.Api.PatchAsync(
                $"apis/{ResourceGroup.ApiVersion}/namespaces/{view.Name.Namespace}/{PlannedJob.KubePluralName}/{view.Name.Name}/status",
                body, PatchKind.Merge, cancellationToken).ConfigureAwait(false);
        }
        catch (ApiException refused)
        {
            // Its status says so too, once the gang is seen to start.
            _parts.Log($"{job.Id}: that it was launched could not be noted: {refused.Message}");
        }
    }

    /// <summary>A moment as Kubernetes writes it.</summary>
    public static string Text(DateTimeOffset at) => at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss'Z'", CultureInfo.InvariantCulture);
}
