using System.Collections.Immutable;
using Plimsoll.Kubernetes.Cluster;

namespace Plimsoll.Kubernetes.Body;

/// <summary>A pod of a planned job that is not over, and where it is: <see cref="Placement.Pending"/> before it is bound.</summary>
internal readonly record struct GangPod(PodView Pod, Placement Placement);

/// <summary>A planned job as the snapshot is to show it.</summary>
/// <param name="Job">The job, with its spec and its target.</param>
/// <param name="Suspended">Whether its target is suspended, or asked to be.</param>
/// <param name="Pods">Its pods that are not over, in the order of their names, those of nodes that are gone left out.</param>
/// <param name="Succeeded">Its pods that have succeeded and are still there.</param>
internal sealed record GangSeen(ResolvedJob Job, bool Suspended, IReadOnlyList<GangPod> Pods, int Succeeded)
{
    /// <summary>We asked last that it run: if it is suspended then, somebody else did that.</summary>
    public bool AskedToRun { get; init; }

    /// <summary>That it be suspended is only asked: until the watch shows it, its controller may make all its pods.</summary>
    public bool MayStillRun { get; init; }
}

/// <summary>
/// Gangs out of jobs and their pods, and what became of them since the look before, each told once. What happened before the first
/// look is not told: another leader did, or nobody measured it. Not safe for two threads at once.
/// </summary>
internal sealed class Gangs
{
    // Clocks of the cluster and ours differ by no more, and its times are of whole seconds.
    private static readonly TimeSpan Slack = TimeSpan.FromSeconds(30);

    private Dictionary<JobId, Memory> _known = [];

    // How a job was at the look before.
    private sealed record Memory
    {
        public required string Uid { get; init; }

        /// <summary>Null of one that was never launched.</summary>
        public GangState? State { get; init; }

        public DateTimeOffset StateSince { get; init; }

        public DateTimeOffset StartedAt { get; init; }

        public DateTimeOffset LookedAt { get; init; }

        /// <summary>It was seen to be let run, and has not trained since; whether it goes on from a checkpoint then.</summary>
        public bool? GoesOn { get; init; }

        /// <summary>It has trained since it was last let run.</summary>
        public bool Trained { get; init; }

        /// <summary>When the grace of the last of its pods ends that are or were ending; null before one is.</summary>
        public DateTimeOffset? GraceEnds { get; init; }
    }

    /// <summary>The gangs of jobs that were launched, ordered by job, and what became of them.</summary>
    public (ImmutableArray<TrainingGang> Gangs, ImmutableArray<Outcome> Outcomes) Look(IEnumerable<GangSeen> jobs, DateTimeOffset at)
    {
        var (gangs, outcomes) = (ImmutableArray.CreateBuilder<TrainingGang>(), ImmutableArray.CreateBuilder<Outcome>());
        var before = _known;
        _known = new Dictionary<JobId, Memory>(before.Count);
        foreach (var seen in jobs.OrderBy(one => one.Job.Id))
        {
            var known = before.GetValueOrDefault(seen.Job.Id) is { } memory && memory.Uid == seen.Job.Target!.Uid ? memory : null;
            var now = Now(seen, known, at);
            _known[seen.Job.Id] = Tell(seen, known, now, at, outcomes) with { LookedAt = at };
            if (now.State is { } state) gangs.Add(Gang(seen, now, state));
        }

        return (gangs.ToImmutable(), outcomes.ToImmutable());
    }

    private static Memory Now(GangSeen seen, Memory? known, DateTimeOffset at)
    {
        var (target, state) = (seen.Job.Target!, StateOf(seen, known));
        // A kubelet that is done with a pod shortens its grace to nothing just before the pod goes: what it was given counts.
        var graceEnds = seen.Pods.Select(one => one.Pod.DeletedAt).Append(known?.GraceEnds).Max();
        var now = (known ?? new Memory { Uid = target.Uid }) with { State = state, GraceEnds = graceEnds };
        if (state is null) return now with { GraceEnds = null };

        // Of one that was just let run the job says nothing yet, or when it was let run the time before.
        var isAnew = IsAnew(seen, known, state);
        if (IsLetRun(state))
        {
            // Until its controller has made the pods a job that goes on still says when it was let run the time before.
            var told = target.Suspended ? null : target.StartedAt;
            if (known is not null && told < (isAnew ? known.LookedAt : known.StartedAt) - Slack) told = null;
            now = now with { StartedAt = told ?? (known is null ? FirstOf(seen) ?? target.CreatedAt : isAnew ? at : known.StartedAt), GraceEnds = null };
        }
        else if (known is null) now = now with { StartedAt = target.StartedAt ?? FirstOf(seen) ?? LaunchedAt(seen.Job) ?? target.CreatedAt };

        return now with
        {
            StateSince = state switch
            {
                GangState.Ended => target.EndedAt!.Value,
                // Of one that nobody looked at before nobody knows for how long it has lacked a pod.
                GangState.Starting => known is null || known.State == GangState.Running ? at : known.State == GangState.Starting && known.StateSince > now.StartedAt ? known.StateSince : now.StartedAt,
                GangState.Running => seen.Pods.Where(one => one.Pod is { Ready: true, DeletedAt: null }).Max(one => one.Pod.ReadyChangedAt) ?? (known?.State == state ? known.StateSince : at),
                _ when known?.State == state => known.StateSince,
                GangState.Stopping => target.SuspendedAt ?? at,
                // They may have gone long before the first look.
                _ => known is null ? target.SuspendedAt ?? at : at,
            },
        };
    }

