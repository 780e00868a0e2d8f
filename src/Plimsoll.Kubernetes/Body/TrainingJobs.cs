using System.Collections.Immutable;
using k8s.Models;
using Plimsoll.Kubernetes.Cluster;
using Plimsoll.Kubernetes.Resources;

namespace Plimsoll.Kubernetes.Body;

/// <summary>The cluster's planned jobs as a body has them: looked at, seen as gangs, launched and suspended.</summary>
internal sealed class TrainingJobs(KubernetesFleetParts parts)
{
    private readonly JobResolver _resolver = new(parts.Cluster);
    private readonly SuspendWriter _suspends = new(parts);
    private readonly Gangs _gangs = new();

    /// <summary>What the last <see cref="Resolve"/> came to, ordered by name.</summary>
    public ImmutableArray<ResolvedJob> Jobs { get; private set; } = [];

    /// <summary>Whether there may be jobs to plan.</summary>
    public Capabilities Can => parts.Cluster.PlannedJobs is null ? Capabilities.None : Capabilities.Train;

    /// <inheritdoc cref="JobResolver.Look(FleetSettings)"/>
    public IReadOnlyDictionary<string, V1PodSpec> Look(FleetSettings fleet) => _resolver.Look(fleet);

    /// <summary>What was looked at, for the planner; ordered by id.</summary>
    public ImmutableArray<TrainingSpec> Resolve(NodeGroups groups)
    {
        Jobs = _resolver.Resolve(groups);
        return [.. Jobs.Select(job => job.Spec).OfType<TrainingSpec>().OrderBy(spec => spec.Id)];
    }

    /// <summary>Those that are named and cannot be planned now, or are left alone; default where there are none.</summary>
    /// <param name="known">Of whom something is known: while PlannedJobs cannot be read, all of them may be there.</param>
    public ImmutableArray<JobId> Unplanned(IEnumerable<JobId> known)
    {
        JobId[] unplanned = [.. Jobs.Where(job => job.Spec is null).Select(job => job.Id).Union(_resolver.IsUnread ? known : []).Order()];
        return unplanned.Length > 0 ? [.. unplanned] : default;
    }

    /// <summary>
    /// Keys of workloads of which nothing is planned now though they are named, or may be: of those that cannot be read the jobs whose pods are kept
    /// where they are. What is left alone on purpose is none of them.
    /// </summary>
    /// <param name="isMistaken">The Fleet has a mistake, so that what is planned is only shown.</param>
    public IEnumerable<string> UnplannedKeys(bool isMistaken)
    {
        var planned = isMistaken ? [] : Jobs.Where(job => job.Spec is not null).Select(job => job.Target!.Key).ToHashSet(StringComparer.Ordinal);
        var named = Jobs.Where(job => job.View.Job is not null && (isMistaken || job.Spec is null && !(job is { Settings: not null, Mode: FleetMode.Observe })))
            .Select(job => PlannedJobSettings.Of(job.View.Job!)).Select(settings => JobView.KeyOf(settings.Target, settings.Kind));
        var kept = _resolver.IsUnread || Jobs.Any(job => job.View.Job is null)
            ? parts.Cluster.Pods.Items.Values.Where(pod => pod.Guards?.Ours is not null).Select(pod => pod.WorkloadKey).OfType<string>().Where(IsOfJob) : [];
        return named.Concat(kept).Where(key => !planned.Contains(key));
    }

    private static bool IsOfJob(string key) => ClusterWatch.JobKinds.Any(kind => key.Contains($"/{kind.Kind}/", StringComparison.Ordinal));

    /// <summary>Keys of workloads whose pods are members of gangs. Of a job that is over what is left is anybody's.</summary>
    /// <remarks>With when the job was made: an older pod is of another one that had its name before.</remarks>
    public IReadOnlyDictionary<string, DateTimeOffset> Keys =>
        Jobs.Where(job => job is { Spec: not null, Target.EndedAt: null }).ToDictionary(job => job.Target!.Key, job => job.Target!.CreatedAt, StringComparer.Ordinal);

