using System.Collections.Immutable;

namespace Plimsoll.Simulation.Rivals.Karpenter;

/// <param name="Removed">Nodes that go; none: nothing is done.</param>
/// <param name="Replacement">Types the one new node may be of; empty: none is needed.</param>
public sealed record KarpenterCommand(ImmutableArray<string> Removed, ImmutableArray<KarpenterType> Replacement, string Method)
{
    public static KarpenterCommand Nothing { get; } = new([], [], "none");

    public bool Acts => !Removed.IsEmpty;
}

/// <summary>
/// Fewer or cheaper nodes: rivals-rules §11 steps 4 to 7, after pkg/controllers/disruption. Drift is not simulated.
/// </summary>
public static class KarpenterConsolidation
{
    /// <summary>The first of: empty nodes, several at once, one.</summary>
    /// <param name="disrupting">Nodes on their way out already, which use up the budget.</param>
    public static KarpenterCommand Decide(
        KarpenterSettings settings, ImmutableArray<KarpenterNode> nodes, ImmutableArray<KarpenterType> types, DateTimeOffset now, int disrupting = 0)
    {
        ArgumentNullException.ThrowIfNull(settings);
        var allowed = Allowed(nodes.Length, settings.BudgetPercent) - disrupting;
        if (allowed <= 0) return KarpenterCommand.Nothing;
        var qualified = nodes.Where(node => Qualifies(settings, node, now)).ToImmutableArray();
        var empty = qualified.Where(node => node.Pods.IsEmpty).Take(allowed).ToImmutableArray();
        if (!empty.IsEmpty) return new([.. empty.Select(node => node.Name)], [], "empty");
        if (settings.WhenEmptyOnly) return KarpenterCommand.Nothing;

        var candidates = Candidates(qualified);
        var several = Several(settings, nodes, types, candidates.Take(Math.Min(settings.MultiNodeMax, allowed)).ToImmutableArray());
        return several.Acts ? several : candidates.Select(node => Try(settings, nodes, types, [node], "single-node"))
            .FirstOrDefault(command => command.Acts) ?? KarpenterCommand.Nothing;
    }

    /// <summary>Of a pool's nodes, rounded up: one of five at 10 %.</summary>
    public static int Allowed(int nodes, int percent) => WholeReplicas.Ceiling(nodes * percent / 100.0);

    /// <summary>Most money for the least disturbance first; older versions went by disturbance alone.</summary>
    public static ImmutableArray<KarpenterNode> Candidates(IEnumerable<KarpenterNode> nodes) =>
        [.. nodes.OrderByDescending(node => node.Type.Price / (1 + node.Pods.Sum(pod => Math.Max(0, pod.EvictionCost))))
            .ThenBy(node => node.Name, StringComparer.Ordinal)];

    /// <summary>
    /// What a trial packing of removed nodes' pods allows: delete where no new node is needed, replace where one is and strictly
    /// cheaper types hold it, nothing otherwise.
    /// </summary>
    public static KarpenterCommand Judge(
        KarpenterSettings settings, ImmutableArray<KarpenterNode> removed, KarpenterPacking packing, string method)
    {
        ArgumentNullException.ThrowIfNull(settings);
        ArgumentNullException.ThrowIfNull(packing);
        ImmutableArray<string> names = [.. removed.Select(node => node.Name)];
        if (!packing.Unplaced.IsEmpty || packing.Planned.Length > 1) return KarpenterCommand.Nothing;
        if (packing.Planned.IsEmpty) return new(names, [], method);
        var types = Cheaper(packing.Planned[0].Types, removed.Sum(node => node.Type.Price));
        // Where both are allowed the replacement is spot, or it would be dearer than what it replaces once spot runs out.
        if (types.Any(type => type.Spot)) types = [.. types.Where(type => type.Spot)];
        if (types.Any(type => type.Spot) && removed.All(node => node.Type.Spot))
        {
            if (!settings.SpotToSpot) return KarpenterCommand.Nothing;
            if (removed.Length == 1)
            {
                if (types.Length < settings.SpotToSpotTypes) return KarpenterCommand.Nothing;
                types = types[..settings.SpotToSpotTypes];
            }
        }

        if (removed.Length > 1) types = WithoutSwaps(types, removed);
        return types.IsEmpty ? KarpenterCommand.Nothing : new(names, types, method);
    }

    private static ImmutableArray<KarpenterType> Cheaper(ImmutableArray<KarpenterType> types, double price) =>
        [.. types.Where(type => type.Price < price).OrderBy(type => type.Price).ThenBy(type => type.Name, StringComparer.Ordinal)];

    /// <summary>
    /// Where a removed type is among the new ones, only types cheaper than the cheapest removed node of such a type: else two
    /// nodes would make place for one that one of them already is.
    /// </summary>
    private static ImmutableArray<KarpenterType> WithoutSwaps(ImmutableArray<KarpenterType> types, ImmutableArray<KarpenterNode> removed)
    {
        var same = removed.Where(node => types.Any(type => type.Name == node.Type.Name)).ToArray();
        return same.Length == 0 ? types : Cheaper(types, same.Min(node => node.Type.Price));
    }

    /// <summary>The longest prefix of the candidates that may go together, found by halving as if validity were monotone.</summary>
    private static KarpenterCommand Several(
        KarpenterSettings settings, ImmutableArray<KarpenterNode> nodes, ImmutableArray<KarpenterType> types, ImmutableArray<KarpenterNode> candidates)
    {
        var best = KarpenterCommand.Nothing;
        for (var (low, high) = (2, candidates.Length); low <= high;)
        {
            var length = (low + high) / 2;
            var command = Try(settings, nodes, types, candidates[..length], "multi-node");
            if (command.Acts) (best, low) = (command, length + 1);
            else high = length - 1;
        }

        return best;
    }

    private static KarpenterCommand Try(
        KarpenterSettings settings, ImmutableArray<KarpenterNode> nodes, ImmutableArray<KarpenterType> types, ImmutableArray<KarpenterNode> removed, string method)
    {
        var names = removed.Select(node => node.Name).ToHashSet(StringComparer.Ordinal);
        var packing = KarpenterProvisioner.Pack(settings, nodes.Where(node => !names.Contains(node.Name)), types, removed.SelectMany(node => node.Pods));
        return Judge(settings, removed, packing, method);
    }

    private static bool Qualifies(KarpenterSettings settings, KarpenterNode node, DateTimeOffset now) =>
        node.Initialized && !node.Blocked && now - node.LastPodEvent >= settings.ConsolidateAfter && !node.Pods.Any(pod => pod.DoNotDisrupt);
}
