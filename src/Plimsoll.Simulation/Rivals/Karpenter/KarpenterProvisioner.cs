using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Karpenter;

/// <summary>New nodes for pending pods: rivals-rules §11 steps 1 to 3, after pkg/controllers/provisioning.</summary>
public static class KarpenterProvisioner
{
    /// <summary>When a batch closes: a second after its last new pod, or ten after its first.</summary>
    /// <param name="arrivals">Of pending pods, in order; those after the batch are not in it. At least one.</param>
    public static DateTimeOffset BatchCloses(KarpenterSettings settings, IEnumerable<DateTimeOffset> arrivals)
    {
        ArgumentNullException.ThrowIfNull(settings);
        DateTimeOffset? first = null, last = null;
        foreach (var arrival in arrivals)
        {
            first ??= arrival;
            if (arrival > (last ?? arrival) + settings.BatchIdle || arrival > first + settings.BatchMax) break;
            last = arrival;
        }

        if (first is null) throw new ArgumentException("a batch begins with a pod", nameof(arrivals));
        var (idle, most) = (last!.Value + settings.BatchIdle, first.Value + settings.BatchMax);
        return idle < most ? idle : most;
    }

    /// <summary>
    /// Largest pods first. Each goes to the first of: nodes there in their order, planned nodes (fewest pods first), a new planned
    /// node. A planned node keeps every type that still holds all its pods, so two small pods may leave only the larger type.
    /// </summary>
    public static KarpenterPacking Pack(
        KarpenterSettings settings, IEnumerable<KarpenterNode> nodes, ImmutableArray<KarpenterType> types, IEnumerable<KarpenterPod> pods)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var room = nodes.Select(node => (node.Name, node.Free)).ToArray();
        List<KarpenterPlannedNode> planned = [];
        var placed = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var unplaced = ImmutableArray.CreateBuilder<KarpenterPod>();
        // A pod that failed is tried again at the end of the queue; with nothing but resources to go by it would fail again.
        foreach (var pod in pods.OrderByDescending(p => p.Requests.Cpu).ThenByDescending(p => p.Requests.MemoryBytes)
                     .ThenBy(p => p.CreatedAt).ThenBy(p => p.Name, StringComparer.Ordinal))
        {
            var at = Array.FindIndex(room, node => pod.Requests.FitsIn(node.Free));
            if (at >= 0)
            {
                placed[pod.Name] = room[at].Name;
                room[at].Free -= pod.Requests;
            }
            else if (!Join(planned, types, pod))
            {
                unplaced.Add(pod);
            }
        }

        return new(placed.ToImmutable(), [.. planned.Select(node => node with { Types = Launched(settings, node.Types) })], unplaced.ToImmutable());
    }

    private static bool Join(List<KarpenterPlannedNode> planned, ImmutableArray<KarpenterType> types, KarpenterPod pod)
    {
        foreach (var node in planned.OrderBy(node => node.Pods.Length).ToArray())
        {
            if (Holding(node.Types, node.Pods.Add(pod)) is not { IsEmpty: false } still) continue;
            planned[planned.IndexOf(node)] = new(node.Pods.Add(pod), still);
            return true;
        }

        if (Holding(types, [pod]) is not { IsEmpty: false } fresh) return false;
        planned.Add(new([pod], fresh));
        return true;
    }

    private static ImmutableArray<KarpenterType> Holding(ImmutableArray<KarpenterType> types, ImmutableArray<KarpenterPod> pods)
    {
        var sum = pods.Aggregate(default(KarpenterResources), (total, pod) => total + pod.Requests);
        return [.. types.Where(type => sum.FitsIn(type.Allocatable))];
    }

    private static ImmutableArray<KarpenterType> Launched(KarpenterSettings settings, ImmutableArray<KarpenterType> types) =>
        [.. types.OrderBy(type => type.Price).ThenBy(type => type.Name, StringComparer.Ordinal).Take(settings.LaunchTypes)];
}
