using System.Collections.Immutable;

namespace Plimsoll;

/// <summary>A model's targets one by one, and a replica's pods one by one.</summary>
internal static class Parts
{
    /// <summary>The model as each of its targets would have it, in order of preference; itself where there is one.</summary>
    public static ImmutableArray<ModelSpec> Targets(ModelSpec model) =>
        model.Variants.All(variant => variant.Target is null) ? [model]
        : [.. model.Variants.GroupBy(variant => variant.Target).Select(ways => model with
        {
            Variants = [.. ways],
            Requests = ways.First().Requests ?? model.Requests,
        })];

    /// <summary>The model as the target of a variant has it; as the first one where no target has that variant any more.</summary>
    public static ModelSpec Target(ModelSpec model, VariantId variant)
    {
        var targets = Targets(model);
        return targets.FirstOrDefault(target => target.Variants.Any(way => way.Id == variant)) ?? targets[0];
    }

    /// <summary>How far down a variant's target is in the order of preference; last when none has it, and all alike without targets.</summary>
    public static int Rank(ModelSpec model, VariantId variant)
    {
        var (rank, last) = (0, (string?)null);
        foreach (var way in model.Variants)
        {
            if (way.Target != last) (rank, last) = (rank + 1, way.Target);
            if (way.Id == variant) return rank;
        }

        return last is null ? 0 : int.MaxValue;
    }

    /// <summary>
    /// A replica as what each of its pods holds where it is: its leader, then every member as if it were a replica. What was
    /// measured of a variant was measured of leaders, so a member goes by another name.
    /// </summary>
    public static IEnumerable<InferenceReplica> Pods(InferenceReplica replica)
    {
        yield return replica;
        if (replica.Members.IsDefaultOrEmpty) yield break;
        foreach (var member in replica.Members)
        {
            yield return replica with
            {
                Variant = new VariantId(replica.Variant.Value + "/member"),
                Placement = member.Placement,
                Reserved = member.Reserved,
                Requests = member.Requests,
                HostMemory = Signal.Missing<Bytes>("not told of a member"),
                DeviceMemory = Signal.Missing<Bytes>("not told of a member"),
                Outstanding = 0,
                Members = default,
            };
        }
    }

    /// <summary>Ordered by id, as bodies are to hand them over; put in order where they are not.</summary>
    public static ImmutableArray<InferenceReplica> ById(ImmutableArray<InferenceReplica> replicas)
    {
        for (var i = 1; i < replicas.Length; i++)
        {
            if (replicas[i - 1].Id.CompareTo(replicas[i].Id) > 0) return [.. replicas.OrderBy(replica => replica.Id)];
        }

        return replicas;
    }

    /// <summary>Every pod of every replica, by node; nodes without any are left out, and those that nobody looks at.</summary>
    public static Dictionary<NodeId, List<InferenceReplica>> ByNode(ImmutableArray<InferenceReplica> replicas, Func<NodeId, bool>? looked = null)
    {
        var byNode = new Dictionary<NodeId, List<InferenceReplica>>();
        foreach (var replica in replicas)
        {
            if (replica.Members.IsDefaultOrEmpty) Add(replica);
            else foreach (var pod in Pods(replica)) Add(pod);
        }

        return byNode;

        void Add(InferenceReplica pod)
        {
            if (looked?.Invoke(pod.Placement.Node) == false) return;
            if (byNode.TryGetValue(pod.Placement.Node, out var here)) here.Add(pod);
            else byNode[pod.Placement.Node] = [pod];
        }
    }
}
