namespace Plimsoll;

// Replicas of several pods. What is promised to them is counted in two ways, of which either will do: whatever the others do, and in
// whatever order pods come, all of them find a place.
internal sealed partial class SchedulerChoice
{
    // All that may come, by what it asks.
    private readonly Dictionary<SchedulerRequests, int> _coming = new(SameRequests.Comparer);
    private readonly List<Group> _groups = [];

    /// <param name="IsLeader">Whether it is the one that each group has once.</param>
    /// <param name="Ways">What each would run as and take.</param>
    /// <param name="Count">How many.</param>
    /// <param name="Nodes">Where they may land, now or once the stops of this plan are done, and how many were counted there.</param>
    private sealed record LikePods(bool IsLeader, ReplicaWays Ways, int Count, Dictionary<SchedulerNode, int> Nodes)
    {
        public SchedulerRequests Requests => Ways.Requests;
    }

    // The room is what the stops that it waits for leave, whatever stops later.
    private sealed record Group(LikePods[] Pods, bool AfterStops)
    {
        private readonly Dictionary<SchedulerNode, SchedulerRoom> _rooms = AfterStops
            ? Pods.SelectMany(pods => pods.Nodes.Keys).Distinct().ToDictionary(node => node, node => node.Ledger.SchedulerAfter!) : [];

        public SchedulerRoom Room(SchedulerNode node) => _rooms.GetValueOrDefault(node, node.State.Scheduler!);
    }

    /// <summary>Reserves what the scheduler has yet to place of a group, of which a part may be in place.</summary>
    /// <param name="model">Its model, as the replica's target has it.</param>
    /// <param name="replica">The group.</param>
    public void AwaitGroup(ModelSpec model, InferenceReplica replica)
    {
        if (model is not { Requests: not null, Variants: [{ Workers: not null }, ..] }) return;
        var members = replica.Members.Count(member => member.Placement == Placement.Pending);
        AwaitPods([.. Pods(model, leaders: replica.Placement == Placement.Pending ? 1 : 0, members).Where(pods => pods.Count > 0)]);
    }

    private Group AwaitPods(LikePods[] waiting)
    {
        var group = new Group(waiting, AfterStops: false);
        if (!TryPromise(group))
        {
            Ask(waiting, 1);
            Forget();
        }

        Waits(waiting, Hold(waiting, now: true));
        return group;
    }

    private Answer PlaceGroup(LikePods[] pods, ReplicaNeeds least, params SchedulerNode[] besides)
    {
        var nodes = pods.SelectMany(one => one.Nodes.Keys).Distinct().OrderBy(node => node.State.Id).ToArray();
        foreach (var afterStops in (bool[])[false, true])
        {
            foreach (var node in nodes.Where(node => !afterStops || node.Ledger.HasStops))
            {
                if (Danger(node, pods, afterStops) is { } danger) return new Answer(null, least, danger);
            }
        }

        // Nodes that come are no places to count on, but dangers.
        SchedulerNode[] arriving = [.. _arriving, .. besides];
        var before = arriving.Select(node => (node, node.Covered, node.Others)).ToArray();
        void Undo() => Array.ForEach(before, one => one.node.Charge(one.Covered - one.node.Covered, one.Others - one.node.Others));
        foreach (var node in arriving)
        {
            if (LandOn(node, pods.Select(one => (one.Ways, one.Count))) is not { } danger) continue;
            Undo();
            return new Answer(null, least, danger);
        }

        // Who waits for all stops comes once they are done.
        var inDanger = nodes.Where(node => node.Ledger.HasStops).Select(node => DangerMeanwhile(node, pods)).FirstOrDefault(danger => danger is not null);
        var stopping = nodes.Where(node => node.Ledger.HasStops).SelectMany(node => node.Ledger.Stops).Distinct().Order().ToArray();
        foreach (var after in (bool[])[false, true])
        {
            if (after && stopping.Length == 0 || (!after && inDanger is not null) || !TryPromise(new Group(pods, after))) continue;
            var together = Hold(pods, now: !after);
            var most = together.Most;
            Waits(pods, together);
            return new Answer([.. after ? stopping : []], most[0]!, null) { Workers = pods.Length > 1 ? new WorkerPods(pods[1].Count, most[1]!, pods[1].Requests) : null };
        }

        Undo();
        if (inDanger is not null) return new Answer(null, least, inDanger);
        var (all, places) = (pods.Sum(one => (long)one.Count), Places(pods));
        return new Answer(null, least, Unplaced(pods, all, places)) { Places = (int)Math.Min(all, places) };
    }

