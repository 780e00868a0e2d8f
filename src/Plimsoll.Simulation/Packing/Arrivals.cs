using System.Collections.Immutable;

namespace Plimsoll.Simulation.Packing;

/// <summary>What one seed draws: which pods arrive, in which order, and which node goes first among equals.</summary>
/// <param name="Pods">Indices into the workload's pods, clones included, in the order of arrival.</param>
/// <param name="Ranks">Of each node; the lowest wins a tie.</param>
public sealed record Arrivals(ImmutableArray<int> Pods, ImmutableArray<int> Ranks)
{
    /// <summary>Pods come until they ask for this much of the capacity.</summary>
    public const double Inflation = 1.3;

    /// <summary>Arrivals beyond which a run would never end: a list of CPU-only pods and hardly a device.</summary>
    public const int Most = 5_000_000;

    /// <summary>The draws of FGD's authors, who used Go's generator, seeds 42 and up.</summary>
    public static Arrivals Exact(PackingWorkload workload, int seed)
    {
        var random = new GoRandom(seed);
        random.Int63();
        return Draw(workload, random.Shuffle, random.Below, () =>
        {
            // The scheduler draws ten numbers as it starts.
            for (var i = 0; i < 10; i++) random.Int63();
            return random.Permutation(workload.Nodes.Length);
        });
    }

    /// <summary>The same experiment with draws of our own.</summary>
    public static Arrivals Own(PackingWorkload workload, int seed)
    {
        var random = Seeds.Of(seed, "packing");
        return Draw(workload, order => random.Shuffle(order), random.Next, () =>
        {
            var ranks = Enumerable.Range(0, workload.Nodes.Length).ToArray();
            random.Shuffle(ranks);
            return ranks;
        });
    }

    private delegate void Shuffling(Span<int> order);

    private static Arrivals Draw(PackingWorkload workload, Shuffling shuffle, Func<int, int> below, Func<int[]> ranks)
    {
        ArgumentNullException.ThrowIfNull(workload);
        var pods = workload.Pods;
        var target = (long)(Inflation * workload.Capacity);
        var order = Enumerable.Range(0, pods.Length).ToArray();
        shuffle(order);
        var all = order.ToList();
        var asked = pods.Sum(pod => (long)pod.Shape.Total);
        while (asked > target)
        {
            var gone = below(all.Count);
            asked -= pods[all[gone]].Shape.Total;
            all.RemoveAt(gone);
        }

        // A list cut down to the target is not filled up again.
        while (all.Count >= pods.Length)
        {
            var clone = below(pods.Length);
            if (asked + pods[clone].Shape.PerDevice > target) break;
            asked += pods[clone].Shape.Total;
            all.Add(clone);
            if (all.Count > Most) throw new InvalidDataException($"more than {Most:N0} pods would have to arrive to ask for {Inflation:P0} of the devices");
        }

        return new Arrivals([.. all], [.. ranks()]);
    }
}