    // A suspend that was refused ends nothing: its pods are those of before.
    private static bool IsAnew(GangSeen seen, Memory? known, GangState? state) => IsLetRun(state) && !IsLetRun(known?.State)
        && !(known?.State == GangState.Stopping && seen.Pods.Any(one => one.Pod.DeletedAt is null && one.Pod.CreatedAt < known.StateSince));

    private static bool IsLetRun(GangState? state) => state is GangState.Starting or GangState.Running;

    private static GangState? StateOf(GangSeen seen, Memory? known)
    {
        var target = seen.Job.Target!;
        if (target.EndedAt is not null) return GangState.Ended;
        // That it was launched is seen before its status shows it.
        if (seen.Suspended && (seen.Pods.Count > 0 || seen.MayStillRun && (IsLetRun(known?.State) || known?.State == GangState.Stopping))) return GangState.Stopping;
        if (seen.Suspended) return seen.Job.WasLaunched || known?.State is not null ? GangState.Suspended : null;
        var ready = seen.Pods.Count(one => one.Pod is { Ready: true, DeletedAt: null });
        return ready >= target.Left(seen.Succeeded) ? GangState.Running : GangState.Starting;
    }

    private static Memory Tell(GangSeen seen, Memory? known, Memory now, DateTimeOffset at, ImmutableArray<Outcome>.Builder outcomes)
    {
        var (job, size) = (seen.Job, seen.Job.Spec!.CheckpointSize);
        if (known is null) return now with { Trained = now.State == GangState.Running };
        if (IsAnew(seen, known, now.State))
            now = now with { GoesOn = known.State is not null, Trained = false };
        if (now.State == GangState.Running)
        {
            if (now.GoesOn is { } goesOn)
                outcomes.Add(new Outcome.GangStarted { At = at, Job = job.Id, Size = goesOn ? size : Bytes.Zero, Took = Positive(now.StateSince - now.StartedAt) });
            now = now with { GoesOn = null, Trained = true };
        }

        if (!IsLetRun(now.State) && now.State != GangState.Ended && IsLetRun(known.State) && seen.AskedToRun)
            outcomes.Add(new Outcome.GangFailed { At = at, Job = job.Id, Why = "somebody else suspended it" });
        if (now.State != GangState.Suspended || known.State is GangState.Suspended or null) return now;

        // What was ended while it started has nothing to save, and what was killed at the end of its grace may not have saved all. Members that
        // went from one look to the next may have been seen with no grace but the one that was taken back: none ends before its pods' time is over.
        var told = known.State == GangState.Stopping ? known.StateSince : job.Target!.SuspendedAt;
        if (size > Bytes.Zero && now.Trained && told is { } since && (at < since + job.Grace || !(at >= now.GraceEnds)))
            outcomes.Add(new Outcome.CheckpointWritten { At = at, Job = job.Id, Size = size, Took = Positive(at - since) });
        return now with { GoesOn = null, Trained = false, GraceEnds = null };
    }

    private static TrainingGang Gang(GangSeen seen, Memory now, GangState state)
    {
        var (spec, target) = (seen.Job.Spec!, seen.Job.Target!);
        var bound = seen.Pods.Where(one => one.Placement != Placement.Pending).ToArray();
        // Until pods are deleted a scheduler may bind them, whatever is asked for.
        var pending = IsLetRun(state) || state == GangState.Stopping && seen.MayStillRun ? Math.Max(0, target.Left(seen.Succeeded) - bound.Count(one => one.Pod.DeletedAt is null))
            : seen.Pods.Count(one => one.Placement == Placement.Pending && one.Pod.DeletedAt is null);
        return new TrainingGang
        {
            Job = spec.Id,
            State = state,
            StateSince = now.StateSince,
            StartedAt = now.StartedAt,
            Members = state is GangState.Ended or GangState.Suspended ? [] : [.. bound.Select(one => one.Placement), .. Enumerable.Repeat(Placement.Pending, pending)],
            Requests = bound.Length > 0 ? Own(spec.Requests!, bound[0].Pod) : spec.Requests,
            ReservedPerMember = spec.NeedsPerMember,
        };
    }

    // Its own, which an admission webhook made differ from what the template asks.
    private static SchedulerRequests Own(SchedulerRequests asked, PodView pod) => asked with
    {
        Memory = new Bytes(pod.Requests.MemoryBytes),
        Cores = new Cores(pod.Requests.CpuMilli),
        EphemeralStorage = new Bytes(pod.Requests.EphemeralStorageBytes),
        Devices = asked.Resource is { } resource ? (int)Math.Min(pod.Requests.Devices.GetValueOrDefault(resource), 1024) : 0,
    };

    private static DateTimeOffset? FirstOf(GangSeen seen) => seen.Pods.Count == 0 ? null : seen.Pods.Min(one => one.Pod.CreatedAt);

    private static DateTimeOffset? LaunchedAt(ResolvedJob job) =>
        job.WasLaunched && DateTimeOffset.TryParse(job.View.Job!.Status!.LaunchedAt, System.Globalization.CultureInfo.InvariantCulture, System.Globalization.DateTimeStyles.AssumeUniversal, out var at) ? at : null;

    private static TimeSpan Positive(TimeSpan took) => took < TimeSpan.Zero ? TimeSpan.Zero : took;
}