    private LikePods[] Pods(ModelSpec model, int leaders, int workers)
    {
        // A worker as if it were a replica of its own; what was measured was measured of leaders.
        var worker = model with
        {
            Requests = model.Variants[0].Workers!.Requests,
            Variants = [.. model.Variants.Select(variant => variant with { Needs = variant.Workers!.Needs, Workers = null })],
        };
        return [Like(true, ReplicaWays.Of(model, needs), leaders), Like(false, ReplicaWays.Of(worker, (_, variant) => variant.Needs), workers)];
    }

    private LikePods Like(bool leader, ReplicaWays ways, int count, Func<SchedulerNode, bool>? not = null) => new(leader, ways, count, _nodes
        .Where(node => not?.Invoke(node) != true && node.MayRun(ways.Requests) && (node.State.Scheduler!.Takes(ways.Requests) || node.Ledger.SchedulerAfter!.Takes(ways.Requests)))
        .ToDictionary(node => node, node => Math.Min(count, node.Ledger.SchedulerAfter!.Slots(ways.Requests))));

    private bool TryPromise(Group group)
    {
        Ask(group.Pods, 1);
        _groups.Add(group);
        if (IsKept(null, null)) return true;
        _groups.RemoveAt(_groups.Count - 1);
        Ask(group.Pods, -1);
        return false;
    }

    private void Ask(LikePods[] pods, int sign)
    {
        foreach (var one in pods)
        {
            foreach (var (node, count) in one.Nodes) node.Ask(one.Requests, sign * count);
            Comes(one.Requests, sign * one.Count);
        }
    }

    private void Comes(SchedulerRequests requests, int count)
    {
        _coming[requests] = _coming.GetValueOrDefault(requests) + count;
        foreach (var promise in _promises.Values) promise.Comes(requests, count);
    }

    private static bool IsKeptAt(Group group, SchedulerNode node, out SchedulerRoom left)
    {
        left = node.Left(group.Room(node));
        foreach (var one in group.Pods) left = left.With(one.Requests, -one.Nodes.GetValueOrDefault(node));
        return !left.IsOverfull;
    }

    private bool IsKept(Group group) => IsKeptAtWorst(group) || IsKeptByCount(group);

    /// <summary>
    /// With everything else at its worst on every node at once, let a node take s workers, and t of them beside the leader. Workers
    /// find their places if the nodes take all of them although the leader sits where it costs them most. The leader finds one if
    /// the workers are too few to shut it out everywhere, for which they must be t + 1 on each node that takes it.
    /// </summary>
    private static bool IsKeptAtWorst(Group group)
    {
        var leader = group.Pods.FirstOrDefault(pods => pods.IsLeader);
        var workers = group.Pods.FirstOrDefault(pods => !pods.IsLeader);
        var (slots, cost, shut, count) = (0L, 0L, 0L, workers?.Count ?? 0);
        foreach (var node in group.Pods.SelectMany(pods => pods.Nodes.Keys).Distinct())
        {
            var takesAny = IsKeptAt(group, node, out var room);
            var all = takesAny && workers?.Nodes.ContainsKey(node) == true ? room.Slots(workers.Requests) : 0;
            slots += all;
            if (leader?.Nodes.ContainsKey(node) != true) continue;
            var takes = takesAny && room.Takes(leader.Requests);
            var beside = !takes || all == 0 ? 0 : room.With(leader.Requests).Slots(workers!.Requests);
            cost = Math.Max(cost, all - beside);
            if (takes) shut += workers?.Nodes.ContainsKey(node) == true ? beside + 1L : count + 1L;
        }

        return slots - cost >= count && (leader is null || shut > count);
    }