    /// <summary>Keys of the workloads whose gangs a plan has stay where they are.</summary>
    public IReadOnlySet<string> Kept(Plan plan)
    {
        if (plan.ProtectedJobs.IsDefault) return ImmutableHashSet<string>.Empty;
        var kept = plan.ProtectedJobs.Select(one => one.Job).ToHashSet();
        return Jobs.Where(job => job is { Acts: true, Target.EndedAt: null } && kept.Contains(job.Id)).Select(job => job.Target!.Key).ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>The snapshot with the gangs, and what became of them.</summary>
    /// <param name="snapshot">Without them.</param>
    /// <param name="pods">All pods.</param>
    /// <param name="placed">Where those of gangs are, by uid, that are bound to a node that is there.</param>
    public FleetSnapshot Onto(FleetSnapshot snapshot, IEnumerable<PodView> pods, IReadOnlyDictionary<string, Placement> placed)
    {
        ImmutableArray<Outcome> refused = [.. _suspends.TakeRefused(Jobs).Select(one => new Outcome.StepFailed { At = one.At, Step = one.Step, Why = one.Why })];
        if (Jobs.IsEmpty) return snapshot;
        var planned = Jobs.Where(job => job.Spec is not null).ToDictionary(job => job.Target!.Key, StringComparer.Ordinal);
        var of = pods.Where(pod => pod.WorkloadKey is { } key && planned.TryGetValue(key, out var job) && pod.CreatedAt >= job.Target!.CreatedAt).ToLookup(pod => pod.WorkloadKey!, StringComparer.Ordinal);
        var (gangs, outcomes) = _gangs.Look(
            planned.Select(one => new GangSeen(one.Value, _suspends.IsSuspended(one.Value.Target!), [.. Members(of[one.Key], placed)], of[one.Key].Count(pod => pod.Phase == "Succeeded"))
            {
                AskedToRun = _suspends.IsAskedToRun(one.Value.Target!),
                MayStillRun = _suspends.IsOnlyAskedToStop(one.Value.Target!),
            }), snapshot.At);
        return snapshot with { Training = gangs, Outcomes = [.. snapshot.Outcomes, .. outcomes, .. refused] };
    }

    /// <summary>Launches, resumes and suspends what a plan says and its mode allows.</summary>
    /// <returns>Steps that are done or under way, and those that wait for others.</returns>
    public async Task<(IEnumerable<StepId> Started, IEnumerable<StepId> Waiting)> ApplyAsync(Plan plan, CancellationToken cancellationToken)
    {
        var acting = Jobs.Where(job => job is { Acts: true, Target.EndedAt: null }).ToDictionary(job => job.Id);
        var steps = plan.Steps.Select(step => (Step: step, Job: JobOf(step))).Where(one => one.Job is { } job && acting.ContainsKey(job)).ToArray();
        var due = steps.Where(one => one.Step.After.IsEmpty).Select(one => (one.Step, Request: new SuspendRequest(acting[one.Job!.Value], one.Step is Step.Suspend, one.Step.Id)))
            .Where(one => _suspends.IsSuspended(one.Request.Job.Target!) != one.Request.Suspend).ToArray();
        var written = await _suspends.WriteAsync(
            [.. due.Select(one => one.Request)], acting.Values.Select(job => job.Target!.Key).ToHashSet(StringComparer.Ordinal), cancellationToken).ConfigureAwait(false);
        return (due.Where(one => written.Contains(one.Request.Key)).Select(one => one.Step.Id), steps.Where(one => !one.Step.After.IsEmpty).Select(one => one.Step.Id));
    }

    /// <summary>Waits until nothing is written any more; what it is written under is to be cancelled before.</summary>
    public Task EndAsync() => _suspends.EndAsync();

    private static JobId? JobOf(Step step) => step switch
    {
        Step.Launch launch => launch.Job,
        Step.Resume resume => resume.Job,
        Step.Suspend suspend => suspend.Job,
        _ => null,
    };

    private static IEnumerable<GangPod> Members(IEnumerable<PodView> pods, IReadOnlyDictionary<string, Placement> placed)
    {
        foreach (var pod in pods.Where(pod => !pod.IsOver).OrderBy(pod => pod.Name))
        {
            if (pod.Node is null) yield return new GangPod(pod, Placement.Pending);
            else if (placed.TryGetValue(pod.Uid, out var placement)) yield return new GangPod(pod, placement);
        }
    }
}
