using System.Collections.Immutable;
using System.Globalization;
using Plimsoll.Simulation.Scenarios;

namespace Plimsoll.Simulation.Plans;

/// <summary>The fleet once a plan is done: every step ends at once and well.</summary>
internal static class Done
{
    public static FleetSnapshot After(FleetSnapshot before, ImmutableArray<Step> steps, FleetSpec spec, ImmutableArray<NodeGroup> groups)
    {
        var nodes = before.Nodes.ToDictionary(node => node.Id);
        var replicas = before.Replicas.ToDictionary(replica => replica.Id);
        var cache = before.Cache.ToDictionary(copy => (copy.Node, copy.Model));

        var gangs = before.Training.ToDictionary(gang => gang.Job);

        // What goes makes room for what comes.
        foreach (var step in steps)
        {
            if (step is Step.Suspend suspend) gangs[suspend.Job] = gangs[suspend.Job] with { State = GangState.Suspended, Members = [] };
            else if (step is Step.Stop stop) replicas.Remove(stop.Replica);
            else if (step is Step.Evict evict) cache.Remove((evict.Node, evict.Model));
        }

        foreach (var step in steps)
        {
            if (step is Step.Start { Placement: { } placement } start) replicas[start.Replica] = Ready(start, placement, spec, before.At);
            else if (step is Step.Prefetch prefetch)
                cache[(prefetch.Node, prefetch.Model)] = new CachedArtifact { Node = prefetch.Node, Model = prefetch.Model, Version = prefetch.Version, Size = prefetch.Size, Complete = true, LastUsed = before.At };
            else if (step is Step.Launch launch) gangs[launch.Job] = Running(launch.Job, launch.Members, launch.NeedsPerMember, before.At);
            else if (step is Step.Resume resume) gangs[resume.Job] = Running(resume.Job, resume.Members, resume.NeedsPerMember, before.At);
            else if (step is Step.AddNode add && Added(add.Pool, nodes, groups, before.At) is { } node) nodes[node.Id] = node;
        }

        var used = replicas.Values.Select(replica => (replica.Placement.Node, replica.Model)).ToHashSet();
        var onDisk = cache.Values.GroupBy(copy => copy.Node).ToDictionary(copies => copies.Key, copies => new Bytes(copies.Sum(copy => copy.Size.Value)));
        return before with
        {
            Nodes = [.. nodes.Values.Select(node => node.CacheBudget is { } size ? node with { CacheFileSystemFree = Signal.Known(size - onDisk.GetValueOrDefault(node.Id, Bytes.Zero), before.At) } : node).OrderBy(node => node.Id)],
            Replicas = [.. replicas.Values.OrderBy(replica => replica.Id)],
            Training = [.. gangs.Values.OrderBy(gang => gang.Job)],
            Cache = [.. cache.Values.Select(copy => copy with { Pinned = used.Contains((copy.Node, copy.Model)) }).OrderBy(copy => copy.Node).ThenBy(copy => copy.Model)],
        };
    }

    private static TrainingGang Running(JobId job, ImmutableArray<Placement> members, ReplicaNeeds needs, DateTimeOffset at) =>
        new() { Job = job, Members = members, ReservedPerMember = needs, StateSince = at, StartedAt = at, LastCheckpoint = at };

    /// <summary>The ordinals that were given are not given again.</summary>
    public static Knowledge Next(Knowledge planned, ImmutableArray<Step> steps)
    {
        var models = planned.Models.ToBuilder();
        foreach (var start in steps.OfType<Step.Start>())
        {
            var known = models.GetValueOrDefault(start.Model, ModelKnowledge.Nothing);
            models[start.Model] = known with { NextOrdinal = Math.Max(known.NextOrdinal, start.Replica.Ordinal + 1) };
        }

        return planned with { Models = models.ToImmutable() };
    }

    private static InferenceReplica Ready(Step.Start start, Placement placement, FleetSpec spec, DateTimeOffset at) => new()
    {
        Id = start.Replica,
        Model = start.Model,
        Version = start.Version,
        Variant = start.Variant,
        Placement = placement,
        State = ReplicaState.Ready,
        StateSince = at,
        StartedAt = at,
        Reserved = start.Needs,
        HostMemory = Signal.Known(start.Needs.Host.Steady, at),
        DeviceMemory = start.Needs.PerDevice is { } device ? Signal.Known(device.Steady, at) : Signal.Missing<Bytes>("it runs on no device"),
        Concurrency = spec.Find(start.Model)?.Variants.FirstOrDefault(variant => variant.Id == start.Variant)?.Concurrency ?? 0,
    };

    private static NodeState? Added(string pool, Dictionary<NodeId, NodeState> nodes, ImmutableArray<NodeGroup> groups, DateTimeOffset at)
    {
        if (groups.FirstOrDefault(group => group.Name == pool) is not { } group) return null;
        for (var index = 0; index < group.Most; index++)
            if (!nodes.ContainsKey(NodeId.Of(string.Create(CultureInfo.InvariantCulture, $"{pool}-{index}")))) return DescribedFleet.Node(group, index, at);
        return null;
    }
}