    /// <summary>
    /// A pod of another kind costs one of these at most as many places as it is times as large, wherever it lands: what all that
    /// may come costs is taken off the places of all nodes together.
    /// </summary>
    private bool IsKeptByCount(Group group) => group.Pods.All(pods =>
    {
        var places = pods.Nodes.Keys.Sum(node => (long)group.Room(node).Slots(pods.Requests));
        foreach (var (requests, count) in _coming)
        {
            if (places < pods.Count) return false;
            var others = count - (SameRequests.Comparer.Equals(requests, pods.Requests) ? pods.Count : 0);
            if (others > 0 && Meet(requests, pods.Requests)) places -= (long)others * Costs(requests, pods.Requests);
        }

        return places >= pods.Count;
    });

    private static bool Meet(SchedulerRequests one, SchedulerRequests other) =>
        one.Pools.IsEmpty || other.Pools.IsEmpty || one.Pools.Any(pool => other.Pools.Contains(pool));

    // Places for such pods that another one takes away at the most.
    private static long Costs(SchedulerRequests other, SchedulerRequests each)
    {
        static long Times(long large, long small) => small <= 0 || large <= 0 ? 0 : (large - 1) / small + 1;
        var times = Math.Max(Math.Max(Times(other.Memory.Value, each.Memory.Value), Times(other.Cores.Milli, each.Cores.Milli)),
            Math.Max(Times(other.EphemeralStorage.Value, each.EphemeralStorage.Value), other.Resource == each.Resource ? Times(other.Devices, each.Devices) : 0));
        return Math.Clamp(times, 1, 1_000_000);
    }

    private void Waits(LikePods[] pods, Together together) =>
        _awaited.AddRange(pods.Select(one => new Awaited(one.Ways, one.Count, one.Nodes) { With = together }));

    // Charges every node where they may land.
    private static Together Hold(LikePods[] pods, bool now)
    {
        var together = Charge(pods);
        foreach (var node in pods.SelectMany(one => one.Nodes.Keys).Distinct())
        {
            foreach (var (one, way) in pods.Where(one => one.Nodes.ContainsKey(node)).Select(one => (one, one.Ways.At(node))))
            {
                for (var i = 0; i < one.Nodes[node] && way is not null; i++)
                {
                    if (now) node.Ledger.ReserveNow(way.Takes, way.DeviceKind);
                    else node.Ledger.TryReserve(way.Takes, way.DeviceKind);
                }
            }
        }

        return together;
    }

    private static Together Charge(LikePods[] pods)
    {
        var together = new Together(pods);
        foreach (var node in pods.SelectMany(one => one.Nodes.Keys).Distinct()) together.ChargeAnew(node);
        return together;
    }

    /// <summary>A group's pods that have yet to be placed, charged together: where a leader takes room there is less for workers.</summary>
    private sealed class Together(LikePods[] pods)
    {
        private readonly Dictionary<SchedulerNode, (Bytes Covered, Bytes Others)> _charged = [];

        /// <summary>The most that one of each kind takes anywhere; null where nobody knows.</summary>
        public ReplicaNeeds?[] Most { get; } =
        [
            .. pods.Select(one => one.Nodes.Keys.OrderBy(node => node.State.Id).Select(node => one.Ways.At(node)?.Takes).OfType<ReplicaNeeds>().MaxBy(takes => takes.Host.Highest)),
        ];

