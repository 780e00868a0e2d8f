namespace Plimsoll.Tests.Planning;

/// <summary>A scheduler that counts requests and chooses as badly as it may.</summary>
internal static class SchedulerAdversary
{
    /// <summary>What goes wrong, if anything does: pods come in any order and land on any node whose requests add up; stops and suspends end or do not; everything is at its peak.</summary>
    public static string? Place(FleetSpec spec, FleetSnapshot snapshot, Plan plan, int seed)
    {
        var random = new Random(seed);
        var room = snapshot.Nodes.ToDictionary(node => node.Id, node => node.Scheduler!);
        var host = snapshot.Nodes.ToDictionary(node => node.Id, node => node.HostMemoryBudget);
        (NodeId Node, ReplicaNeeds Needs, SchedulerRequests? Requests)[] Members(TrainingGang gang) => [.. gang.Members.Select(member => (member.Node, gang.ReservedPerMember, gang.Requests))];
        var there = snapshot.Replicas.SelectMany(Pods).Concat(snapshot.Training.SelectMany(Members)).ToArray();
        foreach (var pod in there.Where(pod => host.ContainsKey(pod.Node))) host[pod.Node] -= pod.Needs.Host.Highest;
        var done = new HashSet<StepId>();
        foreach (var step in plan.Steps.Where(step => step is Step.Stop or Step.Suspend && random.Next(2) == 0))
        {
            done.Add(step.Id);
            var ended = step is Step.Suspend suspend ? Members(snapshot.Training.Single(gang => gang.Job == suspend.Job)) : Pods(snapshot.Replicas.Single(one => one.Id == step.Subject));
            foreach (var pod in ended.Where(pod => host.ContainsKey(pod.Node)))
            {
                host[pod.Node] += pod.Needs.Host.Highest;
                room[pod.Node] = room[pod.Node].Without(pod.Requests!);
            }
        }

        var coming = new List<(string What, bool Sure, ReplicaNeeds Needs, SchedulerRequests Requests)>();
        foreach (var start in plan.Steps.OfType<Step.Start>().Where(start => start.After.All(done.Contains)))
        {
            var variant = spec.Find(start.Model)!.Variants.Single(one => one.Id == start.Variant);
            coming.Add(($"{start.Id}", start.After.IsEmpty, variant.Needs, start.Requests!));
            for (var i = 0; i < (variant.Workers?.Count ?? 0); i++) coming.Add(($"worker {i} of {start.Id}", start.After.IsEmpty, variant.Workers!.Needs, variant.Workers.Requests));
        }

        // As the cluster has the job, whatever the plan took it for.
        foreach (var launch in plan.Steps.Where(step => Step.GangOf(step) is not null && step.After.All(done.Contains)))
        {
            var job = spec.Training.Single(job => launch.Id.Value.EndsWith("/" + job.Id, StringComparison.Ordinal));
            for (var i = 0; i < job.GangSize; i++) coming.Add(($"member {i} of {launch.Id}", launch.After.IsEmpty, job.NeedsPerMember, job.Requests!));
        }

        // Those that were waiting before take places too, if they find any, until they are told to go.
        var waiting = snapshot.Replicas.SelectMany(Pods).Concat(snapshot.Training.Where(gang => !done.Contains(Step.Suspend.IdOf(gang.Job))).SelectMany(Members));
        foreach (var pod in waiting.Where(pod => pod.Node == Placement.Pending.Node)) coming.Add(("one that waited", false, pod.Needs, pod.Requests!));
        foreach (var (what, sure, needs, requests) in coming.OrderBy(_ => random.Next()).ToArray())
        {
            var open = snapshot.Nodes.Where(node => room[node.Id].Takes(requests) && (requests.Pools.IsEmpty || requests.Pools.Contains(node.Pool))).ToArray();
            if (open.Length == 0 && sure) return $"{what} finds no place";
            if (open.Length == 0) continue;
            var node = open[random.Next(open.Length)];
            room[node.Id] = room[node.Id].With(requests);
            host[node.Id] -= needs.Host.Highest;
            if (host[node.Id] < Bytes.Zero && what != "one that waited") return $"{what} overfills the memory of {node.Id}";
            if (needs.PerDevice is { } each && node.Devices.Any(device => each.Highest > device.MemoryBudget)) return $"{what} does not fit the devices of {node.Id}";
        }

        return null;
    }

    private static IEnumerable<(NodeId Node, ReplicaNeeds Needs, SchedulerRequests? Requests)> Pods(InferenceReplica replica) =>
    [
        (replica.Placement.Node, replica.Reserved, replica.Requests),
        .. (replica.Members.IsDefaultOrEmpty ? [] : replica.Members).Select(member => (member.Placement.Node, member.Reserved, member.Requests)),
    ];
}
