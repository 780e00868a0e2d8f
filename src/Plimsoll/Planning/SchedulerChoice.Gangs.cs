namespace Plimsoll;

// Training gangs: members that ask the same. A node whose place is held for models that are to come is none for them, as a scheduler displaces
// nobody where there is room without; but it might, so that it must be safe there as well.
internal sealed partial class SchedulerChoice
{
    private readonly Dictionary<JobId, Group> _gangs = [];
    private readonly Dictionary<JobId, Awaited[]> _forgone = [];

    /// <summary>Reserves what the scheduler has yet to place of a gang.</summary>
    /// <param name="gang">One that is launched.</param>
    /// <param name="members">Members that have no node yet.</param>
    /// <param name="goes">Whether it is told to go: then a member may still land, and no place is kept for it.</param>
    public void AwaitGang(TrainingGang gang, int members, bool goes)
    {
        if (gang.Requests is not { } requests) return;
        LikePods[] pods = [Like(false, ReplicaWays.OfMember(requests, gang.ReservedPerMember, null), members, IsKeptFor)];
        if (goes) Charge(pods);
        else _gangs[gang.Job] = AwaitPods(pods);
    }

    /// <summary>Keeps a job the room that was made for it, while others that wait for a node may take a part of it first.</summary>
    public void KeepFor(TrainingSpec job) =>
        AwaitPods([Like(false, ReplicaWays.OfMember(job.Requests!, job.NeedsPerMember, job.DeviceKind), job.GangSize, IsKeptFor)]);

    /// <summary>Keeps no places any more for those members of a gang that have none yet, as it is told to go.</summary>
    public void Forgo(JobId job)
    {
        if (!_gangs.TryGetValue(job, out var gang)) return;
        Ask(gang.Pods, -1);
        _groups.RemoveAll(group => ReferenceEquals(group, gang));
        _forgone[job] = [.. _awaited.Where(one => gang.Pods.Any(pods => ReferenceEquals(pods.Ways, one.Ways)))];
        _awaited.RemoveAll(_forgone[job].Contains);
        LookAgain();
    }

    /// <summary>Keeps them again, as it stays after all.</summary>
    public void Regain(JobId job)
    {
        if (!_gangs.TryGetValue(job, out var gang)) return;
        if (_forgone.Remove(job, out var awaited)) _awaited.AddRange(awaited);
        Ask(gang.Pods, 1);
        _groups.Add(gang);
        Forget();
    }

    // Until a gang that is told to go is gone its members may come where others stop. Whoever starts from now on waits for that, and who was
    // promised a place before does not.
    private bool IsOverfilledByForgone(SchedulerNode node)
    {
        var (counts, charges, overfilled) = (new Stack<(Awaited One, int? Was)>(), new Stack<(Together Group, (Bytes, Bytes) Was)>(), false);
        foreach (var one in _forgone.Values.SelectMany(waiting => waiting))
        {
            var (may, was) = (one.MayComeTo(node), one.Nodes.TryGetValue(node, out var counted) ? counted : (int?)null);
            if (may <= one.CountedOn(node)) continue;
            if (overfilled = Danger(node, one.Ways, afterStops: true) is not null) break;
            counts.Push((one, was));
            one.Nodes[node] = may;
            if (one.With!.ChargeAnew(node) is { } before) charges.Push((one.With, before));
        }

        overfilled |= charges.Count > 0 && IsOverfilledAfter(node);
        while (charges.TryPop(out var last)) last.Group.Charge(node, last.Was);
        while (counts.TryPop(out var last))
        {
            if (last.Was is { } was) last.One.Nodes[node] = was;
            else last.One.Nodes.Remove(node);
        }

        return overfilled;
    }

    /// <summary>Whether a gang may start now, all of it, or after which stops.</summary>
    public Answer PlaceGang(TrainingSpec job)
    {
        var member = ReplicaWays.OfMember(job.Requests!, job.NeedsPerMember, job.DeviceKind);
        return PlaceGroup(
            [Like(false, member, job.GangSize, IsKeptFor)], job.NeedsPerMember, [.. _nodes.Where(node => IsKeptFor(node) && node.MayRun(job.Requests!))]);
    }

    private static bool IsKeptFor(SchedulerNode node) => !node.State.Held.IsDefaultOrEmpty;
}