        /// <summary>Charges a node with what they may take there once the stops so far are done; what was charged before, null where that is the same.</summary>
        public (Bytes Covered, Bytes Others)? ChargeAnew(SchedulerNode node)
        {
            var here = pods.Zip(Most).Where(one => one.First.Nodes.ContainsKey(node)).Select(one => (one.First.Requests, Takes: Greater(one.Second, one.First.Ways.At(node)?.Takes), one.First.Count))
                .Where(one => one.Takes is not null).Select(one => (one.Requests, one.Takes!, one.Count)).ToArray();
            if (here.Length == 0) return null;
            var now = SchedulerStates.Most(node.Ledger.SchedulerAfter!, here);
            var was = _charged.GetValueOrDefault(node);
            if (now == was) return null;
            Charge(node, now);
            return was;
        }

        // A node that stops open to them may be of a kind that none was of before.
        private static ReplicaNeeds? Greater(ReplicaNeeds? one, ReplicaNeeds? other) =>
            one is null || other is not null && other.Host.Highest > one.Host.Highest ? other : one;

        public void Charge(SchedulerNode node, (Bytes Covered, Bytes Others) now)
        {
            var was = _charged.GetValueOrDefault(node);
            node.Charge(now.Covered - was.Covered, now.Others - was.Others);
            _charged[node] = now;
        }
    }

    private static bool IsOverfilledAfter(SchedulerNode node) =>
        node.Others + Bytes.Min(node.Covered, node.Ledger.SchedulerAfter!.Memory) > node.Ledger.HostFreeAfter;

    // What the scheduler could do on a node if it is let: put as many there as its counting takes, and the leader with them.
    private static Reason? Danger(SchedulerNode node, LikePods[] pods, bool afterStops) =>
        Danger(node, pods, (afterStops ? node.Ledger.SchedulerAfter : node.State.Scheduler)!, afterStops ? node.Ledger.HostFreeAfter : node.Ledger.HostFreeBefore);

    private static Reason? DangerMeanwhile(SchedulerNode node, LikePods[] pods)
    {
        foreach (var (room, free) in node.Ledger.AsStopsEnd)
        {
            if (Danger(node, pods, room, free) is { } danger) return danger;
        }

        return null;
    }

    private static Reason? Danger(SchedulerNode node, LikePods[] pods, SchedulerRoom room, Bytes free)
    {
        var ledger = node.Ledger;
        var here = pods.Where(one => one.Nodes.ContainsKey(node) && room.Takes(one.Requests)).ToArray();
        var shared = Bytes.Zero;
        foreach (var one in here)
        {
            if (Danger(node, one.Ways, room, free) is { } danger) return danger;
            if (one.Ways.At(node)!.Takes.PerDevice is not { } each || !node.DevicesOf(one.Requests.Resource).Shared) continue;
            shared += each.Highest * Math.Min(one.Count, room.Slots(one.Requests));
            if (ledger.LeastDeviceFree(one.Requests.Resource) is { } least && shared > least)
                return Unsafe(node.State, $"{shared} of a shared device that has {Bytes.Max(Bytes.Zero, least)} left", "devices that are not shared");
        }

        if (here.Length == 0) return null;
        var (covered, others) = SchedulerStates.Most(room, [.. here.Select(one => (one.Requests, one.Ways.At(node)!.Takes, one.Count))]);
        var worst = node.Others + others + Bytes.Min(node.Covered + covered, room.Memory);
        return worst <= free ? null : Unsafe(node.State, $"{worst} of memory against {Bytes.Max(Bytes.Zero, free)}",
            $"a memory request of {here.Select(one => one.Ways.At(node)!.Takes.Host.Highest).Max()}");
    }

    private static long Places(LikePods[] pods) => Math.Max(0, pods.SelectMany(one => one.Nodes.Keys.Select(node => (node, one.Requests))).GroupBy(one => one.node)
        .Sum(group => group.Min(one => (long)group.Key.Left(group.Key.State.Scheduler!).Slots(one.Requests))));

    private static Reason Unplaced(LikePods[] pods, long all, long places) => new(Rule.HoldGroupUnplaced,
    [
        Fact.Of("pods", all), Fact.Of("asked", string.Join(", or ", pods.Select(one => Asked(one.Requests)).Distinct())), Fact.Of("places", Math.Min(all, places)),
    ]);
}
